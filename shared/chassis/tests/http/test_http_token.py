"""Access tokens: which hold, which do not, and how seldom the identity provider is asked."""

import asyncio
import base64
import hmac
import json
from uuid import UUID

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from provider import Issuer

from shared_chassis.http import IssuerUnavailable, TokenExpired, TokenRefused, pseudonym, token
from shared_chassis.http.token import FAILED_AGAIN, KEYS_AGAIN, KEYS_AGE, LEEWAY


def encoded(document: object) -> str:
    """Write a part of a token."""
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


async def test_a_token_names_a_person_by_a_pseudonym_and_what_the_provider_vouches_for(issuer: Issuer) -> None:
    """All claims we read arrive; the subject does not."""
    organisation = "organisation-kazan-water"
    given = issuer.token(roles=["executor", "agent", "admin"], organisation=organisation, assurance="confirmed", city="kazan")
    actor = await issuer.verifier().actor(given.encode())
    assert actor.kind == "agent"
    assert actor.roles == {"executor", "agent"}
    assert (actor.organisation, actor.assurance, actor.city) == (organisation, "confirmed", "kazan")
    assert actor.id == str(pseudonym(b"s" * 32, issuer.claims()["iss"], "person-1"))
    assert str(actor) == f"agent:{actor.id}"
    assert "person-1" not in repr(actor)


def test_a_pseudonym_never_changes() -> None:
    """Stored events name people by it, so its computation is part of the contract."""
    person = pseudonym(b"s" * 32, "https://id.example", "person-1")
    assert person == UUID("7bbaff1d-e9cb-8504-81de-7105b60ea5f9")
    assert person.version == 8
    assert pseudonym(b"t" * 32, "https://id.example", "person-1") != person
    assert pseudonym(b"s" * 32, "https://id.example", "person-2") != person


async def test_an_account_without_a_role_of_ours_is_a_resident_who_may_nothing(issuer: Issuer) -> None:
    """A kind is needed in every envelope; roles are not given away for it."""
    actor = await issuer.verifier().actor(issuer.token(roles=None).encode())
    assert (actor.kind, actor.roles) == ("resident", frozenset())


@pytest.mark.parametrize(
    ("changes", "claim"),
    [
        ({"aud": "other"}, "aud"),
        ({"aud": ["other", "third"]}, "aud"),
        ({"aud": None}, "aud"),
        ({"iss": "https://evil.example"}, "iss"),
        ({"iss": None}, "iss"),
        ({"sub": None}, "sub"),
        ({"exp": None}, "exp"),
        ({"exp": "tomorrow"}, "exp"),
        ({"nbf": 4_000_000_000}, "nbf"),
    ],
)
async def test_a_token_for_somebody_or_somewhere_else_is_refused(issuer: Issuer, changes: dict[str, object], claim: str) -> None:
    """Audience, issuer, subject and times are all asked for."""
    with pytest.raises(TokenRefused, match=claim):
        await issuer.verifier().actor(issuer.token(**changes).encode())


async def test_one_of_several_audiences_may_be_ours(issuer: Issuer) -> None:
    """Providers write a list when a token is for several."""
    actor = await issuer.verifier().actor(issuer.token(aud=["other", "veche"]).encode())
    assert actor.kind == "resident"


async def test_a_token_expires_with_a_little_patience_for_clocks(issuer: Issuer) -> None:
    """Thirty seconds of difference are forgiven, more are not."""
    verifier = issuer.verifier()
    now = int(issuer.clock.now)
    assert await verifier.actor(issuer.token(exp=now - LEEWAY + 5).encode())
    with pytest.raises(TokenExpired):
        await verifier.actor(issuer.token(exp=now - LEEWAY - 1).encode())


async def test_a_remembered_token_expires_too(issuer: Issuer) -> None:
    """Remembering a check must not outlive the token."""
    verifier = issuer.verifier()
    given = issuer.token().encode()
    assert await verifier.actor(given)
    issuer.clock.now += 300 + LEEWAY + 1
    with pytest.raises(TokenExpired):
        await verifier.actor(given)


async def test_a_signature_by_another_key_is_refused(issuer: Issuer, other_key: RSAKey) -> None:
    """The key id is only a claim of the token's writer."""
    with pytest.raises(TokenRefused):
        await issuer.verifier().actor(issuer.token(key=other_key).encode())


async def test_a_changed_token_is_refused(issuer: Issuer) -> None:
    """The signature covers every claim."""
    head, _, signature = issuer.token().split(".")
    forged = f"{head}.{encoded(issuer.claims(roles=['auditor']))}.{signature}"
    with pytest.raises(TokenRefused):
        await issuer.verifier().actor(forged.encode())


async def test_an_unsigned_token_is_refused(issuer: Issuer) -> None:
    """`alg: none` is the oldest trick (RFC 8725, 2.1)."""
    forged = f"{encoded({'alg': 'none', 'kid': 'first'})}.{encoded(issuer.claims())}."
    with pytest.raises(TokenRefused, match="RS256"):
        await issuer.verifier().actor(forged.encode())


async def test_a_token_signed_with_our_public_key_as_a_password_is_refused(issuer: Issuer) -> None:
    """The second oldest trick: HS256 with the published key as its secret (RFC 8725, 2.1)."""
    signed = f"{encoded({'alg': 'HS256', 'kid': 'first'})}.{encoded(issuer.claims())}"
    signature = hmac.digest(issuer.keys["first"].as_pem(private=False), signed.encode(), "sha256")
    forged = f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    with pytest.raises(TokenRefused, match="RS256"):
        await issuer.verifier().actor(forged.encode())


@pytest.mark.parametrize("alg", ["RS384", "PS256"])
async def test_other_rsa_algorithms_are_refused(issuer: Issuer, alg: str) -> None:
    """One algorithm is agreed on, so that nobody can choose a weaker one."""
    forged = jwt.encode({"alg": alg, "kid": "first"}, issuer.claims(), issuer.keys["first"], algorithms=[alg])
    with pytest.raises(TokenRefused, match="RS256"):
        await issuer.verifier().actor(forged.encode())


@pytest.mark.parametrize("given", [b"", b"x", b"a.b.c", b"....", b"\xff\xfe.\x00.x", b"e30.e30.e30"])
async def test_what_is_no_token_is_refused_and_nobody_is_asked(issuer: Issuer, given: bytes) -> None:
    """Rubbish costs the provider nothing."""
    with pytest.raises(TokenRefused):
        await issuer.verifier().actor(given)
    assert issuer.asked == []


async def test_claims_of_another_shape_are_refused(issuer: Issuer) -> None:
    """A role that is no list of words is a provider's mistake, not a role."""
    with pytest.raises(TokenRefused):
        await issuer.verifier().actor(issuer.token(roles={"auditor": True}).encode())


async def test_a_known_token_is_not_checked_again(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Robots make 50,000 calls with a few thousand tokens."""
    verifier = issuer.verifier()
    given = issuer.token().encode()
    first = await verifier.actor(given)
    monkeypatch.setattr(token.jwt, "decode", None)
    assert await verifier.actor(given) is first


async def test_only_so_many_tokens_are_remembered(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded; the token used longest ago goes first."""
    monkeypatch.setattr(token, "REMEMBERED", 2)
    verifier = issuer.verifier()
    a, b, c = (issuer.token(sub=name).encode() for name in "abc")
    first = await verifier.actor(a)
    second = await verifier.actor(b)
    assert await verifier.actor(a) is first
    await verifier.actor(c)
    assert await verifier.actor(a) is first
    assert await verifier.actor(b) is not second


async def test_the_provider_may_start_later_than_we_do(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it answers, callers are told to try again; a second later it is asked again, not sooner."""
    clock = FakeMonotonic(monkeypatch)
    issuer.down = True
    verifier = issuer.verifier()
    given = issuer.token().encode()
    for _ in range(3):
        with pytest.raises(IssuerUnavailable):
            await verifier.actor(given)
    assert len(issuer.asked) == 1
    issuer.down = False
    with pytest.raises(IssuerUnavailable):
        await verifier.actor(given)
    clock.now += FAILED_AGAIN
    assert await verifier.actor(given)


class FakeMonotonic:
    """The clock between two questions to the provider, set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put it in place of the real one."""
        self.now = 1000.0
        original = token.SigningKeys.__init__
        monkeypatch.setattr(token.SigningKeys, "__init__", lambda keys, at, ask: original(keys, at, ask, lambda: self.now))


async def test_an_unknown_key_makes_us_ask_again_but_seldom(
    issuer: Issuer, other_key: RSAKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A provider that rotated its keys is noticed within ten seconds; a forger with invented key ids asks nobody."""
    clock = FakeMonotonic(monkeypatch)
    verifier = issuer.verifier()
    assert await verifier.actor(issuer.token().encode())
    issuer.keys["second"] = other_key
    rotated = issuer.token(kid="second").encode()
    for _ in range(5):
        with pytest.raises(TokenRefused, match="does not have"):
            await verifier.actor(rotated)
    assert len(issuer.asked) == 2
    clock.now += KEYS_AGAIN
    assert await verifier.actor(rotated)
    assert len(issuer.asked) == 4


async def test_a_withdrawn_key_stops_counting(issuer: Issuer, other_key: RSAKey, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stolen key must not work for ever."""
    clock = FakeMonotonic(monkeypatch)
    verifier = issuer.verifier()
    assert await verifier.actor(issuer.token().encode())
    stolen = issuer.token(sub="person-2").encode()
    issuer.keys = {"second": other_key}
    clock.now += KEYS_AGE + 1
    with pytest.raises(TokenRefused, match="does not have"):
        await verifier.actor(stolen)


async def test_known_keys_stay_good_while_the_provider_is_away(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The city goes on when its identity provider restarts."""
    clock = FakeMonotonic(monkeypatch)
    verifier = issuer.verifier()
    assert await verifier.actor(issuer.token().encode())
    issuer.down = True
    clock.now += KEYS_AGE + 1
    assert await verifier.actor(issuer.token(sub="person-2").encode())


async def test_many_first_tokens_ask_the_provider_once(issuer: Issuer) -> None:
    """A start under load is no load for the provider."""
    verifier = issuer.verifier()
    tokens = [issuer.token(sub=f"person-{number}").encode() for number in range(20)]
    await asyncio.gather(*(verifier.actor(given) for given in tokens))
    assert len(issuer.asked) == 2


async def test_a_provider_that_calls_itself_otherwise_is_not_believed(issuer: Issuer) -> None:
    """Discovery must name the issuer we were told of (OpenID Connect Discovery 1.0, 4.3)."""
    issuer.calls_itself = "https://evil.example"
    with pytest.raises(IssuerUnavailable):
        await issuer.verifier().actor(issuer.token().encode())


async def test_a_token_without_a_key_id_may_use_the_only_key(issuer: Issuer, other_key: RSAKey) -> None:
    """Providers with one key need not name it; with two, guessing is refused."""
    assert await issuer.verifier().actor(issuer.token(kid=None).encode())
    issuer.keys["second"] = other_key
    with pytest.raises(TokenRefused):
        await issuer.verifier().actor(issuer.token(kid=None).encode())


async def test_a_broken_key_does_not_spoil_the_others(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Providers publish keys of kinds we do not know."""
    fetch = issuer.fetch

    async def with_rubbish(address: str) -> object:
        document = await fetch(address)
        rubbish = [{"kty": "RSA", "kid": "broken"}, {"kty": "EC", "kid": "curve"}, {"kty": "RSA", "kid": "enc", "use": "enc"}]
        return {**document, "keys": [*rubbish, *document["keys"]]} if "keys" in document else document

    monkeypatch.setattr(issuer, "fetch", with_rubbish)
    assert await issuer.verifier().actor(issuer.token().encode())
