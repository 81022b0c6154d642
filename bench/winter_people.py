"""One request of the winter from its submission to its end: who does what when, through the rules of both services.

What people do is drawn from the seed and the request's number. Facts go from one service to the other as by Kafka, in order and a
little later. Timers fire when they are due. Beside it runs the expectation, which is told what people did and nothing else.
"""

import heapq
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from winter_city import BEGINS, COLD, DAYS, Kazan
from winter_clocks import Breach, Expectation, Lived
from winter_worlds import Moment, World

from dispatch_svc.domain import case as cases
from dispatch_svc.domain.case import CASE, WATCH, Case
from dispatch_svc.domain.refusal import DispatchRefusalError
from request_svc.domain import request as requests
from request_svc.domain.question import Answers
from request_svc.domain.refusal import RequestError
from request_svc.domain.request import INFORMATION_CAP, REQUEST, SILENT_CONSENT, Original, Request
from request_svc.domain.submission import Asker
from shared_events.dispatch import (
    AssignmentAccepted,
    AssignmentDeclined,
    CaseReopened,
    CommitteeDecided,
    DeclineReason,
    RequestAssigned,
    RequestLinkedToIncident,
    RoutingFailed,
    Stage,
    WorkFoundImpossible,
    WorkReportedDone,
    WorkReturned,
    WorkStarted,
)
from shared_events.event import Event
from shared_events.ids import case_stream, derive, request_stream
from shared_events.request import (
    CompletionProposed,
    InformationNotReceived,
    InformationReceived,
    InformationRequested,
    Location,
    RequestClosed,
    RequestReclassified,
    RequestRegistered,
    RequestReopened,
    RequestSubmitted,
)

MOST_STEPS = 2000
"""A life with more steps than this goes round in circles."""

DAY = 1440.0

Refusal = tuple[DeclineReason, str, str | None]


class Life:
    """One request, lived through."""

    def __init__(self, number: int, seed: int, kazan: Kazan, world: World) -> None:
        self._chance = random.Random(f"{seed}|{number}")  # noqa: S311 - a made-up winter, no secret
        self._kazan = kazan
        self._world = world
        self.id = derive("winter", seed, "request", number)
        self._request, self._case = request_stream(self.id), case_stream(self.id)
        self._agenda: list[tuple[datetime, int, Callable[[], None]]] = []
        self._number = 0
        self._heard: dict[str, datetime] = {}
        self._breaches: list[Breach] = []
        self._refused = 0
        self._person = derive(self.id, "person") if self._chance.random() < 0.85 else None
        self._stubborn = self._chance.random() < 0.01
        self._submission, self.now = self._asked()
        self._expected = Expectation(kazan.book, self.now)
        self._submitted = self.now

    def live(self) -> Lived:
        """Live until nothing is left to happen."""
        self._on_request(lambda known, _now: requests.submit(known, self._submission, self._register_number()))
        for _ in range(MOST_STEPS):
            timer = self._world.next_timer()
            due = self._agenda[0][0] if self._agenda else None
            if timer is not None and (due is None or timer.due <= due):
                self.now = max(self.now, timer.due)
                self._fire(timer)
            elif due is not None:
                self.now = max(self.now, due)
                heapq.heappop(self._agenda)[2]()
            else:
                break
        self._expected.pass_by(self.now)
        known = self._world.state(REQUEST, self._request)
        return Lived(self.id, self._submitted, tuple(self._breaches), self._expected, known.state == "closed", self._refused)

    def _asked(self) -> tuple[RequestSubmitted, datetime]:
        """Draw what is asked, where and when; some of it because of an outage."""
        chance, city = self._chance, self._kazan.city
        kind = chance.choice(COLD) if chance.random() < 0.5 else chance.choice(city.service_types).code
        district = chance.choice(city.districts).code if chance.random() < 0.97 else None
        time = BEGINS + timedelta(minutes=chance.uniform(0, DAYS * DAY))
        if chance.random() < 0.08:
            outage = chance.choice(self._kazan.outages)
            time = outage.begins + (outage.ends - outage.begins) * chance.random()
            kind, district = outage.incident.scope.service_types[0], outage.incident.scope.districts[0]
        asked = RequestSubmitted(
            city=city.slug,
            channel="call_centre",
            service_type=kind if chance.random() < 0.97 else None,
            location=Location(district=district),
            person=self._person,
            language="ru",
        )
        self._kind = kind
        return asked, time

    def _register_number(self) -> str | None:
        return None if self._submission.service_type is None else f"KZN-{self.id}"

    def _later(self, minutes: float, action: Callable[[], None]) -> None:
        """Put something on the agenda."""
        self._number += 1
        heapq.heappush(self._agenda, (self.now + timedelta(minutes=minutes), self._number, action))

    def _hear(self, listener: str, action: Callable[[], None]) -> None:
        """Let a service hear something a little later, and after all that it was told before."""
        lag = timedelta(seconds=self._chance.choice((0.0, 0.0, 0.0, 0.2, 4.0)))
        self._heard[listener] = max(self.now + lag, self._heard.get(listener, self.now))
        self._number += 1
        heapq.heappush(self._agenda, (self._heard[listener], self._number, action))

    def _fire(self, timer: Moment) -> None:
        match timer.kind:
            case "silent-consent" | "information-cap":
                said = int(timer.payload.get("round") or timer.payload["number"])
                decide = requests.deem_accepted if timer.kind == SILENT_CONSENT else requests.give_up_waiting
                assert timer.kind in (SILENT_CONSENT, INFORMATION_CAP)
                self._on_request(lambda known, now: decide(known, said, now), timer)
            case _:
                assert timer.kind == WATCH
                self._on_case(lambda known, now: cases.watch(known, max(now, timer.due)), timer)

    # request-svc

    def _on_request(self, decide: Callable[[Request, datetime], Sequence[Event]], fires: Moment | None = None) -> Sequence[Event]:
        try:
            facts = self._world.handle(REQUEST, self._request, decide, self.now, fires)
        except RequestError:
            self._refused += 1
            return ()
        for fact in facts:
            self._tell_dispatch(fact, self.now)
            match fact:
                case RequestSubmitted(service_type=None):
                    self._later(self._chance.uniform(5, 180), self._register)
                case RequestRegistered():
                    self._plan_accidents()
                case InformationRequested() if self._chance.random() < 0.7:
                    self._later(self._chance.expovariate(1 / (3 * DAY)), self._answer)
                case CompletionProposed():
                    self._judge()
                case _:
                    pass
        return facts

    def _register(self) -> None:
        self._on_request(lambda known, _now: requests.register(known, self._kind, f"KZN-{self.id}"))

    def _plan_accidents(self) -> None:
        """Draw what may happen besides: taken back, refused, reclassified, the same as another."""
        draw = self._chance.random()
        after = self._chance.expovariate(1 / DAY)
        asker = Asker(self.id, agent=True)
        if draw < 0.01:
            self._later(after, lambda: self._do(lambda known, _now: requests.withdraw(known, asker, "other")))
        elif draw < 0.02:
            self._later(after, lambda: self._do(lambda known, _now: requests.reject(known, "Not the city's.", "not_responsible")))
        elif draw < 0.06:
            kind = self._chance.choice(self._kazan.city.service_types).code
            self._later(
                after, lambda: self._do(lambda known, _now: requests.reclassify(known, kind, Answers({}), "Something else."))
            )
        elif draw < 0.075:
            other = Original(derive(self.id, "original"), Request(state="registered", city=self._kazan.city.slug))
            self._later(after, lambda: self._do(lambda known, _now: requests.link(known, self.id, other)))
            if self._chance.random() < 0.6:
                late = after + self._chance.uniform(10, 3 * DAY)
                self._later(late, lambda: self._do(lambda known, _now: requests.unlink(known, "Another flat.")))

    def _do(self, decide: Callable[[Request, datetime], Sequence[Event]]) -> None:
        self._on_request(decide)

    def _answer(self) -> None:
        asker = Asker(self._person or self.id, agent=False)
        self._do(lambda known, _now: requests.answer(known, asker, "The second entrance."))

    def _judge(self) -> None:
        """Let the resident confirm, dispute, or say nothing."""
        draw, after = self._chance.random(), self._chance.expovariate(1 / DAY)
        asker = Asker(self._person or self.id, agent=self._person is None)
        if draw < 0.1:
            words = None if self._person is None else "It drips."
            self._later(after, lambda: self._do(lambda known, _now: requests.dispute(known, asker, words)))
        elif draw < 0.6:
            self._later(after, lambda: self._do(lambda known, _now: requests.confirm(known, asker)))

    def _tell_dispatch(self, fact: Event, time: datetime) -> None:
        told = (
            RequestSubmitted,
            RequestRegistered,
            RequestReclassified,
            InformationRequested,
            InformationReceived,
            InformationNotReceived,
            CompletionProposed,
            RequestReopened,
            RequestClosed,
        )
        if isinstance(fact, told):
            self._hear("dispatch", lambda: self._dispatch_hears(fact, time))

    # dispatch-svc

    def _dispatch_hears(self, fact: Event, at: datetime) -> None:
        rules, expected = self._kazan.rulebook_at(self.now), self._expected
        match fact:
            case RequestSubmitted():
                self._on_case(lambda known, _now: cases.open_case(known, self.id, fact, at))
            case RequestRegistered():
                facts = self._on_case(lambda known, _now: cases.route(known, self.id, fact, at, rules))
                expected.register(fact.service_type, at, self.now, _assigned(facts))
            case RequestReclassified():
                facts = self._on_case(lambda known, _now: cases.reclassify(known, fact, at, rules))
                if facts:
                    moved = any(isinstance(each, RequestAssigned | RoutingFailed) for each in facts)
                    expected.reclassify(fact.service_type, at, self.now, moved=moved, organisation=_assigned(facts))
            case InformationRequested():
                self._on_case(lambda known, _now: cases.await_information(known, fact, at, rules))
                expected.ask(at)
            case InformationReceived() | InformationNotReceived():
                self._on_case(lambda known, _now: cases.end_waiting(known, at, rules))
                expected.answer(at, self.now)
            case CompletionProposed():
                self._on_case(lambda known, _now: cases.ask_resident(known, fact, at, rules))
                expected.propose(fact.round, at)
            case RequestReopened():
                self._on_case(lambda known, _now: cases.reopen(known, fact, at, rules))
                expected.reopen(fact.round, at, self.now)
            case RequestClosed():
                self._on_case(lambda known, _now: cases.close(known, fact, at))
                expected.close(at)
            case _:
                raise AssertionError(fact)

    def _on_case(self, decide: Callable[[Case, datetime], Sequence[Event]], fires: Moment | None = None) -> Sequence[Event]:
        self._expected.pass_by(self.now)
        try:
            facts = self._world.handle(CASE, self._case, decide, self.now, fires)
        except DispatchRefusalError:
            self._refused += 1
            return ()
        for fact in facts:
            self._follow(fact)
        return facts

    def _follow(self, fact: Event) -> None:
        """Let people do what a fact of the case asks of them, and request-svc hear of the work."""
        match fact:
            case RequestAssigned():
                self._later(self._minutes("accept"), lambda: self._take(fact.organisation))
            case RoutingFailed() | AssignmentDeclined() | WorkReturned():
                self._later(self._chance.expovariate(1 / 90), self._assign)
            case CaseReopened() if self._world.state(CASE, self._case).organisation is None:
                self._later(self._chance.expovariate(1 / 90), self._assign)
            case AssignmentAccepted():
                self._later(self._minutes("start"), lambda: self._begin(fact.organisation))
            case WorkStarted():
                self._later(self._minutes("finish"), lambda: self._report(fact.organisation))
            case WorkReportedDone():
                self._propose(fact, self.now)
            case WorkFoundImpossible():
                self._hear("request", lambda: self._do(lambda known, _now: requests.find_impossible(known, fact)))
            case RequestLinkedToIncident():
                outage = next(each for each in self._kazan.outages if each.incident.id == fact.incident)
                over = (outage.ends - self.now).total_seconds() / 60 + self._chance.uniform(0, 10)
                self._later(max(over, 0), lambda: self._end_of(fact.incident, outage.incident.organisation))
            case _:
                self._note(fact)

    def _note(self, fact: Event) -> None:
        if fact.TYPE == "dispatch.deadline-breached.v1":
            said = fact.model_dump()
            self._breaches.append(Breach(said["stage"], said["round"], said["due"], self.now))

    def _minutes(self, stage: Stage) -> float:
        """Draw how long somebody takes for a stage: mostly within its term, sometimes long after."""
        clock = self._world.state(CASE, self._case).clock(stage)
        term = (clock.due - self.now).total_seconds() / 60 if clock is not None else 60.0
        return max(term, 1.0) * self._chance.lognormvariate(-0.9, 0.9)

    def _take(self, organisation: str) -> None:
        """Accept, or decline; then perhaps ask the resident, give the work back, or find it impossible."""
        draw = self._chance.random()
        rules = self._kazan.rulebook_at(self.now)
        if draw < 0.05 or self._stubborn:
            said: Refusal = ("not_our_work", "Ask the network.", None)
            declined = self._on_case(lambda known, now: cases.decline(known, organisation, said, now, rules))
            if declined:
                self._expected.give_back("declined", self.now)
                return
        accepted = self._on_case(lambda known, now: cases.accept(known, organisation, now, rules))
        if not any(isinstance(fact, AssignmentAccepted) for fact in accepted):
            return
        self._expected.accept(self.now)
        soon = self._chance.uniform(1, 2 * DAY)
        if draw > 0.92:
            self._later(soon, self._ask)
        elif draw > 0.9:
            self._later(soon, lambda: self._give_back(organisation))
        elif draw > 0.895:
            self._later(soon, self._find_impossible)

    def _assign(self) -> None:
        """Assign somebody; after too many refusals by the committee's word."""
        rules, organisation = self._kazan.rulebook_at(self.now), self._chance.choice(sorted(self._kazan.rulebook.organisations))
        known = self._world.state(CASE, self._case)
        if known.committee is None and known.declines >= rules.most_declines(known.city):
            ground = "The committee has met."
            facts = self._on_case(lambda case, now: cases.committee_decide(case, organisation, ground, now, rules))
            assert not facts or any(isinstance(fact, CommitteeDecided) for fact in facts)
        else:
            facts = self._on_case(lambda case, now: cases.assign(case, organisation, now, rules))
        if _assigned(facts) is not None:
            self._expected.assign(organisation, self.now, self.now)

    def _waits(self, action: Callable[[], None]) -> bool:
        """Let an executor mostly wait with a step until the resident has answered."""
        if not self._world.state(CASE, self._case).waiting or self._chance.random() < 0.1:
            return False
        self._later(self._chance.uniform(60, 2 * DAY), action)
        return True

    def _begin(self, organisation: str) -> None:
        if self._waits(lambda: self._begin(organisation)):
            return
        if any(isinstance(fact, WorkStarted) for fact in self._on_case(lambda case, now: cases.start(case, organisation, now))):
            self._expected.start()

    def _report(self, organisation: str) -> None:
        if self._waits(lambda: self._report(organisation)):
            return
        rules = self._kazan.rulebook_at(self.now)
        evidence = tuple(sha256(f"{self.id}|{number}".encode()).hexdigest() for number in range(3))
        facts = self._on_case(lambda case, now: cases.report_done(case, organisation, evidence, now, rules))
        self._reported(facts)

    def _end_of(self, incident: UUID, organisation: str) -> None:
        facts = self._on_case(lambda case, now: cases.report_done_by_incident(case, incident, organisation, (), now))
        self._reported(facts)

    def _reported(self, facts: Sequence[Event]) -> None:
        if any(isinstance(fact, WorkReportedDone) for fact in facts):
            self._expected.finish("reported")

    def _propose(self, reported: WorkReportedDone, at: datetime) -> None:
        consent = self._kazan.rules.consent_for(self._world.state(REQUEST, self._request).service_type)
        self._hear("request", lambda: self._do(lambda known, _now: requests.propose_completion(known, reported, at, consent)))

    def _ask(self) -> None:
        term = self._kazan.rules.information_for(self._world.state(REQUEST, self._request).service_type)
        self._do(lambda known, now: requests.ask(known, "Which entrance?", "organisation", now, term))

    def _give_back(self, organisation: str) -> None:
        rules = self._kazan.rulebook_at(self.now)
        said: Refusal = ("not_equipped", "A crane is needed.", None)
        facts = self._on_case(lambda case, now: cases.return_work(case, organisation, said, now, rules))
        if any(isinstance(fact, WorkReturned) for fact in facts):
            self._expected.give_back("returned", self.now)

    def _find_impossible(self) -> None:
        facts = self._on_case(lambda case, now: cases.find_impossible(case, "The house is torn down.", "impossible", now))
        if any(isinstance(fact, WorkFoundImpossible) for fact in facts):
            self._expected.finish("impossible")


def _assigned(facts: Sequence[Event]) -> str | None:
    return next((fact.organisation for fact in facts if isinstance(fact, RequestAssigned)), None)
