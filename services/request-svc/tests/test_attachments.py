"""Attachments over HTTP: kept encrypted under the person's key, shown to those who may see them; on real PostgreSQL."""

from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from citizens import AGENT, DISPATCHER, LIFTS, RESIDENT, Person, facts, give_to, person, refusal, say, submitted
from files import document, picture

from request_svc.application import Context

pytestmark = pytest.mark.postgres


async def send(api: httpx.AsyncClient, who: Person, request: UUID, content: bytes, key: str | None = None) -> httpx.Response:
    """Send a file."""
    headers = {**who.headers(key), "content-type": "application/octet-stream"}
    return await api.post(f"/requests/{request}/attachments", content=content, headers=headers)


def kept_files(context: Context) -> dict[str, bytes]:
    """Read every stored object."""
    directory: Path = context.objects._directory
    return {file.name: file.read_bytes() for file in directory.rglob("*") if file.is_file()}


async def test_a_picture_is_kept_encrypted_and_shown_to_those_who_may_see_it(api: httpx.AsyncClient, context: Context) -> None:
    """The person, agents, dispatchers, the organisation that has the request; nobody else, and no other organisation."""
    request = await submitted(api)
    give_to(context, request)
    sent = picture()
    answer = await send(api, RESIDENT, request, sent)
    assert answer.status_code == 201, answer.text
    kept = answer.json()
    assert (kept["media_type"], kept["place_stripped"], kept["version"]) == ("image/jpeg", True, 3)
    assert answer.headers["etag"] == '"3"'
    stored = kept_files(context)[kept["sha256"]]
    assert b"JFIF" not in stored
    address = f"/requests/{request}/attachments/{kept['sha256']}"
    for who in (RESIDENT, AGENT, DISPATCHER, person("executor", LIFTS), Person("executor", uuid4(), LIFTS, scopes=("read",))):
        seen = await api.get(address, headers=who.headers())
        assert seen.status_code == 200, seen.text
        assert seen.content.startswith(b"\xff\xd8\xff")
        assert len(seen.content) == kept["size"]
        assert (seen.headers["content-type"], seen.headers["x-content-type-options"]) == ("image/jpeg", "nosniff")
    for who in (
        person("resident"),
        person("executor", "organisation-kazan-another"),
        Person("executor", uuid4(), LIFTS, ("ask",)),
    ):
        assert refusal(await api.get(address, headers=who.headers())) == (403, "attachment-hidden-error")
    assert (await api.get(address)).status_code == 401
    history = (await api.get(f"/requests/{request}")).json()["history"][-1]["data"]
    assert history == {**{name: kept[name] for name in ("sha256", "media_type", "size", "place_stripped")}, "person": None}


async def test_the_same_file_is_kept_once_and_the_same_command_done_once(api: httpx.AsyncClient, context: Context) -> None:
    """Also when the request is closed meanwhile: the first answer, not a refusal."""
    request, key = await submitted(api), str(uuid4())
    sent = document(jpeg=picture())
    first = await send(api, AGENT, request, sent, key)
    assert first.status_code == 201, first.text
    assert (await send(api, RESIDENT, request, sent)).json() == first.json()
    await say(api, RESIDENT, request, "withdrawal", {"reason": "other"})
    assert (await send(api, AGENT, request, sent, key)).json() == first.json()
    assert facts(context, request).count("AttachmentAdded") == 1


@pytest.mark.parametrize(
    ("sent", "refused"),
    [
        (b"", (422, "attachment-empty-error")),
        (b"GIF89a" + b"\x00" * 40, (415, "attachment-type-refused-error")),
        (picture()[:200], (422, "attachment-broken-error")),
        (b"\xff\xd8\xff" + b"\x00" * 10 * 1024 * 1024, (413, "attachment-too-large-error")),
    ],
    ids=["empty", "gif", "broken", "too-large"],
)
async def test_what_is_refused_is_not_kept(
    api: httpx.AsyncClient, context: Context, sent: bytes, refused: tuple[int, str]
) -> None:
    """Neither as a file nor as a fact."""
    request = await submitted(api)
    before = kept_files(context)
    assert refusal(await send(api, RESIDENT, request, sent)) == refused
    assert kept_files(context) == before
    assert facts(context, request) == ["RequestSubmitted", "RequestRegistered"]


async def test_who_may_add_nothing_leaves_nothing(api: httpx.AsyncClient, context: Context) -> None:
    """A neighbour's file, one for nobody, one for what is closed or not there, an eleventh."""
    request, nobodys, closed = await submitted(api), await submitted(api, AGENT, person="none"), await submitted(api)
    await say(api, RESIDENT, closed, "withdrawal", {"reason": "other"})
    for shade in range(10):
        assert (await send(api, RESIDENT, request, picture("PNG", (8 + shade, 8), place=False))).status_code == 201
    before = kept_files(context)
    assert refusal(await send(api, person("resident"), request, picture())) == (403, "not-your-request-error")
    assert refusal(await send(api, AGENT, nobodys, picture())) == (409, "attachment-of-nobody-error")
    assert refusal(await send(api, RESIDENT, closed, picture())) == (409, "already-closed-error")
    assert refusal(await send(api, RESIDENT, uuid4(), picture())) == (404, "unknown-request-error")
    assert refusal(await send(api, RESIDENT, request, picture())) == (409, "too-many-attachments-error")
    assert kept_files(context) == before
    read = await api.get(f"/requests/{request}/attachments/{'ab' * 32}", headers=RESIDENT.headers())
    assert refusal(read) == (404, "unknown-attachment-error")
    read = await api.get(f"/requests/{uuid4()}/attachments/{'ab' * 32}", headers=RESIDENT.headers())
    assert refusal(read) == (404, "unknown-request-error")
