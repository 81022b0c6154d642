"""Why something cannot be done with a request: one named error a refusal, its docstring in a resident's words."""


class RequestError(Exception):
    """This cannot be done with the request."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(f"{self.__doc__} {detail}".rstrip())


class UnknownRequestError(RequestError):
    """There is no such request."""


class UnknownCityError(RequestError):
    """This city is not served here."""


class UnknownServiceTypeError(RequestError):
    """The city has no such service type."""


class UnknownDistrictError(RequestError):
    """The city has no such district."""


class UnknownBuildingError(RequestError):
    """The city has no building under this code; search for it by its address, or give the address alone."""


class BuildingElsewhereError(RequestError):
    """The building stands in another district than was said."""


class ServiceTypeNotOfferedError(RequestError):
    """The city does not take requests of this service type on this day."""


class UnknownLanguageError(RequestError):
    """The city does not answer in this language."""


class PersonalDataOfNobodyError(RequestError):
    """Personal data needs a person it belongs to: say who is answered, or leave it out."""


class OnlyForYourselfError(RequestError):
    """Residents submit for themselves; only an agent may submit for a caller."""


class OnlyAgentsTakeCallsError(RequestError):
    """Only an agent of the call centre may submit a call."""


class NotACallersError(RequestError):
    """`on_behalf_of` names a caller: say so with `person: caller`, or leave it out."""


class ImportsNotByThisChannelError(RequestError):
    """Over this channel only an agent may say where else the request stands."""


class AnswersWithoutTypeError(RequestError):
    """Questions belong to a service type: say which one the request is of, or leave the answers out."""


class QuestionsChangedError(RequestError):
    """The questions of this service type have changed; read them again and answer those."""


class UnknownQuestionError(RequestError):
    """This service type asks no such question."""


class AnswerMissingError(RequestError):
    """This service type asks something that was not answered."""


class AnswerOfWrongKindError(RequestError):
    """The question expects another kind of answer."""


class AnswerOutOfBoundsError(RequestError):
    """The number is smaller or larger than it can be."""


class UnknownChoiceError(RequestError):
    """The question has no such choice."""


class NotYourRequestError(RequestError):
    """Only the resident who asked, or an agent on their behalf, may do this."""


class NobodyToAskError(RequestError):
    """The request was made without a person, so nobody can confirm it; it is accepted when the term to object has passed."""


class NotRegisteredError(RequestError):
    """The request has no number yet, so no work on it can be done."""


class AlreadyRegisteredError(RequestError):
    """The request is already registered as another service type."""


class CompletionNotProposedError(RequestError):
    """Nobody has reported the work done yet, so there is nothing to confirm."""


class CompletionBeingAskedError(RequestError):
    """The work was reported done and the resident is being asked, so the city cannot refuse the request now."""


class DeemedAcceptedError(RequestError):
    """The term to answer has passed and the work counts as accepted by silence; the request is closed."""


class AlreadyClosedError(RequestError):
    """The request is closed and does not change any more."""


class RoundNotBegunError(RequestError):
    """The work that is reported belongs to a round that has not begun."""


class OriginalUnknownError(RequestError):
    """There is no such request that this one could be a duplicate of."""


class DuplicateOfItselfError(RequestError):
    """A request is no duplicate of itself."""


class DuplicateElsewhereError(RequestError):
    """The two requests belong to different cities, so they are not the same."""


class OriginalIsDuplicateError(RequestError):
    """The request that this one is said to repeat is itself a duplicate; link this one to the first of them."""


class LinkedElsewhereError(RequestError):
    """The request is already linked as a duplicate of another one; unlink it first."""


class NotADuplicateError(RequestError):
    """The request is not linked as a duplicate, so there is nothing to unlink."""


class InformationBeingAskedError(RequestError):
    """The resident is already being asked something; one question at a time."""


class NothingAskedError(RequestError):
    """Nothing is being asked of the resident now: it was answered, or the term to answer has passed."""


class NotYourCaseError(RequestError):
    """Only the organisation that has the request may ask its resident."""


class RatingNotAskedError(RequestError):
    """The work of this round was not closed as done with a resident to rate it, so no rating is asked."""


class AlreadyRatedError(RequestError):
    """The work of this round was already rated, and a rating is given once."""


class AttachmentOfNobodyError(RequestError):
    """The request was made without a person whose key could keep an attachment, so it takes none."""


class TooManyAttachmentsError(RequestError):
    """The request has as many attachments as it can have."""


class AttachmentEmptyError(RequestError):
    """The attachment is empty."""


class AttachmentTooLargeError(RequestError):
    """The attachment is too large."""


class AttachmentTypeRefusedError(RequestError):
    """An attachment is a JPEG or PNG picture or a PDF document, judged by what it holds and not by its name."""


class AttachmentBrokenError(RequestError):
    """The attachment cannot be read as what it says it is, so it was not kept."""


class UnknownAttachmentError(RequestError):
    """The request has no such attachment."""


class AttachmentHiddenError(RequestError):
    """Attachments are shown to the person who asked, to the city's staff, and to the organisation that has the request."""


class AttachmentErasedError(RequestError):
    """The person's data was erased, and the attachment with it."""


class NotYourDataError(RequestError):
    """Only the person whose data it is, or an agent on their behalf, may have it erased."""


class TermNotOverError(RequestError):
    """The resident still has time to answer."""
