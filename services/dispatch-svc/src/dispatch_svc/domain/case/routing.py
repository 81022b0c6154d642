"""Where a request goes: its case is opened, routed by the rulebook, and routed again when it turns out to be something else."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from dispatch_svc.domain.case.clock import count_anew, start_clock, start_clocks_of_registration, tell
from dispatch_svc.domain.case.draft import Draft
from dispatch_svc.domain.case.holder import hand_over
from dispatch_svc.domain.case.incident import link
from dispatch_svc.domain.case.state import TO_ASSIGN, Case
from dispatch_svc.domain.case.work import give_to
from dispatch_svc.domain.refusal import CaseNotFoundError
from dispatch_svc.domain.rulebook import NoRoute, Rulebook
from shared_events.dispatch import (
    CaseOpened,
    CaseReclassified,
    RequestRouted,
    RoutingFailed,
    RoutingInputs,
)
from shared_events.event import Event
from shared_events.request import RequestReclassified, RequestRegistered, RequestSubmitted


def open_case(case: Case, request: UUID, submitted: RequestSubmitted, at: datetime) -> Sequence[Event]:
    """Open the case of a submitted request; the call centre holds it from the moment of the submission."""
    if case.state != "unknown":
        return []
    place = submitted.location
    opened = CaseOpened(
        request=request,
        city=submitted.city,
        service_type=submitted.service_type,
        district=place.district,
        building=place.building,
    )
    draft = Draft(case)
    draft.say(opened)
    hand_over(draft, at)
    return draft.facts


def route(case: Case, request: UUID, registered: RequestRegistered, at: datetime, rulebook: Rulebook) -> Sequence[Event]:
    """Send a registered request to whom a rule names; when no rule names anybody, a dispatcher holds it and must.

    A request that was submitted and registered in one breath has no case yet: it is opened in the same breath here, and the call
    centre never holds it. Every clock that counts from the registration starts, and the accept clock of whoever is to
    act. Incidents that explain the request are linked.
    """
    if case.state not in {"unknown", "opened"}:
        return []
    inputs = RoutingInputs(
        city=registered.city,
        service_type=registered.service_type,
        district=registered.district,
        building=registered.building or case.building,
        at=at,
        answers=registered.answers,
    )
    draft = Draft(case)
    if case.state == "unknown":
        draft.say(
            CaseOpened(
                request=request,
                city=inputs.city,
                service_type=inputs.service_type,
                district=inputs.district,
                building=inputs.building,
            )
        )
    _route(draft, inputs, at, rulebook)
    start_clocks_of_registration(draft, at, rulebook)
    for incident in rulebook.explaining(inputs):
        link(draft, incident.id, "scope", incident.expected_end)
    return draft.facts


def reclassify(case: Case, reclassified: RequestReclassified, at: datetime, rulebook: Rulebook) -> Sequence[Event]:
    """Take a request for what it turned out to be: its clocks count by the new type's terms, each from its own start.

    Until somebody has accepted it is routed again, unless the committee has decided. Raises `CaseNotFoundError` when the case is
    not open yet.
    """
    _exists(case)
    if case.state == "closed" or case.service_type == reclassified.service_type:
        return []
    draft = Draft(case)
    tell(draft, case.not_before(at))
    draft.say(
        CaseReclassified(
            previous=reclassified.previous,
            service_type=reclassified.service_type,
            answers=reclassified.answers,
        )
    )
    inputs = draft.case.inputs
    if inputs is not None and case.committee is None and (case.state in TO_ASSIGN or case.state == "assigned"):
        _route_again(draft, inputs, case.not_before(at), rulebook)
    count_anew(draft, case.not_before(at), rulebook)
    return draft.facts


def _route(draft: Draft, inputs: RoutingInputs, at: datetime, rulebook: Rulebook) -> None:
    found = rulebook.route(inputs)
    if isinstance(found, NoRoute):
        draft.say(RoutingFailed(reason=found.reason, inputs=inputs, rule=found.rule, detail=found.detail))
        hand_over(draft, at)
        start_clock(draft, "accept", at, rulebook)
        return
    draft.say(RequestRouted(organisation=found.organisation, rule=found.rule, rule_version=found.rule_version, inputs=inputs))
    give_to(draft, found.organisation, "rule", at, rulebook)


def _route_again(draft: Draft, inputs: RoutingInputs, at: datetime, rulebook: Rulebook) -> None:
    """Route anew; the organisation that is assigned stays so where a rule names it again."""
    found = rulebook.route(inputs)
    nowhere_as_before = isinstance(found, NoRoute) and draft.case.state in TO_ASSIGN
    if nowhere_as_before or (not isinstance(found, NoRoute) and found.organisation == draft.case.organisation):
        return
    _route(draft, inputs, at, rulebook)


def _exists(case: Case) -> None:
    if case.state == "unknown":
        raise CaseNotFoundError
