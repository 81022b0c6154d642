"""What the process tells its operators: one JSON object a line on standard output, and no personal data in it.

An event's name is a dotted fact (`"request.answered"`), what it is about stands in keys beside it. The correlation id
is bound at the edge (an HTTP request, a consumed event) and stands in every line written below it. Libraries that log
through the standard library are heard from WARNING up, in the same form.

Two rules keep people's data out. Values under the keys in `PERSONAL` are blotted out at any depth, so call a thing
`component` or `consumer`, never `name`. An exception is told by its type, its place and the *first line* of its
message: databases and validators put the offending values on the lines after it.
"""

import logging
import sys
import traceback
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from types import TracebackType
from typing import BinaryIO
from uuid import UUID

import orjson
import structlog
from pydantic import ValidationError

PERSONAL = frozenset({"text", "description", "phone", "email", "name", "address", "apartment"})
"""Keys whose values are a person's own words or data, and are never written."""

BLOT = "[redacted]"
FRAMES = 12
"""How many of the innermost frames of an exception are told."""

_LINE = 500
_SCALARS = (str, int, float, type(None))
Line = MutableMapping[str, object]


def configure(service: str, level: str = "INFO", output: BinaryIO | None = None) -> None:
    """Send every log line of this process, its libraries' included, to standard output as JSON.

    `level` is a name of the standard library's levels; `output` is for tests.
    """

    def add_service(_logger: object, _method: str, line: Line) -> Line:
        line["service"] = service
        return line

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            add_service,
            without_traceback,
            without_personal_data,
            structlog.processors.JSONRenderer(serializer=_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.BytesLoggerFactory(output or sys.stdout.buffer),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_ThroughStructlog()]
    root.setLevel(logging.WARNING)
    for library in ("uvicorn", "uvicorn.error", "uvicorn.access", "aiokafka", "faust", "mode"):
        logger = logging.getLogger(library)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.WARNING)


@contextmanager
def correlated(correlation: UUID | str) -> Iterator[None]:
    """Write the correlation id into every line of this context and of the threads it hands work to."""
    with structlog.contextvars.bound_contextvars(correlation=str(correlation)):
        yield


def without_personal_data(_logger: object, _method: str, line: Line) -> Line:
    """Blot out what stands under a personal key, at any depth."""
    for key, value in line.items():
        if key in PERSONAL:
            line[key] = BLOT
        elif not isinstance(value, _SCALARS):
            line[key] = _blotted(value)
    return line


def without_traceback(_logger: object, _method: str, line: Line) -> Line:
    """Tell an exception by type, place and first line, without the values its full text may carry."""
    error = line.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    elif isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        line["error"] = told(error)
        line["trace"] = _frames(error.__traceback__)
        if error.__cause__ is not None:
            line["cause"] = told(error.__cause__)
    return line


def told(error: BaseException) -> str:
    """Say an exception in one line: its type and the first line of its message; of a validation error the fields."""
    if isinstance(error, ValidationError):
        fields = ", ".join(f"{'.'.join(map(str, e['loc']))} ({e['type']})" for e in error.errors(include_input=False))
        return f"{error.title} is not valid: {fields}"[:_LINE]
    lines = str(error).splitlines()
    return f"{type(error).__qualname__}: {lines[0]}"[:_LINE] if lines else type(error).__qualname__


class _ThroughStructlog(logging.Handler):
    """Hands what libraries say through the standard library to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        first = (record.getMessage().splitlines() or [""])[0][:_LINE]
        structlog.get_logger().log(record.levelno, "library.said", library=record.name, message=first, exc_info=record.exc_info)


def _json(line: Line, **_options: object) -> bytes:
    return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS)


def _blotted(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: BLOT if key in PERSONAL else _blotted(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_blotted(inner) for inner in value]
    return value


def _frames(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace)[-FRAMES:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
