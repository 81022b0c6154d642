"""Why dispatch refuses something: one named error a reason, in words the person who asked understands."""

from collections.abc import Sequence


class DispatchRefusalError(Exception):
    """Dispatch cannot do this."""

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail or self.__doc__)


class CaseNotFoundError(DispatchRefusalError):
    """No request is known under this id."""


class CaseIsClosedError(DispatchRefusalError):
    """This request is closed; nothing more can be done about it."""


class NotYourCaseError(DispatchRefusalError):
    """This request is not assigned to your organisation."""


class NotAcceptedYetError(DispatchRefusalError):
    """Accept this request before you start the work."""


class AlreadyReportedError(DispatchRefusalError):
    """The work was already reported done, with other evidence."""


class NotRegisteredYetError(DispatchRefusalError):
    """This request has no number yet, so nobody can be assigned to it."""


class AlreadyAcceptedError(DispatchRefusalError):
    """An organisation has accepted this request, so it cannot be given to another one."""


class UnknownOrganisationError(DispatchRefusalError):
    """The city of this request has no such organisation."""


class ReturnInsteadError(DispatchRefusalError):
    """You have accepted this request; give the work back instead of declining it."""


class DeclineInsteadError(DispatchRefusalError):
    """You have not accepted this request; decline it instead of giving the work back."""


class AcceptFirstError(DispatchRefusalError):
    """No organisation has accepted this request yet, so no part of its work can be given to anybody."""


class WorkIsReportedError(DispatchRefusalError):
    """The work was already reported done."""


class FoundImpossibleError(DispatchRefusalError):
    """A dispatcher has stated that this work cannot be done."""


class CommitteeMustDecideError(DispatchRefusalError):
    """This request was declined too often: the committee decides now whose work it is."""


class CommitteeHasDecidedError(DispatchRefusalError):
    """The committee has decided that this is your organisation's work; it can be neither declined nor given back."""


class CommitteeNotNeededError(DispatchRefusalError):
    """This request was not declined often enough for the committee: a dispatcher assigns an organisation."""


class ProposesItselfError(DispatchRefusalError):
    """Propose another organisation than your own, or none."""


class PlanBackwardsError(DispatchRefusalError):
    """The work must end after it begins."""


class PlanInThePastError(DispatchRefusalError):
    """The work is planned for a time that is over."""


class EvidenceMissingError(DispatchRefusalError):
    """A report about this kind of request needs more photos or acts."""

    def __init__(self, required: int = 1, given: int = 0) -> None:
        super().__init__(f"A report about this kind of request needs {required} photos or acts; there are {given}.")


class SubTasksOpenError(DispatchRefusalError):
    """Parts of this work are not done yet."""

    def __init__(self, titles: Sequence[str] = ()) -> None:
        super().__init__(f"{self.__doc__} Still open: {', '.join(titles)}." if titles else None)


class SubTaskNotFoundError(DispatchRefusalError):
    """This request has no such part of the work."""


class NotYourSubTaskError(DispatchRefusalError):
    """This part of the work was not given to your organisation."""


class SubTaskIsDoneError(DispatchRefusalError):
    """This part of the work is done; it cannot be cancelled any more."""


class SubTaskIsCancelledError(DispatchRefusalError):
    """This part of the work was cancelled."""


class NotLinkedError(DispatchRefusalError):
    """This request is not linked to that incident."""


class CalendarUnknownError(DispatchRefusalError):
    """This process does not know a calendar that a clock is counted by."""


class UnknownCityError(DispatchRefusalError):
    """There is no such city here."""


class UnknownNameError(DispatchRefusalError):
    """The city has nothing of this name."""
