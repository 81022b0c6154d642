"""Whatever request-svc and dispatch-svc are sent, they answer as their own description says: no 5xx, nothing outside it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pytest
import requests
import schemathesis
from city_alive import City
from conftest import Day
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from local_stack.tokens import robot_token
from shared_chassis.http import ROLES

pytestmark = pytest.mark.stack

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 20
"""How many calls are made up for an operation, of each kind: such as fit the description, and such as do not."""

ORGANISATION = "organisation-los-angeles-bos"


@dataclass(frozen=True)
class Known:
    """Things that exist, to put in place of made-up names: a path that always ends in 404 shows little."""

    by_parameter: Mapping[str, Sequence[str]]

    def put_in(self, case: Case, choice: int) -> None:
        """Replace the names in a path by names of what there is; not in every call."""
        for name in case.path_parameters:
            there_are = self.by_parameter.get(name, ())
            if there_are and choice % 4:
                case.path_parameters[name] = there_are[choice % len(there_are)]


@pytest.fixture(scope="module")
def known(city: City, day: Day) -> Known:
    """Look up what the day has left."""
    assert day.played

    def texts(service: str, sql: str) -> list[str]:
        return [str(row[0]) for row in city.rows(service, sql)]

    of_requests = texts("request", "SELECT request_id FROM request ORDER BY position DESC LIMIT 20")
    return Known(
        {
            "request": of_requests,
            "case": of_requests,
            "organisation": texts("dispatch", "SELECT stream_id FROM organisation LIMIT 5"),
            "responsibility": texts("dispatch", "SELECT stream_id FROM responsibility LIMIT 5"),
        }
    )


@pytest.mark.parametrize("service", ["request-svc", "dispatch-svc"])
@pytest.mark.parametrize("signed_in", [True, False], ids=["with every role", "not signed in"])
def test_no_answer_is_outside_the_description(city: City, known: Known, service: str, signed_in: bool) -> None:  # noqa: FBT001 - a case
    """Every operation, with calls that fit its description and with calls that do not."""
    token = robot_token(city.home.path, "everybody", ROLES, ORGANISATION)
    headers = {"Authorization": f"Bearer {token}"} if signed_in else {}
    address = city.state.urls[service]
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 15
    with requests.Session() as session:
        for operation in operations:
            _answers(operation, known, lambda case: _call(case, address, headers, session))()


def _answers(operation: APIOperation, known: Known, call: Callable[[Case], None]) -> Callable[[], None]:
    """Make the trial of one operation."""
    both = st.one_of(operation.as_strategy(GenerationMode.POSITIVE), operation.as_strategy(GenerationMode.NEGATIVE))

    @settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=both, choice=st.integers(0, 1000))
    def trial(case: Case, choice: int) -> None:
        known.put_in(case, choice)
        if isinstance(case.query, dict):
            case.query.pop("wait", None)  # following a feed takes its time, by design
        call(case)

    return trial


def _call(case: Case, address: str, headers: Mapping[str, str], session: requests.Session) -> None:
    """Make one call, and hold the answer against the description."""
    made_up = {name: value for name, value in (case.headers or {}).items() if name.lower() != "authorization"}
    response = case.call(base_url=address, session=session, headers={**made_up, **headers})
    case.validate_response(response, checks=CHECKS)
