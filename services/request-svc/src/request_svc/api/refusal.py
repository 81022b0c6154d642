"""Every refusal and the status it is answered with."""

from collections.abc import Mapping

from request_svc.domain import refusal
from shared_chassis.keyring import KeyringLockedError, PersonErasedError

ERRORS: Mapping[type[Exception], int] = {
    refusal.UnknownRequestError: 404,
    refusal.UnknownAttachmentError: 404,
    refusal.OnlyForYourselfError: 403,
    refusal.OnlyAgentsTakeCallsError: 403,
    refusal.ImportsNotByThisChannelError: 422,
    refusal.NotYourRequestError: 403,
    refusal.NotYourCaseError: 403,
    refusal.NotYourDataError: 403,
    refusal.AttachmentHiddenError: 403,
    refusal.AlreadyRegisteredError: 409,
    refusal.NotRegisteredError: 409,
    refusal.NobodyToAskError: 409,
    refusal.CompletionNotProposedError: 409,
    refusal.CompletionBeingAskedError: 409,
    refusal.DeemedAcceptedError: 409,
    refusal.AlreadyClosedError: 409,
    refusal.OriginalIsDuplicateError: 409,
    refusal.LinkedElsewhereError: 409,
    refusal.NotADuplicateError: 409,
    refusal.InformationBeingAskedError: 409,
    refusal.NothingAskedError: 409,
    refusal.RatingNotAskedError: 409,
    refusal.AlreadyRatedError: 409,
    refusal.TooManyAttachmentsError: 409,
    refusal.AttachmentOfNobodyError: 409,
    refusal.AttachmentErasedError: 410,
    refusal.AttachmentTooLargeError: 413,
    refusal.AttachmentTypeRefusedError: 415,
    refusal.AttachmentBrokenError: 422,
    refusal.AttachmentEmptyError: 422,
    refusal.UnknownCityError: 422,
    refusal.UnknownServiceTypeError: 422,
    refusal.ServiceTypeNotOfferedError: 422,
    refusal.UnknownDistrictError: 422,
    refusal.UnknownBuildingError: 422,
    refusal.BuildingElsewhereError: 422,
    refusal.UnknownLanguageError: 422,
    refusal.PersonalDataOfNobodyError: 422,
    refusal.NotACallersError: 422,
    refusal.AnswersWithoutTypeError: 422,
    refusal.QuestionsChangedError: 422,
    refusal.UnknownQuestionError: 422,
    refusal.AnswerMissingError: 422,
    refusal.AnswerOfWrongKindError: 422,
    refusal.AnswerOutOfBoundsError: 422,
    refusal.UnknownChoiceError: 422,
    refusal.OriginalUnknownError: 422,
    refusal.DuplicateOfItselfError: 422,
    refusal.DuplicateElsewhereError: 422,
    PersonErasedError: 409,
    KeyringLockedError: 503,
}
"""Refusals by status. `TermNotOverError` and `RoundNotBegunError` are said to clocks and to dispatch-svc, never to a caller."""


def status_of(kind: type[Exception]) -> int:
    """Give the status a refusal is answered with."""
    return ERRORS[kind]
