"""What can be done with requests: one function a use case, a module an occasion; and who may do what."""

from request_svc.application import attachment, dialogue, erasure, lifecycle, reading
from request_svc.application.context import MAY, SERVICE, Context, asker_of, city_rules
from request_svc.application.reference import adopt, rules_of

__all__ = [
    "MAY",
    "SERVICE",
    "Context",
    "adopt",
    "asker_of",
    "attachment",
    "city_rules",
    "dialogue",
    "erasure",
    "lifecycle",
    "reading",
    "rules_of",
]
