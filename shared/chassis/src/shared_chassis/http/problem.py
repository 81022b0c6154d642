"""Refusals and failures as people and programs read them: problem details (RFC 9457), in words.

Every error a service raises on purpose stands in one table error → status; the words are its docstring and its message.
What stands in no table is our own mistake: it is logged, and the caller learns nothing but the correlation id.
"""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus

import orjson
import psycopg
import structlog
from eventsourcing import persistence
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.responses import Response

from shared_chassis.http.actor import Forbidden, NotSignedIn
from shared_chassis.http.call import BadHeader, call_of
from shared_chassis.http.condition import NotModified, etag
from shared_chassis.http.page import BrokenCursor
from shared_chassis.http.token import IssuerUnavailable
from shared_chassis.parked import NoReasonError, NotParkedError
from shared_chassis.store import Conflict, KeyReusedError, PreconditionFailed

MEDIA_TYPE = "application/problem+json"

Statuses = Mapping[type[Exception], int]

_log = structlog.get_logger()


class Unavailable(Exception):
    """This service cannot reach its database now; nothing was lost, try again in a moment."""


AWAY: tuple[type[Exception], ...] = (
    psycopg.OperationalError,
    persistence.OperationalError,
    persistence.InterfaceError,
)
"""What the drivers raise while a database is away or busy: told as `Unavailable`, which callers repeat."""

EVERYWHERE: Statuses = {
    NotSignedIn: 401,
    Forbidden: 403,
    BadHeader: 400,
    BrokenCursor: 400,
    IssuerUnavailable: 503,
    Unavailable: 503,
    Conflict: 409,
    PreconditionFailed: 412,
    KeyReusedError: 422,
    NotParkedError: 404,
    NoReasonError: 422,
}
"""The chassis' own part of every service's table."""

_PLAIN = {
    "missing": "is required",
    "extra_forbidden": "is not known here",
    "json_invalid": "is not JSON",
    "string_type": "must be text",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "has another form than expected ({pattern})",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "uuid_type": "must be a UUID",
    "uuid_parsing": "must be a UUID",
    "datetime_type": "must be a date and time, as 2026-01-31T12:00:00Z",
    "datetime_parsing": "must be a date and time, as 2026-01-31T12:00:00Z",
    "datetime_from_date_parsing": "must be a date and time, as 2026-01-31T12:00:00Z",
    "timezone_aware": "must say its offset from UTC, as in 2026-01-31T12:00:00Z",
    "date_type": "must be a date, as 2026-01-31",
    "date_parsing": "must be a date, as 2026-01-31",
    "date_from_datetime_parsing": "must be a date, as 2026-01-31",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "literal_error": "must be one of {expected}",
    "enum": "must be one of {expected}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "too_long": "must have at most {max_length} entries",
    "too_short": "must have at least {min_length} entries",
}
"""The kinds of mistake a form is most often returned for, in words; others keep the validator's own."""


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    model_config = ConfigDict(frozen=True)

    field: str
    problem: str


class Problem(BaseModel):
    """Why a call was not done, for people (`title`, `detail`) and for programs (`type`, `status`); RFC 9457."""

    model_config = ConfigDict(frozen=True)

    type: str
    title: str
    status: int
    detail: str
    instance: str
    correlation_id: str
    errors: list[FieldProblem] | None = None


class Problems:
    """Makes the answer to every error, from the one table error → status of a service."""

    def __init__(self, service: str, statuses: Statuses) -> None:
        self._service = service
        self._statuses = {**EVERYWHERE, **statuses}

    @property
    def handled(self) -> Iterable[type[Exception]]:
        """The errors that are answered here; every other one is our mistake."""
        return (*self._statuses, *AWAY, NotModified, HTTPException, RequestValidationError)

    def answer(self, request: Request, error: Exception) -> Response:
        """Answer an error: by the table, or as the web framework's own, or as our mistake."""
        call = call_of(request.scope)
        if isinstance(error, NotModified):
            return Response(status_code=HTTPStatus.NOT_MODIFIED)
        if isinstance(error, RequestValidationError):
            return self._invalid(request, error)
        if isinstance(error, HTTPException):
            phrase = HTTPStatus(error.status_code).phrase
            detail = _framework_detail(request, error)
            return _response(request, error.status_code, "about:blank", phrase, detail, headers=error.headers)
        if isinstance(error, AWAY) and self._status(error) is None:
            _log.warning("request.unavailable", exc_info=error)
            error = Unavailable(Unavailable.__doc__)
        status = self._status(error)
        if status is None:
            _log.error("request.failed", correlation=call.correlation, exc_info=error)
            return _response(
                request,
                500,
                "about:blank",
                "Something went wrong on our side.",
                "The failure is recorded under the correlation id. "
                "Repeat the call with the same Idempotency-Key to learn whether it was done.",
            )
        title = refusal_words(type(error))
        return _response(
            request,
            status,
            f"urn:veche:{self._service}:{refusal_name(type(error))}",
            title,
            str(error) or title,
            headers=_headers(error, status),
        )

    def _status(self, error: Exception) -> int | None:
        """Find the status of the nearest class that stands in the table."""
        return next((self._statuses[kind] for kind in type(error).__mro__ if kind in self._statuses), None)

    def _invalid(self, request: Request, error: RequestValidationError) -> Response:
        """List what is wrong with which field, in plain words and without repeating what was sent."""
        found = error.errors()
        if any(mistake["type"] == "json_invalid" for mistake in found):
            return _response(request, 400, "about:blank", "Bad Request", "The body is not JSON.")
        fields = [FieldProblem(field=_field(mistake["loc"]), problem=_plain(mistake)) for mistake in found]
        detail = "; ".join(f"{field.field} {field.problem}" for field in fields[:5]) + "."
        return _response(
            request, 422, f"urn:veche:{self._service}:invalid", "Something in this call is not as expected.", detail, fields
        )


def _response(
    request: Request,
    status: int,
    kind: str,
    title: str,
    detail: str,
    errors: list[FieldProblem] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    problem = Problem(
        type=kind,
        title=title,
        status=status,
        detail=detail,
        instance=request.scope["path"],
        correlation_id=call_of(request.scope).correlation,
        errors=errors,
    )
    body = orjson.dumps(problem.model_dump(exclude_none=True))
    return Response(body, status, dict(headers or {}), MEDIA_TYPE)


def refusal_name(kind: type[Exception]) -> str:
    """Name a refusal as the `type` of its problem ends: `AlreadyClosedError` is `already-closed-error`."""
    return _kebab(kind.__name__)


def refusal_words(kind: type[Exception]) -> str:
    """Take the words of a refusal: the first paragraph of its own docstring."""
    text = kind.__dict__.get("__doc__") or refusal_name(kind).replace("-", " ").capitalize()
    return " ".join(text.split("\n\n")[0].split())


def _headers(error: Exception, status: int) -> Mapping[str, str]:
    if isinstance(error, NotSignedIn):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, PreconditionFailed) and error.present:
        return {"ETag": etag(error.present)}
    return {"Retry-After": "1"} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}


def _framework_detail(request: Request, error: HTTPException) -> str:
    if error.detail != HTTPStatus(error.status_code).phrase:
        return str(error.detail)
    if error.status_code == HTTPStatus.NOT_FOUND:
        return "There is nothing at this address."
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return f"This address does not answer to {request.method}."
    return f"{error.detail}."


def _field(place: Iterable[str | int]) -> str:
    """Name a field as the caller wrote it: `location.latitude`, `evidence.0`, or the part of the call it is missing in."""
    part, *path = (str(step) for step in place)
    return ".".join(path) if path else part


def _plain(mistake: Mapping[str, object]) -> str:
    words = _PLAIN.get(str(mistake["type"]))
    context = mistake.get("ctx")
    if words is None:
        return str(mistake["msg"])
    return words.format_map(context) if isinstance(context, Mapping) else words


def _kebab(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()
