"""What the clocks and holders of one case must have been, worked out from what people did alone.

It is told who assigned, accepted, declined, asked and answered, and when; it never looks at a fact about a clock or a holder, and
counts by the bench's own calendar. What it finds is compared with what the case states.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

from winter_calendar import OwnCalendar, Term

STAGES = ("accept", "start", "finish", "answer", "total", "statutory")
WORK = frozenset({"accept", "start", "finish"})
WHOLE = ("total", "statutory", "answer")
NOBODY = "nobody"
OVER = frozenset({"reported", "asked", "impossible", "closed"})


@dataclass(frozen=True)
class Book:
    """A city's terms and calendars as plain data; `hours_of` is whose hours count for an organisation's own stages."""

    terms: Mapping[str, Mapping[str, Term]]
    calendars: Mapping[str, OwnCalendar]
    common: str
    hours_of: Mapping[str, str]
    statutory_pauses: frozenset[str]

    def term(self, service_type: str, stage: str) -> Term | None:
        """Give the term of a stage: the service type's own, else the city's."""
        return self.terms.get(service_type, {}).get(stage) or self.terms["*"].get(stage)


@dataclass
class Running:
    """A clock that is not over. `known` is since when its present due moment is known."""

    stage: str
    round: int
    start: datetime
    term: Term
    calendar: str
    due: datetime
    known: datetime
    past: list[tuple[datetime, datetime]] = field(default_factory=list)
    stood_since: datetime | None = None
    breached: bool = False


@dataclass(frozen=True, order=True)
class Breach:
    """A term that was not kept: which, when it was over, and when that could be stated first."""

    stage: str
    round: int
    due: datetime
    stated: datetime


class Expectation:
    """One case, followed from the outside."""

    def __init__(self, book: Book, submitted: datetime) -> None:
        self._book = book
        self._clocks: dict[str, Running] = {}
        self.breaches: list[Breach] = []
        self.holders: list[tuple[str, datetime]] = [("call_centre", submitted)]
        """Who held the case since when; nobody (`NOBODY`) while it is closed."""
        self.state = "opened"
        self._waiting = False
        self._type = ""
        self._organisation: str | None = None
        self._round = 1

    def pass_by(self, now: datetime) -> None:
        """Let time pass: every clock that runs and is over by now is breached, as soon as that could be known."""
        for clock in self._clocks.values():
            if not clock.breached and clock.stood_since is None and clock.due <= now:
                clock.breached = True
                self.breaches.append(Breach(clock.stage, clock.round, clock.due, max(clock.due, clock.known)))

    def register(self, service_type: str, at: datetime, now: datetime, organisation: str | None) -> None:
        """Register the request; a rule names the organisation, or nobody."""
        self._type = service_type
        self.route(organisation, at, now)
        for stage in WHOLE:
            self._begin(stage, at, now)

    def route(self, organisation: str | None, at: datetime, now: datetime) -> None:
        """Send the case somewhere, or to a dispatcher."""
        if organisation is not None:
            self.assign(organisation, at, now)
        else:
            self._turn("unrouted", None, at, now)

    def assign(self, organisation: str, at: datetime, now: datetime) -> None:
        """Give the case to an organisation."""
        self._turn("assigned", organisation, at, now)

    def give_back(self, state: str, now: datetime) -> None:
        """Let the organisation decline, or return what it had accepted."""
        self._end("start", "finish")
        self._turn(state, None, now, now)

    def accept(self, now: datetime) -> None:
        """Let the organisation accept."""
        self.state = "accepted"
        self._end("accept")
        self._begin("start", now, now)
        self._begin("finish", now, now)

    def start(self) -> None:
        """Let the organisation begin."""
        self.state = "started"
        self._end("start")

    def finish(self, state: str) -> None:
        """Let the work be reported done, or found impossible."""
        self.state = state
        self._end(*WORK)

    def ask(self, at: datetime) -> None:
        """Ask the resident for something."""
        if self._waiting or self.state in OVER:
            return
        at = self._since(at)
        self._waiting = True
        self.holders.append(("resident", at))
        self._stand(at, lambda stage: stage not in ("total", "statutory"))

    def answer(self, at: datetime, now: datetime) -> None:
        """Go on: the resident answered, or the cap was reached."""
        if not self._waiting:
            return
        at = self._since(at)
        self._waiting = False
        self.holders.append((self._duty(), at))
        self._go_on(at, now)

    def propose(self, round_: int, at: datetime) -> None:
        """Ask the resident whether the work is done."""
        if self.state != "reported" or round_ != self._round:
            return
        at = self._since(at)
        self.state, self._waiting = "asked", False
        self.holders.append(("resident", at))
        self._end("answer")
        pausing = {"total"} | ({"statutory"} if "completion_proposed" in self._book.statutory_pauses else set())
        self._stand(at, lambda stage: stage in pausing)

    def reopen(self, round_: int, at: datetime, now: datetime) -> None:
        """Begin another round, with the same organisation if there was one."""
        at = self._since(at)
        self._round, self._waiting = round_, False
        self._go_on(at, now)
        if self._organisation is not None:
            self.assign(self._organisation, at, now)
        else:
            self._turn("unrouted", None, at, now)

    def reclassify(self, service_type: str, at: datetime, now: datetime, *, moved: bool, organisation: str | None) -> None:
        """Count by another type's terms; `moved` says that the case was sent to another organisation, or to nobody."""
        self._type = service_type
        at = self._since(at)
        if moved:
            self.route(organisation, at, now)
        for clock in list(self._clocks.values()):
            term, calendar = self._book.term(service_type, clock.stage), self._calendar(clock.stage)
            if term is not None and (term, calendar) != (clock.term, clock.calendar):
                clock.term, clock.calendar, clock.known = term, calendar, now
                clock.due = self._due(clock)

    def close(self, at: datetime) -> None:
        """Close the case; should it be opened again, the whole and the law's term go on from where they stood."""
        at = self._since(at)
        self.state, self._waiting = "closed", False
        self.holders.append((NOBODY, at))
        self._end(*WORK, "answer")
        self._stand(at, lambda _stage: True)

    def _turn(self, state: str, organisation: str | None, at: datetime, now: datetime) -> None:
        self.state, self._organisation = state, organisation
        self._end("accept")
        holder = "resident" if self._waiting else self._duty()
        if self.holders[-1][0] != holder:
            self.holders.append((holder, self._since(at)))
        self._begin("accept", at, now)

    def _duty(self) -> str:
        return self._organisation or "dispatcher"

    def _since(self, at: datetime) -> datetime:
        return max(at, self.holders[-1][1])

    def _calendar(self, stage: str) -> str:
        own = self._book.hours_of.get(self._organisation or "") if stage in WORK else None
        return own or self._book.common

    def _begin(self, stage: str, at: datetime, now: datetime) -> None:
        self._end(stage)
        term = self._book.term(self._type, stage)
        if term is None:
            return
        clock = Running(stage, self._round, at, term, self._calendar(stage), at, now)
        clock.due = self._due(clock)
        if self._waiting and stage not in ("total", "statutory"):
            clock.stood_since = at
        self._clocks[stage] = clock

    def _end(self, *stages: str) -> None:
        for stage in stages:
            self._clocks.pop(stage, None)

    def _stand(self, at: datetime, pausing: Callable[[str], bool]) -> None:
        for clock in self._clocks.values():
            if clock.stood_since is None and pausing(clock.stage):
                clock.stood_since = max(at, clock.start)

    def _go_on(self, at: datetime, now: datetime) -> None:
        for clock in self._clocks.values():
            if clock.stood_since is not None:
                clock.past.append((clock.stood_since, max(clock.stood_since, at)))
                clock.stood_since, clock.known = None, now
                clock.due = self._due(clock)

    def _due(self, clock: Running) -> datetime:
        return self._book.calendars[clock.calendar].due(clock.start, clock.term, clock.past)


@dataclass(frozen=True)
class Lived:
    """What became of a request: what its case stated and what was expected."""

    request: UUID
    submitted: datetime
    breaches: tuple[Breach, ...]
    expected: Expectation
    closed: bool
    refused: int


def sums_up(submitted: datetime, holders: Sequence[tuple[str, datetime]]) -> bool:
    """Say whether the holders' times follow on each other from the submission to the end, and sum to the time it was open.

    The case is over: nobody holds it last.
    """
    times = [(holder, until - at) for (holder, at), (_, until) in pairwise(holders)]
    held = sum((time for holder, time in times if holder != NOBODY), timedelta())
    left = sum((time for holder, time in times if holder == NOBODY), timedelta())
    forward = all(time >= timedelta() for _, time in times)
    return holders[0][1] == submitted and holders[-1][0] == NOBODY and forward and held == holders[-1][1] - submitted - left
