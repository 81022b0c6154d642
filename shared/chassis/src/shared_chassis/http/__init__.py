"""HTTP as every service speaks it: who calls, what the call is, what was refused and why.

A service's room `api.py` writes its routes on a `Router`, asks for `SignedIn` or `Anybody` and an `IdempotentCommand`, and
raises its errors; `main.py` puts it all together with `create_api`.
"""

from shared_chassis.http.actor import ANYBODY, ROLES, Actor, Forbidden, NotSignedIn, Rules, allow, pseudonym
from shared_chassis.http.api import Router, create_api, in_thread
from shared_chassis.http.call import BadHeader
from shared_chassis.http.command import Anybody, IdempotentCommand, SignedIn, command_id, context
from shared_chassis.http.feed import feed_router
from shared_chassis.http.health import Check, Health, age_check, database_check, migrations_check
from shared_chassis.http.page import BrokenCursor, Cursor, Limit, Page, read_cursor, write_cursor
from shared_chassis.http.position import parked_router, positions_router
from shared_chassis.http.problem import FieldProblem, Problem, Unavailable
from shared_chassis.http.token import IssuerUnavailable, TokenExpired, TokenRefused, Verifier

__all__ = [
    "ANYBODY",
    "ROLES",
    "Actor",
    "Anybody",
    "BadHeader",
    "BrokenCursor",
    "Check",
    "Cursor",
    "FieldProblem",
    "Forbidden",
    "Health",
    "IdempotentCommand",
    "IssuerUnavailable",
    "Limit",
    "NotSignedIn",
    "Page",
    "Problem",
    "Router",
    "Rules",
    "SignedIn",
    "TokenExpired",
    "TokenRefused",
    "Unavailable",
    "Verifier",
    "age_check",
    "allow",
    "command_id",
    "context",
    "create_api",
    "database_check",
    "feed_router",
    "in_thread",
    "migrations_check",
    "parked_router",
    "positions_router",
    "pseudonym",
    "read_cursor",
    "write_cursor",
]
