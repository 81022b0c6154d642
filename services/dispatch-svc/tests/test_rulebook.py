"""What cities decide beforehand: who is responsible on which day, which term counts, what a changed pack changes."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from dispatch_svc.domain.rulebook import RESPONSIBILITY, Grant, Grants, Policy, Rulebook, Territory, adopt, grant
from shared_calendar import Calendar
from shared_events.dispatch import OrganisationRegistered, ResponsibilityGranted, RoutingInputs

TODAY = date(2026, 7, 1)


def granted(organisation: str, first: date = date(2026, 1, 1), end: date | None = None, pack: str = "1") -> ResponsibilityGranted:
    """State a grant."""
    return ResponsibilityGranted(
        city="kazan",
        service_type="lift",
        district=None,
        organisation=organisation,
        valid_from=first,
        valid_to=end,
        pack_version=pack,
    )


def after(*facts: ResponsibilityGranted) -> Grants:
    """Fold a responsibility's stream."""
    state: Grants = ()
    for fact in facts:
        state = RESPONSIBILITY.evolve(state, fact)
    return state


def responsible(day: date, *grants: Grant) -> str | None:
    """Ask who is responsible on a day at noon."""
    rulebook = Rulebook({"kazan": ZoneInfo("Europe/Moscow")}, {}, {Territory("kazan", "lift", None): grants}, {})
    inputs = RoutingInputs(
        city="kazan",
        service_type="lift",
        district="kirov",
        building=None,
        at=datetime(day.year, day.month, day.day, 9, tzinfo=UTC),
    )
    found = rulebook.responsible(inputs)
    return None if found is None else found.organisation


def test_a_grant_counts_from_its_first_day_up_to_its_end() -> None:
    """The day of the end is no longer one of its days."""
    first = Grant("r", 1, "a", date(2026, 3, 1), date(2026, 6, 1))
    second = Grant("r", 2, "b", date(2026, 6, 1), None)
    days = (date(2026, 2, 28), date(2026, 3, 1), date(2026, 5, 31), date(2026, 6, 1))
    assert [responsible(day, first, second) for day in days] == [None, "a", "a", "b"]


def test_of_two_grants_for_one_day_the_one_stated_later_counts() -> None:
    """A newer pack wins, wherever its period begins."""
    older, newer = Grant("r", 1, "a", date(2026, 3, 1), None), Grant("r", 2, "b", date(2026, 1, 1), None)
    assert responsible(TODAY, older, newer) == "b"


def test_an_unchanged_pack_states_nothing_and_a_changed_one_a_new_version() -> None:
    """The pack's version by itself is no change."""
    name = {"city": "kazan", "slug": "lifts", "kind": "contractor"}
    known = OrganisationRegistered.model_validate({**name, "name": "Lifts", "pack_version": "1"})
    assert adopt(known, known.model_copy(update={"pack_version": "2"})) == []
    renamed = known.model_copy(update={"name": "Lifts & Sons"})
    assert adopt(known, renamed) == [renamed]
    assert adopt(None, known) == [known]


def test_a_pack_that_grants_the_same_changes_nothing() -> None:
    """Also when it is a newer one."""
    assert grant(after(granted("a")), (granted("a", pack="2"),), TODAY, "2") == []


def test_a_pack_that_names_another_organisation_replaces_the_grant() -> None:
    """Same first day: a new version of the same period."""
    changed = granted("b", pack="2")
    assert grant(after(granted("a")), (changed,), TODAY, "2") == [changed]
    assert after(granted("a"), changed) == (changed,)


def test_a_grant_the_pack_no_longer_has_ends_today_and_one_to_come_never_begins() -> None:
    """Once ended it stays as it is; granted again it is stated again."""
    running, coming = granted("a"), granted("b", first=date(2027, 1, 1))
    ended = [
        granted("a", end=TODAY, pack="2"),
        granted("b", first=date(2027, 1, 1), end=date(2027, 1, 1), pack="2"),
    ]
    assert grant(after(running, coming), (), TODAY, "2") == ended
    assert grant(after(running, coming, *ended), (), date(2026, 8, 1), "3") == []
    assert grant(after(running, ended[0]), (granted("a", pack="3"),), TODAY, "3") == [granted("a", pack="3")]


def test_a_type_without_a_term_of_its_own_has_that_of_all_others_stage_by_stage() -> None:
    """Only what differs stands under the type's name."""
    calendar = Calendar.model_validate({"id": "always", "version": "1", "timezone": "Europe/Moscow"})
    policy = Policy("1", calendar, {"*": {"accept": 30, "finish": 240}, "lift": {"finish": 60}})
    assert policy.minutes_for("lift", "finish") == 60
    assert policy.minutes_for("lift", "accept") == 30
    assert policy.minutes_for("roof", "finish") == 240
    assert policy.minutes_for(None, "finish") == 240
    assert policy.minutes_for("lift", "answer") is None
