"""What is known here of a request, and the deliveries its facts cause: one statement a fact, the same twice as once.

A request's facts arrive in order; should they not, a fact that a person is to be told of waits in `early_notice` until the
submission says who that person is. Facts of other streams about a request wait as events until it is known here (`worker`).
"""

from datetime import datetime
from types import MappingProxyType
from typing import Final, Literal, LiteralString, NamedTuple, cast
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from notification_svc.views.trouble import OPENS, Settling, opening, settling
from notification_svc.views.webhook import CALLED, called
from shared_chassis.consumer import Folds
from shared_chassis.postgres import Database
from shared_chassis.view import Statement
from shared_events.envelope import Received
from shared_events.ids import derive, event_id, message_stream, uuid_of
from shared_events.notification import MessageChannel, Template
from shared_events.personal import token_of
from shared_events.request import (
    CompletionProposed,
    InformationRequested,
    Outcome,
    RequestClosed,
    RequestLinkedAsDuplicate,
    RequestReclassified,
    RequestRegistered,
    RequestReopened,
    RequestSubmitted,
    RequestUnlinked,
)

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
    ), unregistered AS (
        INSERT INTO trouble (cause, subject, kind, version)
        SELECT %(cause)s, %(subject)s, %(kind)s, %(version)s WHERE %(service_type)s::text IS NULL
        ON CONFLICT (cause) DO NOTHING
    )
    INSERT INTO delivery (delivery_id, cause, channel, payload)
    SELECT (k.notice ->> 'message')::uuid, k.cause, %(channel)s, k.notice || jsonb_build_object(
        'city', c.city, 'service_type', c.service_type, 'person', c.person, 'language', c.language, 'email', c.email,
        'number', c.number)
    FROM card c JOIN known k USING (request)
    WHERE c.person IS NOT NULL
    ON CONFLICT (cause, channel) DO NOTHING
"""

DELIVERED: LiteralString = """
    INSERT INTO delivery (delivery_id, cause, channel, payload)
    SELECT %(message)s, %(notice_cause)s, %(channel)s, %(notice)s::jsonb || jsonb_build_object(
        'city', c.city, 'service_type', c.service_type, 'person', c.person, 'language', c.language, 'email', c.email,
        'number', c.number)
    FROM card c
    WHERE c.person IS NOT NULL
    ON CONFLICT (cause, channel) DO NOTHING
"""
"""Has the person told of a notice, where the card `card` says who that is."""

_REGISTERED: LiteralString = """
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
        SELECT %(notice_cause)s, %(request)s, %(notice)s::jsonb FROM card WHERE NOT submitted
        ON CONFLICT (cause) DO NOTHING
    ), settling AS (
        INSERT INTO settled (subject, kind, version, cause, cause_type)
        SELECT %(subject)s, k.kind, %(version)s, %(cause)s, %(cause_type)s FROM unnest(%(kinds)s::text[]) AS k (kind)
        WHERE %(apart)s
        ON CONFLICT (subject, kind, version) DO NOTHING
    )
"""
REGISTERED: LiteralString = _REGISTERED + DELIVERED

CARD_AND_EARLY: LiteralString = """
    card AS (
        SELECT city, service_type, person, language, email, number FROM request_card WHERE request = %(request)s AND submitted
    ), early AS (
        INSERT INTO early_notice (cause, request, notice)
        SELECT %(notice_cause)s, %(request)s, %(notice)s::jsonb WHERE NOT EXISTS (SELECT 1 FROM card)
        ON CONFLICT (cause) DO NOTHING
    )
"""
SETTLED_UNREGISTERED: LiteralString = """
    settling AS (
        INSERT INTO settled (subject, kind, version, cause, cause_type)
        SELECT %(subject)s, k.kind, %(version)s, %(cause)s, %(cause_type)s FROM unnest(%(kinds)s::text[]) AS k (kind)
        WHERE NOT EXISTS (SELECT 1 FROM request_card WHERE request = %(request)s AND number IS NOT NULL)
        ON CONFLICT (subject, kind, version) DO NOTHING
    )
"""
NOTED: LiteralString = "WITH " + CARD_AND_EARLY + DELIVERED
NOTED_AND_CALLED: LiteralString = "WITH " + CALLED + ", " + CARD_AND_EARLY + DELIVERED
CLOSED: LiteralString = "WITH " + SETTLED_UNREGISTERED + ", " + CARD_AND_EARLY + DELIVERED
CLOSED_UNTOLD: LiteralString = "WITH " + SETTLED_UNREGISTERED + "SELECT 1"

_TELL_ORIGINAL: LiteralString = """
        INSERT INTO delivery (delivery_id, cause, channel, payload)
        SELECT %(of_message)s, %(of_cause)s, %(channel)s, %(of_notice)s::jsonb || jsonb_build_object(
            'city', c.city, 'service_type', c.service_type, 'person', c.person, 'language', c.language, 'email', c.email,
            'number', c.number)
        FROM request_card c
        WHERE c.request = %(of)s AND c.person IS NOT NULL
        ON CONFLICT (cause, channel) DO NOTHING
"""
LINKED: LiteralString = "WITH " + CARD_AND_EARLY + ", original AS (" + _TELL_ORIGINAL + ")" + DELIVERED
UNLINKED: LiteralString = _TELL_ORIGINAL

RECLASSIFIED: LiteralString = "UPDATE request_card SET service_type = %(service_type)s WHERE request = %(request)s"


class Notice(BaseModel):
    """What a person is to be told, because of a fact (`cause`) at a moment; beyond that what the template says.

    `question` is a sealed value. `linked` says whether the person's request was found to be the same as an earlier one (`other`),
    or a later one was found to be the same as it.
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
    question: str | None = None
    until: datetime | None = None
    because: Literal["disputed", "unlinked"] | None = None
    linked: Literal["duplicate", "original"] | None = None
    other: UUID | None = None
    incident: UUID | None = None
    expected_end: datetime | None = None


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
            **opening(received),
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


def registered_apart(received: Received) -> bool:
    """Tell whether a request may have been registered later than submitted: not by the same command, second to its submission."""
    envelope = received.envelope
    return envelope.id != event_id(envelope.causation, 1)


def _registered(received: Received) -> Statement:
    fact = cast("RequestRegistered", received.fact)
    named = {"city": fact.city, "district": fact.district, "service_type": fact.service_type, "number": fact.number}
    apart = {**settling(received), "apart": registered_apart(received)}
    return Statement(REGISTERED, {**apart, **noted(received, "request_registered"), **named})


def _reclassified(received: Received) -> Statement:
    fact = cast("RequestReclassified", received.fact)
    return Statement(RECLASSIFIED, {"request": uuid_of(received.stream_id), "service_type": fact.service_type})


def _information_requested(received: Received) -> Statement:
    fact = cast("InformationRequested", received.fact)
    asked = noted(received, "information_requested", question=token_of(fact.question), until=fact.until)
    return Statement(NOTED_AND_CALLED, {**asked, **called(received)})


def _completion_proposed(received: Received) -> Statement:
    fact = cast("CompletionProposed", received.fact)
    return Statement(NOTED, noted(received, "completion_proposed", consent_due=fact.consent_due))


def _reopened(received: Received) -> Statement:
    fact = cast("RequestReopened", received.fact)
    return Statement(NOTED, noted(received, "request_reopened", because=fact.because))


def _closed(received: Received) -> Statement:
    """A duplicate's reporter is told why it is closed when it is linked, and not once more that it is."""
    fact = cast("RequestClosed", received.fact)
    if fact.outcome == "duplicate":
        return Statement(CLOSED_UNTOLD, {**settling(received), "request": uuid_of(received.stream_id)})
    return Statement(CLOSED, {**settling(received), **noted(received, "request_closed", outcome=fact.outcome)})


def _linked(received: Received) -> Statement:
    """Both reporters are told: whose request is the later one, and whose is the earlier."""
    fact = cast("RequestLinkedAsDuplicate", received.fact)
    request = uuid_of(received.stream_id)
    own = noted(received, "duplicate_linked", linked="duplicate", other=fact.of)
    original = _noted_for_original(received, "duplicate_linked", fact.of, linked="original", other=request)
    return Statement(LINKED, {**own, **original})


def _unlinked(received: Received) -> Statement:
    """The earlier request's reporter is told that the later one is another matter; the later one's, when it is reopened."""
    fact = cast("RequestUnlinked", received.fact)
    other = uuid_of(received.stream_id)
    return Statement(UNLINKED, _noted_for_original(received, "duplicate_unlinked", fact.of, other=other))


def _noted_for_original(received: Received, template: Template, of: UUID, **said: object) -> dict[str, object]:
    notice = noted(received, template, about=of, **said)
    told = {"of_message": notice["message"], "of_cause": notice["notice_cause"], "of_notice": notice["notice"]}
    return {**told, "of": of, "channel": CHANNEL}


def noted(received: Received, template: Template, about: UUID | None = None, **said: object) -> dict[str, object]:
    """Say what a fact is to be told as, to the reporter of its own request or of the one it is `about`.

    A message is named by the fact and the channel; one to another request's reporter by that request too.
    """
    request = about or uuid_of(received.stream_id)
    cause = received.envelope.id if about is None else derive(received.envelope.id, about)
    message = uuid_of(message_stream(cause, CHANNEL))
    notice = Notice.model_validate(
        {
            "message": message,
            "request": request,
            "template": template,
            "cause": received.envelope.id,
            "cause_type": received.fact.TYPE,
            "at": received.envelope.time,
            **said,
        }
    )
    return {
        "notice_cause": cause,
        "request": request,
        "message": message,
        "channel": CHANNEL,
        "notice": notice.model_dump_json(exclude_none=True),
    }


FOLDS: Folds = MappingProxyType(
    {
        RequestSubmitted: _submitted,
        RequestRegistered: _registered,
        RequestReclassified: _reclassified,
        InformationRequested: _information_requested,
        CompletionProposed: _completion_proposed,
        RequestReopened: _reopened,
        RequestClosed: _closed,
        RequestLinkedAsDuplicate: _linked,
        RequestUnlinked: _unlinked,
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

CARD_AND_SETTLING: LiteralString = """
    SELECT c.city, c.district, c.service_type, c.language, s.cause, s.cause_type
    FROM (SELECT 1) AS one
        LEFT JOIN request_card c ON c.request = %(request)s AND c.submitted
        LEFT JOIN LATERAL (
            SELECT cause, cause_type FROM settled
            WHERE subject = %(subject)s AND kind = %(kind)s AND version > %(version)s
            ORDER BY version
            LIMIT 1
        ) s ON true
"""

NUMBER: LiteralString = "SELECT number FROM request_card WHERE request = %(request)s"
KNOWN: LiteralString = "SELECT 1 AS known FROM request_card WHERE request = %(request)s AND submitted"


def card_of(database: Database, request: UUID) -> Card:
    """Read what is known of a request."""
    row = database.query_one(READ, {"request": request})
    return Card() if row is None else Card(**row)


def card_and_settling(
    database: Database, received: Received, subject: UUID, request: UUID | None
) -> tuple[Card, Settling | None]:
    """Read what is known of the request of a fact that opens an item, and the first fact after it that leaves nothing to do."""
    place = {"subject": subject, "kind": OPENS[type(received.fact)], "version": received.recorded.version}
    row = database.query_one(CARD_AND_SETTLING, {**place, "request": request})
    if row is None:
        return NOTHING_SAID, None
    settling = None if row["cause"] is None else Settling(row["cause"], row["cause_type"])
    return Card(row["city"], row["district"], row["service_type"], row["language"]), settling


def number_of(database: Database, request: UUID) -> str | None:
    """Read a request's number; None while it has none."""
    row = database.query_one(NUMBER, {"request": request})
    return None if row is None else row["number"]


def is_known(database: Database, request: UUID) -> bool:
    """Tell whether a request's submission has arrived here."""
    return database.query_one(KNOWN, {"request": request}) is not None
