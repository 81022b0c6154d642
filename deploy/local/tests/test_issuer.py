"""One signs in as somebody of the city by authorization code with PKCE, and by nothing else."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from fastapi.testclient import TestClient
from httpx import Response
from joserfc import jwt
from joserfc.jwk import RSAKey

from local_stack.issuer import challenge_of, create_issuer
from local_stack.people import load_cities
from local_stack.places import Home
from local_stack.state import State, save
from local_stack.tokens import key_file, load_key, make_key, robot_token

ISSUER = "http://127.0.0.1:18100"
BACK = "http://127.0.0.1:9000/back?from=veche"
VERIFIER = "a" * 50
ASKED = {
    "response_type": "code",
    "client_id": "portal",
    "redirect_uri": BACK,
    "scope": "openid",
    "state": "s 1&2",
    "nonce": "n1",
    "code_challenge": challenge_of(VERIFIER),
    "code_challenge_method": "S256",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the home of a stack with a key."""
    path = tmp_path_factory.mktemp("home")
    make_key(path)
    save(Home.at(path), State(issuer=ISSUER))
    return path


@pytest.fixture
def browser(home: Path) -> Iterator[TestClient]:
    """Give a browser that speaks to the issuer and follows no redirect."""
    with TestClient(create_issuer(ISSUER, load_key(home)), base_url=ISSUER, follow_redirects=False) as client:
        yield client


def sign_in(browser: TestClient, **changed: str) -> dict[str, list[str]]:
    """Choose a person, and read what the client is sent."""
    answer = browser.post("/authorize", data=ASKED | {"person": "kazan-executor-2"} | changed)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(BACK)
    return parse_qs(urlsplit(answer.headers["location"]).query)


def exchange(browser: TestClient, code: str, **changed: str) -> Response:
    """Exchange a code for tokens."""
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "client_id": "portal"}
    answer: Response = browser.post("/token", data=form | {"code_verifier": VERIFIER} | changed)
    return answer


def test_a_chosen_person_gets_a_token_with_the_claims_services_read(browser: TestClient) -> None:
    """The key comes from the published ones, found by discovery."""
    sent = sign_in(browser)
    assert sent["state"] == ["s 1&2"]
    assert sent["iss"] == [ISSUER]
    tokens = exchange(browser, sent["code"][0])
    assert tokens.headers["cache-control"] == "no-store"
    discovered = browser.get("/.well-known/openid-configuration").json()
    assert discovered["issuer"] == ISSUER
    published = browser.get(urlsplit(discovered["jwks_uri"]).path).json()["keys"]
    assert all("d" not in key for key in published)
    read = jwt.decode(tokens.json()["access_token"], RSAKey.import_key(published[0]), algorithms=["RS256"])
    assert read.header["kid"] == published[0]["kid"]
    claims = read.claims
    assert claims["exp"] - claims["iat"] == tokens.json()["expires_in"]
    assert {name: claims[name] for name in ("iss", "sub", "aud", "roles", "organisation", "assurance", "city")} == {
        "iss": ISSUER,
        "sub": "kazan-executor-2",
        "aud": "veche",
        "roles": ["executor"],
        "organisation": "organisation-kazan-lift-service",
        "assurance": "confirmed",
        "city": "kazan",
    }
    identity = jwt.decode(tokens.json()["id_token"], RSAKey.import_key(published[0]), algorithms=["RS256"]).claims
    assert (identity["aud"], identity["nonce"], identity["sub"]) == ("portal", "n1", "kazan-executor-2")
    who = browser.get("/userinfo", headers={"Authorization": f"Bearer {tokens.json()['access_token']}"})
    assert who.json()["sub"] == "kazan-executor-2"


def test_a_code_is_good_once(browser: TestClient) -> None:
    """A second exchange is refused."""
    code = sign_in(browser)["code"][0]
    assert exchange(browser, code).status_code == 200
    assert exchange(browser, code).json() == {"error": "invalid_grant"}


@pytest.mark.parametrize(
    "changed",
    [{"code_verifier": "b" * 50}, {"client_id": "other"}, {"redirect_uri": "http://127.0.0.1:9000/other"}, {"code_verifier": ""}],
)
def test_a_stolen_code_is_worth_nothing(browser: TestClient, changed: dict[str, str]) -> None:
    """Only who asked for it, and knows the verifier, can exchange it."""
    answer = exchange(browser, sign_in(browser)["code"][0], **changed)
    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_grant"})


def test_no_other_grant_is_given(browser: TestClient) -> None:
    """No password, no client credentials, no refresh."""
    for grant in ("password", "client_credentials", "refresh_token", ""):
        assert exchange(browser, "x", grant_type=grant).json() == {"error": "unsupported_grant_type"}


@pytest.mark.parametrize(
    "changed",
    [{"code_challenge_method": "plain"}, {"code_challenge": ""}, {"response_type": "token"}],
)
def test_without_pkce_s256_the_client_is_sent_back(browser: TestClient, changed: dict[str, str]) -> None:
    """The client is told, and nobody is asked."""
    answer = browser.get("/authorize", params=ASKED | changed)
    assert answer.status_code == 303
    assert parse_qs(urlsplit(answer.headers["location"]).query)["error"] == ["invalid_request"]


@pytest.mark.parametrize("back", ["https://example.org/back", "", "javascript:alert(1)", "http://127.0.0.1.example.org/"])
def test_nobody_is_sent_off_this_machine(browser: TestClient, back: str) -> None:
    """An address elsewhere is refused on the spot."""
    assert browser.get("/authorize", params=ASKED | {"redirect_uri": back}).status_code == 400
    assert browser.post("/authorize", data=ASKED | {"redirect_uri": back, "person": "kazan-agent-1"}).status_code == 400


def test_nobody_who_is_not_there_can_be_chosen(browser: TestClient) -> None:
    """An unknown person is refused."""
    assert sign_in(browser, person="kazan-mayor")["error"] == ["access_denied"]


def test_a_made_up_token_tells_nothing(browser: TestClient) -> None:
    """Whoever comes with another key's signature is unknown."""
    forged = jwt.encode({"alg": "RS256"}, {"iss": ISSUER, "sub": "x", "exp": 4102444800}, RSAKey.generate_key(2048))
    for authorization in (f"Bearer {forged}", "Bearer x", "Basic x", ""):
        assert browser.get("/userinfo", headers={"Authorization": authorization}).status_code == 401


def test_the_page_speaks_the_readers_language_and_escapes_what_it_is_given(browser: TestClient) -> None:
    """Russian where the browser prefers it; a hostile state stays text."""
    page = browser.get("/authorize", params=ASKED | {"state": '"><script>'}, headers={"Accept-Language": "ru-RU,ru;q=0.9"})
    assert 'lang="ru"' in page.text
    assert "Выберите, кто вы" in page.text
    assert "<script>" not in page.text
    english = browser.get("/authorize", params=ASKED | {"ui_locales": "en"}, headers={"Accept-Language": "ru"})
    assert "Choose who you are" in english.text


def test_the_page_offers_every_role_of_every_city(browser: TestClient) -> None:
    """A few people of each, each a button."""
    page = browser.get("/authorize", params=ASKED).text
    offered = set(re.findall(r'name="person" value="([^"]+)"', page))
    assert offered == {person.sub for city in load_cities() for person in city.people}
    for city in load_cities():
        roles = {person.role for person in city.people}
        missing = {"resident", "agent", "dispatcher", "executor", "organiser", "analyst", "auditor"} - roles
        assert missing <= ({"executor"} if city.slug == "madrid" else set())


def test_executors_work_for_organisations_of_their_citys_pack() -> None:
    """A token names an organisation that exists."""
    cities = Path(__file__).resolve().parents[3] / "cities"
    for city in load_cities():
        employers = {person.organisation for person in city.people if person.organisation}
        if employers:
            pack = yaml.safe_load((cities / city.slug / "organisations.yaml").read_text())
            assert employers <= {organisation["slug"] for organisation in pack}


def test_a_robot_has_a_token_of_the_same_key(home: Path) -> None:
    """Robots sign in by the key; it is readable by its owner alone."""
    token = robot_token(home, "robot-7", ["agent", "dispatcher"], name="Robot", lifetime=60)
    claims = jwt.decode(token, load_key(home), algorithms=["RS256"]).claims
    assert (claims["sub"], claims["roles"], claims["aud"], claims["iss"]) == ("robot-7", ["agent", "dispatcher"], "veche", ISSUER)
    assert claims["exp"] - claims["iat"] == 60
    assert "organisation" not in claims
    assert key_file(home).stat().st_mode & 0o777 == 0o600
