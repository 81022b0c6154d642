"""A saved report: a name, and the query that draws it. The same query gives the same report for everybody who may see it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, cast

from analytics_svc.domain.refusal import AlreadySavedError, NamelessReportError, UnknownParameterError, UnknownReportError
from shared_chassis.stream import Stream
from shared_events.analytics import ReportSaved
from shared_events.event import Event

LONGEST_NAME: Final = 200
"""Characters the name of a saved report may have."""

LONGEST_VALUE: Final = 1000
"""Characters a parameter may have."""

_KNOWN: Final = frozenset({"asOf"})
_PAGED: Final = _KNOWN | {"city", "dimensions"}
_DAYS: Final = _PAGED | {"from", "to"}

REPORTS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "requests": _DAYS | {"district", "type", "channel", "outcome", "ending"},
        "holders": _PAGED | {"district", "type", "kind", "organisation"},
        "deadlines": _DAYS | {"district", "type", "stage", "organisation"},
        "ratings": _DAYS | {"district", "type", "organisation"},
        "submissions": _DAYS | {"discussion"},
        "totals": _KNOWN,
        "reconciliation": _KNOWN,
        "tallies": frozenset({"city"}),
    }
)
"""The reports there are, each with the parameters it takes."""


def evolve(_report: ReportSaved | None, fact: Event) -> ReportSaved:
    """Say what a fact makes of a saved report; its stream holds this one kind of fact."""
    return cast("ReportSaved", fact)


REPORT: Final[Stream[ReportSaved | None]] = Stream("report", None, evolve)
"""A saved report is the fact that it was saved; None as long as it was not."""


def save(saved: ReportSaved | None, name: str, report: str, parameters: Mapping[str, str]) -> list[Event]:
    """Keep a report under a name.

    Raises `NamelessReportError`, `UnknownReportError`, `UnknownParameterError`, or `AlreadySavedError`.
    """
    name = name.strip()
    if not 0 < len(name) <= LONGEST_NAME:
        raise NamelessReportError(NamelessReportError.__doc__)
    if report not in REPORTS:
        raise UnknownReportError(f"{UnknownReportError.__doc__} There are: {', '.join(REPORTS)}.")
    for parameter, value in parameters.items():
        if parameter not in REPORTS[report] or len(value) > LONGEST_VALUE:
            raise UnknownParameterError(f"{UnknownParameterError.__doc__} It takes: {', '.join(sorted(REPORTS[report]))}.")
    wanted = ReportSaved(name=name, report=report, parameters=dict(sorted(parameters.items())))
    if saved == wanted:
        return []
    if saved is not None:
        raise AlreadySavedError(AlreadySavedError.__doc__)
    return [wanted]
