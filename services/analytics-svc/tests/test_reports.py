"""What the reports say of a few journeys told in advance."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from newsroom import MINUTE, NOON, ORGANISATION, PERSON, Newsroom, heard, named

from analytics_svc.facts.file import FactFile, Row
from analytics_svc.facts.fold import fold
from analytics_svc.facts.tally import COUNTS
from analytics_svc.reports.holder import holders
from analytics_svc.reports.reconciliation import reconcile
from analytics_svc.reports.report import UnknownDimensionError, Window, as_csv
from analytics_svc.reports.request import MEASURES, requests
from analytics_svc.reports.submission import submissions
from analytics_svc.reports.tally import compare
from analytics_svc.reports.total import totals
from shared_chassis.view import Statement
from shared_events.dispatch import AssignmentDeclined, RequestAssigned
from shared_events.ids import case_stream, request_stream
from shared_events.request import CompletionDisputed, RequestClosed, RequestLinkedAsDuplicate

A, B, C = (named(name) for name in "abc")


@pytest.fixture
def room() -> Newsroom:
    """Give everybody who speaks."""
    return Newsroom()


class TestRequests:
    """District, type, day and outcome."""

    def test_they_are_counted_by_the_dimensions_asked_for(self, facts: FactFile, room: Newsroom) -> None:
        """A closed one and two open ones, in two districts; the total is counted by itself."""
        room.journey(A)
        room.submit(B)
        room.submit(C, district="cd-2", service_type="graffiti")
        heard(facts, room.said)
        found = requests(facts, ["outcome", "district", "type"], Window())
        assert found.columns[:4] == ["district", "type", "outcome", "count"]
        assert [tuple(row.values())[:4] for row in found.rows] == [
            ("cd-1", "bulky-items", "done", 1),
            ("cd-1", "bulky-items", "open", 1),
            ("cd-2", "graffiti", "open", 1),
        ]
        assert found.total["count"] == 3
        assert [row["count"] for row in requests(facts, [], Window()).rows] == [3]

    def test_a_day_is_a_day_of_the_citys_own_time(self, facts: FactFile, room: Newsroom) -> None:
        """At half past one in the night (UTC) it is yesterday in Los Angeles and today in Kazan."""
        night = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
        room.submit(A, at=night)
        room.submit(B, at=night, city="kazan")
        heard(facts, room.said)
        found = requests(facts, ["city", "day"], Window())
        assert {row["city"]: row["day"] for row in found.rows} == {"los-angeles": date(2026, 3, 1), "kazan": date(2026, 3, 2)}
        in_march = Window(since=date(2026, 3, 2), until=date(2026, 3, 3))
        assert [(row["city"], row["count"]) for row in requests(facts, ["city"], in_march).rows] == [("kazan", 1)]
        assert requests(facts, ["city"], Window(city="los-angeles", until=date(2026, 3, 1))).total["count"] == 0

    def test_they_are_told_as_they_were_known_at_a_moment(self, facts: FactFile, room: Newsroom) -> None:
        """What happened at noon and was known at two is not known at one; an outcome not yet known is open."""
        room.submit(A, service_type="graffiti")
        room.register(A, at=NOON + 5 * MINUTE)
        room.say(request_stream(A), RequestClosed(outcome="done"), at=NOON + 9 * MINUTE)
        room.submit(B, known=NOON + timedelta(hours=2))
        heard(facts, room.said)

        def known(at: datetime) -> list[tuple[object, ...]]:
            return [tuple(row.values())[:3] for row in requests(facts, ["type", "outcome"], Window(as_of=at)).rows]

        assert known(NOON - MINUTE) == []
        assert known(NOON) == [("graffiti", "open", 1)]
        assert known(NOON + 5 * MINUTE) == [("bulky-items", "open", 1)]
        assert known(NOON + timedelta(hours=1)) == [("bulky-items", "done", 1)]
        assert known(NOON + timedelta(hours=2)) == [("bulky-items", "done", 1), ("bulky-items", "open", 1)]

    def test_a_request_known_only_by_its_end_is_not_counted_yet(self, facts: FactFile, room: Newsroom) -> None:
        """Topics are not ordered against each other, and a report never guesses."""
        room.register(A)
        heard(facts, room.said)
        assert requests(facts, ["district"], Window()).total["count"] == 0

    def test_a_dimension_nobody_knows_is_refused(self, facts: FactFile) -> None:
        """In words, with those there are."""
        with pytest.raises(UnknownDimensionError, match="There is no phone here, only city, district, type"):
            requests(facts, ["phone", "district"], Window())

    def test_a_report_is_csv_too(self, facts: FactFile, room: Newsroom) -> None:
        """A header and a line a row."""
        room.journey(A)
        heard(facts, room.said)
        text = as_csv(requests(facts, ["day", "ending"], Window()))
        assert text == f"day,ending,{','.join(MEASURES)}\r\n2026-03-01,confirmed,1{',0' * (len(MEASURES) - 1)}\r\n"


class TestHolders:
    """Who held requests how long."""

    def test_the_times_of_all_holders_sum_to_the_whole(self, facts: FactFile, room: Newsroom) -> None:
        """A minute the call centre, three the organisation, two the resident: six in all, exactly."""
        room.journey(A)
        room.journey(B, NOON + timedelta(microseconds=7))
        heard(facts, room.said)
        found = holders(facts, ["kind", "organisation"], Window())
        assert {(row["kind"], row["organisation"]): row["minutes"] for row in found.rows} == {
            ("call_centre", None): 2.0,
            ("organisation", ORGANISATION): 6.0,
            ("resident", None): 4.0,
        }
        assert found.total == {"cases": 2, "intervals": 6, "microseconds": 12 * 60_000_000, "minutes": 12.0}
        assert sum(_number(row, "microseconds") for row in found.rows) == found.total["microseconds"]

    def test_an_open_case_is_held_until_now_or_until_the_moment_asked_about(self, facts: FactFile, room: Newsroom) -> None:
        """As it was known then: who took over later held nothing yet."""
        room.journey(A)
        heard(facts, room.said)
        then = holders(facts, ["kind"], Window(as_of=NOON + 2 * MINUTE))
        assert {row["kind"]: row["minutes"] for row in then.rows} == {"call_centre": 1.0, "organisation": 1.0}
        assert then.total["minutes"] == 2.0
        since = datetime.now(tz=UTC) - timedelta(hours=1)
        room.hold(B, "dispatcher", since)
        heard(facts, room.said)
        (still,) = (row for row in holders(facts, ["kind"], Window()).rows if row["kind"] == "dispatcher")
        assert 60.0 <= _number(still, "minutes") <= (datetime.now(tz=UTC) - since) / MINUTE

    def test_they_are_told_apart_by_what_the_request_is_about(self, facts: FactFile, room: Newsroom) -> None:
        """City, district and type are the request's."""
        room.journey(A)
        heard(facts, room.said)
        (row,) = holders(facts, ["city", "district", "type"], Window(city="los-angeles")).rows
        assert (row["city"], row["district"], row["type"], row["cases"]) == ("los-angeles", "cd-1", "bulky-items", 1)
        assert holders(facts, ["city"], Window(city="kazan")).rows == []


def test_submissions_are_counted_by_discussion_kind_and_day(facts: FactFile, room: Newsroom) -> None:
    """Each once, on its day in Madrid."""
    room.contribute(A, named("one"))
    room.contribute(B, named("one"), remark=True)
    room.contribute(C, named("two"), at=datetime(2026, 3, 1, 23, 30, tzinfo=UTC))
    heard(facts, room.said)
    found = submissions(facts, ["discussion", "kind", "day"], Window())
    assert sorted(tuple(map(str, row.values())) for row in found.rows) == sorted(
        [
            (str(named("one")), "question", "2026-03-01", "1"),
            (str(named("one")), "remark", "2026-03-01", "1"),
            (str(named("two")), "question", "2026-03-02", "1"),
        ]
    )
    assert submissions(facts, ["kind"], Window(), named("two")).total == {"count": 1}
    assert submissions(facts, ["kind"], Window(as_of=NOON)).total == {"count": 2}


class TestTotals:
    """Everything heard, and how long it took."""

    def test_every_event_is_counted_by_topic_and_type(self, facts: FactFile, room: Newsroom) -> None:
        """Twice heard is once counted; positions are those of the store."""
        room.journey(A)
        heard(facts, room.said)
        heard(facts, room.said)
        found = totals(facts)
        assert found.events == len(room.said)
        assert {str(row["topic"]): row["events"] for row in found.topics} == {
            "dispatch.events": 10,
            "notification.events": 3,
            "request.events": 6,
        }
        (of_requests,) = (row for row in found.topics if row["topic"] == "request.events")
        assert (of_requests["last_position"], of_requests["xor_of_positions"]) == (6, 1 ^ 2 ^ 3 ^ 4 ^ 5 ^ 6)
        assert {str(row["type"]): row["events"] for row in found.types}["notification.message-sent.v1"] == 3
        assert totals(facts, NOON - MINUTE).events == 0

    def test_the_time_from_there_to_here_is_over_all_submissions(self, facts: FactFile, room: Newsroom) -> None:
        """Known an hour ago, folded now; a work item two minutes after its cause."""
        hour_ago = datetime.now(tz=UTC) - timedelta(hours=1)
        for place in range(10):
            room.submit(named(f"request {place}"), at=hour_ago)
        room.contribute(B, C, at=hour_ago)
        room.open_item(room.fail_routing(room.register(A)), after=2 * MINUTE)
        heard(facts, room.said)
        latency, longest = totals(facts).latency, (datetime.now(tz=UTC) - hour_ago).total_seconds()
        assert {what: row["count"] for what, row in latency.items()} == {
            "requests": 10,
            "submissions": 1,
            "work_items": 1,
            "all": 12,
        }
        assert latency["work_items"]["p50_s"] == 120.0
        assert 3600 <= _number(latency["requests"], "p50_s") <= longest
        assert _number(latency["all"], "p99_s") <= _number(latency["all"], "max_s")

    def test_nothing_heard_is_an_answer_too(self, facts: FactFile) -> None:
        """Zeros and no latency."""
        assert (totals(facts).events, totals(facts).latency["all"]["p50_s"]) == (0, None)


class TestReconciliation:
    """Every cause has its effect, once."""

    def test_a_whole_journey_lacks_nothing(self, facts: FactFile, room: Newsroom) -> None:
        """With a person who was told three times, and one without."""
        room.journey(A)
        room.journey(B, person=None)
        heard(facts, room.said)
        found = reconcile(facts)
        assert (found.lost, found.duplicate_effects) == (0, 0)
        assert found.missing == {"cases": 0, "messages": 0, "work_items": 0}

    def test_what_has_no_effect_is_named(self, facts: FactFile, room: Newsroom) -> None:
        """A request without a case, a failed routing without an item, a registration nobody was told of."""
        submitted = room.submit(A)
        registered = room.register(A)
        failed = room.fail_routing(registered)
        heard(facts, room.said)
        found = reconcile(facts)
        assert found.missing == {"cases": 1, "messages": 1, "work_items": 1}
        assert found.lost == 3
        assert {row["event"] for row in found.missing_examples} == {each.envelope.id for each in (submitted, registered, failed)}
        assert reconcile(facts, NOON - MINUTE).lost == 0

    def test_whatever_calls_for_a_person_needs_a_work_item(self, facts: FactFile, room: Newsroom) -> None:
        """A dispute, a refusal and a breach; each is settled by an item of its own."""
        declined = AssignmentDeclined(organisation=ORGANISATION, round=1, number=1, reason="not_our_work", note="", proposes=None)
        disputed = CompletionDisputed(round=1, person=PERSON, reason="No.")
        causes = [
            room.say(case_stream(A), declined),
            room.say(request_stream(A), disputed),
            room.breach(A, "total", NOON, ORGANISATION),
        ]
        heard(facts, room.said)
        assert reconcile(facts).missing["work_items"] == 3
        for cause in causes:
            room.open_item(cause)
        heard(facts, room.said)
        assert reconcile(facts).lost == 0

    def test_the_reporters_of_two_requests_are_told_of_one_event(self, facts: FactFile, room: Newsroom) -> None:
        """Each once: that is no repetition."""
        linked = room.say(request_stream(A), RequestLinkedAsDuplicate(of=B))
        for about in (A, B):
            room.tell_person(linked, about=about)
        heard(facts, room.said)
        assert reconcile(facts).duplicate_effects == 0
        room.tell_person(linked, about=B)
        heard(facts, room.said)
        assert reconcile(facts).duplicates["notification.message-sent.v1"] == 1

    @pytest.mark.parametrize("what", ["case", "assignment", "item", "message", "completion"])
    def test_a_second_effect_of_one_cause_is_counted(self, facts: FactFile, room: Newsroom, what: str) -> None:
        """Whatever its event id: the cause is what counts."""
        room.journey(A)
        registered = next(each for each in room.said if each.envelope.type.endswith("registered.v1"))
        failed = room.fail_routing(registered)
        room.open_item(failed)
        heard(facts, room.said)
        assert reconcile(facts).duplicate_effects == 0
        match what:
            case "case":
                room.open_case(room.said[0])
            case "assignment":
                assigned = RequestAssigned(organisation=ORGANISATION, round=1, by="rule")
                room.say(case_stream(A), assigned, because=registered)
            case "item":
                room.open_item(failed)
            case "message":
                room.tell_person(registered)
            case _:
                proposed = next(each for each in room.said if each.envelope.type.startswith("request.completion-proposed"))
                reported = next(each for each in room.said if each.envelope.id == proposed.envelope.causation)
                room.say(request_stream(A), proposed.fact, because=reported)
        heard(facts, room.said)
        found = reconcile(facts)
        assert found.duplicate_effects == 1
        assert sorted(found.duplicates.values()) == [0, 0, 0, 0, 1]

    def test_another_round_and_another_channel_are_no_repetition(self, facts: FactFile, room: Newsroom) -> None:
        """They are effects of their own."""
        room.journey(A)
        registered = next(each for each in room.said if each.envelope.type.endswith("registered.v1"))
        room.tell_person(registered, channel="file")
        room.say(case_stream(A), RequestAssigned(organisation=ORGANISATION, round=2, by="rule"), because=registered)
        heard(facts, room.said)
        assert reconcile(facts).duplicates["dispatch.request-assigned.v1"] == 0
        assert reconcile(facts).duplicates["notification.message-sent.v1"] == 1


class TestTallies:
    """The stream processor's word beside the facts."""

    @staticmethod
    def tallied(facts: FactFile, minute: datetime, count: int, city: str = "los-angeles") -> None:
        """Let the processor have told a count."""
        row: Row = {"minute": minute, "city": city, "district": "cd-1", "category": "bulky-items", "count": count}
        with facts.writing() as cursor:
            fold(cursor, [Statement(COUNTS, row)])

    @pytest.fixture
    def minute(self, facts: FactFile, room: Newsroom) -> datetime:
        """Register two hundred requests in a minute that is over."""
        begin = (datetime.now(tz=UTC) - timedelta(minutes=5)).replace(second=0, microsecond=0)
        for place in range(200):
            room.register(UUID(int=place), at=begin + timedelta(milliseconds=place))
        heard(facts, room.said)
        return begin

    def test_they_agree(self, facts: FactFile, minute: datetime) -> None:
        """The same registrations counted twice; an earlier word that comes late changes nothing."""
        self.tallied(facts, minute, 200)
        self.tallied(facts, minute, 150)
        found = compare(facts)
        assert (found.tallies, found.facts, found.difference, found.alarm) == (200, 200, 0, False)
        assert len(found.windows) == 1

    @pytest.mark.parametrize(("count", "alarm"), [(198, False), (202, False), (197, True), (203, True)])
    def test_more_than_one_per_cent_is_an_alarm(self, facts: FactFile, minute: datetime, count: int, *, alarm: bool) -> None:
        """Too few and too many alike."""
        self.tallied(facts, minute, count)
        found = compare(facts)
        assert (found.difference, found.alarm) == (abs(count - 200), alarm)

    def test_too_many_here_do_not_make_up_for_too_few_there(self, facts: FactFile, minute: datetime) -> None:
        """Differences are summed without their signs."""
        self.tallied(facts, minute, 190)
        self.tallied(facts, minute - MINUTE, 10)
        assert (compare(facts).tallies, compare(facts).difference, compare(facts).alarm) == (200, 20, True)

    def test_a_minute_is_compared_once_it_is_over(self, facts: FactFile) -> None:
        """The tallies come a few seconds after the facts; what is not settled is shown and not judged."""
        self.tallied(facts, datetime.now(tz=UTC).replace(second=0, microsecond=0) + 5 * MINUTE, 10)
        found = compare(facts)
        assert (found.facts, found.difference, found.alarm, len(found.windows)) == (0, 0, False, 1)

    def test_what_the_processor_no_longer_keeps_is_not_compared(self, facts: FactFile, room: Newsroom) -> None:
        """Its windows are of two days."""
        room.register(A, at=datetime.now(tz=UTC) - timedelta(days=3))
        heard(facts, room.said)
        assert compare(facts).facts == 0


def _number(row: Row, column: str) -> float:
    value = row[column]
    assert isinstance(value, int | float)
    return value
