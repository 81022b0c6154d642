"""What can be done in dispatch: a module an aggregate, one function a use case, and who may do it."""

from collections.abc import Mapping

from dispatch_svc.application import case, incident, organisation, override, responsibility, rulebook
from dispatch_svc.application.adoption import adopt, mistakes
from dispatch_svc.application.context import SERVICE, Context

MAY: Mapping[str, frozenset[str]] = {
    **case.MAY,
    **rulebook.MAY,
    **responsibility.MAY,
    **override.MAY,
    **incident.MAY,
    **organisation.MAY,
    "read_feed": frozenset({"dispatcher", "analyst", "auditor"}),
}
"""Who may: use case → roles. Which executor may is the case's own question: the one of the assigned organisation."""

__all__ = ["MAY", "SERVICE", "Context", "adopt", "mistakes"]
