"""Why dispatch refuses something: one named error a reason, in words the person who asked understands."""


class DispatchRefusalError(Exception):
    """Dispatch cannot do this."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class CaseNotFoundError(DispatchRefusalError):
    """No request is known under this id."""


class CaseIsClosedError(DispatchRefusalError):
    """This request is closed; nothing more can be done about it."""


class NotYourCaseError(DispatchRefusalError):
    """This request is not assigned to your organisation."""


class NotAcceptedYetError(DispatchRefusalError):
    """Accept this request before you start the work."""


class NotStartedYetError(DispatchRefusalError):
    """Start the work before you report it done."""


class AlreadyReportedError(DispatchRefusalError):
    """The work was already reported done, with other evidence."""


class NotRegisteredYetError(DispatchRefusalError):
    """This request has no number yet, so nobody can be assigned to it."""


class AlreadyAcceptedError(DispatchRefusalError):
    """An organisation has accepted this request, so it cannot be given to another one."""


class UnknownOrganisationError(DispatchRefusalError):
    """The city of this request has no such organisation."""
