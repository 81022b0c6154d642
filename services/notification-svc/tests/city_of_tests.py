"""A small city and what happens in it: the service wired by hand, and facts of a request and its case as others state them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from notification_svc import views, worker
from notification_svc.application.context import Context
from notification_svc.outbound.letter import Outbox
from notification_svc.outbound.text import Texts
from notification_svc.outbound.webhook import Programs
from shared_chassis.keyring import Keyring
from shared_chassis.mapper import EventMapper
from shared_chassis.postgres import Database, ServiceDatabase, migrate, role_password, role_url
from shared_chassis.recorder import Recorder
from shared_chassis.store import Store
from shared_city import City, ServiceType
from shared_events.catalogue import CATALOGUE
from shared_events.dispatch import (
    AssignmentAccepted,
    AssignmentDeclined,
    CaseClosed,
    DeadlineBreached,
    Holder,
    IncidentDeclared,
    IncidentDismissed,
    IncidentProlonged,
    IncidentScope,
    IncidentSuggested,
    RequestAssigned,
    RequestEscalated,
    RequestLinkedToIncident,
    RequestUnlinkedFromIncident,
    RoutingFailed,
    RoutingInputs,
    WorkReportedDone,
    WorkReturned,
)
from shared_events.envelope import Envelope, Received, Recorded
from shared_events.event import Event
from shared_events.ids import case_stream, derive, incident_stream, request_stream
from shared_events.personal import Sealed
from shared_events.request import (
    CompletionDisputed,
    CompletionProposed,
    InformationReceived,
    InformationRequested,
    Location,
    Outcome,
    RequestClosed,
    RequestLinkedAsDuplicate,
    RequestRegistered,
    RequestReopened,
    RequestSubmitted,
    RequestUnlinked,
)

SECRET = "only-for-tests"
CITY_SECRET = b"s" * 32
ROADS, WATER = "organisation-kazan-roads", "organisation-kazan-water"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

KAZAN = City(
    slug="kazan",
    names={"ru": "Казань", "tt": "Казан", "en": "Kazan"},
    version="1",
    timezone=ZoneInfo("Europe/Moscow"),
    languages=("ru", "tt", "en"),
    default_language="ru",
    register_prefix="KZN",
    service_types=(
        ServiceType(code="pothole", names={"ru": "Яма на дороге", "tt": "Юлдагы чокыр", "en": "Pothole"}, group="roads"),
        ServiceType(
            code="burst-pipe",
            names={"ru": "Прорыв трубы", "tt": "Торба тишелү", "en": "Burst pipe"},
            group="water",
            emergency=True,
        ),
    ),
)
CITIES: Mapping[str, City] = {"kazan": KAZAN}


@contextmanager
def fresh_database(admin_url: str) -> Iterator[ServiceDatabase]:
    """Lend a migrated database of the service, with its rights on the keyring."""
    service = f"notification_{uuid4().hex[:8]}"
    yield migrate(admin_url, service, "notification_svc", SECRET, keyring_rights=("create_key", "open_keys"))
    with psycopg.connect(admin_url, autocommit=True, dbname="keyring") as connection:
        connection.execute(f"DROP OWNED BY {service}".encode())
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {service} WITH (FORCE)".encode())
        connection.execute(f"DROP ROLE IF EXISTS {service}".encode())
        connection.execute(f"DROP ROLE IF EXISTS {service}_owner".encode())


def pass_time(service: ServiceDatabase, passed: timedelta) -> None:
    """Set the clock of every rule so much ahead of the real one."""
    with psycopg.connect(service.owner_url, autocommit=True) as connection:
        connection.execute(
            SQL(
                "CREATE OR REPLACE FUNCTION {}.rule_now() RETURNS timestamptz LANGUAGE sql VOLATILE"
                " AS $$ SELECT clock_timestamp() + make_interval(secs => {}) $$"
            ).format(Identifier(service.service), Literal(passed.total_seconds()))
        )


def open_context(service: ServiceDatabase, outbox: Path, pool_size: int = 8) -> Context:
    """Wire the use cases over a database."""
    database = Database(service.app_url, service.service, pool_size)
    keyring_url = role_url(service.app_url, service.service, role_password(SECRET, service.service), "keyring")
    keyring = Keyring(keyring_url, b"k" * 32)
    mapper = EventMapper(CATALOGUE, "/notification-svc", keyring)
    return Context(
        store=Store(database, Recorder(database, views.PROJECTION), mapper),
        database=database,
        keyring=keyring,
        cities=CITIES,
        texts=Texts(),
        outbox=Outbox(outbox),
        programs=Programs(private_too=True, seconds=60, rest=0),
        lease=timedelta(minutes=15),
        mail_domain="kazan.invalid",
        secret=CITY_SECRET,
    )


def hear(context: Context, received: Received) -> None:
    """Do with a fact what the consumer does: the reaction, then the fold."""
    kind = type(received.fact)
    if kind in worker.REACTIONS:
        worker.REACTIONS[kind](context, received)
    if kind in views.FOLDS:
        statement = views.FOLDS[kind](received)
        context.database.execute(statement.sql, statement.params)


def said(stream_id: str, version: int, fact: Event, at: datetime = NOON, subject: UUID | None = None) -> Received:
    """State a fact as another service published it; the same place in a stream is the same event."""
    correlation = subject or UUID(stream_id[-36:])
    envelope = Envelope(
        derive(stream_id, version),
        "/elsewhere",
        fact.TYPE,
        at,
        at,
        "service:elsewhere",
        correlation,
        derive(stream_id, version, "why"),
    )
    return Received(Recorded(stream_id, version, envelope, fact), version)


def submitted(request: UUID, person: UUID | None, language: str = "tt", email: Sealed | None = None, **more: str) -> Received:
    """State that a request was submitted, its e-mail address sealed."""
    fact = RequestSubmitted(
        city=more.get("city", "kazan"),
        channel="web",
        service_type=None if more.get("service_type") == "" else more.get("service_type", "pothole"),
        location=Location(district=more.get("district", "vakhitovsky")),
        person=person,
        language=language,
        email=email,
    )
    return said(request_stream(request), 1, fact)


def registered(request: UUID, **more: str) -> Received:
    """State that it has a number."""
    fact = RequestRegistered(
        number=more.get("number", "KZN-2026-0000001"),
        city="kazan",
        service_type=more.get("service_type", "pothole"),
        district=more.get("district", "vakhitovsky"),
    )
    return said(request_stream(request), 2, fact)


def completion_proposed(request: UUID) -> Received:
    """State that the resident is asked, for a day."""
    fact = CompletionProposed(
        round=1,
        organisation=ROADS,
        evidence=(),
        consent_due=NOON + timedelta(days=1),
        policy_version="1",
        calendar="kazan",
        calendar_version="1",
    )
    return said(request_stream(request), 3, fact)


def closed(request: UUID, outcome: Outcome = "done", version: int = 4) -> Received:
    """State that it is over."""
    return said(request_stream(request), version, RequestClosed(outcome=outcome))


def asked(request: UUID, person: UUID, question: Sealed | None = None, version: int = 5) -> Received:
    """State that the resident is asked for what is missing."""
    fact = InformationRequested(
        number=1,
        person=person,
        question=question,
        by="organisation",
        until=NOON + timedelta(days=2),
        policy_version="1",
        calendar="kazan",
        calendar_version="1",
    )
    return said(request_stream(request), version, fact)


def answered(request: UUID, person: UUID, answer: Sealed | None = None, version: int = 6) -> Received:
    """State that the resident answered."""
    return said(request_stream(request), version, InformationReceived(number=1, person=person, answer=answer))


def disputed(request: UUID, person: UUID, reason: Sealed | None = None, version: int = 7) -> Received:
    """State that the resident says that the work is not done."""
    return said(request_stream(request), version, CompletionDisputed(round=1, person=person, reason=reason))


def reopened(request: UUID, version: int = 8) -> Received:
    """State that the request is worked on again."""
    return said(request_stream(request), version, RequestReopened(round=2, because="disputed"))


def linked(request: UUID, of: UUID, version: int = 3) -> Received:
    """State that the same was asked before."""
    return said(request_stream(request), version, RequestLinkedAsDuplicate(of=of))


def unlinked(request: UUID, of: UUID, version: int = 5) -> Received:
    """State that it was not the same after all."""
    return said(request_stream(request), version, RequestUnlinked(of=of, reason="another entrance"))


def declined(request: UUID, version: int = 4) -> Received:
    """State that the organisation says the work is not its own."""
    fact = AssignmentDeclined(organisation=ROADS, round=1, number=1, reason="not_our_work", note="a private road", proposes=None)
    return said(case_stream(request), version, fact)


def returned(request: UUID, version: int = 4) -> Received:
    """State that the organisation gives the work back."""
    fact = WorkReturned(organisation=ROADS, round=1, reason="not_equipped", note="no crane", proposes=WATER)
    return said(case_stream(request), version, fact)


def accepted(request: UUID, version: int = 4, organisation: str = ROADS) -> Received:
    """State that the organisation takes the work."""
    return said(case_stream(request), version, AssignmentAccepted(organisation=organisation, round=1))


def escalated(request: UUID, version: int = 5) -> Received:
    """State that a breach still stands."""
    holder = Holder(kind="organisation", organisation=ROADS)
    fact = RequestEscalated(level=1, to="dispatcher", stage="accept", round=1, due=NOON, holder=holder)
    return said(case_stream(request), version, fact)


def linked_to(request: UUID, incident: UUID, version: int = 9, at: datetime = NOON) -> Received:
    """State that an incident explains the request."""
    fact = RequestLinkedToIncident(incident=incident, by="scope", expected_end=NOON + timedelta(hours=5))
    return said(case_stream(request), version, fact, at)


def unlinked_from(request: UUID, incident: UUID, version: int = 10, at: datetime = NOON) -> Received:
    """State that it does not after all."""
    return said(case_stream(request), version, RequestUnlinkedFromIncident(incident=incident, reason="another street"), at)


def suggested(incident: UUID) -> Received:
    """State that far more requests came than usual."""
    fact = IncidentSuggested(
        city="kazan",
        service_type="burst-pipe",
        district="vakhitovsky",
        window_start=NOON - timedelta(minutes=30),
        window_end=NOON,
        count=40,
        average=2.5,
    )
    return said(incident_stream(incident), 1, fact)


def declared(incident: UUID, version: int = 2) -> Received:
    """State that a mass outage is known."""
    fact = IncidentDeclared(
        city="kazan",
        names={"ru": "Авария на водоводе", "tt": "Су үткәргечтә авария"},
        scope=IncidentScope(service_types=("burst-pipe",)),
        organisation=WATER,
        began_at=NOON,
        expected_end=NOON + timedelta(hours=5),
    )
    return said(incident_stream(incident), version, fact)


def dismissed(incident: UUID, version: int = 2) -> Received:
    """State that what was suggested is none."""
    return said(incident_stream(incident), version, IncidentDismissed(reason="a test"))


def prolonged(incident: UUID, version: int = 3, at: datetime = NOON) -> Received:
    """State that it lasts longer."""
    return said(incident_stream(incident), version, IncidentProlonged(expected_end=NOON + timedelta(hours=9), reason="frost"), at)


def routing_failed(request: UUID, version: int = 2, service_type: str = "pothole") -> Received:
    """State that nobody is responsible."""
    inputs = RoutingInputs(city="kazan", service_type=service_type, district="vakhitovsky", building=None, at=NOON)
    return said(case_stream(request), version, RoutingFailed(reason="nobody_responsible", inputs=inputs))


def assigned(request: UUID, version: int = 3, organisation: str = ROADS) -> Received:
    """State that a dispatcher found somebody."""
    fact = RequestAssigned(organisation=organisation, round=1, by="dispatcher")
    return said(case_stream(request), version, fact)


def breached(request: UUID, version: int = 4) -> Received:
    """State that a term has passed."""
    holder = Holder(kind="organisation", organisation=ROADS)
    return said(case_stream(request), version, DeadlineBreached(stage="accept", round=1, due=NOON, holder=holder))


def reported_done(request: UUID, version: int = 5) -> Received:
    """State that the work is done."""
    fact = WorkReportedDone(organisation=ROADS, round=1, evidence=())
    return said(case_stream(request), version, fact)


def case_closed(request: UUID, version: int = 6) -> Received:
    """State that the case is over."""
    return said(case_stream(request), version, CaseClosed(outcome="done", at=datetime(2026, 3, 2, 9, 0, tzinfo=UTC)))
