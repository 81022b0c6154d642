"""A city as data: its districts, service types, organisations, who is responsible, terms and procedures."""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import date
from functools import cached_property
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, StrictBool, StrictInt

from shared_calendar import Calendar, Term
from shared_city.imports import RequestImport
from shared_city.part import Aliases, Language, Names, Part, Slug, Text, each_once

Stage = Literal["accept", "finish", "silent_consent"]
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

Stages = Annotated[Mapping[Stage, Term], Field(min_length=1)]


def _prefix(text: str) -> str:
    if not _PREFIX.fullmatch(text):
        raise ValueError("must be two to five capital Latin letters, like KZN")
    return text


Prefix = Annotated[str, AfterValidator(_prefix)]


class District(Part):
    """A district of the city."""

    code: Slug
    names: Names
    aliases: Aliases = ()


class ServiceType(Part):
    """What a resident can ask the city for. `aliases` are what other systems call it."""

    code: Slug
    names: Names
    group: Slug
    emergency: StrictBool = False
    aliases: Aliases = ()


class Organisation(Part):
    """Who can be responsible. `aliases` are what other systems call it."""

    slug: Slug
    name: Text
    kind: OrganisationKind
    aliases: Aliases = ()


class Responsibility(Part):
    """One organisation answers for a service type in a district, or in the whole city when `district` is None.

    From `valid_from` up to, not including, `valid_to`: days of the city's own time.
    """

    organisation: Slug
    service_type: Slug
    district: Slug | None
    valid_from: date
    valid_to: date | None = None


class Terms(Part):
    """How long each stage may take, in a version of the policy, counted by a version of a calendar.

    `stages` holds every stage; `by_service_type` only what differs from it.
    """

    version: Text
    calendar: Calendar
    stages: Stages
    by_service_type: Mapping[Slug, Stages]


class Days(Part):
    """How many days something may last; None as `most` is without a limit."""

    least: Annotated[StrictInt, Field(ge=0)]
    most: Annotated[StrictInt, Field(ge=0)] | None


class Procedure(Part):
    """How a public discussion is held: a template with a legal version, pinned when one is announced.

    `lead_days` is the least time from the notice to the opening, `duration_days` from the opening to the closing.
    """

    code: Slug
    version: Text
    names: Names
    subject: Subject
    statute: Text | None
    lead_days: Annotated[StrictInt, Field(ge=0)]
    duration_days: Days
    submissions: Annotated[tuple[SubmissionKind, ...], Field(min_length=1), AfterValidator(each_once)]


class City(Part):
    """A city, as its pack says."""

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
    procedures: tuple[Procedure, ...] = ()
    request_import: RequestImport | None = None

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 (hex) of what the pack says: comments, order of keys and line breaks play no part."""
        said = self.model_dump(mode="json", exclude_none=True)
        return hashlib.sha256(json.dumps(said, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    @property
    def pack_version(self) -> str:
        """The pack's own version and the beginning of its hash: a changed pack is another one, renumbered or not."""
        return f"{self.version}+{self.content_hash[:12]}"
