"""Read models of dispatch, a module an aggregate; `rulebook` puts what the cities decided beforehand together, in memory."""

from dispatch_svc.views import case, incident, organisation, override, policy, responsibility, rulebook, service_type
from shared_chassis.consumer import Folds
from shared_chassis.view import Projection

PROJECTION: Projection = {
    **organisation.PROJECTION,
    **responsibility.PROJECTION,
    **policy.PROJECTION,
    **override.PROJECTION,
    **case.PROJECTION,
    **incident.PROJECTION,
}
"""Own facts → what they are in the tables."""

TABLES: tuple[str, ...] = (
    *organisation.TABLES,
    *responsibility.TABLES,
    *policy.TABLES,
    *override.TABLES,
    *incident.TABLES,
    *case.TABLES,
)
"""What is rebuilt from own facts alone."""

FOLDS: Folds = service_type.FOLDS
"""Others' facts → one statement each."""

__all__ = ["FOLDS", "PROJECTION", "TABLES", "case", "rulebook"]
