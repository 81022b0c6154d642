"""What is known here of a request, and the deliveries its facts cause: one statement a fact, the same twice as once.

A request's facts arrive in order; should they not, a fact that a person is to be told of waits in `early_notice` until the
submission says who that person is.
"""

from datetime import datetime
from types import MappingProxyType
from typing import Final, LiteralString, NamedTuple, cast
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from shared_chassis.consumer import Folds
from shared_chassis.postgres import Database
from shared_chassis.view import Statement
from shared_events.envelope import Received
from shared_events.ids import message_stream, uuid_of
from shared_events.notification import MessageChannel, Template
from shared_events.personal import token_of
from shared_events.request import CompletionProposed, Outcome, RequestClosed, RequestRegistered, RequestSubmitted

CHANNEL: Final[MessageChannel] = "file"

SUBMITTED: LiteralString = """
    WITH card AS (
        INSERT INTO request_card AS c (request, submitted, city, district, service_type, person, language, email)
        VALUES (%(request)s, true, %(city)s, %(district)s, %(service_type)s, %(person)s, %(language)s, %(email)s)
        ON CONFLICT (request) DO UPDATE SET
            submitted = true,
            city = excluded.city,
            district = coalesce(c.district, excluded.district),
            service_type = coalesce(c.service_type, excluded.service_type),
            person = excluded.person,
            language = excluded.language,
            email = excluded.email
        RETURNING c.request, c.city, c.service_type, c.person, c.language, c.email, c.number
    ), known AS (
        DELETE FROM early_notice WHERE request = %(request)s RETURNING request, cause, notice
    )
    INSERT INTO delivery (delivery_id, cause, channel, payload)
    SELECT (k.notice ->> 'message')::uuid, k.cause, %(channel)s, k.notice || jsonb_build_object(
        'city', c.city, 'service_type', c.service_type, 'person', c.person, 'language', c.language, 'email', c.email,
        'number', c.number)
    FROM card c JOIN known k USING (request)
    WHERE c.person IS NOT NULL
    ON CONFLICT (cause, channel) DO NOTHING
"""

REGISTERED: LiteralString = """
    WITH card AS (
        INSERT INTO request_card AS c (request, city, district, service_type, number)
        VALUES (%(request)s, %(city)s, %(district)s, %(service_type)s, %(number)s)
        ON CONFLICT (request) DO UPDATE SET
            district = coalesce(excluded.district, c.district),
            service_type = excluded.service_type,
            number = excluded.number
        RETURNING c.submitted, c.city, c.service_type, c.person, c.language, c.email, c.number
    ), early AS (
        INSERT INTO early_notice (cause, request, notice)
        SELECT %(cause)s, %(request)s, %(notice)s::jsonb FROM card WHERE NOT submitted
        ON CONFLICT (cause) DO NOTHING
    )
    INSERT INTO delivery (delivery_id, cause, channel, payload)
    SELECT %(message)s, %(cause)s, %(channel)s, %(notice)s::jsonb || jsonb_build_object(
        'city', c.city, 'service_type', c.service_type, 'person', c.person, 'language', c.language, 'email', c.email,
        'number', c.number)
    FROM card c
    WHERE c.person IS NOT NULL
    ON CONFLICT (cause, channel) DO NOTHING
"""

NOTED: LiteralString = """
    WITH card AS (
        SELECT city, service_type, person, language, email, number FROM request_card WHERE request = %(request)s AND submitted
    ), early AS (
        INSERT INTO early_notice (cause, request, notice)
        SELECT %(cause)s, %(request)s, %(notice)s::jsonb WHERE NOT EXISTS (SELECT 1 FROM card)
        ON CONFLICT (cause) DO NOTHING
    )
    INSERT INTO delivery (delivery_id, cause, channel, payload)
    SELECT %(message)s, %(cause)s, %(channel)s, %(notice)s::jsonb || jsonb_build_object(
        'city', c.city, 'service_type', c.service_type, 'person', c.person, 'language', c.language, 'email', c.email,
        'number', c.number)
    FROM card c
    WHERE c.person IS NOT NULL
    ON CONFLICT (cause, channel) DO NOTHING
"""


class Notice(BaseModel):
    """What a person is to be told, because of a fact (`cause`) at a moment.

    `outcome` and `consent_due` stand where the template says them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    message: UUID
    request: UUID
    template: Template
    cause: UUID
    cause_type: str
    at: datetime
    outcome: Outcome | None = None
    consent_due: datetime | None = None


class AddressedNotice(Notice):
    """A notice with what is known of the request when it is due: whom to tell, and of what. `email` is a sealed value."""

    city: str
    service_type: str | None
    person: UUID
    language: str | None
    email: str | None
    number: str | None


def _submitted(received: Received) -> Statement:
    fact = cast("RequestSubmitted", received.fact)
    return Statement(
        SUBMITTED,
        {
            "request": uuid_of(received.stream_id),
            "city": fact.city,
            "district": fact.location.district,
            "service_type": fact.service_type,
            "person": fact.person,
            "language": fact.language,
            "email": token_of(fact.email),
            "channel": CHANNEL,
        },
    )


def _registered(received: Received) -> Statement:
    fact = cast("RequestRegistered", received.fact)
    named = {"city": fact.city, "district": fact.district, "service_type": fact.service_type, "number": fact.number}
    return Statement(REGISTERED, {**_noted(received, "request_registered"), **named})


def _completion_proposed(received: Received) -> Statement:
    fact = cast("CompletionProposed", received.fact)
    return Statement(NOTED, _noted(received, "completion_proposed", consent_due=fact.consent_due))


def _closed(received: Received) -> Statement:
    fact = cast("RequestClosed", received.fact)
    return Statement(NOTED, _noted(received, "request_closed", outcome=fact.outcome))


def _noted(
    received: Received, template: Template, outcome: Outcome | None = None, consent_due: datetime | None = None
) -> dict[str, object]:
    """Say what a fact is to be told as."""
    cause, request = received.envelope.id, uuid_of(received.stream_id)
    message = uuid_of(message_stream(cause, CHANNEL))
    notice = Notice.model_validate(
        {
            "message": message,
            "request": request,
            "template": template,
            "cause": cause,
            "cause_type": received.fact.TYPE,
            "at": received.envelope.time,
            "outcome": outcome,
            "consent_due": consent_due,
        }
    )
    return {
        "cause": cause,
        "request": request,
        "message": message,
        "channel": CHANNEL,
        "notice": notice.model_dump_json(),
    }


FOLDS: Folds = MappingProxyType(
    {
        RequestSubmitted: _submitted,
        RequestRegistered: _registered,
        CompletionProposed: _completion_proposed,
        RequestClosed: _closed,
    }
)

READ: LiteralString = "SELECT city, district, service_type, language FROM request_card WHERE request = %(request)s AND submitted"


class Card(NamedTuple):
    """What an item of the queue says of its request; all None while the request is not known here."""

    city: str | None = None
    district: str | None = None
    service_type: str | None = None
    language: str | None = None


NOTHING_SAID: Final = Card()


def card_of(database: Database, request: UUID) -> Card:
    """Read what is known of a request."""
    row = database.query_one(READ, {"request": request})
    return Card() if row is None else Card(**row)
