"""What each event is as a fact: one row, with what stands around every event and, in columns of its own, what is counted of it.

A row is a function of one event and rows are a set by event id, so the same events give the same facts in whatever order and
however often they come; a report asks for the rows known at a moment. A batch is one statement, its rows one JSON text: a
statement costs this file more than a hundred rows do.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, LiteralString, TypeVar, cast

import orjson
from duckdb import DuckDBPyConnection

from analytics_svc.facts.file import Row
from shared_chassis.consumer import Folds
from shared_chassis.view import Statement
from shared_events import discussion, dispatch, notification, request
from shared_events.catalogue import CATALOGUE
from shared_events.envelope import Received
from shared_events.event import Event, topic_of

EVENTS: LiteralString = """
    INSERT INTO event (
        id, topic, type, subject, version, position, happened, known, correlation, cause, aspect, folded_at,
        about, city, district, service_type, organisation, kind, stage, round, "at", due, rating, person_known, other)
    SELECT r.id, r.topic, r.type, r.subject, r.version, r.position, r.happened, r.known, r.correlation, r.cause, r.aspect, now(),
           r.about::UUID, r.city, r.district, r.service_type, r.organisation, r.kind, r.stage, r.round, r."at", r.due, r.rating,
           r.person_known, r.other
    FROM (
        SELECT unnest(from_json($rows, '[{
            "id": "UUID", "topic": "VARCHAR", "type": "VARCHAR", "subject": "VARCHAR", "version": "BIGINT", "position": "BIGINT",
            "happened": "TIMESTAMPTZ", "known": "TIMESTAMPTZ", "correlation": "UUID", "cause": "UUID", "aspect": "VARCHAR",
            "about": "VARCHAR", "city": "VARCHAR", "district": "VARCHAR", "service_type": "VARCHAR", "organisation": "VARCHAR",
            "kind": "VARCHAR", "stage": "VARCHAR", "round": "INTEGER", "at": "TIMESTAMPTZ", "due": "TIMESTAMPTZ",
            "rating": "INTEGER", "person_known": "BOOLEAN", "other": "UUID"
        }]')) AS r
    ) AS batch
    ON CONFLICT DO NOTHING
"""

F = TypeVar("F", bound=Event)
Told = Callable[[Received], Row]
"""What is counted of an event, beside what stands around it."""

_TOPICS: Final[Mapping[str, str]] = {event.SERVICE: topic_of(event.SERVICE) for event in CATALOGUE.values()}


def fold(cursor: DuckDBPyConnection, statements: Iterable[Statement]) -> None:
    """Write a batch of facts, all rows of a statement at once, in the cursor's transaction."""
    batches: dict[LiteralString, list[Mapping[str, object]]] = {}
    for each in statements:
        batches.setdefault(each.sql, []).append(each.params)
    for sql, rows in batches.items():
        cursor.execute(sql, {"rows": orjson.dumps(rows).decode()})


def _row(received: Received) -> Row:
    """Spell what stands around every event."""
    recorded, envelope = received.recorded, received.envelope
    return {
        "id": envelope.id,
        "topic": _TOPICS[recorded.fact.SERVICE],
        "type": recorded.fact.TYPE,
        "subject": recorded.originator_id,
        "version": recorded.originator_version,
        "position": received.position,
        "happened": envelope.time,
        "known": envelope.recorded_time,
        "correlation": envelope.correlation,
        "cause": envelope.causation,
    }


def _counted(received: Received) -> Statement:
    """Count an event of which nothing else is."""
    return Statement(EVENTS, _row(received))


def _telling(kind: type[F], told: Callable[[F], Row]) -> tuple[type[Event], Callable[[Received], Statement]]:
    """Count an event with what it tells of what its stream is about: a request, a case, a submission, an incident."""

    def folded(received: Received) -> Statement:
        about = received.stream_id[-36:]
        return Statement(EVENTS, {**_row(received), "about": about, **told(cast("F", received.fact))})

    return kind, folded


def _plain(fact: Event) -> Row:
    """Tell nothing but that it happened; in which round, where there are rounds."""
    told = getattr(fact, "round", None)
    return {} if told is None else {"round": told}


def _as(kind: str) -> Callable[[Event], Row]:
    """Tell a kind that the type stands for."""
    return lambda fact: {"kind": kind, **_plain(fact)}


def _submitted(fact: request.RequestSubmitted) -> Row:
    return {
        "city": fact.city,
        "district": fact.location.district,
        "service_type": fact.service_type,
        "kind": fact.channel,
        "person_known": fact.person is not None,
    }


def _clock(fact: dispatch.StageDeadlineSet) -> Row:
    return {"stage": fact.stage, "round": fact.round, "at": fact.starts_at, "due": fact.due}


def _held_up(fact: dispatch.DeadlineWarned | dispatch.DeadlineBreached | dispatch.RequestEscalated) -> Row:
    return {"stage": fact.stage, "round": fact.round, "due": fact.due, **_holder(fact.holder)}


def _holder(holder: dispatch.Holder) -> Row:
    return {"kind": holder.kind, "organisation": holder.organisation}


def _given(
    fact: dispatch.RequestAssigned | dispatch.AssignmentDeclined | dispatch.WorkReturned | dispatch.CommitteeDecided,
) -> Row:
    return {"organisation": fact.organisation, "round": fact.round}


def _surge(fact: dispatch.IncidentSuggested) -> Row:
    return {"city": fact.city, "district": fact.district, "service_type": fact.service_type, "at": fact.window_start}


def _contributed(
    fact: discussion.QuestionSubmitted | discussion.ProposalSubmitted | discussion.RemarkSubmitted,
    kind: discussion.SubmissionKind,
) -> Row:
    return {"city": fact.city, "other": fact.discussion, "kind": kind}


def _message(fact: notification.MessageSent | notification.MessageFailed) -> Row:
    """Tell what it is the effect of: one event tells the reporters of two requests, each once over each channel."""
    return {"cause": fact.cause, "aspect": f"{fact.channel}|{fact.request}"}


FOLDS: Final[Folds] = {
    **dict.fromkeys(CATALOGUE.values(), _counted),
    **dict(
        (
            _telling(request.RequestSubmitted, _submitted),
            _telling(
                request.RequestRegistered,
                lambda fact: {"city": fact.city, "district": fact.district, "service_type": fact.service_type},
            ),
            _telling(request.RequestReclassified, lambda fact: {"service_type": fact.service_type}),
            _telling(request.CompletionProposed, lambda fact: {"round": fact.round, "aspect": str(fact.round)}),
            _telling(request.CompletionDisputed, _plain),
            _telling(request.CompletionConfirmed, _as("confirmed")),
            _telling(request.CompletionDeemedAccepted, _as("silent")),
            _telling(request.RequestReopened, _as("open")),
            _telling(request.RequestClosed, lambda fact: {"kind": fact.outcome}),
            _telling(request.RatingAsked, lambda fact: {"round": fact.round, "organisation": fact.organisation}),
            _telling(
                request.RequestRated,
                lambda fact: {"round": fact.round, "organisation": fact.organisation, "rating": fact.rating},
            ),
            _telling(dispatch.CaseOpened, lambda fact: {"cause": fact.request}),
            _telling(dispatch.HolderChanged, lambda fact: {"at": fact.at, **_holder(fact.holder)}),
            _telling(dispatch.CaseClosed, lambda fact: {"at": fact.at}),
            _telling(dispatch.CaseReopened, lambda fact: {"at": fact.at, "round": fact.round}),
            _telling(dispatch.RoutingFailed, _plain),
            _telling(dispatch.RequestAssigned, lambda fact: {**_given(fact), "aspect": str(fact.round)}),
            _telling(dispatch.AssignmentAccepted, _plain),
            _telling(dispatch.AssignmentDeclined, _given),
            _telling(dispatch.CommitteeDecided, _given),
            _telling(dispatch.WorkStarted, _plain),
            _telling(dispatch.WorkReturned, _given),
            _telling(dispatch.WorkReportedDone, _plain),
            _telling(dispatch.WorkFoundImpossible, _plain),
            _telling(dispatch.StageDeadlineSet, _clock),
            _telling(dispatch.ClockResumed, lambda fact: {"stage": fact.stage, "round": fact.round, "due": fact.due}),
            _telling(dispatch.DeadlineWarned, _held_up),
            _telling(dispatch.DeadlineBreached, _held_up),
            _telling(dispatch.RequestEscalated, _held_up),
            _telling(dispatch.RequestLinkedToIncident, lambda fact: {"kind": "linked", "other": fact.incident}),
            _telling(dispatch.RequestUnlinkedFromIncident, lambda fact: {"kind": "unlinked", "other": fact.incident}),
            _telling(dispatch.IncidentSuggested, _surge),
            _telling(dispatch.IncidentDeclared, lambda fact: {"city": fact.city, "organisation": fact.organisation}),
            _telling(dispatch.IncidentDismissed, _plain),
            _telling(dispatch.IncidentResolved, lambda fact: {"at": fact.at}),
            _telling(discussion.QuestionSubmitted, lambda fact: _contributed(fact, "question")),
            _telling(discussion.ProposalSubmitted, lambda fact: _contributed(fact, "proposal")),
            _telling(discussion.RemarkSubmitted, lambda fact: _contributed(fact, "remark")),
            _telling(notification.WorkItemOpened, lambda fact: {"cause": fact.cause}),
            _telling(notification.MessageSent, _message),
            _telling(notification.MessageFailed, _message),
        )
    ),
}
"""Every event of every service, and what is counted of it."""
