"""Why something cannot be done in a discussion: one named error a refusal, its docstring in a resident's words."""


class DiscussionError(Exception):
    """This cannot be done in the discussion."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(f"{self.__doc__} {detail}".rstrip())


class UnknownCityError(DiscussionError):
    """This city is not served here."""


class UnknownProcedureError(DiscussionError):
    """The city has no such procedure for discussions."""


class UnknownDiscussionError(DiscussionError):
    """There is no such discussion."""


class UnknownSubmissionError(DiscussionError):
    """There is no such question, proposal or remark."""


class UnknownDocumentError(DiscussionError):
    """The discussion has no such document."""


class TextMissingError(DiscussionError):
    """Write something: an empty text cannot be taken."""


class TextTooLongError(DiscussionError):
    """The text is too long to be taken."""


class TextUnreadableError(DiscussionError):
    """The text holds a character that cannot be kept."""


class MediaTypeError(DiscussionError):
    """Documents of this kind cannot be shown to everybody, so they are not taken."""


class DocumentMissingError(DiscussionError):
    """The document is empty."""


class DocumentTooLargeError(DiscussionError):
    """The document is too large to be taken."""


class DocumentMismatchError(DiscussionError):
    """The document is not of the kind it is said to be."""


class NothingToShowError(DiscussionError):
    """Attach at least one document before the notice: people must have something to discuss."""


class NoticeStandsError(DiscussionError):
    """The notice is published: its documents and its period stay as people were told."""


class NotWholeMinutesError(DiscussionError):
    """A discussion opens and closes at a full minute."""


class PeriodReversedError(DiscussionError):
    """A discussion closes after it opens, and not in the past."""


class NoticeTooLateError(DiscussionError):
    """People must be told earlier than that: the procedure asks for more days between the notice and the opening."""


class NotOpenYetError(DiscussionError):
    """Submissions are not taken yet."""


class SubmissionTooLateError(DiscussionError):
    """The period for submissions is over."""


class PeriodNotOverError(DiscussionError):
    """The period for submissions is not over yet."""


class ProtocolTooEarlyError(DiscussionError):
    """The protocol is drawn up a minute after the closing, so that nothing under way is missed."""


class IdentityNotConfirmedError(DiscussionError):
    """Taking part needs an account with a confirmed identity."""


class KindNotAllowedError(DiscussionError):
    """The procedure of this discussion does not provide for this kind of submission."""


class RepliedElsewhereError(DiscussionError):
    """What this answers is not a submission of the same discussion."""


class OwnSubmissionError(DiscussionError):
    """You cannot support your own submission: it counts as your voice already."""


class ProtocolNotDraftedError(DiscussionError):
    """There is no protocol yet: it is drawn up a minute after the discussion closes."""


class ProtocolDiffersError(DiscussionError):
    """The protocol does not come out as it was drawn up, so it is not shown. The city has to find out why."""


class DocumentDamagedError(DiscussionError):
    """The stored document is not what was attached, so it is not shown. The city has to find out why."""
