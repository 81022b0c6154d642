"""Read models of request-svc: the register of requests, reference data, erasures, and what dispatch-svc says."""

from request_svc.views import case_status, erasure, organisation_key, reference, register
from shared_chassis.consumer.reaction import Folds
from shared_chassis.view import Projection

PROJECTION: Projection = {**register.PROJECTION, **reference.PROJECTION, **erasure.PROJECTION}
"""Own facts, each one statement in the transaction that stores it."""

TABLES: tuple[str, ...] = (*register.TABLES, *reference.TABLES, *erasure.TABLES)
"""What is rebuilt from own facts."""

FOLDS: Folds = {**case_status.FOLDS, **organisation_key.FOLDS}
"""dispatch-svc's facts, each one statement in the transaction that moves the consumer's position."""
