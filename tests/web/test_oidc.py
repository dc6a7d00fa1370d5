"""Signing in with the newsroom's own accounts, at a real provider that runs beside the server."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from live.errors import SettingsError, SignOnAway, SignOnRefused
from live.settings import Settings
from live.web.oidc import Provider, SingleSignOn, claim_of
from tests.conftest import StartNode, new_site
from tests.node import Node
from tests.web.desk import browser, proof, refusal
from tests.web.local_provider import LocalProvider, settings_for
from tests.web.samples import STORY, new_slug, refused


@pytest.fixture(scope="module")
def provider() -> Iterator[LocalProvider]:
    started = LocalProvider()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def node(provider: LocalProvider, valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    fields = {"redis_url": valkey, "site": new_site(), "data_dir": tmp_path_factory.mktemp("data")}
    started = Node({**fields, **settings_for(provider)})
    yield started
    started.stop()


def at_provider(address: str, **form: str) -> httpx.URL:
    """What a person answers at the provider; returns where that sends the browser."""
    answer = httpx.post(address, data=form)
    assert answer.status_code == 302, answer.text
    return httpx.URL(answer.headers["location"])


def begin(client: httpx.Client, **query: str) -> str:
    """Begins a sign-in; returns the provider's address for it."""
    answer = client.get("/desk/sso", params=query)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def test_a_person_of_the_newsroom_signs_in(node: Node, provider: LocalProvider) -> None:
    with browser(node) as client:
        page = client.get("/desk/sign-in", params={"next": "/desk/audit"}).text
        assert 'href="/desk/sso?next=/desk/audit"' in page
        address = begin(client, next="/desk/audit")
        assert address.startswith(f"{provider.url}/oauth2/authorize?")
        asked = parse_qs(urlsplit(address).query)
        assert asked["redirect_uri"] == [f"{node.url}/desk/sso/callback"]
        assert asked["scope"] == ["openid profile email"]
        answer = client.get(at_provider(address, sub="ada"))
        assert (answer.status_code, answer.headers["location"]) == (303, "/desk/audit")
        assert list(client.cookies) == ["live-session"]
        draft = {**STORY, "slug": new_slug()}
        assert client.post("/api/stories", json=draft, headers=proof(client)).status_code == 201
        refused(client.put("/api/promo", json={"text": "x", "url": "/"}, headers=proof(client)), 403, "Not permitted")
        assert client.post("/desk/sign-out", data={"csrf": proof(client)["Live-CSRF"]}).status_code == 303
        refused(client.get("/api/stories"), 401, "Not authenticated")


def test_the_highest_role_counts(node: Node) -> None:
    with browser(node) as client:
        client.get(at_provider(begin(client), sub="cleo"))
        promo = {"text": "Our letter", "url": "https://example.org/"}
        assert client.put("/api/promo", json=promo, headers=proof(client)).status_code == 200


@pytest.mark.parametrize("who", ["ben", "dora", "nobody-we-know"])
def test_who_has_no_role_here_is_told_so(node: Node, who: str) -> None:
    with browser(node) as client:
        answer = client.get(at_provider(begin(client), sub=who))
        assert answer.status_code == 403
        assert "LIVE_OIDC_ROLES" in refusal(answer)
        assert "<b>" not in refusal(answer)
        assert "live-session" not in client.cookies


def test_who_is_turned_away_at_the_provider_is_told_so(node: Node) -> None:
    with browser(node) as client:
        back = at_provider(begin(client), action="deny")
        state = client.cookies["live-sign-on"]
        answer = client.get(back.copy_merge_params({"state": state}))
        assert (answer.status_code, "access_denied" in refusal(answer)) == (403, True)


def test_an_answer_to_another_browser_is_refused(node: Node) -> None:
    with browser(node) as attacker, browser(node) as victim:
        back = at_provider(begin(attacker), sub="ada")
        answer = victim.get(back)
        assert (answer.status_code, "another browser" in refusal(answer)) == (400, True)
        begin(victim)
        assert victim.get(back).status_code == 400
        assert "live-session" not in victim.cookies


@pytest.mark.parametrize("state", ["", "x", "A" * 43])
def test_a_wrong_state_is_refused(node: Node, state: str) -> None:
    with browser(node) as client:
        back = at_provider(begin(client), sub="ada")
        answer = client.get(back.copy_set_param("state", state))
        assert (answer.status_code, "begin again" in refusal(answer)) == (400, True)


def test_an_answer_is_good_once(node: Node) -> None:
    with browser(node) as client:
        back = at_provider(begin(client), sub="ada")
        state = client.cookies["live-sign-on"]
        assert client.get(back).status_code == 303
        assert client.get(back, headers={"Cookie": f"live-sign-on={state}"}).status_code == 400


def test_a_made_up_code_is_refused(node: Node) -> None:
    with browser(node) as client:
        back = at_provider(begin(client), sub="ada")
        answer = client.get(back.copy_set_param("code", "made-up"))
        assert (answer.status_code, "begin again" in refusal(answer)) == (403, True)


def test_an_answer_in_another_providers_name_is_refused(node: Node) -> None:
    with browser(node) as client:
        back = at_provider(begin(client), sub="ada")
        answer = client.get(back.copy_set_param("iss", "https://evil.example"))
        assert (answer.status_code, "another provider" in refusal(answer)) == (403, True)


def test_a_provider_that_is_away_leaves_the_token(start_node: StartNode) -> None:
    provider = LocalProvider()
    node = start_node(**settings_for(provider))
    with browser(node) as client, browser(start_node(**settings_for(provider))) as another:
        back = at_provider(begin(client), sub="ada")
        provider.stop()
        for answer in (client.get(back), another.get("/desk/sso")):
            assert answer.status_code == 503
            assert "cannot be reached" in refusal(answer)
            assert 'name="token"' in answer.text
            assert "Traceback" not in answer.text
        assert "kept/to+ourselves" not in node.output
        assert "cannot be reached" in node.output


def test_without_a_provider_there_is_no_such_address(server: Node) -> None:
    for path in ("/desk/sso", "/desk/sso/callback?code=x&state=y"):
        assert httpx.get(server.url + path).status_code == 404


REDIRECT = "http://news.example/desk/sso/callback"


def single_sign_on(provider: LocalProvider, **changed: Any) -> SingleSignOn:
    known = Provider(provider.url, "live", "secret", "roles", {"news-editor": "editor"})
    return SingleSignOn(known._replace(**changed))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({}, None),
        ({"nonce": "A" * 43}, SignOnAway),
        ({"verifier": "A" * 43}, SignOnRefused),
    ],
)
async def test_the_answer_must_fit_what_was_asked(
    provider: LocalProvider, changed: dict[str, str], error: type[Exception] | None
) -> None:
    sign_on = single_sign_on(provider)
    pending = sign_on.pending("/desk")
    code = at_provider(await sign_on.address(pending, "state", REDIRECT), sub="ada").params["code"]
    answering = sign_on.identity({"code": code}, pending.model_copy(update=changed), REDIRECT, "192.0.2.7")
    if error:
        with pytest.raises(error):
            await answering
        return
    identity = await answering
    assert (identity.name, identity.role, identity.via, identity.address) == (
        "Ada Quill", "editor", "desk", "192.0.2.7",
    )  # fmt: skip
    assert identity.id.startswith("sso-") and "ada" not in identity.id


@pytest.mark.anyio
@pytest.mark.parametrize("issuer", ["{}/elsewhere", "http://127.0.0.1:1"])
async def test_an_issuer_must_be_what_it_says_it_is(provider: LocalProvider, issuer: str) -> None:
    sign_on = single_sign_on(provider, issuer=issuer.format(provider.url))
    with pytest.raises(SignOnAway):
        await sign_on.address(sign_on.pending("/desk"), "state", REDIRECT)


@pytest.mark.anyio
async def test_the_issuers_name_is_compared(provider: LocalProvider) -> None:
    sign_on = single_sign_on(provider, issuer=provider.url.replace("localhost", "LOCALHOST"))
    with pytest.raises(SignOnAway, match="another name"):
        await sign_on.address(sign_on.pending("/desk"), "state", REDIRECT)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("roles", ["a"]),
        ("realm_access.roles", ["b"]),
        ("https://news.example/roles", ["c"]),
        ("realm_access.groups", None),
        ("roles.deeper", None),
        ("", None),
    ],
)
def test_a_claim_is_found_by_name_or_path(name: str, found: Any) -> None:
    claims = {"roles": ["a"], "realm_access": {"roles": ["b"]}, "https://news.example/roles": ["c"]}
    assert claim_of(claims, name) == found


@pytest.mark.parametrize(
    "fields",
    [
        {"oidc_issuer": "http://sso.example", "oidc_client_id": "live", "oidc_roles": "a=admin"},
        {"oidc_issuer": "https://sso.example", "oidc_roles": "a=admin"},
        {"oidc_issuer": "https://sso.example", "oidc_client_id": "live"},
        {"oidc_roles": "a=owner"},
        {"oidc_roles": "=admin"},
        {"oidc_roles": "admin"},
    ],
)
def test_settings_that_cannot_work_are_refused(fields: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="LIVE_OIDC_"):
        Settings.read(**fields)


def test_the_clients_secret_is_not_shown() -> None:
    settings = Settings.read(
        oidc_issuer="https://sso.example/", oidc_client_id="live", oidc_client_secret="kept", oidc_roles="cn=a=editor"
    )
    assert settings.roles_of_groups == {"cn=a": "editor"}
    known = Provider("https://sso.example", "live", "kept", "roles", {})
    assert "kept" not in repr(settings) + repr(known)
