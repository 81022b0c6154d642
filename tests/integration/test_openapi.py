"""Whatever request-svc and dispatch-svc are sent, they answer as their own description says: no 5xx, nothing outside it."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from typing import cast
from uuid import UUID, uuid4

import pytest
import requests
import schemathesis
from city_alive import City
from crowd import DISPATCH, REQUEST, Crowd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
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
from veche.play.command import robots_of

pytestmark = [pytest.mark.stack, pytest.mark.postgres, pytest.mark.kafka]

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
CALLS, CALLS_OF_STRANGERS = 30, 10
"""How many calls are made up for an operation."""

PATIENCE = 120
"""Seconds that an answer may take: that it is slow is not what is tried here."""

DONE_AT_LEAST = 0.6
"""The share of operations of which at least one call has to be done, and not only refused, when whoever may do all asks."""

CLOSING = ("/confirmation", "/duplicate", "/rejection", "/withdrawal", "/revocation", "/resolution", "/erasure")
"""How addresses end behind which something ends; they are tried last, while before there is something to work on."""

MARK = uuid4().hex[:10]
EVERYBODY, ORGANISATION = f"everybody-{MARK}", "organisation-kazan-management-vakhitovsky"
SERVICE_TYPE, DISTRICT = "entrance-lighting", "vakhitovsky"

Names = Mapping[str, Sequence[object]]


@dataclass(frozen=True)
class Known:
    """Things that exist, by the names they have in paths, queries and bodies: a call for what is not there shows little."""

    by_name: Names

    def put_in(self, case: Case, choice: int) -> None:
        """Replace made-up names by names of what there is, and leave out conditions; not in every call."""
        if not choice % 4:
            return
        for part in (case.path_parameters, case.query, case.body):
            if isinstance(part, dict):
                self._replace(part, choice)
        for name in ("If-Match", "If-None-Match", "Idempotency-Key"):
            case.headers.pop(name, None)

    def _replace(self, part: dict[str, object], choice: int) -> None:
        for name, value in part.items():
            there_are = self.by_name.get(name)
            if there_are is not None:
                part[name] = there_are[choice % len(there_are)]
            elif isinstance(value, dict):
                self._replace(value, choice)


@pytest.fixture(scope="module")
def known(city: City) -> Known:
    """Make some of each thing that has a name; the requests are those of whoever will ask."""

    async def made() -> Names:
        async with robots_of(city.home, city.state) as robots:
            return await _made(Crowd(robots, MARK, EVERYBODY))

    granted = city.rows("dispatch", "SELECT DISTINCT stream_id FROM responsibility ORDER BY stream_id LIMIT 3")
    return Known({**asyncio.run(made()), "responsibility_id": [str(id_) for (id_,) in granted]})


async def _made(crowd: Crowd) -> Names:
    """Let requests stand at several points of their way, some with a part of their work given away; declare incidents."""
    executor = crowd.robots.token("a-manager", "executor", ORGANISATION)
    mine = [str(await crowd.submit(SERVICE_TYPE, DISTRICT, crowd.resident)) for _ in range(9)]
    for request in mine:
        await crowd.case(request, organisation=ORGANISATION, state="assigned")
    for request in mine[3:6]:
        await crowd.say(DISPATCH, f"/cases/{request}/acceptance", {}, executor)
    for request in mine[6:]:
        await crowd.work(request, executor)
        await crowd.see(REQUEST, f"/requests/{request}", lambda shown: shown["state"] == "completion_proposed")
    part = {"organisation": ORGANISATION, "title": "The wiring"}
    parts = [await crowd.say(DISPATCH, f"/cases/{request}/sub-tasks", part, executor) for request in mine[3:6]]
    wanted = {"label": "Work orders", "scopes": ["read", "work"]}
    keys = [await crowd.say(DISPATCH, f"/organisations/{ORGANISATION}/keys", wanted, crowd.dispatcher) for _ in range(3)]
    declared = {
        "city": "kazan",
        "names": {"ru": "Авария", "tt": "Авария", "en": "An accident"},
        "scope": {"service_types": ["no-cold-water"], "districts": [DISTRICT]},
        "organisation": ORGANISATION,
        "began_at": "2026-01-15T18:00:00+03:00",
    }
    attached = [await crowd.attach(UUID(request), _picture()) for request in mine[:2]]
    incidents = [await crowd.say(DISPATCH, "/incidents", declared, crowd.dispatcher) for _ in range(2)]
    return {
        "city": ["kazan"],
        "service_type": [SERVICE_TYPE],
        "district": [DISTRICT],
        "request": mine,
        "case": mine,
        "of": mine,
        "organisation": [ORGANISATION],
        "key_id": [str(key["key_id"]) for key in keys],
        "sub_task": [str(part["sub_task"]) for part in parts],
        "sha256": [str(attachment["sha256"]) for attachment in attached],
        "incident": [str(incident["id"]) for incident in incidents],
        "names": [declared["names"]],
        "scope": [declared["scope"]],
        "expected_end": ["2061-01-15T18:00:00+03:00"],
    }


def _picture() -> bytes:
    """Draw a picture, as small as they come."""
    file = BytesIO()
    Image.new("L", (1, 1)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("service", [DISPATCH, REQUEST])
@pytest.mark.parametrize("calls", [CALLS, CALLS_OF_STRANGERS], ids=["with every role", "not signed in"])
def test_no_answer_is_outside_the_description(city: City, known: Known, service: str, calls: int) -> None:
    """Every operation, with calls that fit its description and with calls that do not; who may do all gets his work done."""
    city.wait_until_heard()  # whatever was done in the other service before has its consequences in this one
    address = city.state.urls[service]
    token = robot_token(city.home.path, EVERYBODY, ROLES, ORGANISATION)
    signed_in = calls == CALLS
    headers = {"Authorization": f"Bearer {token}"} if signed_in else {}
    answers: defaultdict[str, Counter[int]] = defaultdict(Counter)
    with requests.Session() as session:
        document = session.get(f"{address}/openapi.json", timeout=PATIENCE).json()

        def ask(case: Case) -> None:
            response = case.call(base_url=address, session=session, headers=headers, timeout=PATIENCE)
            answers[case.operation.label][response.status_code] += 1
            case.validate_response(response, checks=CHECKS)

        for operation in described(document):
            trial(operation, known, calls, ask)()
    assert set(answers) == {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    done = [label for label, statuses in answers.items() if min(statuses) < HTTPStatus.BAD_REQUEST]
    assert not signed_in or len(done) > len(answers) * DONE_AT_LEAST
    assert not signed_in or not [label for label, statuses in answers.items() if set(statuses) <= {401, 403}]


def described(document: Mapping[str, object]) -> list[APIOperation]:
    """Read the operations, without who may call them: that is for the test to choose, not for the calls that are made up."""
    paths = cast("Mapping[str, Mapping[str, dict[str, object]]]", document["paths"])
    for operation in (operation for path in paths.values() for operation in path.values()):
        operation.pop("security", None)
    found = [result.ok() for result in schemathesis.openapi.from_dict(dict(document)).get_all_operations()]
    return sorted(found, key=lambda operation: operation.path.endswith(CLOSING))


def trial(operation: APIOperation, known: Known, calls: int, ask: Callable[[Case], None]) -> Callable[[], None]:
    """Make the trial of one operation: calls as it gives for examples, calls that fit, calls that do not."""
    examples = operation.get_strategies_from_examples()
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    made_up = st.one_of(*examples, *(operation.as_strategy(generation_mode=mode) for mode in modes))

    @settings(max_examples=calls, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=made_up, choice=st.integers(0, 1000))
    def tried(case: Case, choice: int) -> None:
        known.put_in(case, choice)
        if isinstance(case.query, dict):
            case.query.pop("wait", None)  # following a feed takes its time, by design
        ask(case)

    return tried
