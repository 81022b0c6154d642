"""A mass outage from a suggestion to its end: what may be said of it in which state, and which timers then stand."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from dispatch_svc.domain.incident import (
    INCIDENT,
    LINKING,
    RESOLUTION,
    Incident,
    IncidentBeginsLaterError,
    IncidentDeclaredAlreadyError,
    IncidentDismissedAlreadyError,
    IncidentEndsTooEarlyError,
    IncidentIsOverError,
    IncidentNotDeclaredError,
    IncidentNotFoundError,
    IncidentOfAnotherCityError,
    ResolvedAtAnotherTimeError,
    active,
    declare,
    dismiss,
    prolong,
    resolve,
    suggest,
)
from dispatch_svc.domain.rulebook import ActiveIncident
from shared_chassis.stream import Set
from shared_events.dispatch import (
    IncidentDeclared,
    IncidentDismissed,
    IncidentProlonged,
    IncidentResolved,
    IncidentScope,
    IncidentSuggested,
)
from shared_events.event import Event

NOW = datetime(2026, 1, 15, 18, tzinfo=UTC)
HOUR = timedelta(hours=1)
SUGGESTED = IncidentSuggested(
    city="kazan", service_type="heat", district="kirov", window_start=NOW - 2 * HOUR, window_end=NOW - HOUR, count=90, average=3.5
)
DISMISSED = IncidentDismissed(reason="An exercise")
RESOLVED = IncidentResolved(at=NOW, note="Repaired", evidence=("ab" * 32,))


def declared(**changes: object) -> IncidentDeclared:
    """State a declaration."""
    says = {
        "city": "kazan",
        "names": {"ru": "Авария"},
        "scope": IncidentScope(service_types=("heat",)),
        "organisation": "organisation-kazan-heat",
        "began_at": NOW - HOUR,
        "expected_end": NOW + HOUR,
    }
    return IncidentDeclared.model_validate({**says, **changes})


def after(*facts: Event) -> Incident:
    """Fold an incident's stream."""
    state = INCIDENT.initial
    for fact in facts:
        state = INCIDENT.evolve(state, fact)
    return state


STATES: dict[str, tuple[Event, ...]] = {
    "unknown": (),
    "suggested": (SUGGESTED,),
    "declared": (SUGGESTED, declared()),
    "dismissed": (SUGGESTED, DISMISSED),
    "resolved": (declared(), RESOLVED),
}
PROLONGED = IncidentProlonged(expected_end=NOW + 2 * HOUR, reason="Another burst")
COMMANDS: dict[str, Callable[[Incident], list[Event]]] = {
    "suggest": lambda known: suggest(known, SUGGESTED),
    "declare": lambda known: declare(known, declared(), NOW),
    "dismiss": lambda known: dismiss(known, "An exercise"),
    "prolong": lambda known: prolong(known, NOW + 2 * HOUR, "Another burst", NOW),
    "resolve": lambda known: resolve(known, NOW, "Repaired", ("ab" * 32,), NOW),
    "link": lambda known: [fact for fact in [active(UUID(int=1), known)] if not isinstance(fact, ActiveIncident)],
}
CELLS: dict[tuple[str, str], list[Event] | type[Exception]] = {
    ("suggest", "unknown"): [SUGGESTED],
    ("suggest", "suggested"): [],
    ("suggest", "declared"): [],
    ("suggest", "dismissed"): [],
    ("suggest", "resolved"): [],
    ("declare", "unknown"): [declared()],
    ("declare", "suggested"): [declared()],
    ("declare", "declared"): IncidentDeclaredAlreadyError,
    ("declare", "dismissed"): IncidentDismissedAlreadyError,
    ("declare", "resolved"): IncidentIsOverError,
    ("dismiss", "unknown"): IncidentNotFoundError,
    ("dismiss", "suggested"): [DISMISSED],
    ("dismiss", "declared"): IncidentDeclaredAlreadyError,
    ("dismiss", "dismissed"): [],
    ("dismiss", "resolved"): IncidentIsOverError,
    ("prolong", "unknown"): IncidentNotFoundError,
    ("prolong", "suggested"): IncidentNotDeclaredError,
    ("prolong", "declared"): [PROLONGED],
    ("prolong", "dismissed"): IncidentDismissedAlreadyError,
    ("prolong", "resolved"): IncidentIsOverError,
    ("resolve", "unknown"): IncidentNotFoundError,
    ("resolve", "suggested"): IncidentNotDeclaredError,
    ("resolve", "declared"): [RESOLVED],
    ("resolve", "dismissed"): IncidentDismissedAlreadyError,
    ("resolve", "resolved"): [],
    ("link", "unknown"): IncidentNotFoundError,
    ("link", "suggested"): IncidentNotDeclaredError,
    ("link", "declared"): [],
    ("link", "dismissed"): IncidentDismissedAlreadyError,
    ("link", "resolved"): IncidentIsOverError,
}


def test_every_cell_of_the_table_is_here() -> None:
    """No command in no state is left out."""
    assert set(CELLS) == {(command, state) for command in COMMANDS for state in STATES}


@pytest.mark.parametrize("cell", CELLS)
def test_what_may_be_said_in_which_state(cell: tuple[str, str]) -> None:
    """Done, so already, or refused by name."""
    command, state = cell
    expected, known = CELLS[cell], after(*STATES[state])
    assert known.state == state
    if isinstance(expected, list):
        assert COMMANDS[command](known) == expected
    else:
        with pytest.raises(expected):
            COMMANDS[command](known)


def test_a_declaration_is_of_now_and_ends_later() -> None:
    """What begins tomorrow is planned, and what ended is over."""
    with pytest.raises(IncidentBeginsLaterError):
        declare(after(), declared(began_at=NOW + HOUR), NOW)
    with pytest.raises(IncidentEndsTooEarlyError):
        declare(after(), declared(expected_end=NOW), NOW)
    with pytest.raises(IncidentEndsTooEarlyError):
        prolong(after(declared()), NOW - HOUR, "no", NOW)
    assert declare(after(), declared(expected_end=None), NOW) == [declared(expected_end=None)]


def test_a_suggestion_of_another_city_is_not_declared() -> None:
    """Two cities share a system, not their incidents."""
    with pytest.raises(IncidentOfAnotherCityError):
        declare(after(SUGGESTED), declared(city="madrid"), NOW)


@pytest.mark.parametrize("at", [NOW - 2 * HOUR, NOW + HOUR])
def test_an_incident_is_over_between_its_beginning_and_now(at: datetime) -> None:
    """Neither before it began nor in the future."""
    with pytest.raises(ResolvedAtAnotherTimeError):
        resolve(after(declared()), at, "no", (), NOW)


def test_the_same_expected_end_is_no_news() -> None:
    """An unknown end is."""
    assert prolong(after(declared()), NOW + HOUR, "same", NOW) == []
    assert prolong(after(declared()), None, "Nobody knows", NOW) == [IncidentProlonged(expected_end=None, reason="Nobody knows")]
    assert active(UUID(int=1), after(declared(), PROLONGED)).expected_end == NOW + 2 * HOUR


def test_a_declaration_and_a_resolution_set_a_timer_each_in_the_same_commit() -> None:
    """What follows for many requests is never lost between two steps; a suggestion leads to nothing by itself."""
    assert INCIDENT.timers(after(SUGGESTED), [SUGGESTED]) == []
    linking = INCIDENT.timers(after(declared()), [declared()])
    assert linking == [Set(LINKING, "declaration", NOW - HOUR, {"since": (NOW - HOUR).isoformat()})]
    assert INCIDENT.timers(after(declared(), RESOLVED), [RESOLVED]) == [Set(RESOLUTION, "resolution", NOW)]
    assert INCIDENT.timers(after(declared(), PROLONGED), [PROLONGED]) == []
