"""A case in a city where anybody does what they can whenever they can: the moves, and the clocks by the facts alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

from case_file import (
    CITY,
    DUPLICATE,
    LADDER,
    LIFTS,
    MINUTE,
    PIPES,
    REASON,
    REQUEST,
    SUBMITTED,
    T0,
    information_requested,
    minutes,
    policy,
    proposed,
    reclassified,
    rulebook,
)
from hypothesis import strategies as st

from dispatch_svc.domain import case
from dispatch_svc.domain.case import CASE, Case, Plan
from dispatch_svc.domain.refusal import DispatchRefusalError
from shared_calendar import Pause
from shared_chassis.stream import Cancel, Set
from shared_events.dispatch import (
    AssignmentAccepted,
    AssignmentDeclined,
    CaseClosed,
    ClockPaused,
    ClockResumed,
    DeadlineBreached,
    DeadlineWarned,
    RequestAssigned,
    RequestEscalated,
    RoutingFailed,
    Stage,
    StageDeadlineSet,
    WorkReportedDone,
    WorkReturned,
)
from shared_events.event import Event
from shared_events.request import RequestClosed, RequestRegistered, RequestReopened

STAGES: tuple[Stage, ...] = ("accept", "start", "finish", "answer", "total", "statutory")
TERMS = {
    "*": dict(zip(STAGES, map(minutes, (5, 4, 7, 20, 30, 40)), strict=True)),
    "lift": {"finish": minutes(9), "total": minutes(25)},
}
RULEBOOK = rulebook(
    policy(terms=TERMS, warn_percent=50, ladder=LADDER, statutory_pauses=("information_requested",), most_declines=2)
)
INCIDENT = UUID(int=12)

FORWARD = {
    "unrouted": "assign",
    "declined": "assign",
    "returned": "assign",
    "reopened": "assign",
    "assigned": "accept",
    "accepted": "start",
    "started": "report",
}
"""What brings a case on from where it is; elsewhere it is request-svc's next word."""

OF_PEOPLE = [
    "assign",
    "committee",
    "accept",
    "decline",
    "schedule",
    "start",
    "report",
    "return",
    "impossible",
    "sub-task",
    "sub-task done",
    "sub-task cancelled",
    "link",
    "unlink",
    "incident over",
]
OF_REQUESTS = ["next word", "again", "ask", "tell", "reclassify", "dispute", "close", "duplicate", "unlink duplicate"]
MOVES = st.lists(
    st.tuples(
        st.sampled_from(
            [*["forward"] * 10, *["timers"] * 3, *["tell"] * 3, *["ask", "dispute", "decline"] * 2, *OF_PEOPLE, *OF_REQUESTS]
        ),
        st.sampled_from([LIFTS, PIPES]),
        st.integers(0, 6),
        st.integers(0, 3),
    ),
    min_size=20,
    max_size=60,
)
Move = tuple[str, str, int, int]
"""What is tried, by or for which organisation, minutes that pass before, and minutes by which request-svc's word is older."""

SETS_CLOCKS: dict[str, set[Stage]] = {
    "registered": set(STAGES),
    "reclassify": set(STAGES),
    "assign": {"accept"},
    "committee": {"accept"},
    "decline": {"accept"},
    "return": {"accept"},
    "reopened": {"accept"},
    "accept": {"start", "finish"},
    "report": {"start", "finish"},
}
"""Which moves may set which clocks; all others set none."""

PAUSES = {"ask": "information_requested", "proposed": "completion_proposed"}
RESUMES = {"tell", "reopened"}


@dataclass
class Run:
    """A clock from its start to its end, as the facts tell it and nothing else."""

    stage: Stage
    starts_at: datetime
    set_by: StageDeadlineSet
    due: datetime
    pauses: list[Pause] = field(default_factory=list)
    paused: datetime | None = None
    warned: int = 0
    breached: int = 0
    levels: list[int] = field(default_factory=list)


class City:
    """A case in a city where request-svc, dispatchers, executors and timers do what they can, whenever they can."""

    def __init__(self, service_type: str) -> None:
        self.service_type = service_type
        self.case = Case()
        self.now = T0
        self.said: list[str] = []
        self.last: Callable[[], None] | None = None
        self.round = 1
        self.facts: list[Event] = []
        self.standing: datetime | None = None
        self.sub_task = uuid4()
        self.asked_for = False
        self.runs: dict[Stage, Run] = {}
        self.past: list[Run] = []

    def do(self, what: str, decide: Callable[[Case], Sequence[Event]], *, fires: bool = False) -> None:
        """Handle one command as the store does: decide, append, set the timer; a refusal stores nothing."""
        try:
            facts = decide(self.case)
        except DispatchRefusalError:
            return
        _moves_only_what_it_may(what, facts)
        if facts and what in {"ask", "tell", "proposed", "reopened", "closed"}:
            self.asked_for = what in {"ask", "proposed"}
        for fact in facts:
            self._follow(fact)
            self.case = CASE.evolve(self.case, fact)
            self.facts.append(fact)
        if fires:
            self.standing = None
        for timer in CASE.timers(self.case, facts) if facts else ():
            self.standing = timer.due_at if isinstance(timer, Set) else None
            assert isinstance(timer, Set | Cancel)

    def hear(self, word: str, decide: Callable[[Case], Sequence[Event]]) -> None:
        """React to what request-svc says."""
        self.said.append(word)
        self.last = lambda: self.do(word, decide)
        self.do(word, decide)

    def move(self, what: str, organisation: str, passed: int, lag: int) -> None:
        """Try one thing a person, a timer or request-svc may do now."""
        self.now += passed * MINUTE
        happened = max(T0, self.now - lag * MINUTE)
        if what == "forward":
            what, organisation = FORWARD.get(self.case.state, "next word"), self.case.organisation or organisation
        if what == "timers":
            while self.standing is not None and self.standing <= self.now:
                by = max(self.now, self.standing)
                self.do("timers", lambda known, by=by: case.watch(known, by), fires=True)  # type: ignore[misc]  # bound now
        elif what in OF_PEOPLE:
            of_its_own = what not in {"assign", "committee"} and lag != 0
            self._by_people(what, self.case.organisation or organisation if of_its_own else organisation)
        else:
            self._by_request(what, happened)

    def of(self, *kinds: type[Event]) -> list[Event]:
        """List the facts of some kinds."""
        return [fact for fact in self.facts if isinstance(fact, kinds)]

    def _by_people(self, what: str, who: str) -> None:
        now = self.now
        commands: dict[str, Callable[[Case], Sequence[Event]]] = {
            "assign": lambda known: case.assign(known, who, now, RULEBOOK),
            "committee": lambda known: case.committee_decide(known, who, "its own", now, RULEBOOK),
            "accept": lambda known: case.accept(known, who, now, RULEBOOK),
            "decline": lambda known: case.decline(known, who, REASON, now, RULEBOOK),
            "schedule": lambda known: case.schedule(known, who, Plan(now, now + 60 * MINUTE), now),
            "start": lambda known: case.start(known, who, now),
            "report": lambda known: case.report_done(known, who, (), now, RULEBOOK),
            "return": lambda known: case.return_work(known, who, REASON, now, RULEBOOK),
            "impossible": lambda known: (
                [] if self.now < T0 + 90 * MINUTE else case.find_impossible(known, "taken down", "impossible", now)
            ),
            "sub-task": lambda known: case.open_sub_task(known, self.sub_task, who, "riser", who, RULEBOOK, staff=False),
            "sub-task done": lambda known: case.finish_sub_task(known, self.sub_task, who, ()),
            "sub-task cancelled": lambda known: case.cancel_sub_task(known, self.sub_task, "off already", who, staff=True),
            "link": lambda known: case.link_incident(known, INCIDENT, "dispatcher", None),
            "unlink": lambda known: case.unlink_incident(known, INCIDENT, "another house"),
            "incident over": lambda known: case.report_done_by_incident(known, INCIDENT, who, (), now),
        }
        self.do(what, commands[what])

    def _by_request(self, what: str, at: datetime) -> None:  # noqa: C901, PLR0912 - a branch a word
        """Let request-svc say what it may say now; some of it any time, some of it once."""
        closed, waits, reported = self.said[-1:] == ["closed"], self.case.waiting, bool(self.of(WorkReportedDone))
        registered = "registered" in self.said
        if what == "again":
            if self.last is not None:
                self.last()
        elif not self.said:
            self.hear("submitted", lambda known: case.open_case(known, REQUEST, SUBMITTED, at))
        elif what == "close" and not (reported or self.now - T0 > 60 * MINUTE):
            return
        elif what in {"close", "duplicate"} and not closed:
            outcome = DUPLICATE if what == "duplicate" else RequestClosed(outcome="done")
            self.hear("closed", lambda known: case.close(known, outcome, at))
        elif what == "unlink duplicate" and closed:
            self._reopen("unlinked", at)
        elif closed:
            return
        elif what == "next word" and not registered:
            fact = RequestRegistered(number="KZN-1", city=CITY, service_type=self.service_type, district=None)
            self.hear("registered", lambda known: case.route(known, REQUEST, fact, at, RULEBOOK))
        elif what == "next word" and reported and self.case.state == "reported":
            self.hear("proposed", lambda known: case.ask_resident(known, proposed(at + 60 * MINUTE, known.round), at, RULEBOOK))
        elif what == "dispute" and self.case.state == "asked":
            self._reopen("disputed", at)
        elif what == "ask" and not waits:
            self.hear("ask", lambda known: case.await_information(known, information_requested(at + 60 * MINUTE), at, RULEBOOK))
        elif what == "tell":
            self.hear("tell", lambda known: case.end_waiting(known, at, RULEBOOK))
        elif what == "reclassify":
            other = {"lift": "pipe", "pipe": "other", "other": "lift"}[self.case.service_type or "other"]
            fact_ = reclassified(other, self.case.service_type or "other")
            self.hear("reclassify", lambda known: case.reclassify(known, fact_, at, RULEBOOK))

    def _reopen(self, because: str, at: datetime) -> None:
        self.round += 1
        fact = RequestReopened.model_validate({"round": self.round, "because": because})
        self.hear("reopened", lambda known: case.reopen(known, fact, at, RULEBOOK))

    def _follow(self, fact: Event) -> None:  # noqa: C901, PLR0912 - a branch a fact
        """Keep the runs of the clocks, by the facts alone."""
        match fact:
            case RequestAssigned() | RoutingFailed() | AssignmentDeclined() | AssignmentAccepted():
                self._over("accept")
            case WorkReturned():
                self._over("start")
                self._over("finish")
            case StageDeadlineSet():
                before = self.runs.pop(fact.stage, None)
                run = Run(fact.stage, fact.starts_at, fact, fact.due)
                if before is not None and (before.starts_at, before.set_by.round) == (fact.starts_at, fact.round):
                    run = Run(fact.stage, fact.starts_at, fact, fact.due, before.pauses, before.paused, before.warned)
                    run.breached, run.levels = before.breached, before.levels
                elif before is not None:
                    self.past.append(before)
                self.runs[fact.stage] = run
            case ClockPaused():
                assert self.runs[fact.stage].paused is None
                self.runs[fact.stage].paused = fact.at
            case ClockResumed():
                run = self.runs[fact.stage]
                assert run.paused is not None
                run.pauses.append(Pause(start=run.paused, end=max(run.paused, fact.at)))
                run.paused, run.due = None, fact.due
            case CaseClosed():
                for run in self.runs.values():
                    run.paused = run.paused or fact.at
            case DeadlineWarned():
                self.runs[fact.stage].warned += 1
            case DeadlineBreached():
                assert self.runs[fact.stage].paused is None
                assert fact.due == self.runs[fact.stage].due <= self.now
                self.runs[fact.stage].breached += 1
            case RequestEscalated():
                assert self.runs[fact.stage].breached
                assert fact.due + LADDER[fact.level - 1].after_minutes * MINUTE <= self.now
                self.runs[fact.stage].levels.append(fact.level)
            case _:
                pass

    def _over(self, stage: Stage) -> None:
        if stage in self.runs:
            self.past.append(self.runs.pop(stage))


def _moves_only_what_it_may(what: str, facts: Sequence[Event]) -> None:
    """Check: no edit moves a clock but those that may."""
    for fact in facts:
        match fact:
            case StageDeadlineSet():
                assert fact.stage in SETS_CLOCKS.get(what, set()), (what, fact)
            case ClockPaused():
                started_paused = any(isinstance(each, StageDeadlineSet) and each.stage == fact.stage for each in facts)
                assert PAUSES.get(what) == fact.because or (started_paused and fact.because == "information_requested")
            case ClockResumed():
                assert what in RESUMES, (what, fact)
            case _:
                pass
