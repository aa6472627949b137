"""Signing in with an OpenID provider: one that plays along, and all the ways in which it does not."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx2
import pytest

from storage.accounts import NewAccount
from storage.audit_log import Actor
from tests.local_site import Asked
from tests.openid import KEY, OTHER_KEY, Provider
from tests.web.conftest import Running, make_settings, running
from web.api.single_sign_on import local_path
from web.single_sign_on import SingleSignOn

ISSUER = "https://login.example"


class Transport(httpx2.AsyncBaseTransport):
    """To a provider without a network."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        form = dict(parse_qsl(request.content.decode()))
        answer = self._provider.answer(Asked(request.url.path, {}, form))
        return httpx2.Response(answer.status, json=answer.json)


@pytest.fixture
def provider() -> Provider:
    return Provider(ISSUER)


@pytest.fixture
async def server(tmp_path: Path, provider: Provider) -> AsyncIterator[Running]:
    settings = make_settings(
        tmp_path, auth="accounts", oidc_issuer=ISSUER, oidc_client_id="coscribe", oidc_label="Example"
    )
    async with running(settings) as server:
        state = server.state
        state["sign_on"] = SingleSignOn(settings, state["database"], b"k" * 32, Transport(provider))
        yield server


async def came_back(server: Running, provider: Provider, *, code: str = "right", state: str | None = None) -> str:
    """Where the browser ends."""
    out = await server.http.get("/api/oidc/start", params={"next": "/d/plans"})
    query = parse_qs(urlsplit(out.headers["location"]).query)
    assert query["code_challenge_method"] == ["S256"]
    provider.nonce = query["nonce"][0]
    back = {"code": code, "state": query["state"][0] if state is None else state}
    response = await server.http.get("/api/oidc/callback", params=back)
    assert response.status_code == 302
    return str(response.headers["location"])


async def me(server: Running) -> Any:
    return (await server.http.get("/api/me")).json()["person"]


async def invite(server: Running, name: str, email: str | None = None) -> str:
    return (await server.state["database"].accounts.create(NewAccount(name, email), Actor())).id


async def test_a_verified_address_finds_its_account_and_the_subject_stays_with_it(
    server: Running, provider: Provider
) -> None:
    ann = await invite(server, "Ann", "ann@example.com")
    provider.claims = {"email": "ANN@example.com", "email_verified": True}
    assert await came_back(server, provider) == "/d/plans"
    assert (await me(server))["id"] == ann
    await server.http.post("/api/sign-out", headers={"origin": "http://127.0.0.1:8000"})
    provider.claims = {}
    assert await came_back(server, provider) == "/d/plans"
    assert (await me(server))["id"] == ann
    provider.claims = {"sub": "mallory", "email": "ann@example.com", "email_verified": True}
    assert await came_back(server, provider) == "/sign-in#error=no-account", "the account is another subject's"


@pytest.mark.parametrize("verified", [{}, {"email_verified": False}, {"email_verified": "true"}])
async def test_an_address_that_is_not_verified_finds_nobody(
    server: Running, provider: Provider, verified: dict[str, Any]
) -> None:
    await invite(server, "Ann", "ann@example.com")
    provider.claims = {"email": "ann@example.com"} | verified
    assert await came_back(server, provider) == "/sign-in#error=no-account"
    assert await me(server) is None


async def test_accounts_are_made_only_when_that_is_wanted(tmp_path: Path, provider: Provider) -> None:
    settings = make_settings(
        tmp_path, auth="accounts", oidc_issuer=ISSUER, oidc_client_id="coscribe", oidc_create_accounts=True
    )
    async with running(settings) as server:
        server.state["sign_on"] = SingleSignOn(settings, server.state["database"], b"k" * 32, Transport(provider))
        await invite(server, "Ann")
        provider.claims = {"name": "Ann", "email": "ann@example.com", "email_verified": True}
        assert await came_back(server, provider) == "/d/plans"
        made = await me(server)
        assert (made["name"], made["email"], made["administrator"]) == ("Ann 2", "ann@example.com", False)


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"iss": "https://evil.example"},
        {"aud": "another"},
        {"exp": int(time.time()) - 3600},
        {"azp": "another"},
        {"sub": None},
        {"exp": None},
    ],
)
async def test_a_token_that_is_not_for_this_sign_in_does_not_count(
    server: Running, provider: Provider, claims: dict[str, Any]
) -> None:
    await invite(server, "Ann", "ann@example.com")
    provider.claims = {"email": "ann@example.com", "email_verified": True} | claims
    assert await came_back(server, provider) == "/sign-in#error=oidc-failed"
    assert await me(server) is None


async def test_what_does_not_fit_together_ends_at_the_sign_in_page(server: Running, provider: Provider) -> None:
    failed = "/sign-in#error=oidc-failed"
    assert await came_back(server, provider, code="wrong") == failed
    assert await came_back(server, provider, state="made-up") == failed
    provider.key = OTHER_KEY
    assert await came_back(server, provider) == failed
    provider.key = KEY
    # The cookie of a flow counts once.
    response = await server.http.get("/api/oidc/callback", params={"code": "right", "state": "x"})
    assert response.headers["location"] == failed


@pytest.mark.parametrize(
    "discovery", [{"issuer": "https://evil.example"}, {"token_endpoint": "http://login.example/token"}, {"jwks_uri": 5}]
)
async def test_a_provider_that_is_not_who_it_should_be_is_not_used(
    server: Running, provider: Provider, discovery: dict[str, Any]
) -> None:
    provider.discovery = discovery
    response = await server.http.get("/api/oidc/start")
    assert response.headers["location"] == "/sign-in#error=oidc-failed"


async def test_somebody_who_is_suspended_stays_out(server: Running, provider: Provider) -> None:
    ann = await invite(server, "Ann", "ann@example.com")
    await server.state["database"].accounts.change(ann, Actor(), suspended=True)
    provider.claims = {"email": "ann@example.com", "email_verified": True}
    assert await came_back(server, provider) == "/sign-in#error=suspended"


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("/d/plans", "/d/plans"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("evil", "/"),
        ("/a\r\nb", "/"),
        ("/d/a\\..\\b", "/"),
    ],
)
def test_a_sign_in_ends_on_this_server(asked: str, given: str) -> None:
    assert local_path(asked) == given
