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


class TermNotOverError(RequestError):
    """The resident still has time to answer."""
