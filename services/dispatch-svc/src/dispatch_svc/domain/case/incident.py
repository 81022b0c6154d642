"""Which incidents explain a request: a link is a fact of the case, so that no stream gets hot when thousands are linked."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from dispatch_svc.domain.case.draft import Draft
from dispatch_svc.domain.case.state import Case
from dispatch_svc.domain.case.transition import permit
from dispatch_svc.domain.refusal import NotLinkedError
from shared_events.dispatch import RequestLinkedToIncident, RequestUnlinkedFromIncident
from shared_events.event import Event


def link_incident(
    case: Case, incident: UUID, by: Literal["scope", "dispatcher"], expected_end: datetime | None
) -> Sequence[Event]:
    """Say that an incident explains the request, once. Refused for a request that is not registered or is closed."""
    permit(case, "link_incident")
    draft = Draft(case)
    link(draft, incident, by, expected_end)
    return draft.facts


def unlink_incident(case: Case, incident: UUID, reason: str) -> Sequence[Event]:
    """Say that an incident does not explain the request after all."""
    permit(case, "unlink_incident")
    if incident not in case.incidents:
        raise NotLinkedError
    return [RequestUnlinkedFromIncident(incident=incident, reason=reason)]


def link(draft: Draft, incident: UUID, by: Literal["scope", "dispatcher"], expected_end: datetime | None) -> None:
    """State the link where there is none yet."""
    if incident not in draft.case.incidents:
        draft.say(RequestLinkedToIncident(incident=incident, by=by, expected_end=expected_end))
