"""Organisations over HTTP, and the keys their programs call with."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from dispatch_svc.api.call import Body, Filter, Moment, Versioned, Wired
from dispatch_svc.application import MAY
from dispatch_svc.application import organisation as application
from dispatch_svc.application.organisation import WantedKey
from dispatch_svc.domain.organisation import (
    KeyEndsInThePastError,
    KeyIsOverError,
    KeyNotFoundError,
    KeyShownAlreadyError,
    KeysNeedAPersonError,
    NotYourOrganisationError,
    OrganisationNotFoundError,
    TooManyKeysError,
)
from dispatch_svc.views.organisation import page
from shared_chassis.http import Anybody, Cursor, IdempotentCommand, Limit, Page, Router, SignedIn, allow, read_cursor
from shared_events.dispatch import KeyScope, OrganisationKind

ERRORS: Mapping[type[Exception], int] = {
    OrganisationNotFoundError: 404,
    KeyNotFoundError: 404,
    NotYourOrganisationError: 403,
    KeysNeedAPersonError: 403,
    KeyIsOverError: 409,
    KeyShownAlreadyError: 409,
    TooManyKeysError: 409,
    KeyEndsInThePastError: 422,
}

router = Router(tags=["organisations"])

OrganisationId = Annotated[str, Path(max_length=200, examples=["organisation-kazan-lift-service"])]
KeyId = Annotated[str, Path(max_length=64, examples=["0b5f3c9d1e2a4f67"])]

LONGEST_OVERLAP = 60 * 24 * 30
"""Minutes a rotated key may live on: a month."""


class Organisation(BaseModel):
    """An organisation that can be assigned; `calendar` is the one whose hours count for its own stages, null the city's."""

    id: str
    version: int
    city: str
    slug: str
    name: str
    kind: OrganisationKind
    calendar: str | None


class KeyWanted(Body):
    """What a key is called and may do: `read` its own cases, `work` on them, `ask` residents."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"label": "Work orders", "scopes": ["read", "work"], "valid_until": "2027-12-31T21:00:00Z"}]
        },
    )

    label: str = Field(min_length=1, max_length=100)
    scopes: list[KeyScope] = Field(min_length=1, max_length=3)
    valid_until: Moment | None = None


class Rotation(Body):
    """How long the old key lives on beside its successor, in minutes; 0 ends it at once."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"overlap_minutes": 1440}]})

    overlap_minutes: int = Field(ge=0, le=LONGEST_OVERLAP)


class KeyShown(BaseModel):
    """A key, shown this once: nobody can read it again. Send it as `Authorization: Bearer <key>`."""

    key_id: str
    key: str
    organisation: str
    version: int


class Key(BaseModel):
    """A key as it is listed, without its secret."""

    key_id: str
    label: str
    scopes: list[KeyScope]
    state: Literal["good", "expired", "revoked"]
    issued_at: datetime
    issued_by: str
    valid_until: datetime | None
    revoked_at: datetime | None


class KeyList(BaseModel):
    """An organisation's keys in the order of their issue, also those that open nothing any more."""

    items: list[Key]


@router.get("/organisations")
def see_organisations(
    actor: Anybody, context: Wired, city: Filter = None, cursor: Cursor = None, limit: Limit = 100
) -> Page[Organisation]:
    """List organisations."""
    allow(actor, "see_rulebook", MAY)
    rows = page(context.database, city, read_cursor(cursor, str), limit + 1)
    return Page.cut([Organisation.model_validate(row) for row in rows], limit, lambda row: row.id)


@router.post("/organisations/{organisation}/keys", status_code=201)
def issue_key(
    organisation: OrganisationId, wanted: KeyWanted, actor: SignedIn, command: IdempotentCommand, context: Wired
) -> KeyShown:
    """Issue a key and show it, this once. A repeated call is refused: what was shown cannot be shown again."""
    allow(actor, "issue_key", MAY)
    key = WantedKey(wanted.label, wanted.scopes, wanted.valid_until)
    shown = application.issue_key(context, organisation, key, actor, command)
    return KeyShown(key_id=shown.key_id, key=shown.key, organisation=organisation, version=shown.version)


@router.get("/organisations/{organisation}/keys")
def see_keys(organisation: OrganisationId, actor: SignedIn, context: Wired) -> KeyList:
    """List an organisation's keys, without their secrets."""
    allow(actor, "see_keys", MAY)
    return KeyList(items=[Key.model_validate(row) for row in application.see_keys(context, organisation, actor)])


@router.post("/organisations/{organisation}/keys/{key_id}/rotation", status_code=201)
def rotate_key(
    organisation: OrganisationId, key_id: KeyId, rotation: Rotation, actor: SignedIn, command: IdempotentCommand, context: Wired
) -> KeyShown:
    """Issue a key's successor with the same scopes and show it; the old one lives on for the overlap."""
    allow(actor, "rotate_key", MAY)
    overlap = timedelta(minutes=rotation.overlap_minutes)
    shown = application.rotate_key(context, organisation, key_id, overlap, actor, command)
    return KeyShown(key_id=shown.key_id, key=shown.key, organisation=organisation, version=shown.version)


@router.post("/organisations/{organisation}/keys/{key_id}/revocation")
def revoke_key(
    organisation: OrganisationId, key_id: KeyId, actor: SignedIn, command: IdempotentCommand, context: Wired
) -> Versioned:
    """Revoke a key at once; every service refuses it within seconds."""
    allow(actor, "revoke_key", MAY)
    result = application.revoke_key(context, organisation, key_id, actor, command)
    return Versioned(id=organisation, version=result.version)
