"""Read models of request-svc: the register of requests, the service types, and what dispatch-svc says of each request."""

from request_svc.views import case_status, register, service_type
from shared_chassis.view import Projection

PROJECTION: Projection = {**register.PROJECTION, **service_type.PROJECTION}
"""Own facts, each one statement in the transaction that stores it."""

TABLES: tuple[str, ...] = (*register.TABLES, *service_type.TABLES)
"""What is rebuilt from own facts."""

FOLDS = case_status.FOLDS
"""dispatch-svc's facts, each one statement in the transaction that moves the consumer's position."""
