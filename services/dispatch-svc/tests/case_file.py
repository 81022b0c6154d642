"""A city, a request and what may happen to it, for tests of the rules: given, when, then."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from uuid import UUID
from zoneinfo import ZoneInfo

from dispatch_svc.domain import case
from dispatch_svc.domain.case import CASE, Case
from dispatch_svc.domain.responsibility import Grant, Territory
from dispatch_svc.domain.rulebook import Organisation, Policy, Rulebook
from shared_calendar import Calendar
from shared_events.dispatch import (
    AssignmentAccepted,
    AssignmentDeclined,
    CaseClosed,
    CaseOpened,
    EscalationStep,
    Holder,
    HolderChanged,
    RequestAssigned,
    RequestRouted,
    RoutingFailed,
    RoutingInputs,
    Stage,
    StageDeadlineSet,
    TermStated,
    WorkReportedDone,
    WorkStarted,
)
from shared_events.event import Event
from shared_events.request import (
    CompletionProposed,
    InformationRequested,
    Location,
    RequestClosed,
    RequestReclassified,
    RequestRegistered,
    RequestReopened,
    RequestSubmitted,
)

CITY = "kazan"
ZONE = ZoneInfo("Europe/Moscow")
LIFTS, PIPES, ROOFS = "organisation-kazan-lifts", "organisation-kazan-pipes", "organisation-kazan-roofs"
REQUEST = UUID(int=7)
T0 = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CALENDAR = Calendar.model_validate({"id": "always", "version": "1", "timezone": "Europe/Moscow"})
OFFICE = Calendar.model_validate(
    {
        "id": "office",
        "version": "1",
        "timezone": "Europe/Moscow",
        "week": {
            **{day: [("09:00", "18:00")] for day in ("mon", "tue", "wed", "thu", "fri")},
            "sat": [],
            "sun": [],
        },
    }
)
LADDER = (EscalationStep(after_minutes=0, to="dispatcher"), EscalationStep(after_minutes=15, to="supervisor"))


def minutes(amount: int) -> TermStated:
    """Spell a term of minutes as they pass."""
    return TermStated(unit="elapsed-minutes", amount=amount)


def policy(version: str = "2026", **changes: object) -> Policy:
    """Make the city's terms: accept and finish, a lift's finish within the hour."""
    terms: dict[str, dict[Stage, TermStated]] = {
        "*": {"accept": minutes(30), "finish": minutes(240)},
        "lift": {"finish": minutes(60)},
    }
    return Policy(**{"version": version, "calendar": CALENDAR, "terms": terms, **changes})  # type: ignore[arg-type]  # by name


def rulebook(city_policy: Policy | None = None, **changes: object) -> Rulebook:
    """Make the city's rulebook."""
    chosen = city_policy or policy()
    says: dict[str, object] = {
        "zones": {CITY: ZONE},
        "organisations": {name: Organisation(name, CITY, name, "contractor") for name in (LIFTS, PIPES, ROOFS)},
        "grants": {
            Territory(CITY, "lift", None): (Grant("responsibility-city", 3, LIFTS, date(2026, 1, 1), None),),
            Territory(CITY, "lift", "kirov"): (Grant("responsibility-kirov", 2, PIPES, date(2026, 1, 1), date(2026, 6, 1)),),
            Territory(CITY, "pipe", None): (Grant("responsibility-pipe", 1, PIPES, date(2026, 1, 1), None),),
        },
        "policies": {CITY: chosen},
        "former": {(CITY, chosen.version): chosen},
        "calendars": {(CITY, each.id, each.version): each for each in (CALENDAR, OFFICE)},
    }
    return Rulebook(**{**says, **changes})  # type: ignore[arg-type]  # by name


RULEBOOK = rulebook()

SUBMITTED = RequestSubmitted(
    city=CITY,
    channel="web",
    service_type=None,
    location=Location(district="kirov", building="7"),
    person=None,
    language="ru",
)
DONE = RequestClosed(outcome="done")
DUPLICATE = RequestClosed(outcome="duplicate")
REASON = ("not_our_work", "The pipe is the supplier's.", None)


def at(passed: float) -> datetime:
    """Tell the time some minutes after the submission."""
    return T0 + passed * MINUTE


def registered(service_type: str = "lift", district: str | None = None) -> RequestRegistered:
    """State a registration."""
    return RequestRegistered(number="KZN-2026-0000001", city=CITY, service_type=service_type, district=district)


def reclassified(service_type: str, previous: str = "lift") -> RequestReclassified:
    """State a re-classification."""
    return RequestReclassified(
        previous=previous, service_type=service_type, answers={}, questions_version=None, reason="seen on the spot"
    )


def information_requested(until: datetime) -> InformationRequested:
    """State that the resident is asked for something."""
    return InformationRequested(
        number=1,
        person=UUID(int=3),
        question=None,
        by="organisation",
        until=until,
        policy_version="2026",
        calendar="always",
        calendar_version="1",
    )


def proposed(due: datetime, round_: int = 1) -> CompletionProposed:
    """State that the resident is asked whether the work is done."""
    return CompletionProposed(
        round=round_,
        organisation=LIFTS,
        evidence=(),
        consent_due=due,
        policy_version="2026",
        calendar="always",
        calendar_version="1",
    )


def reopened(round_: int = 2) -> RequestReopened:
    """State that the resident is not satisfied."""
    return RequestReopened(round=round_, because="disputed")


def inputs(service_type: str, district: str | None, moment: datetime) -> RoutingInputs:
    """Spell what the routing looked at."""
    return RoutingInputs(city=CITY, service_type=service_type, district=district, building="7", at=moment)


def held_by(organisation: str) -> Holder:
    """Name an organisation as holder."""
    return Holder(kind="organisation", organisation=organisation)


def given(*steps: Iterable[Event]) -> Case:
    """Fold what has happened."""
    return reduce(CASE.evolve, (fact for step in steps for fact in step), Case())


def then(known: Case, facts: Iterable[Event]) -> Case:
    """Fold what follows."""
    return reduce(CASE.evolve, facts, known)


def deadline(stage: Stage, start: float, term: int, round_: int = 1) -> StageDeadlineSet:
    """Spell a clock of the policy above."""
    return StageDeadlineSet(
        stage=stage,
        round=round_,
        starts_at=at(start),
        due=at(start + term),
        term=minutes(term),
        policy_version="2026",
        calendar="always",
        calendar_version="1",
    )


def names(facts: Sequence[Event]) -> list[str]:
    """Name facts."""
    return [type(fact).__name__ for fact in facts]


OPENED = (
    CaseOpened(request=REQUEST, city=CITY, service_type=None, district="kirov", building="7"),
    HolderChanged(holder=case.CALL_CENTRE, at=T0),
)
ROUTED = (
    RequestRouted(organisation=LIFTS, rule="responsibility-city", rule_version=3, inputs=inputs("lift", None, at(1))),
    RequestAssigned(organisation=LIFTS, round=1, by="rule"),
    HolderChanged(holder=held_by(LIFTS), at=at(1)),
    deadline("accept", 1, 30),
)
UNROUTED = (
    RoutingFailed(reason="nobody_responsible", inputs=inputs("other", None, at(1))),
    HolderChanged(holder=case.DISPATCHER, at=at(1)),
    deadline("accept", 1, 30),
)
DECLINED = (
    AssignmentDeclined(
        organisation=LIFTS, round=1, number=1, reason="not_our_work", note="The pipe is the supplier's.", proposes=None
    ),
    HolderChanged(holder=case.DISPATCHER, at=at(4)),
    deadline("accept", 4, 30),
)
ACCEPTED = (AssignmentAccepted(organisation=LIFTS, round=1), deadline("finish", 5, 60))
STARTED = (WorkStarted(organisation=LIFTS, round=1),)
PROOF = ("ab" * 32,)
REPORTED = (WorkReportedDone(organisation=LIFTS, round=1, evidence=PROOF),)
ASKED = (HolderChanged(holder=case.RESIDENT, at=at(20)),)


def closed_at(passed: float) -> tuple[CaseClosed]:
    """Say that the case ended so many minutes after it began."""
    return (CaseClosed(outcome="done", at=at(passed)),)


CLOSED = closed_at(25)
