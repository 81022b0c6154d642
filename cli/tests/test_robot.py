"""Robots insist as honest clients do: what was not answered is asked again under the same key, and is never a refusal."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from local_stack.state import State
from veche import robot
from veche.robot import Robots, ServiceSilentError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Moody:
    """A service that has its moods first, one a call, and then does what it is asked."""

    def __init__(self, *moods: int | str) -> None:
        self.moods = list(moods)
        self.keys: list[str | None] = []
        self.bodies: list[bytes] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer, or not."""
        self.keys.append(request.headers.get("Idempotency-Key"))
        self.bodies.append(await request.read())
        mood = self.moods.pop(0) if self.moods else 201
        transport = request.transport
        assert transport is not None
        if mood == "cut":
            transport.close()
        if mood == "half":
            answer = web.StreamResponse(headers={"Content-Length": "1000"})
            await answer.prepare(request)
            await answer.write(b'{"id":')
            transport.close()
            return answer
        return web.json_response({"id": "done", "detail": f"mood {mood}"}, status=mood if isinstance(mood, int) else 500)


@asynccontextmanager
async def city(handler: Handler, door: socket.socket | None = None) -> AsyncIterator[Robots]:
    """Run a city of one service, at a door that is there already or at one of its own, and robots that know it."""
    server = web.Application()
    server.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(server)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0) if door is None else web.SockSite(runner, door)
    await site.start()
    try:
        async with Robots(Path(), State(urls={"request-svc": f"http://127.0.0.1:{runner.addresses[0][1]}"})) as robots:
            yield robots
    finally:
        await runner.cleanup()


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let robots wait a moment only."""
    monkeypatch.setattr(robot, "LONGEST_PAUSE", 0.05)


@pytest.mark.parametrize("moods", [(503,), (503, 503, 500, 502, 504), (429,), ("cut",), ("half", "cut", 503)])
async def test_what_was_not_answered_is_asked_again_under_the_same_key(moods: tuple[int | str, ...]) -> None:
    """A 5xx, a connection cut before or within the answer: the key is the same each time, and the body."""
    service = Moody(*moods)
    async with city(service.answer) as robots:
        answer = await robots.post("request-svc", "/requests", {"city": "kazan"}, None, "key-1")
    assert answer.good
    assert answer.status == 201
    assert service.keys == ["key-1"] * (len(moods) + 1)
    assert set(service.bodies) == {b'{"city":"kazan"}'}
    assert robots.retries == len(moods)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
async def test_a_refusal_is_taken_as_one(status: int) -> None:
    """It is not asked again, and its sentence is kept."""
    service = Moody(status)
    async with city(service.answer) as robots:
        answer = await robots.post("request-svc", "/requests", {}, None, "key-1")
    assert (answer.status, answer.good, answer.why) == (status, False, f"mood {status}")
    assert len(service.keys) == 1
    assert robots.retries == 0


async def test_a_service_that_is_silent_for_too_long_ends_the_play_and_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer is made up: whoever asked hears of it, with the last that was said."""
    monkeypatch.setattr(robot, "PATIENCE", 0.3)
    async with city(Moody(*[503] * 1000).answer) as robots:
        with pytest.raises(ServiceSilentError, match=r"POST /requests: 503"):
            await robots.post("request-svc", "/requests", {}, None, "key-1")


async def test_a_service_that_is_down_is_asked_until_it_is_back(closed_door: socket.socket) -> None:
    """As while its process is started again."""
    state = State(urls={"request-svc": f"http://127.0.0.1:{closed_door.getsockname()[1]}"})
    service = Moody()
    async with Robots(Path(), state) as robots:
        asking = asyncio.create_task(robots.post("request-svc", "/requests", {}, None, "key-1"))
        while robots.retries < 2:
            assert not asking.done()
            await asyncio.sleep(0.01)
        async with city(service.answer, closed_door):
            assert (await asking).good
    assert service.keys == ["key-1"]


@pytest.fixture
def closed_door() -> Iterator[socket.socket]:
    """Hold a port at which nobody answers yet, and which nobody else is given meanwhile."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        yield door


async def test_an_answer_that_is_no_object_is_an_answer() -> None:
    """Lists, texts and nothing at all."""

    async def plain(request: web.Request) -> web.StreamResponse:
        match request.path:
            case "/list":
                return web.json_response([1, 2])
            case "/text":
                return web.Response(text="not JSON")
        return web.Response(status=204)

    async with city(plain) as robots:
        assert (await robots.get("request-svc", "/list", None)).body == {"items": [1, 2]}
        assert (await robots.get("request-svc", "/text", None)).body == {"text": "not JSON"}
        nothing = await robots.get("request-svc", "/nothing", None)
        assert (nothing.status, nothing.body, nothing.good) == (204, {}, True)


async def test_robots_act_only_while_they_are_together() -> None:
    """Outside, nobody would close the connections."""
    with pytest.raises(RuntimeError, match="async with"):
        await Robots(Path(), State()).get("request-svc", "/", None)
