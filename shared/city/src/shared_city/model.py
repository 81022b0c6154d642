"""A city as data: its districts, buildings, service types, organisations, who is responsible, terms and procedures."""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import date
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, StrictBool, StrictInt, model_validator

from shared_calendar import Calendar, Term
from shared_city.imports import RequestImport
from shared_city.part import Aliases, Language, Names, Part, Slug, Text, each_once

Stage = Literal["accept", "start", "finish", "answer", "total", "statutory", "silent_consent", "information"]
"""What has a term: a stage of the work; the whole of it; the law's own term; the resident's silence; the wait for an answer."""
PauseCause = Literal["information_requested", "completion_proposed"]
EscalationTarget = Literal["dispatcher", "supervisor", "committee", "city"]
QuestionKind = Literal["yes_no", "number", "choice"]
OrganisationKind = Literal["management", "contractor", "supplier", "department"]
SubmissionKind = Literal["question", "proposal", "remark"]
Subject = Literal[
    "general-plan",
    "land-use-rules",
    "territory-planning",
    "improvement-rules",
    "conditional-use",
    "deviation-permit",
    "city-question",
]
_PREFIX = re.compile(r"[A-Z]{2,5}")
_QUESTION = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")

Stages = Annotated[Mapping[Stage, Term], Field(min_length=1)]


def _prefix(text: str) -> str:
    if not _PREFIX.fullmatch(text):
        raise ValueError("must be two to five capital Latin letters, like KZN")
    return text


def _question_code(text: str) -> str:
    if not _QUESTION.fullmatch(text):
        raise ValueError("must be lower-case Latin letters and digits, with single underscores between them")
    return text


Prefix = Annotated[str, AfterValidator(_prefix)]
QuestionCode = Annotated[str, AfterValidator(_question_code)]
Count = Annotated[StrictInt, Field(ge=0)]


class District(Part):
    """A district of the city."""

    code: Slug
    names: Names
    aliases: Aliases = ()


class Building(Part):
    """A building: its address as the register shows it, and the suburb and district it is in."""

    code: Slug
    address: Text
    suburb: Text | None = None
    district: Slug | None = None


class Question(Part):
    """An extra question a service type asks. A number may have bounds (both included), a choice has codes with their names."""

    code: QuestionCode
    kind: QuestionKind
    names: Names
    required: StrictBool = True
    least: StrictInt | None = None
    most: StrictInt | None = None
    choices: Mapping[Slug, Names] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _asks_what_can_be_answered(self) -> Self:
        """Refuse bounds that leave no number, a choice of fewer than two, and either of another kind of question."""
        if self.kind != "number" and (self.least is not None or self.most is not None):
            raise ValueError(f"'least' and 'most' are for a question of kind number, not {self.kind}")
        if self.least is not None and self.most is not None and self.most < self.least:
            raise ValueError(f"most ({self.most}) is less than least ({self.least})")
        if self.kind == "choice" and len(self.choices) < 2:
            raise ValueError("a question of kind choice has at least two choices")
        if self.kind != "choice" and self.choices:
            raise ValueError(f"'choices' are for a question of kind choice, not {self.kind}")
        return self


class ServiceType(Part):
    """What a resident can ask the city for. `aliases` are what other systems call it.

    `parent` is the code of the type it is a kind of, to any depth. Answers are given to a version of its questions. A report
    of done work needs at least `evidence_required` photos or acts. It can be asked for from `valid_from` up to, not including,
    `valid_to`: days of the city's own time.
    """

    code: Slug
    names: Names
    group: Slug
    emergency: StrictBool = False
    aliases: Aliases = ()
    parent: Slug | None = None
    questions: tuple[Question, ...] = ()
    questions_version: Text | None = None
    evidence_required: Count = 0
    valid_from: date | None = None
    valid_to: date | None = None

    @model_validator(mode="after")
    def _has_questions_in_a_version_and_a_period(self) -> Self:
        """Refuse questions without a version, two of one code, and a period that ends before it begins."""
        if bool(self.questions) != (self.questions_version is not None):
            raise ValueError("'questions' and 'questions_version' go together")
        each_once(tuple(question.code for question in self.questions))
        if self.valid_from is not None and self.valid_to is not None and self.valid_to <= self.valid_from:
            raise ValueError(f"valid_to ({self.valid_to}) must come after valid_from ({self.valid_from})")
        return self


class Organisation(Part):
    """Who can be responsible. `aliases` are what other systems call it.

    `calendar` is the id of the one whose hours count for the organisation's own stages; None: that of the city's terms.
    """

    slug: Slug
    name: Text
    kind: OrganisationKind
    aliases: Aliases = ()
    calendar: Slug | None = None


class Responsibility(Part):
    """One organisation answers for a service type in a building, or in a district, or in the whole city when both are None.

    From `valid_from` up to, not including, `valid_to`: days of the city's own time.
    """

    organisation: Slug
    service_type: Slug
    district: Slug | None
    valid_from: date
    valid_to: date | None = None
    building: Slug | None = None


class RoutingOverride(Part):
    """A rule that goes before responsibility: when its expression is true of a request, this organisation gets it.

    The expression `when` is read by dispatch, in its own closed language; here it is a text.
    """

    id: Slug
    when: Text
    organisation: Slug
    note: Text


class EscalationStep(Part):
    """A rung of the ladder: so long after a breach that still stands, somebody higher is told."""

    after_minutes: Count
    to: EscalationTarget


def _upwards(ladder: tuple[EscalationStep, ...]) -> tuple[EscalationStep, ...]:
    """Refuse a ladder whose rungs do not come one after another."""
    for lower, higher in pairwise(ladder):
        if higher.after_minutes <= lower.after_minutes:
            raise ValueError(f"rungs come in order: {higher.after_minutes} minutes after {lower.after_minutes}")
    return ladder


WarnPercent = Annotated[StrictInt, Field(ge=1, le=99)]
Ladder = Annotated[tuple[EscalationStep, ...], AfterValidator(_upwards)]
PauseCauses = Annotated[tuple[PauseCause, ...], AfterValidator(each_once)]
Declines = Annotated[StrictInt, Field(ge=1)]


class Terms(Part):
    """How long each stage may take, in a version of the policy, counted by a version of a calendar.

    `stages` holds the stages that have a term; `by_service_type` only what differs from it. A warning comes when `warn_percent`
    of the time to the due moment is over. `ladder` says who is told after a breach. `statutory_pauses` names what stops the
    statutory clock. After `most_declines` refusals the committee decides.
    """

    version: Text
    calendar: Calendar
    stages: Stages
    by_service_type: Mapping[Slug, Stages]
    warn_percent: WarnPercent | None = None
    ladder: Ladder = ()
    statutory_pauses: PauseCauses = ()
    most_declines: Declines = 3


class Days(Part):
    """How many days something may last; None as `most` is without a limit."""

    least: Count
    most: Count | None


class Procedure(Part):
    """How a public discussion is held: a template with a legal version, pinned when one is announced.

    `lead_days` is the least time from the notice to the opening, `duration_days` from the opening to the closing.
    """

    code: Slug
    version: Text
    names: Names
    subject: Subject
    statute: Text | None
    lead_days: Count
    duration_days: Days
    submissions: Annotated[tuple[SubmissionKind, ...], Field(min_length=1), AfterValidator(each_once)]


class UnknownCalendarError(LookupError):
    """The city has no such calendar."""

    def __init__(self, city: str, calendar_id: str) -> None:
        super().__init__(f"{self.__doc__} City: {city}, calendar: {calendar_id}.")


class City(Part):
    """A city, as its pack says.

    `calendars` are written out to explicit dates, each in one version; the one of `terms` is among them.
    """

    slug: Slug
    names: Names
    version: Text
    timezone: ZoneInfo
    languages: Annotated[tuple[Language, ...], Field(min_length=1), AfterValidator(each_once)]
    default_language: Language
    register_prefix: Prefix
    districts: tuple[District, ...] = ()
    service_types: tuple[ServiceType, ...] = ()
    organisations: tuple[Organisation, ...] = ()
    responsibilities: tuple[Responsibility, ...] = ()
    terms: Terms | None = None
    calendars: tuple[Calendar, ...] = ()
    buildings: tuple[Building, ...] = ()
    routing: tuple[RoutingOverride, ...] = ()
    procedures: tuple[Procedure, ...] = ()
    request_import: RequestImport | None = None

    def calendar(self, calendar_id: str) -> Calendar:
        """Give one of the city's calendars by its id; raises `UnknownCalendarError` for one it does not have."""
        known = [*self.calendars, self.terms.calendar] if self.terms is not None else list(self.calendars)
        for each in known:
            if each.id == calendar_id:
                return each
        raise UnknownCalendarError(self.slug, calendar_id)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 (hex) of what the pack says: comments, order of keys and line breaks play no part."""
        said = self.model_dump(mode="json", exclude_none=True)
        return hashlib.sha256(json.dumps(said, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    @property
    def pack_version(self) -> str:
        """The pack's own version and the beginning of its hash: a changed pack is another one, renumbered or not."""
        return f"{self.version}+{self.content_hash[:12]}"
