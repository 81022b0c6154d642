"""Every refusal of request-svc over HTTP, by its own name, status and words; on real PostgreSQL."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from citizens import AGENT, LIFTS, RESIDENT, Person, fire, person, refusal, report_done, say, submit, submitted
from files import picture

from request_svc.api import ERRORS
from request_svc.application import Context
from request_svc.domain.refusal import RequestError, RoundNotBegunError, TermNotOverError
from shared_chassis.http.problem import refusal_name, refusal_words

pytestmark = pytest.mark.postgres

Api = httpx.AsyncClient
Scenario = Callable[[Api, Context], Awaitable[httpx.Response]]
NEIGHBOUR = person("resident")
GAS = "gas-smell"


def submitting(who: Person = RESIDENT, **more: Any) -> Scenario:
    """Submit."""
    return lambda api, _context: submit(api, who, **more)


def saying(who: Person, what: str, body: Mapping[str, object]) -> Scenario:
    """Submit, and then say something of it."""

    async def scenario(api: Api, _context: Context) -> httpx.Response:
        return await say(api, who, await submitted(api), what, body)

    return scenario


async def asked(api: Api, context: Context) -> UUID:
    """Let a resident be asked whether the work is done."""
    request = await submitted(api)
    report_done(context, request, context.store.now() - timedelta(days=30))
    return request


async def done_by_silence(api: Api, context: Context) -> UUID:
    """Let silence close a request."""
    request = await asked(api, context)
    fire(context, request)
    return request


async def nobodys_confirmed(api: Api, context: Context) -> httpx.Response:
    """Confirm what nobody can be asked about."""
    request = await submitted(api, AGENT, person="none")
    report_done(context, request)
    return await say(api, AGENT, request, "confirmation", {})


async def rejected_while_asked(api: Api, context: Context) -> httpx.Response:
    """Reject what the resident is being asked about."""
    return await say(api, AGENT, await asked(api, context), "rejection", {"ground": "No.", "outcome": "refused"})


async def confirmed_after_silence(api: Api, context: Context) -> httpx.Response:
    """Confirm what silence has accepted."""
    return await say(api, RESIDENT, await done_by_silence(api, context), "confirmation", {})


async def rated_twice(api: Api, context: Context) -> httpx.Response:
    """Rate once more."""
    request = await done_by_silence(api, context)
    await say(api, RESIDENT, request, "rating", {"rating": 1})
    return await say(api, RESIDENT, request, "rating", {"rating": 5})


async def withdrawn_twice_otherwise(api: Api, _context: Context) -> httpx.Response:
    """Reject what was withdrawn."""
    request = await submitted(api)
    await say(api, RESIDENT, request, "withdrawal", {"reason": "other"})
    return await say(api, AGENT, request, "rejection", {"ground": "No.", "outcome": "refused"})


async def asked_twice(api: Api, _context: Context) -> httpx.Response:
    """Ask before the answer to the last question."""
    request = await submitted(api)
    await say(api, AGENT, request, "information-requests", {"question": "A?"})
    return await say(api, AGENT, request, "information-requests", {"question": "B?"})


async def asked_before_registration(api: Api, _context: Context) -> httpx.Response:
    """Ask about what has no number yet."""
    request = await submitted(api, service_type=None)
    return await say(api, AGENT, request, "information-requests", {"question": "A?"})


async def of_itself(api: Api, _context: Context) -> httpx.Response:
    """Link a request to itself."""
    request = await submitted(api)
    return await say(api, AGENT, request, "duplicate", {"of": str(request)})


async def of_another_city(api: Api, _context: Context) -> httpx.Response:
    """Link a request to one of another city."""
    there = await submitted(api, city="los-angeles", service_type="bulky-items", location={})
    return await say(api, AGENT, await submitted(api), "duplicate", {"of": str(there)})


async def of_a_duplicate(api: Api, _context: Context) -> httpx.Response:
    """Link a request to one that is a duplicate itself."""
    first, second = await submitted(api), await submitted(api)
    await say(api, AGENT, second, "duplicate", {"of": str(first)})
    return await say(api, AGENT, await submitted(api), "duplicate", {"of": str(second)})


async def of_two(api: Api, _context: Context) -> httpx.Response:
    """Link a duplicate to another one as well."""
    first, second = await submitted(api), await submitted(api)
    await say(api, AGENT, second, "duplicate", {"of": str(first)})
    return await say(api, AGENT, second, "duplicate", {"of": str(await submitted(api))})


async def attached(api: Api, request: UUID, content: bytes, who: Person = RESIDENT) -> httpx.Response:
    """Send a file."""
    return await api.post(f"/requests/{request}/attachments", content=content, headers=who.headers())


def attaching(content: bytes, who: Person = RESIDENT, **more: Any) -> Scenario:
    """Submit, and send a file with it."""

    async def scenario(api: Api, _context: Context) -> httpx.Response:
        return await attached(api, await submitted(api, who, **more), content, who)

    return scenario


async def attached_eleven_times(api: Api, _context: Context) -> httpx.Response:
    """Send one too many."""
    request = await submitted(api)
    for shade in range(10):
        await attached(api, request, picture("PNG", (8 + shade, 8), place=False))
    return await attached(api, request, picture())


async def attachment_read(api: Api, who: Person, erased: bool) -> httpx.Response:  # noqa: FBT001 - a test's own switch
    """Read an attachment that is kept."""
    owner = person("resident")
    request = await submitted(api, owner)
    sha256 = (await attached(api, request, picture(), owner)).json()["sha256"]
    if erased:
        KEYRINGS[0].keyring.destroy(owner.id)
    return await api.get(f"/requests/{request}/attachments/{sha256}", headers=who.headers())


async def attachment_unknown(api: Api, _context: Context) -> httpx.Response:
    """Read an attachment that is not there."""
    return await api.get(f"/requests/{await submitted(api)}/attachments/{'ab' * 32}", headers=RESIDENT.headers())


async def erased_submits(api: Api, context: Context) -> httpx.Response:
    """Submit as somebody who was erased."""
    who = person("resident")
    context.keyring.destroy(who.id)
    return await submit(api, who, phone="+7 900 000-00-00")


async def while_locked(api: Api, context: Context) -> httpx.Response:
    """Submit while the keyring is locked."""
    context.keyring.lock()
    try:
        return await submit(api, person("resident"), phone="+7 900 000-00-00")
    finally:
        context.keyring.unlock()


KEYRINGS: list[Context] = []

REFUSED: Mapping[str, Scenario] = {
    "unknown-request-error": lambda api, _: say(api, RESIDENT, uuid4(), "confirmation", {}),
    "unknown-city-error": submitting(city="atlantis"),
    "unknown-service-type-error": submitting(service_type="volcano"),
    "service-type-not-offered-error": submitting(service_type="snow"),
    "unknown-district-error": submitting(location={"district": "atlantis"}),
    "unknown-building-error": submitting(location={"building": "nowhere"}),
    "building-elsewhere-error": submitting(location={"building": "here", "district": "sovetsky"}),
    "unknown-language-error": submitting(language="la"),
    "personal-data-of-nobody-error": submitting(AGENT, person="none", phone="+7 900 123-45-67"),
    "only-for-yourself-error": submitting(person="caller"),
    "only-agents-take-calls-error": submitting(channel="call_centre"),
    "not-a-callers-error": submitting(on_behalf_of=str(uuid4())),
    "imports-not-by-this-channel-error": submitting(channel="open311", origin={"system": "s", "id": "1"}),
    "answers-without-type-error": submitting(service_type=None, answers={"people": 1}),
    "questions-changed-error": submitting(service_type=GAS, answers={"where": "flat"}, questions_version="0"),
    "unknown-question-error": submitting(answers={"colour": "red"}),
    "answer-missing-error": submitting(service_type="trapped-in-lift"),
    "answer-of-wrong-kind-error": submitting(service_type=GAS, answers={"where": True}),
    "answer-out-of-bounds-error": submitting(service_type="trapped-in-lift", answers={"people": 0, "feels_ill": True}),
    "unknown-choice-error": submitting(service_type=GAS, answers={"where": "sea"}),
    "not-your-request-error": saying(NEIGHBOUR, "withdrawal", {"reason": "other"}),
    "nobody-to-ask-error": nobodys_confirmed,
    "not-registered-error": asked_before_registration,
    "already-registered-error": saying(AGENT, "registration", {"service_type": "roof-leak"}),
    "completion-not-proposed-error": saying(RESIDENT, "confirmation", {}),
    "completion-being-asked-error": rejected_while_asked,
    "deemed-accepted-error": confirmed_after_silence,
    "already-closed-error": withdrawn_twice_otherwise,
    "original-unknown-error": saying(AGENT, "duplicate", {"of": str(uuid4())}),
    "duplicate-of-itself-error": of_itself,
    "duplicate-elsewhere-error": of_another_city,
    "original-is-duplicate-error": of_a_duplicate,
    "linked-elsewhere-error": of_two,
    "not-a-duplicate-error": saying(AGENT, "unlinking", {"reason": "No."}),
    "information-being-asked-error": asked_twice,
    "nothing-asked-error": saying(RESIDENT, "information", {"answer": "The third."}),
    "not-your-case-error": saying(person("executor", LIFTS), "information-requests", {"question": "A?"}),
    "rating-not-asked-error": saying(RESIDENT, "rating", {"rating": 3}),
    "already-rated-error": rated_twice,
    "attachment-of-nobody-error": attaching(picture(), AGENT, person="none"),
    "too-many-attachments-error": attached_eleven_times,
    "attachment-empty-error": attaching(b""),
    "attachment-too-large-error": attaching(b"\xff\xd8\xff" + bytes(10 * 1024 * 1024)),
    "attachment-type-refused-error": attaching(b"GIF89a"),
    "attachment-broken-error": attaching(picture()[:100]),
    "unknown-attachment-error": attachment_unknown,
    "attachment-hidden-error": lambda api, _: attachment_read(api, NEIGHBOUR, erased=False),
    "attachment-erased-error": lambda api, _: attachment_read(api, AGENT, erased=True),
    "not-your-data-error": lambda api, _: api.post(f"/persons/{uuid4()}/erasure", headers=RESIDENT.headers()),
    "person-erased-error": erased_submits,
    "keyring-locked-error": while_locked,
}


@pytest.fixture
def city(context: Context) -> Iterator[Context]:
    """Kazan with a building in one district and a service type that is over."""
    rules = dict(context.rules)
    kazan = rules["kazan"]
    over = replace(kazan.service_types["roof-leak"], valid_from=date(2020, 11, 1), valid_to=date(2021, 4, 1))
    rules["kazan"] = replace(
        kazan, service_types={**kazan.service_types, "snow": over}, buildings={**kazan.buildings, "here": "kirovsky"}
    )
    changed = replace(context, rules=rules)
    KEYRINGS[:] = [changed]
    yield changed
    KEYRINGS.clear()


@pytest.mark.parametrize("name", REFUSED)
async def test_each_refusal_has_its_own_name_status_and_words(api: Api, city: Context, name: str) -> None:
    """As `GET /rules` says."""
    api._transport.app.state.wiring = replace(api._transport.app.state.wiring, context=city)  # type: ignore[attr-defined]  # the app under test
    rules = (await api.get("/rules")).json()["refusals"]
    answer = await REFUSED[name](api, city)
    assert refusal(answer) == (rules[name]["status"], name), answer.text
    assert answer.json()["title"] == rules[name]["words"]
    assert answer.json()["detail"].startswith(rules[name]["words"])
    assert answer.headers["content-type"] == "application/problem+json"


def test_no_refusal_is_forgotten() -> None:
    """Each stands in the table under its own name, has words of its own, and is tested here."""
    unheard = {TermNotOverError, RoundNotBegunError}
    refusals = set(RequestError.__subclasses__()) - unheard
    assert refusals <= set(ERRORS)
    assert not unheard & set(ERRORS)
    assert {refusal_name(kind) for kind in ERRORS} == set(REFUSED)
    words = [refusal_words(kind) for kind in ERRORS]
    assert len(words) == len(set(words))
    assert all(said.endswith(".") for said in words)
