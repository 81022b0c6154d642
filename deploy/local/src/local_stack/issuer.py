"""The local OpenID Connect issuer: one picks who one is; authorization code with PKCE S256, and nothing else.

For demonstrations and tests on one machine: nobody has a password, so it serves the loopback address and sends people
back to loopback addresses only. Sources: OpenID Connect Core and Discovery 1.0, RFC 6749 (OAuth 2.0), RFC 7636 (PKCE),
RFC 9068 (JWT access tokens), RFC 9207 (issuer in the answer).
"""

import base64
import hashlib
import hmac
import secrets
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

import jinja2
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from local_stack.people import City, Person, find, load_cities
from local_stack.ports import ADDRESS
from local_stack.tokens import AN_HOUR, Identity, access_claims, load_key, sign

CODE_LIFETIME = 120.0
"""Seconds until an authorization code that nobody exchanged is void."""

TOKEN_LIFETIME = 8 * AN_HOUR
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
SHOWN = ("sub", "name", "roles", "organisation", "assurance", "city")
NO_STORE = {"Cache-Control": "no-store"}

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "title": "Sign in",
        "lead": "Choose who you are. These people do not exist: this sign-in is for a city on your own machine.",
        "unconfirmed": "identity not confirmed",
        "resident": "Resident",
        "agent": "Contact centre agent",
        "dispatcher": "Dispatcher",
        "executor": "Contractor's worker",
        "organiser": "Organiser of discussions",
        "analyst": "Analyst",
        "auditor": "Auditor",
    },
    "ru": {
        "title": "Вход",
        "lead": "Выберите, кто вы. Этих людей не существует: этот вход — для города на вашем компьютере.",
        "unconfirmed": "личность не подтверждена",
        "resident": "Житель",
        "agent": "Оператор контакт-центра",
        "dispatcher": "Диспетчер",
        "executor": "Исполнитель работ",
        "organiser": "Организатор обсуждений",
        "analyst": "Аналитик",
        "auditor": "Аудитор",
    },
}


class SignInRequest(BaseModel):
    """What a client asks for when it sends somebody to sign in."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    response_type: Literal["code"]
    client_id: str = Field(min_length=1, max_length=200)
    redirect_uri: str = Field(min_length=1, max_length=2000)
    code_challenge: str = Field(pattern=r"^[A-Za-z0-9_-]{43}$")
    code_challenge_method: Literal["S256"]
    scope: str = "openid"
    state: str | None = None
    nonce: str | None = None


@dataclass(frozen=True)
class Grant:
    """What an authorization code stands for, until `void_at` (monotonic seconds)."""

    asked: SignInRequest
    sub: str
    void_at: float


class Codes:
    """The authorization codes that nobody has exchanged yet; each is good for one exchange."""

    def __init__(self) -> None:
        self._grants: dict[str, Grant] = {}

    def issue(self, asked: SignInRequest, sub: str) -> str:
        """Make a code for somebody who chose who they are."""
        now = time.monotonic()
        self._grants = {code: grant for code, grant in self._grants.items() if grant.void_at > now}
        code = secrets.token_urlsafe(32)
        self._grants[code] = Grant(asked, sub, now + CODE_LIFETIME)
        return code

    def redeem(self, code: str) -> Grant | None:
        """Take a code back; None if it was never issued, was used, or is void."""
        grant = self._grants.pop(code, None)
        return grant if grant and grant.void_at > time.monotonic() else None


def is_loopback(address: str) -> bool:
    """Tell whether an address lies on this machine."""
    parts = urlsplit(address)
    return parts.scheme in {"http", "https"} and parts.hostname in LOOPBACK and not parts.fragment


def challenge_of(verifier: str) -> str:
    """Compute the S256 challenge of a PKCE verifier."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def language_of(request: Request) -> str:
    """Choose the language of the page: as the client says, else as the browser prefers, else English."""
    wanted = (request.query_params.get("ui_locales", "") + " " + request.headers.get("accept-language", "")).replace(",", " ")
    spoken = (word.partition(";")[0].partition("-")[0].lower() for word in wanted.split())
    return next((language for language in spoken if language in WORDS), "en")


class Issuer:
    """The issuer that answers under `address` and signs with `key`: one method for each of its pages."""

    def __init__(self, address: str, key: RSAKey) -> None:
        self._address = address
        self._key = key
        self._codes = Codes()
        self._pages = jinja2.Environment(loader=jinja2.PackageLoader("local_stack", "."), autoescape=True)

    def discovery(self) -> Mapping[str, object]:
        """Describe the issuer to clients and services."""
        return {
            "issuer": self._address,
            "authorization_endpoint": f"{self._address}/authorize",
            "token_endpoint": f"{self._address}/token",
            "userinfo_endpoint": f"{self._address}/userinfo",
            "jwks_uri": f"{self._address}/jwks",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "scopes_supported": ["openid", "profile"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["none"],
            "code_challenge_methods_supported": ["S256"],
            "claims_supported": list(SHOWN),
            "ui_locales_supported": list(WORDS),
            "authorization_response_iss_parameter_supported": True,
        }

    def keys(self) -> Mapping[str, object]:
        """Publish the key that signatures are checked with."""
        return {"keys": [self._key.as_dict(private=False)]}

    def ask(self, request: Request) -> Response:
        """Show the page on which one chooses who one is."""
        asked = _read(dict(request.query_params), self._address)
        if isinstance(asked, Response):
            return asked
        language = language_of(request)
        page = self._pages.get_template("picker.html").render(
            words=WORDS[language],
            language=language,
            languages=list(WORDS),
            cities=load_cities(),
            asked=asked.model_dump(exclude_none=True),
        )
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(asked.redirect_uri))
        policy = f"default-src 'none'; style-src 'unsafe-inline'; form-action 'self' {origin}; frame-ancestors 'none'"
        return HTMLResponse(page, headers={**NO_STORE, "Content-Security-Policy": policy})

    async def answer(self, request: Request) -> Response:
        """Send who chose back to the client, with a code."""
        form = await _form(request)
        asked = _read(form, self._address)
        if isinstance(asked, Response):
            return asked
        if find(form.get("person", "")) is None:
            return _send_back(asked.redirect_uri, self._address, asked.state, error="access_denied")
        return _send_back(asked.redirect_uri, self._address, asked.state, code=self._codes.issue(asked, form["person"]))

    async def exchange(self, request: Request) -> Response:
        """Exchange a code for tokens, once, for the client that knows the verifier."""
        form = await _form(request)
        if form.get("grant_type") != "authorization_code":
            return _refuse("unsupported_grant_type")
        grant = self._codes.redeem(form.get("code", ""))
        someone = find(grant.sub) if grant and _same_client(grant.asked, form) else None
        if grant is None or someone is None:
            return _refuse("invalid_grant")
        return _tokens(self._address, self._key, grant.asked, *someone)

    def userinfo(self, request: Request) -> Response:
        """Tell a client who its token is of."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        try:
            claims = jwt.decode(token, self._key, algorithms=["RS256"]).claims if scheme.lower() == "bearer" else {}
        except (JoseError, ValueError):
            claims = {}
        if claims.get("iss") != self._address or claims.get("exp", 0) < time.time():
            return JSONResponse({"error": "invalid_token"}, 401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
        return JSONResponse({name: claims[name] for name in SHOWN if name in claims}, headers=NO_STORE)


def create_issuer(address: str, key: RSAKey) -> FastAPI:
    """Build the issuer that answers under `address` and signs with `key`."""
    issuer = Issuer(address, key)
    api = FastAPI(title="Veche's local sign-in", openapi_url=None)
    api.add_api_route("/.well-known/openid-configuration", issuer.discovery)
    api.add_api_route("/jwks", issuer.keys)
    api.add_api_route("/authorize", issuer.ask)
    api.add_api_route("/authorize", issuer.answer, methods=["POST"])
    api.add_api_route("/token", issuer.exchange, methods=["POST"])
    api.add_api_route("/userinfo", issuer.userinfo, methods=["GET", "POST"])
    return api


async def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))


def _read(asked: Mapping[str, str], issuer: str) -> SignInRequest | Response:
    """Read what a client asks for; where it may not be sent back to, the person is told instead."""
    back = asked.get("redirect_uri", "")
    if not is_loopback(back):
        return HTMLResponse("The address to return to (redirect_uri) must be on this machine.", 400)
    try:
        return SignInRequest.model_validate(asked)
    except ValidationError as error:
        wrong = ", ".join(str(each["loc"][0]) for each in error.errors())
        return _send_back(
            back, issuer, asked.get("state"), error="invalid_request", error_description=f"missing or wrong: {wrong}"
        )


def _send_back(to: str, issuer: str, state: str | None, **answer: str) -> Response:
    answer |= {"iss": issuer} | ({"state": state} if state is not None else {})
    return RedirectResponse(f"{to}{'&' if '?' in to else '?'}{urlencode(answer)}", 303, headers=NO_STORE)


def _same_client(asked: SignInRequest, form: Mapping[str, str]) -> bool:
    """Tell whether who exchanges a code is who asked for it: the same client and address, and the verifier fits."""
    return (
        form.get("client_id") == asked.client_id
        and form.get("redirect_uri") == asked.redirect_uri
        and hmac.compare_digest(challenge_of(form.get("code_verifier", "")), asked.code_challenge)
    )


def _refuse(error: str) -> Response:
    return JSONResponse({"error": error}, 400, headers=NO_STORE)


def _tokens(issuer: str, key: RSAKey, asked: SignInRequest, city: City, person: Person) -> Response:
    who = Identity(person.sub, person.name, (person.role,), city.organisation_of(person), person.assurance, city.slug)
    claims = access_claims(issuer, who, TOKEN_LIFETIME)
    answer: dict[str, object] = {
        "access_token": sign(key, claims | {"client_id": asked.client_id, "scope": asked.scope}),
        "token_type": "Bearer",
        "expires_in": TOKEN_LIFETIME,
        "scope": asked.scope,
    }
    if "openid" in asked.scope.split():
        own = claims | {"aud": asked.client_id} | ({"nonce": asked.nonce} if asked.nonce else {})
        answer["id_token"] = sign(key, own, kind="JWT")
    return JSONResponse(answer, headers=NO_STORE)


def main() -> None:
    """Serve the issuer of a stack: `python -m local_stack.issuer HOME PORT`."""
    home, port = Path(sys.argv[1]), int(sys.argv[2])
    issuer = create_issuer(f"http://{ADDRESS}:{port}", load_key(home))
    uvicorn.run(issuer, host=ADDRESS, port=port, access_log=False, log_level="warning", timeout_graceful_shutdown=3)


if __name__ == "__main__":
    main()
