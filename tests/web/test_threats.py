"""Rows of the list of threats that need no socket: what strangers send is neither believed nor repeated as it came."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from tests.web.conftest import BASE_URL, make_settings, running
from tests.web.people import CHEAP, Stage
from web.cookies import cookie_name
from web.minting import Kind, Mint
from web.visitor import matches

ODD = "a\r\nSet-Cookie: x=y\r\n\x1b[31m\u202e\x00"


async def test_13_what_strangers_send_is_stored_and_shown_without_control_characters(tmp_path: Path) -> None:
    async with Stage.open(tmp_path) as stage:
        await stage.call("nobody", "POST", "/api/sign-in", json={"name": "a\r\nb\x1b[31m", "password": "x" * 12})
        body = {"name": "reader", "password": "x" * 12}
        await stage.call("nobody", "POST", "/api/sign-in", json=body, headers={"user-agent": "evil\x1b[31m"})
        listed = await stage.call("administrator", "GET", "/api/admin/audit")
        exported = await stage.call("administrator", "GET", "/api/admin/audit/export")
        for text in (listed.text, exported.text):
            assert "\x1b" not in text
            assert "\u202e" not in text
        assert all(json.loads(line) for line in exported.text.splitlines())


@pytest.mark.parametrize("name", [ODD, "a@b", "", " ", "x" * 81, "\x00"])
async def test_13_a_name_that_could_fool_somebody_is_none(tmp_path: Path, name: str) -> None:
    async with Stage.open(tmp_path) as stage:
        response = await stage.call("reader", "PATCH", "/api/me", json={"name": name})
        assert response.status_code == 400
        assert response.json()["errors"][0]["field"] == "name"


async def test_13_wildcards_and_quotes_in_a_search_are_text(tmp_path: Path) -> None:
    async with Stage.open(tmp_path) as stage:
        for query in ("%", "_", "' OR 1=1 --", '"', "\\", "*"):
            found = await stage.call("owner", "GET", "/api/people", params={"q": query})
            assert found.json() == {"people": []}, query
        assert len((await stage.call("owner", "GET", "/api/people", params={"q": "READ"})).json()["people"]) == 1


@pytest.mark.parametrize("peer", ["127.0.0.1", "203.0.113.9"])
async def test_23_a_proxy_is_believed_only_when_it_is_trusted(tmp_path: Path, peer: str) -> None:
    """Who may say that a line is safe decides where a cookie travels, and whose attempts are counted."""
    async with Stage.open(tmp_path) as stage:
        app: Any = ProxyHeadersMiddleware(stage.server, trusted_hosts=["127.0.0.1"])  # type: ignore[arg-type]
        transport = httpx.ASGITransport(app, client=(peer, 1234))
        forwarded = {"x-forwarded-proto": "https", "x-forwarded-for": "198.51.100.7", "host": "docs.example.com"}
        async with httpx.AsyncClient(transport=transport, base_url=BASE_URL, headers=forwarded) as client:
            response = await client.post("/api/sign-in", json={"name": "reader", "password": "wrong password"})
        trusted = peer == "127.0.0.1"
        assert response.json()["code"] == ("wrong-credentials" if trusted else "https-required")
        entries = (await stage.call("administrator", "GET", "/api/admin/audit?action=sign-in-failed")).json()["entries"]
        assert [entry["address"] for entry in entries] == (["198.51.100.7"] if trusted else [])


async def test_23_the_server_answers_to_its_own_names_only(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, auth="accounts", allowed_hosts="docs.example.com, 127.0.0.1", **CHEAP)
    async with running(settings) as server:
        for host, status in (("docs.example.com", 200), ("DOCS.example.com:8443", 200), ("evil.example", 400)):
            for path in ("/api/me", "/healthz", "/"):
                assert (await server.http.get(path, headers={"host": host})).status_code == status


async def test_1_the_cookie_of_a_safe_line_is_of_the_host_alone(tmp_path: Path) -> None:
    async with Stage.open(tmp_path) as stage:
        guest_link = await stage.call(
            "owner", "POST", "/api/documents/{document}/sharing/links", json={"role": "reader"}
        )
        secret = guest_link.json()["url"].partition("#key=")[2]
        transport = httpx.ASGITransport(stage.server)
        async with httpx.AsyncClient(transport=transport, base_url="https://docs.example.com") as client:
            cookie = (await client.post("/api/links/open", json={"secret": secret})).headers["set-cookie"]
        assert cookie.startswith("__Host-coscribe=css_")
        attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"secure", "httponly", "path=/", "samesite=lax"} <= attributes
        assert not any(part.startswith("domain") for part in attributes)
        async with httpx.AsyncClient(transport=transport, base_url="http://docs.example.com") as client:
            refused = await client.post("/api/links/open", json={"secret": secret})
        assert refused.json()["code"] == "https-required"
        assert "set-cookie" not in refused.headers


def test_a_cookie_that_was_set_over_http_is_another_one() -> None:
    from starlette.requests import HTTPConnection

    def named(scheme: str, host: str) -> str:
        return cookie_name(HTTPConnection({"type": "http", "scheme": scheme, "headers": [(b"host", host.encode())]}))

    assert named("https", "localhost:8000") == named("wss", "localhost") == "__Host-coscribe"
    assert (named("http", "localhost:8000"), named("ws", "[::1]")) == ("coscribe-8000", "coscribe-80")


async def test_6_somebody_who_does_not_exist_takes_as_long_as_a_wrong_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not measured: the same work is done, once for each attempt."""
    async with Stage.open(tmp_path) as stage:
        hasher: Any = stage.server.state["passwords"]._hasher
        verified: list[str] = []
        original = hasher.verify

        def counted(password: str, hashed: str) -> Any:
            verified.append(hashed)
            return original(password, hashed)

        monkeypatch.setattr(hasher, "verify", counted)
        for name in ("nobody at all", "reader"):
            body = {"name": name, "password": "a wrong password"}
            assert (await stage.call("nobody", "POST", "/api/sign-in", json=body)).status_code == 401
        assert len(verified) == 2, "an account without a password, and none at all"


async def test_12_attempts_to_sign_in_are_limited_by_address(tmp_path: Path) -> None:
    async with Stage.open(tmp_path, sign_ins_per_minute_max=4) as stage:
        statuses = []
        for attempt in range(8):
            body = {"name": f"somebody {attempt}", "password": "a wrong password"}
            response = await stage.call("nobody", "POST", "/api/sign-in", json=body)
            statuses.append(response.status_code)
        assert statuses == [401] * 4 + [429] * 4
        assert int(response.headers["retry-after"]) > 0


def test_20_a_secret_that_was_never_made_is_recognised_without_a_look_at_the_database() -> None:
    mint, other = Mint(b"k" * 32), Mint(b"l" * 32)
    secret, digest = mint.make(Kind.TOKEN)
    assert mint.digest(Kind.TOKEN, secret) == digest
    assert mint.make(Kind.TOKEN)[0] != secret
    changed = secret[:-1] + ("A" if secret[-1] != "A" else "B")
    for wrong in (changed, secret[:-1], secret + "A", secret.upper(), "", "cst_", f"cst_{'A' * 48}", secret + "\n"):
        assert mint.digest(Kind.TOKEN, wrong) is None, wrong
    assert mint.digest(Kind.SIGN_IN, secret) is None, "one kind is not another"
    assert mint.digest(Kind.SIGN_IN, secret.replace("cst", "css")) is None
    assert other.digest(Kind.TOKEN, secret) is None


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("a", "a", True),
        ("a", "ab", False),
        ("*", "any/thing", True),
        ("a/*", "a/b/c", True),
        ("a/*", "a/", True),
        ("a/*", "a", False),
        ("*a", "ba", True),
        ("*a*", "bab", True),
        ("a*a", "a", False),
        ("a*b*c", "abbc", True),
        ("a*b*c", "acb", False),
        ("**", "a", True),
        ("a.c", "abc", False),
    ],
)
def test_a_star_stands_for_any_characters(pattern: str, name: str, expected: bool) -> None:
    assert matches(pattern, name) is expected
    assert matches("*a" * 100 + "b", "a" * 255) is False, "in linear time"
