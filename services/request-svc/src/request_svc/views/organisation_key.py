"""The keys organisations' programs call with, as dispatch-svc issued and revoked them."""

from shared_chassis import api_key
from shared_chassis.consumer.reaction import Folds
from shared_chassis.view import Statement
from shared_events.dispatch import OrganisationKeyIssued, OrganisationKeyRevoked
from shared_events.envelope import Received


def _issue(received: Received) -> Statement:
    fact = received.fact
    assert isinstance(fact, OrganisationKeyIssued)  # noqa: S101 - by the folds' key
    return api_key.issued(
        sha256=fact.sha256,
        key_id=fact.key_id,
        organisation=fact.organisation,
        scopes=fact.scopes,
        valid_until=fact.valid_until,
    )


def _revoke(received: Received) -> Statement:
    fact = received.fact
    assert isinstance(fact, OrganisationKeyRevoked)  # noqa: S101 - by the folds' key
    return api_key.revoked(organisation=fact.organisation, key_id=fact.key_id, at=fact.at)


FOLDS: Folds = {OrganisationKeyIssued: _issue, OrganisationKeyRevoked: _revoke}
"""Both facts are on the organisation's stream, so they arrive in order."""
