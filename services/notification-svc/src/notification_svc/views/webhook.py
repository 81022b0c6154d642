"""Calls to executors' programs: the deliveries others' facts cause, and what became of each.

A program is told of a fact when, at that moment, the case is its organisation's as far as is known here, or the fact itself names
the organisation. One statement a fact, the same twice as once, in the transaction that moves the consumer's position; so nothing
that is rebuilt sends anything.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, Literal, LiteralString, NamedTuple, cast
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from shared_chassis.consumer import Folds
from shared_chassis.postgres import Database
from shared_chassis.view import Projection, Statement
from shared_events.dispatch import (
    AssignmentAccepted,
    CaseReclassified,
    CaseReopened,
    DeadlineWarned,
    RequestAssigned,
    SubTaskCancelled,
    SubTaskDone,
    SubTaskOpened,
    WorkFoundImpossible,
    WorkScheduled,
    WorkStarted,
)
from shared_events.envelope import Received, Recorded
from shared_events.ids import uuid_of
from shared_events.notification import WebhookDelivered, WebhookFailed
from shared_events.personal import personal_fields
from shared_events.request import (
    AttachmentAdded,
    CompletionConfirmed,
    CompletionDeemedAccepted,
    CompletionDisputed,
    InformationNotReceived,
    InformationReceived,
    RequestRated,
)

CHANNEL: Final = "webhook"

State = Literal["waiting", "delivered", "failed"]

CALLED: LiteralString = """
    called AS (
        INSERT INTO delivery (delivery_id, cause, channel, payload)
        SELECT derived(concat_ws('|', %(called_cause)s::text, s.subscription, 'webhook')),
            derived(concat_ws('|', %(called_cause)s::text, s.subscription, 'webhook')), 'webhook',
            jsonb_build_object('subscription', s.subscription, 'organisation', s.organisation) || %(call)s::jsonb
        FROM subscription s
        WHERE s.active AND s.since <= %(called_at)s AND %(called_type)s = ANY (s.events)
          AND (s.organisation = %(named)s::text
               OR s.organisation = (SELECT k.organisation FROM case_card k WHERE k.request = %(request)s)
               OR s.organisation = (SELECT t.organisation FROM sub_task t WHERE t.sub_task = %(sub_task)s::uuid))
        ON CONFLICT (cause, channel) DO NOTHING
    )
"""
"""Notes the calls a fact causes; a part of the one statement the fact is here. `called` gives its parameters."""

CALL: LiteralString = "WITH " + CALLED + "SELECT 1"
_CALL_SUB_TASK: LiteralString = """
    INSERT INTO sub_task (sub_task, organisation) VALUES (%(sub_task)s, %(named)s) ON CONFLICT (sub_task) DO NOTHING
"""
CALL_SUB_TASK: LiteralString = "WITH " + CALLED + _CALL_SUB_TASK


class Called(BaseModel):
    """What a program is told: an event of a case, and nothing that belongs to a person. `time` is ISO 8601 in UTC."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    subscription: UUID
    organisation: str
    cause: UUID
    type: str
    time: str
    case: UUID
    data: dict[str, object]
    replays: tuple[UUID, ...] = ()


def called(received: Received) -> dict[str, object]:
    """Give what `CALLED` asks for.

    A person's data and even their pseudonym are left out: what an organisation may see of a person it reads at request-svc.
    """
    fact, envelope = received.fact, received.envelope
    case = uuid_of(received.stream_id)
    hidden = personal_fields(type(fact)) | {"person"}
    call = {
        "cause": str(envelope.id),
        "type": fact.TYPE,
        "time": envelope.time.astimezone(UTC).isoformat(timespec="microseconds"),
        "case": str(case),
        "data": fact.model_dump(mode="json", exclude=set(hidden)),
    }
    return {
        "called_cause": envelope.id,
        "called_type": fact.TYPE,
        "called_at": envelope.recorded_time,
        "call": json.dumps(call),
        "request": case,
        "named": fact.organisation if isinstance(fact, RequestAssigned | SubTaskOpened | RequestRated) else None,
        "sub_task": fact.sub_task if isinstance(fact, SubTaskOpened | SubTaskDone | SubTaskCancelled) else None,
    }


def _call(received: Received) -> Statement:
    return Statement(CALL, called(received))


def _call_sub_task(received: Received) -> Statement:
    return Statement(CALL_SUB_TASK, called(received))


FOLDS: Folds = MappingProxyType(
    {
        **dict.fromkeys(
            (
                AssignmentAccepted,
                WorkScheduled,
                WorkStarted,
                WorkFoundImpossible,
                SubTaskDone,
                SubTaskCancelled,
                CaseReclassified,
                CaseReopened,
                DeadlineWarned,
                InformationReceived,
                InformationNotReceived,
                AttachmentAdded,
                CompletionConfirmed,
                CompletionDeemedAccepted,
                CompletionDisputed,
                RequestRated,
            ),
            _call,
        ),
        SubTaskOpened: _call_sub_task,
    }
)
"""The facts that are nothing else here than something programs are told of."""

DELIVERED: LiteralString = """
    INSERT INTO webhook (delivery, subscription, state, at) VALUES (%(delivery)s, %(subscription)s, 'delivered', %(at)s)
    ON CONFLICT (delivery) DO UPDATE SET state = 'delivered', at = excluded.at
"""
FAILED: LiteralString = """
    INSERT INTO webhook (delivery, subscription, state, at, failure)
    VALUES (%(delivery)s, %(subscription)s, 'failed', %(at)s, %(failure)s)
    ON CONFLICT (delivery) DO UPDATE SET state = 'failed', at = excluded.at, failure = excluded.failure
"""


def _delivered(recorded: Recorded) -> Statement:
    return Statement(DELIVERED, _ended(recorded, cast("WebhookDelivered", recorded.fact)))


def _failed(recorded: Recorded) -> Statement:
    fact = cast("WebhookFailed", recorded.fact)
    return Statement(FAILED, {**_ended(recorded, fact), "failure": recorded.envelope.id})


def _ended(recorded: Recorded, fact: WebhookDelivered | WebhookFailed) -> dict[str, object]:
    return {"delivery": uuid_of(recorded.stream_id), "subscription": fact.subscription, "at": recorded.envelope.time}


PROJECTION: Projection = MappingProxyType({WebhookDelivered: _delivered, WebhookFailed: _failed})


class Row(NamedTuple):
    """A call as it stands: while it waits, `next_at` is when it is tried next; once it has ended, `ended_at` is since when."""

    delivery: UUID
    subscription: UUID
    organisation: str
    cause: UUID
    type: str
    time: datetime
    case: UUID
    state: State
    attempts: int
    error: str | None
    next_at: datetime | None
    ended_at: datetime | None


class Place(NamedTuple):
    """The last call shown; `time` as it is stored."""

    time: str
    delivery: UUID


COLUMNS: LiteralString = """
    SELECT d.delivery_id AS delivery, (d.payload ->> 'subscription')::uuid AS subscription,
        d.payload ->> 'organisation' AS organisation, (d.payload ->> 'cause')::uuid AS cause, d.payload ->> 'type' AS type,
        (d.payload ->> 'time')::timestamptz AS time, (d.payload ->> 'case')::uuid AS case,
        CASE WHEN d.reported_at IS NULL THEN 'waiting' WHEN d.sent_at IS NULL THEN 'failed' ELSE 'delivered' END AS state,
        d.attempts, d.error, CASE WHEN d.reported_at IS NULL THEN d.next_at END AS next_at,
        CASE WHEN d.reported_at IS NOT NULL THEN coalesce(w.at, d.reported_at) END AS ended_at
    FROM delivery d LEFT JOIN webhook w ON w.delivery = d.delivery_id
    WHERE d.channel = 'webhook'
"""
_LIST: LiteralString = """
      AND d.payload ->> 'subscription' = %(subscription)s
      AND (%(state)s::text IS NULL
           OR %(state)s = CASE WHEN d.reported_at IS NULL THEN 'waiting' WHEN d.sent_at IS NULL THEN 'failed'
               ELSE 'delivered' END)
      AND (%(time)s::text IS NULL OR (d.payload ->> 'time', d.delivery_id) < (%(time)s, %(delivery)s::uuid))
    ORDER BY d.payload ->> 'time' DESC, d.delivery_id DESC
    LIMIT %(limit)s
"""
LIST: LiteralString = COLUMNS + _LIST
ONE: LiteralString = COLUMNS + "AND d.delivery_id = %(delivery)s"

AGAIN: LiteralString = """
    UPDATE delivery SET attempts = 0, next_at = clock_timestamp(), leased_until = NULL, sent_at = NULL, failed_at = NULL,
        error = NULL, reported_at = NULL,
        payload = jsonb_set(payload, '{replays}', coalesce(payload -> 'replays', '[]'::jsonb) || to_jsonb(%(command)s::text))
    WHERE delivery_id = %(delivery)s AND channel = 'webhook' AND reported_at IS NOT NULL
      AND NOT coalesce(payload -> 'replays', '[]'::jsonb) ? %(command)s::text
"""


def place_of(row: Row) -> Place:
    """Say where a call stands in the list."""
    return Place(row.time.astimezone(UTC).isoformat(timespec="microseconds"), row.delivery)


def one(database: Database, delivery: UUID) -> Row | None:
    """Read one call; None when there is none."""
    row = database.query_one(ONE, {"delivery": delivery})
    return None if row is None else Row(**row)


def calls(database: Database, subscription: UUID, state: State | None, after: Place | None, limit: int) -> Sequence[Row]:
    """List the calls to a subscription's program, those about the latest events first."""
    time, delivery = after or (None, None)
    rows = database.query(
        LIST, {"subscription": str(subscription), "state": state, "time": time, "delivery": delivery, "limit": limit}
    )
    return [Row(**row) for row in rows]


def send_again(database: Database, delivery: UUID, command: UUID) -> None:
    """Have a call that has ended made anew; the same command does it once, whatever became of it meanwhile."""
    database.execute(AGAIN, {"delivery": delivery, "command": str(command)})
