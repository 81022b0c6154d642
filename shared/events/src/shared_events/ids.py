"""How streams, events and commands are named: every id but a person's derives from the command that caused it."""

from uuid import UUID, uuid5

NAMESPACE = UUID("5f2d1c9e-7a34-5b68-9d10-3e8f6a4b7c21")
"""The namespace of every id Veche derives; part of the contract, never changed."""


def derive(*parts: str | UUID | int) -> UUID:
    """Derive an id from what it names: the same parts give the same id, for ever (UUID version 5, RFC 9562)."""
    return uuid5(NAMESPACE, "|".join(str(part) for part in parts))


def event_id(command: UUID, index: int) -> UUID:
    """Name the event at an index (from 0) of what one command decided."""
    return derive(command, index)


def uuid_of(stream_id: str) -> UUID | None:
    """Read the uuid at the end of a stream id; None where the stream has a slug instead."""
    tail = stream_id[-36:]
    try:
        return UUID(tail)
    except ValueError:
        return None


def request_stream(request: UUID) -> str:
    """Name the stream of a service request."""
    return f"request-{request}"


def case_stream(request: UUID) -> str:
    """Name the stream of a request's case: the same uuid."""
    return f"case-{request}"


def service_type_stream(city: str, code: str) -> str:
    """Name the stream of a service type of a city."""
    return f"service-type-{city}-{code}"


def building_stream(city: str, code: str) -> str:
    """Name the stream of a building of a city."""
    return f"building-{city}-{code}"


def person_stream(person: UUID) -> str:
    """Name the stream of a person."""
    return f"person-{person}"


def incident_stream(incident: UUID) -> str:
    """Name the stream of a mass outage."""
    return f"incident-{incident}"


def rules_stream(city: str) -> str:
    """Name the stream of a city's routing overrides."""
    return f"rules-{city}"


def calendar_stream(city: str, calendar: str) -> str:
    """Name the stream of a calendar of a city, version after version."""
    return f"sla-{city}-calendar-{calendar}"


def subscription_stream(subscription: UUID) -> str:
    """Name the stream of a webhook subscription."""
    return f"subscription-{subscription}"


def organisation_stream(city: str, slug: str) -> str:
    """Name the stream of an organisation; organisations are referred to by this name everywhere."""
    return f"organisation-{city}-{slug}"


def responsibility_stream(city: str, service_type: str, territory: str) -> str:
    """Name the stream of who is responsible for a service type in a territory (a district, or `city`)."""
    return f"responsibility-{derive(city, service_type, territory)}"


def sla_stream(city: str) -> str:
    """Name the stream of a city's term policies."""
    return f"sla-{city}"


def discussion_stream(discussion: UUID) -> str:
    """Name the stream of a public discussion."""
    return f"discussion-{discussion}"


def submission_stream(submission: UUID) -> str:
    """Name the stream of one question, proposal or remark."""
    return f"submission-{submission}"


def procedure_stream(city: str, code: str) -> str:
    """Name the stream of a procedure template of a city."""
    return f"procedure-{city}-{code}"


SIGNALS_TOPIC = "analytics.signals"
"""Hints, not facts: a single partition, kept like every topic."""


def work_item_stream(cause: UUID) -> str:
    """Name the stream of the work item opened because of an event: one cause, one item."""
    return f"work-item-{derive(cause)}"


def message_stream(cause: UUID, channel: str) -> str:
    """Name the stream of the message sent because of an event over a channel: each exactly once."""
    return f"message-{derive(cause, channel)}"


def report_stream(report: UUID) -> str:
    """Name the stream of a saved report."""
    return f"report-{report}"
