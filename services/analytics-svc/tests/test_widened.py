"""What the reports say of rounds, endings, terms, ratings and holders, when requests do not go straight."""

from datetime import date, datetime, timedelta
from uuid import UUID

import pytest
from newsroom import MINUTE, NOON, ORGANISATION, PERSON, Newsroom, heard, named

from analytics_svc.facts.file import FactFile
from analytics_svc.reports import deadline, holder, rating, request
from analytics_svc.reports.deadline import deadlines
from analytics_svc.reports.holder import holders
from analytics_svc.reports.rating import ratings
from analytics_svc.reports.report import NoDaysError, UnknownCityError, Window
from analytics_svc.reports.request import requests
from shared_events.dispatch import (
    AssignmentDeclined,
    CaseClosed,
    CaseReopened,
    ClockResumed,
    CommitteeDecided,
    DeadlineWarned,
    Holder,
    RequestAssigned,
    RequestEscalated,
    RequestLinkedToIncident,
    RequestUnlinkedFromIncident,
    WorkReportedDone,
    WorkReturned,
)
from shared_events.ids import case_stream, request_stream
from shared_events.request import (
    CompletionDeemedAccepted,
    CompletionDisputed,
    RatingAsked,
    RequestClosed,
    RequestRated,
    RequestReclassified,
    RequestReopened,
    RequestUnlinked,
)

A, B, C, D = (named(name) for name in "abcd")
OTHER = "organisation-los-angeles-lapd"
BY_HOLDER = Holder(kind="organisation", organisation=ORGANISATION)


@pytest.fixture
def room() -> Newsroom:
    """Give everybody who speaks."""
    return Newsroom()


def dispute(room: Newsroom, about: UUID, at: datetime, turn: int = 2) -> None:
    """Let the resident dispute, and the case be taken up again by its organisation."""
    room.say(request_stream(about), CompletionDisputed(round=turn - 1, person=PERSON, reason="No."), at=at)
    room.say(request_stream(about), RequestReopened(round=turn, because="disputed"), at=at)
    room.say(case_stream(about), CaseReopened(round=turn, at=at), at=at)
    room.hold(about, "organisation", at, ORGANISATION)


class TestEndings:
    """Whose word it was that the work is done."""

    def test_a_silence_is_never_a_confirmation(self, facts: FactFile, room: Newsroom) -> None:
        """One confirmed, one by silence, one closed with nobody asked, one open: four figures."""
        room.journey(A)
        for about, consent in ((B, True), (C, False), (D, None)):
            room.submit(about)
            if consent:
                room.say(request_stream(about), CompletionDeemedAccepted(round=1, consent_due=NOON))
            if consent is not None:
                room.say(request_stream(about), RequestClosed(outcome="done" if consent else "withdrawn"))
        heard(facts, room.said)
        found = requests(facts, ["outcome", "ending"], Window())
        assert {(row["outcome"], row["ending"]): row["count"] for row in found.rows} == {
            ("done", "confirmed"): 1,
            ("done", "silent"): 1,
            ("withdrawn", "unasked"): 1,
            ("open", "open"): 1,
        }
        assert requests(facts, [], Window(), request.Of(ending="silent")).total["count"] == 1
        assert requests(facts, [], Window(), request.Of(outcome="done", ending="confirmed")).total["count"] == 1

    def test_a_reopened_request_is_open_and_what_ended_it_before_is_no_ending(self, facts: FactFile, room: Newsroom) -> None:
        """Closed, opened again, closed otherwise: as of each moment what was so then."""
        room.journey(A)
        room.say(request_stream(A), RequestUnlinked(of=B, reason="another house"), at=NOON + 10 * MINUTE)
        room.say(request_stream(A), RequestReopened(round=2, because="unlinked"), at=NOON + 10 * MINUTE)
        room.say(request_stream(A), RequestClosed(outcome="impossible"), at=NOON + 20 * MINUTE)
        heard(facts, room.said)

        def known(minutes: int) -> list[tuple[object, ...]]:
            window = Window(as_of=NOON + minutes * MINUTE)
            return [tuple(row.values())[:3] for row in requests(facts, ["outcome", "ending", "rounds"], window).rows]

        assert known(9) == [("done", "confirmed", 1)]
        assert known(15) == [("open", "open", 2)]
        assert known(25) == [("impossible", "unasked", 2)]

    def test_what_went_otherwise_than_planned_is_counted(self, facts: FactFile, room: Newsroom) -> None:
        """Reopened, disputed, declined, given back, decided, warned, breached, escalated, and in an incident or no longer."""
        case = case_stream(A)
        room.journey(A)
        room.submit(B)
        dispute(room, A, NOON + 10 * MINUTE)
        for number in (1, 2):
            declined = AssignmentDeclined(
                organisation=OTHER, round=2, number=number, reason="not_our_work", note="", proposes=None
            )
            room.say(case, declined)
        room.say(case, WorkReturned(organisation=OTHER, round=2, reason="other", note="", proposes=None))
        room.say(case, CommitteeDecided(organisation=ORGANISATION, round=2, ground="law"))
        room.say(case, DeadlineWarned(stage="total", round=1, due=NOON, holder=BY_HOLDER))
        room.breach(A, "total", NOON + 30 * MINUTE, ORGANISATION)
        room.say(case, RequestEscalated(level=1, to="city", stage="total", round=1, due=NOON, holder=BY_HOLDER))
        for about in (A, B):
            linked = RequestLinkedToIncident(incident=named("outage"), by="scope", expected_end=None)
            room.say(case_stream(about), linked)
        room.say(case_stream(B), RequestUnlinkedFromIncident(incident=named("outage"), reason="another pipe"))
        heard(facts, room.said)
        expected = (2, 1, 1, 2, 1, 1, 1, 1, 1, 1)
        assert requests(facts, [], Window()).total == dict(zip(request.MEASURES, expected, strict=True))
        (row,) = requests(facts, ["rounds"], Window()).rows[1:]
        assert (row["rounds"], row["count"], row["declines"]) == (2, 1, 2)

    def test_the_newest_service_type_counts(self, facts: FactFile, room: Newsroom) -> None:
        """As it was known then."""
        room.journey(A)
        reclassified = RequestReclassified(
            previous="bulky-items", service_type="graffiti", answers={}, questions_version=None, reason="paint"
        )
        room.say(request_stream(A), reclassified, at=NOON + 2 * MINUTE)
        heard(facts, room.said)
        assert [row["type"] for row in requests(facts, ["type"], Window()).rows] == ["graffiti"]
        assert [row["type"] for row in requests(facts, ["type"], Window(as_of=NOON + MINUTE)).rows] == ["bulky-items"]


class TestHolders:
    """Who held requests how long, when cases are reopened."""

    def test_the_time_a_case_was_closed_is_nobodys(self, facts: FactFile, room: Newsroom) -> None:
        """Six minutes, closed for an hour, reopened for ten: sixteen in all, however they are told apart."""
        room.journey(A)
        room.journey(B)
        reopened = NOON + 66 * MINUTE
        room.say(case_stream(A), CaseReopened(round=2, at=reopened), at=reopened)
        room.hold(A, "organisation", reopened, ORGANISATION)
        ended = CaseClosed(outcome="done", at=reopened + 10 * MINUTE)
        room.say(case_stream(A), ended, at=ended.at)
        heard(facts, room.said)
        found = holders(facts, ["kind"], Window())
        assert {row["kind"]: row["minutes"] for row in found.rows} == {"call_centre": 2.0, "organisation": 16.0, "resident": 4.0}
        assert found.total == {"cases": 2, "intervals": 7, "microseconds": 22 * 60_000_000, "minutes": 22.0}
        then = holders(facts, ["kind"], Window(as_of=NOON + 30 * MINUTE))
        assert then.total["minutes"] == sum(float(str(row["minutes"])) for row in then.rows) == 12.0

    def test_who_held_it_before_holds_it_again_when_nobody_else_is_named(self, facts: FactFile, room: Newsroom) -> None:
        """A reopened case is somebody's at every instant."""
        room.hold(A, "dispatcher", NOON)
        for at, fact in ((5, CaseClosed(outcome="done", at=NOON + 5 * MINUTE)), (9, CaseReopened(round=2, at=NOON + 9 * MINUTE))):
            room.say(case_stream(A), fact, at=NOON + at * MINUTE)
        heard(facts, room.said)
        found = holders(facts, ["kind"], Window(as_of=NOON + 12 * MINUTE))
        assert [(row["kind"], row["minutes"]) for row in found.rows] == [("dispatcher", 8.0)]
        assert found.total["minutes"] == 8.0

    def test_a_disputed_case_goes_from_hand_to_hand(self, facts: FactFile, room: Newsroom) -> None:
        """Reopened before it was closed: no instant is lost, none is twice."""
        room.hold(A, "resident", NOON)
        dispute(room, A, NOON + 4 * MINUTE)
        room.say(case_stream(A), CaseClosed(outcome="done", at=NOON + 9 * MINUTE), at=NOON + 9 * MINUTE)
        heard(facts, room.said)
        found = holders(facts, ["kind"], Window())
        assert {row["kind"]: row["minutes"] for row in found.rows} == {"resident": 4.0, "organisation": 5.0}
        assert found.total["intervals"] == 2

    def test_one_holders_time_has_a_total_of_its_own(self, facts: FactFile, room: Newsroom) -> None:
        """Filtered by holder, the total is of what is shown."""
        room.journey(A)
        heard(facts, room.said)
        for of in (holder.Of(kind="organisation"), holder.Of(organisation=ORGANISATION)):
            assert holders(facts, ["kind"], Window(), of).total["minutes"] == 3.0
        assert holders(facts, ["kind"], Window(), holder.Of(district="cd-9")).total["minutes"] == 0


class TestDeadlines:
    """Terms kept and not kept."""

    def state(self, facts: FactFile, stage: str, as_of: datetime | None = None) -> list[tuple[object, ...]]:
        """Tell of each organisation's clocks of a stage how many there are, kept, late and running."""
        found = deadlines(facts, ["organisation"], Window(as_of=as_of), deadline.Of(stage=stage))
        return [tuple(row.values())[:5] for row in found.rows]

    def test_a_clock_runs_until_it_is_kept(self, facts: FactFile, room: Newsroom) -> None:
        """Accepted in time, done in time; the day is the one it was due on."""
        room.journey(A)
        heard(facts, room.said)
        assert self.state(facts, "accept", NOON + MINUTE) == [(ORGANISATION, 1, 0, 0, 1)]
        assert self.state(facts, "accept") == [(ORGANISATION, 1, 1, 0, 0)]
        assert self.state(facts, "finish", NOON + 2 * MINUTE) == [(ORGANISATION, 1, 0, 0, 1)]
        assert self.state(facts, "finish") == [(ORGANISATION, 1, 1, 0, 0)]
        whole = deadlines(facts, ["type", "day"], Window(city="los-angeles"))
        assert [(row["type"], row["day"], row["clocks"]) for row in whole.rows] == [("bulky-items", date(2026, 3, 1), 2)]

    def test_a_breach_is_late_for_good_and_whoever_held_the_case_then(self, facts: FactFile, room: Newsroom) -> None:
        """Also when the work is done afterwards, and by another."""
        room.journey(A)
        room.set_clock(A, "total", NOON, NOON + 2 * MINUTE)
        room.breach(A, "total", NOON + 2 * MINUTE, OTHER)
        room.say(case_stream(A), CaseClosed(outcome="done", at=NOON + 6 * MINUTE), at=NOON + 6 * MINUTE)
        heard(facts, room.said)
        assert self.state(facts, "total") == [(OTHER, 1, 0, 1, 0)]
        assert self.state(facts, "total", NOON + 2 * MINUTE - timedelta(seconds=1)) == [(ORGANISATION, 1, 0, 0, 1)]

    def test_each_assignment_has_a_clock_of_its_own(self, facts: FactFile, room: Newsroom) -> None:
        """Declined in time, then with a dispatcher too long, then accepted by another: kept, nobody's late, kept."""
        room.say(case_stream(A), RequestAssigned(organisation=ORGANISATION, round=1, by="rule"))
        room.set_clock(A, "accept", NOON, NOON + 5 * MINUTE)
        declined = AssignmentDeclined(
            organisation=ORGANISATION, round=1, number=1, reason="not_our_work", note="", proposes=OTHER
        )
        room.say(case_stream(A), declined, at=NOON + MINUTE)
        room.set_clock(A, "accept", NOON + MINUTE, NOON + 3 * MINUTE)
        room.breach(A, "accept", NOON + 3 * MINUTE, None)
        room.say(case_stream(A), RequestAssigned(organisation=OTHER, round=1, by="dispatcher"), at=NOON + 4 * MINUTE)
        room.set_clock(A, "accept", NOON + 4 * MINUTE, NOON + 9 * MINUTE)
        heard(facts, room.said)
        assert self.state(facts, "accept") == [(ORGANISATION, 1, 1, 0, 0), (OTHER, 1, 0, 0, 1), (None, 1, 0, 1, 0)]

    def test_a_clock_reckoned_anew_is_one_clock_and_a_new_round_has_its_own(self, facts: FactFile, room: Newsroom) -> None:
        """Reclassified: the same start, another term; paused: due later. Reopened: a clock more."""
        room.set_clock(A, "finish", NOON, NOON + 5 * MINUTE)
        room.set_clock(A, "finish", NOON, NOON + timedelta(days=2))
        resumed = ClockResumed(stage="finish", round=1, at=NOON, due=NOON + timedelta(days=3), warn_at=None)
        room.say(case_stream(A), resumed)
        room.say(case_stream(A), WorkReportedDone(organisation=ORGANISATION, round=1, evidence=()))
        room.set_clock(A, "finish", NOON + MINUTE, NOON + timedelta(days=5), turn=2)
        heard(facts, room.said)
        found = deadlines(facts, ["day"], Window())
        assert [(str(row["day"]), row["kept"], row["running"]) for row in found.rows] == [
            ("2026-03-04", 1, 0),
            ("2026-03-06", 0, 1),
        ]
        assert found.total["clocks"] == 2
        assert deadlines(facts, [], Window(since=date(2026, 3, 5))).total["clocks"] == 1

    def test_the_clocks_of_the_whole_end_with_the_case_and_go_on_when_it_is_reopened(
        self, facts: FactFile, room: Newsroom
    ) -> None:
        """Total and statutory alike; warnings and escalations are counted where they belong."""
        case = case_stream(A)
        room.set_clock(A, "total", NOON, NOON + 60 * MINUTE)
        room.set_clock(A, "statutory", NOON, NOON + 60 * MINUTE)
        room.say(case, DeadlineWarned(stage="statutory", round=1, due=NOON, holder=BY_HOLDER), at=NOON + MINUTE)
        room.say(case, CaseClosed(outcome="done", at=NOON + 2 * MINUTE), at=NOON + 2 * MINUTE)
        room.say(case, CaseReopened(round=2, at=NOON + 9 * MINUTE), at=NOON + 9 * MINUTE)
        room.say(
            case, RequestEscalated(level=1, to="city", stage="total", round=1, due=NOON, holder=BY_HOLDER), at=NOON + 9 * MINUTE
        )
        heard(facts, room.said)
        for stage, told in (("total", (0, 1)), ("statutory", (1, 0))):
            assert self.state(facts, stage, NOON + 5 * MINUTE) == [(None, 1, 1, 0, 0)]
            assert self.state(facts, stage) == [(None, 1, 0, 0, 1)]
            (row,) = deadlines(facts, ["stage"], Window(), deadline.Of(stage=stage)).rows
            assert (row["warnings"], row["escalations"]) == told

    def test_the_rows_sum_to_the_total(self, facts: FactFile, room: Newsroom) -> None:
        """Each clock is in one row."""
        for place in range(5):
            room.journey(named(f"request {place}"), NOON + place * timedelta(hours=9))
            if place % 2:
                room.breach(named(f"request {place}"), "finish", NOON, ORGANISATION)
        heard(facts, room.said)
        found = deadlines(facts, deadline.DIMENSIONS, Window())
        for measure in deadline.MEASURES:
            assert sum(int(str(row[measure])) for row in found.rows) == found.total[measure]
        assert (found.total["clocks"], found.total["late"], found.total["kept"]) == (10, 2, 8)


class TestRatings:
    """Who was asked, who answered what, and who said nothing."""

    def test_whoever_says_nothing_is_in_no_average(self, facts: FactFile, room: Newsroom) -> None:
        """Three were asked, two answered; one of them for the second round too."""
        for about in (A, B, C):
            room.journey(about)
        room.say(request_stream(A), RatingAsked(round=2, person=PERSON, organisation=OTHER), at=NOON + timedelta(days=1))
        for about, turn, organisation, points in ((A, 1, ORGANISATION, 5), (A, 2, OTHER, 1), (B, 1, ORGANISATION, 2)):
            given = RequestRated(round=turn, person=PERSON, organisation=organisation, rating=points)
            room.say(request_stream(about), given, at=NOON + timedelta(days=2))
        heard(facts, room.said)
        found = ratings(facts, ["organisation"], Window())
        assert [tuple(row.values()) for row in found.rows] == [(ORGANISATION, 3, 2, 1, 7, 3.5), (OTHER, 1, 1, 0, 1, 1.0)]
        assert found.total == {"asked": 4, "given": 3, "silent": 1, "points": 8, "average": 2.667}
        before = ratings(facts, [], Window(as_of=NOON + timedelta(hours=1))).total
        assert before == {"asked": 3, "given": 0, "silent": 3, "points": 0, "average": None}
        assert ratings(facts, ["day"], Window(), rating.Of(organisation=OTHER)).rows[0]["day"] == date(2026, 3, 2)

    def test_days_and_cities_that_are_none_are_refused(self, facts: FactFile) -> None:
        """In words, before anything is counted."""
        with pytest.raises(NoDaysError):
            ratings(facts, [], Window(since=date(2026, 3, 2), until=date(2026, 3, 1)))
        with pytest.raises(UnknownCityError, match="There are: kazan, los-angeles, madrid"):
            ratings(facts, [], Window(city="atlantis"))
