"""Photos and acts of a request."""

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Response

from request_svc.api.answer import Attached
from request_svc.api.wiring import Wired
from request_svc.application import MAY, attachment
from shared_chassis.http import ConditionalCommand, Router, SignedIn, Tagged, allow

router = Router(tags=["attachments"])

_FILE: dict[str, object] = {
    media_type: {"schema": {"type": "string", "format": "binary"}}
    for media_type in ("image/jpeg", "image/png", "application/pdf")
}
BODY: dict[str, object] = {
    "requestBody": {"required": True, "content": {"application/octet-stream": _FILE["image/jpeg"]} | _FILE}
}
"""How the API's description tells of a body that is a file; what it is, its own bytes say."""

SAFE: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "sandbox",
    "Content-Disposition": "attachment",
}
"""What goes with a person's file, from which nothing may run."""


async def raw_body(request: Request) -> bytes:
    """Take the body as it is; the edge has bounded it."""
    return await request.body()


@router.post("/requests/{request}/attachments", status_code=201, openapi_extra=BODY)
def attach(
    request: UUID,
    actor: SignedIn,
    command: ConditionalCommand,
    context: Wired,
    content: Annotated[bytes, Depends(raw_body)],
    tagged: Tagged,
) -> Attached:
    """Add a photo or an act to your own request, or as an agent on a resident's behalf; the file is the body."""
    allow(actor, "attach", MAY)
    kept = attachment.attach(context, request, actor, content, command)
    tagged(kept.version)
    return Attached.of(request, kept)


@router.get(
    "/requests/{request}/attachments/{sha256}",
    response_class=Response,
    responses={200: {"content": _FILE, "description": "The file, without what it told beside."}},
)
def read_attachment(request: UUID, sha256: str, actor: SignedIn, context: Wired) -> Response:
    """Give an attachment to the person who asked, the city's staff, or the organisation that has the request."""
    allow(actor, "read_attachment", MAY)
    added, content = attachment.read(context, request, sha256, actor)
    return Response(content, media_type=added.media_type, headers=dict(SAFE))
