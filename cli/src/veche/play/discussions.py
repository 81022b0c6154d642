"""Play public discussions: an organiser announces one per proposal, people speak in each, and each closes by itself."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from shared_city import City
from shared_events.ids import NAMESPACE, discussion_stream
from veche.failure import CommandError
from veche.play.comments import Comment, Proposal
from veche.play.rows import Refused
from veche.robot import IN_FLIGHT, Answer, Robots

DISCUSSION = "discussion-svc"
OPEN_AT_LEAST = timedelta(minutes=3)
"""How long after the start a discussion stays open at least; it closes at the first full minute after that."""


class TooLateError(CommandError):
    """A submission was refused because the discussion had closed: the play was slower than its own period."""


@dataclass
class Said:
    """What became of the two files."""

    discussions: dict[UUID, Proposal] = field(default_factory=dict)
    rows: int = 0
    accepted: int = 0
    refused: list[Refused] = field(default_factory=list)
    closes_at: datetime | None = None
    protocols: dict[UUID, str] = field(default_factory=dict)


class DiscussionsPlay:
    """One pair of files in one city, under the city's procedure without a statute."""

    def __init__(self, robots: Robots, city: City, system: str, open_at_least: timedelta = OPEN_AT_LEAST) -> None:
        self._robots = robots
        self._city = city
        self._system = system
        self._open_at_least = open_at_least
        self._organiser = robots.token("robot-organiser", "organiser")
        self._in_flight = asyncio.Semaphore(IN_FLIGHT)
        self._place: dict[str, UUID] = {}
        self._answers: dict[str, asyncio.Future[UUID | None]] = {}

    async def speak(
        self, proposals: list[Proposal], comments: list[Comment], now: datetime, told: Callable[[Said], None]
    ) -> Said:
        """Announce every discussion and submit every comment; `told` hears how far it is.

        Raises `TooLateError` when a submission is refused as late.
        """
        said = Said(rows=len(comments))
        async with asyncio.TaskGroup() as group:
            for proposal in proposals:
                group.create_task(self._announce(proposal, now, said))
        self._answers = {comment.id: asyncio.get_running_loop().create_future() for comment in comments}
        async with asyncio.TaskGroup() as group:
            for comment in comments:
                group.create_task(self._submit(comment, said, told))
        told(said)
        return said

    async def protocols(self, said: Said, told: Callable[[Said], None]) -> None:
        """Wait until every discussion has closed and its protocol is drawn up."""
        wanted = set(said.discussions)
        subjects = tuple(discussion_stream(each) for each in sorted(wanted))
        auditor = self._robots.token("robot-auditor", "auditor")
        async for _, event in self._robots.feed(DISCUSSION, auditor, subjects=subjects):
            if event["type"] == "discussion.protocol-drafted.v1":
                data = event["data"]
                said.protocols[UUID(str(event["subject"])[-36:])] = str(data["sha256"]) if isinstance(data, dict) else ""
                told(said)
            if said.protocols.keys() >= wanted:
                return

    async def _announce(self, proposal: Proposal, now: datetime, said: Said) -> None:
        procedure = next(iter(self._city.procedures))
        origin: dict[str, object] = {"system": self._system, "id": proposal.id}
        if proposal.created is not None:
            origin["created"] = proposal.created.isoformat()
        body = {
            "city": self._city.slug,
            "title": proposal.title,
            "procedure": procedure.code,
            "subject": procedure.subject,
            "origin": origin,
        }
        registered = await self._organise("/discussions", body, self._key(proposal.id, "register"))
        discussion = UUID(str(registered.body["id"]))
        self._place[proposal.id] = discussion
        said.discussions[discussion] = proposal
        shown = await self._robots.get(DISCUSSION, f"/discussions/{discussion}", self._organiser)
        closes_at = shown.body.get("closes_at")
        if not closes_at:
            await self._attach(proposal, discussion)
            opens = now.astimezone(UTC).replace(second=0, microsecond=0)
            closes = _first_full_minute(now.astimezone(UTC) + self._open_at_least)
            closes_at = closes.isoformat()
            notice = {"opens_at": opens.isoformat(), "closes_at": closes_at}
            await self._organise(f"/discussions/{discussion}/notice", notice, self._key(proposal.id, f"notice {closes_at}"))
        closing = datetime.fromisoformat(str(closes_at))
        said.closes_at = max(said.closes_at or closing, closing)

    async def _attach(self, proposal: Proposal, discussion: UUID) -> None:
        answer = await self._robots.ask(
            "POST",
            DISCUSSION,
            f"/discussions/{discussion}/documents",
            self._organiser,
            content=proposal.text.encode(),
            headers={
                "Content-Type": "text/plain; charset=utf-8",
                "X-File-Name": f"proposal-{proposal.id}.txt",
                "Idempotency-Key": self._key(proposal.id, "document"),
            },
        )
        _must(answer, "The document was refused")

    async def _submit(self, comment: Comment, said: Said, told: Callable[[Said], None]) -> None:
        parent = await self._parent(comment)
        discussion = self._place.get(comment.proposal)
        if discussion is None:
            said.refused.append(Refused(comment.line, f"There is no proposal {comment.proposal} in the file of proposals."))
            self._answers[comment.id].set_result(None)
            return
        body: dict[str, object] = {"kind": _kind(comment), "text": comment.text, "origin": self._origin(comment, parent)}
        if parent is not None:
            body["in_reply_to"] = str(parent)
        async with self._in_flight:
            token = self._robots.token(f"{self._system}-user-{comment.user}", "resident")
            path = f"/discussions/{discussion}/submissions"
            answer = await self._robots.post(DISCUSSION, path, body, token, self._key(comment.id, "submit"))
        if answer.good:
            said.accepted += 1
            self._answers[comment.id].set_result(UUID(str(answer.body["id"])))
        else:
            if "too-late" in str(answer.body.get("type", "")) or "is over" in answer.why:
                raise TooLateError(f"{TooLateError.__doc__} Line {comment.line}: {answer.why}")
            said.refused.append(Refused(comment.line, answer.why))
            self._answers[comment.id].set_result(None)
        told(said)

    async def _parent(self, comment: Comment) -> UUID | None:
        if comment.parent is None or comment.parent not in self._answers:
            return None
        return await asyncio.shield(self._answers[comment.parent])

    def _origin(self, comment: Comment, parent: UUID | None) -> Mapping[str, object]:
        origin: dict[str, object] = {"system": self._system, "id": comment.id}
        if comment.created is not None:
            origin["created"] = comment.created.isoformat()
        if comment.parent is not None and parent is None:
            origin["parent"] = comment.parent
        return origin

    async def _organise(self, path: str, body: Mapping[str, object], key: str) -> Answer:
        return _must(await self._robots.post(DISCUSSION, path, body, self._organiser, key), f"{path} was refused")

    def _key(self, what: str, step: str) -> str:
        return str(uuid5(NAMESPACE, f"{self._system}|{what}|{step}"))


class RefusedError(CommandError):
    """The organiser's step was refused, so the discussion cannot be played."""


def _must(answer: Answer, what: str) -> Answer:
    if not answer.good:
        raise RefusedError(f"{what}: {answer.why}")
    return answer


def _kind(comment: Comment) -> str:
    if comment.parent is not None:
        return "remark"
    return "question" if "?" in comment.text or "¿" in comment.text else "proposal"


def _first_full_minute(time: datetime) -> datetime:
    whole = time.replace(second=0, microsecond=0)
    return whole if whole == time else whole + timedelta(minutes=1)
