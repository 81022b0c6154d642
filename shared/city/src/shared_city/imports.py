"""How a file of requests from another system is read: its columns, dates, channels, statuses and who is anonymous.

All of it is the pack's data, so a file of another year, with other column names and dates, needs no other code. Names
match regardless of case, spaces and underscores.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, StrictBool

from shared_city.part import Part, Text, Texts, each_once, matching_key

Column = Literal[
    "number",
    "created",
    "serviced",
    "closed",
    "service_type",
    "status",
    "channel",
    "owner",
    "district",
    "address",
    "latitude",
    "longitude",
    "anonymous",
]
Channel = Literal["call_centre", "web", "mobile", "open311", "import"]
Ending = Literal["done", "withdrawn", "not_responsible", "open"]

REQUIRED_COLUMNS: tuple[Column, ...] = ("number", "created", "service_type", "status")
"""Without these no row of a file can be played."""

_SAMPLE = datetime(2017, 12, 31, 23, 59, 58, tzinfo=UTC)


class MissingColumnsError(ValueError):
    """The file lacks columns without which its requests cannot be read."""

    def __init__(self, plan: "RequestImport", missing: Sequence[Column], header: Sequence[str]) -> None:
        wanted = "; ".join(f"{column} (as {', '.join(plan.columns[column])})" for column in missing)
        super().__init__(f"{self.__doc__} Missing: {wanted}. The file has: {', '.join(header)}.")


class UnreadableDateError(ValueError):
    """The date is in no form the city pack knows."""

    def __init__(self, plan: "RequestImport", text: str) -> None:
        super().__init__(f"{self.__doc__} It reads '{text}'; known forms: {', '.join(plan.date_formats)}.")


def _date_format(text: str) -> str:
    """Accept a form only if a date written in it reads back as the same day."""
    try:
        day = datetime.strptime(_SAMPLE.strftime(text), text).date()  # noqa: DTZ007 - only the day is compared
    except ValueError as error:
        raise ValueError(f"'{text}' is no form of a date ({error})") from error
    if day != _SAMPLE.date():
        raise ValueError(f"'{text}' does not tell year, month and day")
    return text


class ChannelMeaning(Part):
    """Who submits what came over a channel, and whether there is a person to answer."""

    channel: Channel
    submitted_by: Literal["resident", "agent"]
    person: StrictBool


class NamedChannel(ChannelMeaning):
    """What a channel means, with the names the file gives it."""

    names: Texts


def _refuse_ambiguity(names: Iterable[tuple[str, Sequence[str]]]) -> None:
    """Refuse a name listed for two meanings."""
    owners: dict[str, str] = {}
    for owner, spellings in names:
        for spelling in spellings:
            if owners.setdefault(matching_key(spelling), owner) != owner:
                raise ValueError(f"'{spelling}' is listed for two meanings")


def _columns_to_read(columns: Mapping[Column, tuple[str, ...]]) -> Mapping[Column, tuple[str, ...]]:
    """Refuse a plan without a required column, or with a name for two columns."""
    absent = [column for column in REQUIRED_COLUMNS if column not in columns]
    if absent:
        raise ValueError(f"must name {', '.join(absent)}")
    _refuse_ambiguity(columns.items())
    return columns


def _channels_apart(channels: tuple[NamedChannel, ...]) -> tuple[NamedChannel, ...]:
    """Refuse a name for two channels."""
    _refuse_ambiguity((str(index), channel.names) for index, channel in enumerate(channels))
    return channels


def _statuses_apart(statuses: Mapping[Ending, tuple[str, ...]]) -> Mapping[Ending, tuple[str, ...]]:
    """Refuse a status for two endings."""
    _refuse_ambiguity(statuses.items())
    return statuses


class RequestImport(Part):
    """How one system's files of requests are read.

    `columns`: the names a column goes by, the first found wins. `date_formats` (of `strptime`, in the pack's zone) are
    tried in order. A channel with a name not listed means `other_channels`. `anonymous` are the flags that say nobody
    gave a name.
    """

    system: Text
    columns: Annotated[Mapping[Column, Texts], AfterValidator(_columns_to_read)]
    date_formats: Annotated[
        tuple[Annotated[Text, AfterValidator(_date_format)], ...], Field(min_length=1), AfterValidator(each_once)
    ]
    channels: Annotated[tuple[NamedChannel, ...], AfterValidator(_channels_apart)]
    other_channels: ChannelMeaning
    anonymous: Texts
    statuses: Annotated[Mapping[Ending, Texts], AfterValidator(_statuses_apart)]


@dataclass(frozen=True)
class Reporter:
    """Who reports, as the city's register of requests asks it: over which channel, by whose hand, for whom."""

    channel: Channel
    submitted_by: Literal["resident", "agent"]
    person: Literal["self", "caller", "none"]


def columns(plan: RequestImport, header: Sequence[str]) -> Mapping[Column, str]:
    """Find the file's own name of each column; columns the file lacks are absent.

    Raises `MissingColumnsError` when one without which nothing can be read is among them.
    """
    by_key = {matching_key(name): name for name in reversed(header)}
    named: dict[Column, str] = {}
    for column, spellings in plan.columns.items():
        found = next((by_key[key] for key in map(matching_key, spellings) if key in by_key), None)
        if found is not None:
            named[column] = found
    missing = [column for column in REQUIRED_COLUMNS if column not in named]
    if missing:
        raise MissingColumnsError(plan, missing, header)
    return named


def read_time(plan: RequestImport, zone: ZoneInfo, text: str) -> datetime | None:
    """Read a local date as an instant in UTC; None where the file says nothing. Raises `UnreadableDateError`.

    Of an hour that comes twice when the clocks fall back, the first is meant.
    """
    said = text.strip()
    if not said:
        return None
    for form in plan.date_formats:
        try:
            local = datetime.strptime(said, form)  # noqa: DTZ007 - the zone is added in the next line
        except ValueError:
            continue
        return (local if local.tzinfo else local.replace(tzinfo=zone)).astimezone(UTC)
    raise UnreadableDateError(plan, said)


def ending(plan: RequestImport, status: str) -> Ending | None:
    """Say how a request ended by the file's status; None for a status the pack does not know."""
    key = matching_key(status)
    return next((end for end, names in plan.statuses.items() if key in map(matching_key, names)), None)


def reporter(plan: RequestImport, channel: str, anonymous: str) -> Reporter:
    """Say who reports, by the file's channel and its flag for anonymity."""
    key = matching_key(channel)
    meaning = next(
        (named for named in plan.channels if key in map(matching_key, named.names)),
        plan.other_channels,
    )
    nameless = matching_key(anonymous) in map(matching_key, plan.anonymous)
    if nameless or not meaning.person:
        return Reporter(meaning.channel, meaning.submitted_by, "none")
    return Reporter(meaning.channel, meaning.submitted_by, "self" if meaning.submitted_by == "resident" else "caller")
