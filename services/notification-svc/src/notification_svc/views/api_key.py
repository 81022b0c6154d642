"""The keys of organisations' programs, as dispatch-svc's facts say."""

from types import MappingProxyType
from typing import cast

from shared_chassis import api_key
from shared_chassis.consumer import Folds
from shared_chassis.view import Statement
from shared_events.dispatch import OrganisationKeyIssued, OrganisationKeyRevoked
from shared_events.envelope import Received


def _issued(received: Received) -> Statement:
    fact = cast("OrganisationKeyIssued", received.fact)
    return api_key.issued(
        sha256=fact.sha256,
        key_id=fact.key_id,
        organisation=fact.organisation,
        scopes=fact.scopes,
        valid_until=fact.valid_until,
    )


def _revoked(received: Received) -> Statement:
    fact = cast("OrganisationKeyRevoked", received.fact)
    return api_key.revoked(organisation=fact.organisation, key_id=fact.key_id, at=fact.at)


FOLDS: Folds = MappingProxyType({OrganisationKeyIssued: _issued, OrganisationKeyRevoked: _revoked})
