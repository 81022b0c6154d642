"""What is logged: one JSON object a line, with the journey's id, and no personal data."""

import json
import logging
import threading
from collections.abc import Iterator
from io import BytesIO
from uuid import UUID

import psycopg
import pytest
import structlog
from pydantic import BaseModel

from shared_chassis import log

JOURNEY = UUID("6f1c2a52-7d3c-4a43-9f0e-1f1d3a2b4c5d")


class Output:
    """What was written."""

    def __init__(self) -> None:
        """Start empty."""
        self.bytes = BytesIO()

    @property
    def text(self) -> str:
        """Everything as written."""
        return self.bytes.getvalue().decode()

    @property
    def last(self) -> dict[str, object]:
        """The last line."""
        line = json.loads(self.text.splitlines()[-1])
        assert isinstance(line, dict)
        return line


@pytest.fixture
def output() -> Iterator[Output]:
    """Log into memory."""
    made = Output()
    handlers = logging.getLogger().handlers[:]
    log.configure("sample-svc", "INFO", made.bytes)
    yield made
    logging.getLogger().handlers[:] = handlers
    structlog.reset_defaults()


def test_a_line_is_one_json_object(output: Output) -> None:
    """With when, how grave, which service, and what it is about."""
    structlog.get_logger().info("request.assigned", case="case-1", at=JOURNEY, count=2)
    line = output.last
    assert line.pop("timestamp", "").endswith("Z")
    assert line == {
        "event": "request.assigned",
        "level": "info",
        "service": "sample-svc",
        "case": "case-1",
        "at": str(JOURNEY),
        "count": 2,
    }


def test_what_is_below_the_level_is_not_written(output: Output) -> None:
    """Probes are told at debug."""
    structlog.get_logger().debug("request.answered")
    assert output.text == ""


def test_a_journeys_id_stands_in_every_line_below(output: Output) -> None:
    """Until the journey is left."""
    with log.correlated(JOURNEY):
        structlog.get_logger().info("inside")
        assert output.last["correlation"] == str(JOURNEY)
    structlog.get_logger().info("outside")
    assert "correlation" not in output.last


@pytest.mark.parametrize("key", sorted(log.PERSONAL))
def test_personal_data_is_blotted_out_at_any_depth(output: Output, key: str) -> None:
    """By the key it stands under."""
    structlog.get_logger().info("x", **{key: "Alsu"}, form={key: "Alsu", "more": [{"deep": ({key: "Alsu"},)}]}, kept="kept")
    assert "Alsu" not in output.text
    assert output.last[key] == log.BLOT
    assert output.last["form"] == {key: log.BLOT, "more": [{"deep": [{key: log.BLOT}]}]}
    assert output.last["kept"] == "kept"


def test_an_exception_is_told_by_type_place_and_first_line(output: Output) -> None:
    """The lines after it hold the offending values: databases and validators put them there."""

    def fail() -> None:
        phone = "+79170000000"
        raise psycopg.errors.UniqueViolation(f"duplicate key value\nDETAIL:  Key (phone)=({phone}) already exists.")

    try:
        fail()
    except psycopg.Error as error:
        wrapped = RuntimeError("could not")
        wrapped.__cause__ = error
        structlog.get_logger().error("x", exc_info=wrapped)
        structlog.get_logger().exception("y")
    first, second = (json.loads(line) for line in output.text.splitlines())
    assert (first["error"], first["cause"]) == ("RuntimeError: could not", "UniqueViolation: duplicate key value")
    assert second["error"] == "UniqueViolation: duplicate key value"
    assert second["trace"][-1].endswith(" fail")
    assert "7917" not in output.text


class Person(BaseModel):
    """Somebody."""

    phone: int


def test_a_form_that_does_not_fit_is_told_by_its_fields(output: Output) -> None:
    """Not by what was written into them."""
    try:
        Person.model_validate({"phone": "Alsu"})
    except ValueError as error:
        structlog.get_logger().error("x", exc_info=error)
    assert output.last["error"] == "Person is not valid: phone (int_parsing)"
    assert "Alsu" not in output.text


def test_libraries_are_heard_from_warning_up(output: Output) -> None:
    """In the same form, by their first line."""
    for library in ("uvicorn.error", "aiokafka.producer", "faust.worker", "anything"):
        logging.getLogger(library).info("chatter")
        assert output.text == ""
    for library in ("uvicorn.error", "aiokafka.producer", "faust.worker", "anything"):
        logging.getLogger(library).warning("slow: %s\nwith details", 3)
        line = output.last
        assert (line["event"], line["library"], line["message"]) == ("library.said", library, "slow: 3")
        assert (line["level"], line["service"]) == ("warning", "sample-svc")


def test_a_librarys_exception_is_told_as_ours(output: Output) -> None:
    """Without values."""
    error = ValueError("bad\nvalue 7917")
    logging.getLogger("aiokafka").error("failed", exc_info=error)
    assert output.last["error"] == "ValueError: bad"
    assert "7917" not in output.text


def test_lines_of_many_threads_stay_whole(output: Output) -> None:
    """A torn line is a lost line."""

    def write() -> None:
        for number in range(200):
            structlog.get_logger().info("x", number=number, filling="y" * 200)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([json.loads(line) for line in output.text.splitlines()]) == 1600


def test_an_unknown_level_is_refused() -> None:
    """Rather than logging nothing."""
    with pytest.raises(KeyError):
        log.configure("sample-svc", "LOUD")
