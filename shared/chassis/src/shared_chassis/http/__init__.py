"""HTTP as every service speaks it: who calls, what the call is, what was refused and why.

A service's room `api.py` writes its routes on a `Router`, asks for `SignedIn` or `Anybody` and an `IdempotentCommand`, and
raises its errors; `main.py` puts it all together with `create_api`.

Versions: a read of one resource asks for `Tagged` and calls `tagged(version)` with its stream's version before it builds the
answer (`tagged(version, *what_else_it_shows)` where it shows more than its own stream): that sets `ETag: "<version>"` and
answers 304 to `If-None-Match`. A command on that stream asks for `ConditionalCommand` instead of `IdempotentCommand`: with
`If-Match: "<version>"` `store.handle` refuses a stream that has moved on (`PreconditionFailed`, 412); a repeated command still
gets its first result. After a command `tagged(result.version)` tells the new version. `IfMatch` is the bare version, `etag` the
bare tag.
"""

from shared_chassis.http.actor import (
    ANYBODY,
    ROLES,
    Actor,
    Forbidden,
    NotSignedIn,
    Rules,
    ScopeMissing,
    allow,
    needs_scope,
    pseudonym,
)
from shared_chassis.http.api import Router, create_api, in_thread
from shared_chassis.http.call import BadHeader
from shared_chassis.http.command import Anybody, IdempotentCommand, SignedIn, command_id, context
from shared_chassis.http.condition import ConditionalCommand, IfMatch, NotModified, Tagged, etag, expected_version
from shared_chassis.http.feed import feed_router
from shared_chassis.http.health import Check, Health, age_check, database_check, migrations_check
from shared_chassis.http.page import BrokenCursor, Cursor, Limit, Page, read_cursor, write_cursor
from shared_chassis.http.position import parked_router, positions_router
from shared_chassis.http.problem import FieldProblem, Problem, Unavailable
from shared_chassis.http.token import (
    IssuerUnavailable,
    KeyExpired,
    KeyRefused,
    KeyRevoked,
    KeysNotTaken,
    TokenExpired,
    TokenRefused,
    Verifier,
)

__all__ = [
    "ANYBODY",
    "ROLES",
    "Actor",
    "Anybody",
    "BadHeader",
    "BrokenCursor",
    "Check",
    "ConditionalCommand",
    "Cursor",
    "FieldProblem",
    "Forbidden",
    "Health",
    "IdempotentCommand",
    "IfMatch",
    "IssuerUnavailable",
    "KeyExpired",
    "KeyRefused",
    "KeyRevoked",
    "KeysNotTaken",
    "Limit",
    "NotModified",
    "NotSignedIn",
    "Page",
    "Problem",
    "Router",
    "Rules",
    "ScopeMissing",
    "SignedIn",
    "Tagged",
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
    "etag",
    "expected_version",
    "feed_router",
    "in_thread",
    "migrations_check",
    "needs_scope",
    "parked_router",
    "positions_router",
    "pseudonym",
    "read_cursor",
    "write_cursor",
]
