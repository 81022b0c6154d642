"""A day of requests and of discussions passes through five services, and everything can be counted twice with the same result."""

import asyncio
import csv
import email
import re
from collections import Counter
from pathlib import Path
from typing import cast

import pytest
from another_year import restyle
from city_alive import City, counted, quiet
from conftest import DISCUSSIONS, REQUESTS, SUBMISSIONS, Day

from shared_events.event import topic_of
from veche.demo.day import cpu_seconds, reported
from veche.demo.logs import SERVICES, end_offsets
from veche.play.command import city_of, play_requests, pseudonyms, robots_of, speak
from veche.play.generated import write_requests
from veche.play.requests import Outcome
from veche.play.temper import temper
from veche.robot import Answer

pytestmark = [pytest.mark.stack, pytest.mark.postgres, pytest.mark.kafka]

BY_TYPE = "SELECT topic, count(*) FROM stored_events GROUP BY topic"
ENDS = """
    SELECT right(originator_id, 36), convert_from(state, 'UTF8')::jsonb -> 'data' ->> 'outcome'
    FROM stored_events WHERE topic = 'request.request-closed.v1'
"""
BREACHED = "SELECT right(stream_id, 36) FROM event_log WHERE type = 'dispatch.deadline-breached.v1' ORDER BY 1"
BREACHED_THOUGH_ANSWERED = """
    SELECT breach.stream_id, breach.data FROM event_log breach JOIN event_log answer USING (stream_id)
    WHERE breach.type = 'dispatch.deadline-breached.v1'
        AND answer.type IN ('dispatch.assignment-accepted.v1', 'dispatch.assignment-declined.v1')
        AND answer.time <= (breach.data ->> 'due')::timestamptz
        AND answer.time > (breach.data ->> 'due')::timestamptz - interval '2 minutes'
"""
"""Terms for an answer, two minutes long in this city, that are said to be broken and were kept."""
SENT = "SELECT DISTINCT originator_id FROM stored_events WHERE topic = 'notification.message-sent.v1'"
OUTCOMES = {"done": "done", "withdrawn": "withdrawn", "not_responsible": "not_responsible", "open": None}


def by_type(city: City) -> dict[str, int]:
    """Count the stored events by type, by SQL."""
    return {type_: count for service in SERVICES for type_, count in counted(city.rows(service, BY_TYPE)).items()}


def test_every_check_of_the_demos_report_holds(city: City, day: Day) -> None:
    """Nothing lost, nothing twice, nothing parked; stores, topics and analytics agree type by type."""
    report = reported(day.played, day.seconds, cpu_seconds(city.home))
    assert not [check for check in report.checks if not check.holds]
    assert (report.requests.rows, report.requests.refused) == (REQUESTS, 0)
    assert (report.submissions.rows, report.discussions.protocols) == (SUBMISSIONS, DISCUSSIONS)
    assert report.events.stored == report.events.published == report.events.consumed["analytics-facts"]
    assert not day.played.outcome.odd
    assert (
        set(report.cpu_s) >= {"veche", "postgres", "kafka", "request-svc", "analytics-streams"} or not city.state.embedded_kafka
    )
    assert 0 < (report.e2e_p50_s or 0) <= (report.e2e_p99_s or 0)


def test_the_figures_are_those_of_sql_and_of_the_topics(city: City, day: Day) -> None:
    """Counted here by statements of this test, and by the ends of the topics."""
    played = day.played
    stored = by_type(city)
    assert stored["request.request-submitted.v1"] == played.outcome.accepted
    assert stored["request.request-closed.v1"] == played.outcome.finished
    assert stored["dispatch.case-opened.v1"] == played.outcome.accepted
    assert stored["discussion.discussion-registered.v1"] == stored["discussion.protocol-drafted.v1"] == DISCUSSIONS
    assert stored["discussion.submission-registered.v1"] == played.said.accepted
    assert sum(stored.values()) == len(played.books.stored)
    ends = asyncio.run(end_offsets(city.state.bootstrap))
    assert all(sum(ends[topic_of(service)].values()) >= count for service, count in city.stored().items())


def test_every_row_came_to_the_end_its_file_tells(city: City, day: Day) -> None:
    """Closed, withdrawn, referred elsewhere, or left to breach its deadline and to lie in somebody's queue."""
    ends = {str(request): str(outcome) for request, outcome in city.rows("request", ENDS)}
    rows = {str(request): row for request, row in day.played.outcome.ids.items()}
    assert {row.ending for row in rows.values()} == set(OUTCOMES)
    assert {request: ends.get(request) for request in rows} == {
        request: OUTCOMES[str(row.ending)] for request, row in rows.items()
    }
    left = sorted(request for request, row in rows.items() if row.ending == "open")
    breached = [request for (request,) in city.rows("dispatch", BREACHED)]
    assert [request for request in breached if request in left] == left
    assert not city.rows("dispatch", BREACHED_THOUGH_ANSWERED)
    waiting = "SELECT request::text FROM work_item WHERE state = 'waiting' AND kind = 'deadline_breach' ORDER BY 1"
    waits = [request for (request,) in city.rows("notification", waiting)]
    assert [request for request in waits if request in left] == left
    assert set(waits) <= set(breached)


def test_rows_dispute_decline_and_bounce_as_their_numbers_tell(city: City, day: Day) -> None:
    """Counted by SQL: facts of each kind, and in which round and by whom each of these requests was closed."""
    done = [row for row in day.played.outcome.ids.values() if row.ending == "done"]
    tempers = Counter(temper(row.number) for row in done)
    disputing = sum(temper(row.number) == "disputes" and row.reporter.person != "none" for row in done)
    assert min(tempers["declines"], tempers["bounces"], disputing) > 0
    stored = by_type(city)
    assert stored["dispatch.assignment-declined.v1"] == tempers["declines"] + 3 * tempers["bounces"]
    assert stored["dispatch.committee-decided.v1"] == tempers["bounces"]
    assert stored["request.completion-disputed.v1"] == stored["request.request-reopened.v1"] == disputing
    by = "SELECT data ->> 'by', count(*) FROM event_log WHERE type = 'dispatch.request-assigned.v1' GROUP BY 1"
    assigned = counted(city.rows("dispatch", by))
    assert (assigned["committee"], assigned["reopening"]) == (tempers["bounces"], disputing)
    report = reported(day.played, day.seconds, {})
    assert (report.declined, report.bounced, report.reopened) == tuple(
        stored[f"{name}.v1"]
        for name in ("dispatch.assignment-declined", "dispatch.committee-decided", "request.request-reopened")
    )
    assert report.holder_minutes_sum_ok


def test_who_can_be_told_was_told_and_nobody_else(city: City, day: Day) -> None:
    """One letter a message, named by its id; nameless requests cause none, a dispute two more: reopened, and proposed again."""
    sent = {str(stream) for (stream,) in city.rows("notification", SENT)}
    letters = {path.stem: path for path in city.home.outbox.rglob("*.eml")}
    assert set(letters) == sent
    named = [row for row in day.played.outcome.ids.values() if row.reporter.person != "none"]
    told = Counter({"done": 3, "withdrawn": 2, "not_responsible": 2, "open": 1})
    disputed = sum(row.ending == "done" and temper(row.number) == "disputes" for row in named)
    assert len(sent) == sum(told[str(row.ending)] for row in named) + 2 * disputed > 0
    letter = email.message_from_bytes(next(iter(letters.values())).read_bytes())
    assert re.fullmatch(r"person-[0-9a-f-]{36}@person\.invalid", str(letter["To"]))


def test_reports_say_what_the_stores_hold(city: City, day: Day) -> None:
    """Analytics counts requests and submissions as SQL does."""

    async def ask() -> tuple[dict[str, int], dict[str, int], dict[str, object]]:
        async with robots_of(city.home, city.state) as robots:
            analyst = robots.token("robot-analyst", "analyst")
            requests = await robots.get("analytics-svc", "/reports/requests?dimensions=outcome&city=los-angeles", analyst)
            said = await robots.get("analytics-svc", "/reports/submissions?dimensions=kind", analyst)
            tallies = await robots.get("analytics-svc", "/reports/tallies", analyst)
            return _counts(requests, "outcome"), _counts(said, "kind"), dict(tallies.body)

    outcomes, kinds, tallies = asyncio.run(ask())
    assert outcomes == Counter(OUTCOMES[str(row.ending)] or "open" for row in day.played.outcome.ids.values())
    said = by_type(city)
    assert kinds == {kind: said[f"discussion.{kind}-submitted.v1"] for kind in ("question", "proposal", "remark")}
    assert (tallies["parked"], tallies["alarm"]) == (0, False), tallies


def _counts(report: Answer, dimension: str) -> dict[str, int]:
    """Read a report's rows as counts by one dimension."""
    rows = cast("list[dict[str, object]]", report.body["rows"])
    return {str(row[dimension]): int(str(row["count"])) for row in rows}


def replayed(city: City, file: Path) -> Outcome:
    """Play a file of requests in the city."""

    async def whole() -> Outcome:
        async with robots_of(city.home, city.state) as robots:
            pseudonym = pseudonyms(city.home, city.state)
            return await play_requests(file, city_of("los-angeles"), None, robots, pseudonym, quiet)

    outcome = asyncio.run(whole())
    city.settle()
    return outcome


def test_playing_the_same_files_again_adds_no_event(city: City, day: Day) -> None:
    """Every step has its own key, so that a second time is the first one told again."""
    before = city.stored()
    outcome = replayed(city, day.files.requests)

    async def again() -> tuple[int, set[object]]:
        async with robots_of(city.home, city.state) as robots:
            play, said = await speak(day.files.proposals, day.files.comments, city_of("madrid"), robots, quiet)
            await play.protocols(said, lambda _: None)
            return said.accepted, set(said.protocols.values())

    accepted, protocols = asyncio.run(again())
    city.settle()
    assert (outcome.accepted, outcome.finished) == (day.played.outcome.accepted, day.played.outcome.finished)
    assert set(outcome.ids) == set(day.played.outcome.ids)
    assert (accepted, protocols) == (day.played.said.accepted, set(day.played.said.protocols.values()))
    assert city.stored() == before


def test_a_file_of_another_year_is_played_by_the_same_code(city: City, day: Day, tmp_path: Path) -> None:
    """Other names of columns, another date style; what cannot be read is refused by its line, the rest is played to its end."""
    usual, other = tmp_path / "2018.csv", tmp_path / "2031.csv"
    write_requests(usual, 25, seed=2031)
    _leave_what_waits_for_no_clock(usual, unreadable=1)
    restyle(usual, other)
    outcome = replayed(city, other)
    assert outcome.accepted == outcome.finished == outcome.rows - 1 > 5
    assert ["Meteorite" in row.reason for row in outcome.refused] == [True]
    assert not outcome.odd


def test_every_service_that_hears_others_tells_what_it_set_aside(city: City) -> None:
    """By the command the runbook names."""
    assert city.veche("parked", "list").decode() == "Nothing is parked.\n"


def _leave_what_waits_for_no_clock(file: Path, unreadable: int) -> None:
    """Leave only rows that residents close, and make some of them unreadable."""
    with file.open(encoding="utf-8", newline="") as source:
        rows = [row for row in csv.DictReader(source) if row["Status"] != "Open" and row["Anonymous"] == "N"]
    rows = [row for row in rows if row["RequestSource"] != "Driver Self Report"]
    with file.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, list(rows[0]))
        writer.writeheader()
        writer.writerows([row | {"RequestType": "Meteorite"} for row in rows[:unreadable]] + rows[unreadable:])
