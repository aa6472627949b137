"""The door: who is let in, from where, to which document."""

import string
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from collab.errors import NotAuthenticated, PermissionDenied
from collab.types import DocumentId, Grant, Role
from web.security import Action, Door
from web.settings import Settings
from web.visitor import Found, Standing, Visitor

HERE = "127.0.0.1:8000"
NETWORK = {"host": "0.0.0.0", "auth_none_on_network": True}


def settings(**values: Any) -> Settings:
    return Settings(**{"auth": "none"} | values)


def request(
    method: str = "POST", host: str | None = HERE, origin: str | None = None, *, scheme: str = "http", **headers: str
) -> HTTPConnection:
    lines = {"host": host, "origin": origin} | headers
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in lines.items() if value is not None]
    return HTTPConnection({"type": "http", "method": method, "scheme": scheme, "headers": encoded})


def handshake(origin: str | None, host: str = HERE, *, scheme: str = "ws") -> HTTPConnection:
    connection = request("GET", host, origin, scheme=scheme)
    del connection.scope["method"]
    connection.scope["type"] = "websocket"
    return connection


async def admitted(door: Door, connection: HTTPConnection) -> bool:
    try:
        await door.welcome(connection)
    except PermissionDenied:
        return False
    return True


LOCAL = [
    "http://localhost",
    "http://localhost:5173",
    "https://localhost:8443",
    "http://127.0.0.1:8000",
    "http://127.0.0.1:1",
    "http://[::1]:3000",
]
FOREIGN = [
    "null",
    "",
    "*",
    "file://",
    "http://evil.example",
    "http://localhost.evil.example",
    "http://localhost:8000.evil.example",
    "http://evil.example/localhost",
    "http://evil-localhost",
    "http://localhost@evil.example",
    "http://localhost:8000@evil.example",
    "http://127.0.0.1.evil.example:8000",
    "http://127.0.0.1:8000/",
    "http://127.0.0.1:8000 ",
    "http://127.0.0.1:",
    "http://127.0.0.1:8000, http://127.0.0.1:8000",
    "HTTP://127.0.0.1:8000",
    "http://LOCALHOST:8000",
    "http://localhost.:8000",
    "http://0.0.0.0:8000",
    "http://[::]:8000",
    "http://2130706433:8000",
    "ws://localhost:8000",
    "127.0.0.1:8000",
]


@pytest.mark.parametrize("origin", [None, *LOCAL])
async def test_a_local_server_lets_programs_and_pages_of_this_machine_in(origin: str | None) -> None:
    door = Door(settings())
    assert await admitted(door, request(origin=origin))
    assert await admitted(door, handshake(origin))


@pytest.mark.parametrize("origin", FOREIGN)
async def test_a_local_server_keeps_every_other_page_out(origin: str) -> None:
    door = Door(settings())
    assert not await admitted(door, request(origin=origin))
    assert not await admitted(door, handshake(origin))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_reading_needs_no_origin_because_the_page_cannot_see_the_answer(method: str) -> None:
    assert await admitted(Door(settings()), request(method, origin="http://evil.example"))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "BREW"])
async def test_every_other_method_counts_as_changing_something(method: str) -> None:
    assert not await admitted(Door(settings()), request(method, origin="http://evil.example"))


async def test_two_origins_are_none() -> None:
    for origin in (f"http://{HERE}", "https://app.example.com"):
        connection = request(origin=origin)
        connection.scope["headers"].append((b"origin", b"https://evil.example"))
        for where in ({}, NETWORK):
            assert not await admitted(Door(settings(allowed_origins="https://app.example.com", **where)), connection)


@pytest.mark.parametrize(
    ("scheme", "host", "origin", "expected"),
    [
        ("http", "docs.example.com", "http://docs.example.com", True),
        ("http", "docs.example.com:8000", "http://docs.example.com:8000", True),
        ("https", "docs.example.com", "https://docs.example.com", True),
        ("ws", "docs.example.com", "http://docs.example.com", True),
        ("wss", "docs.example.com", "https://docs.example.com", True),
        ("http", "[fd00::1]:8000", "http://[fd00::1]:8000", True),
        ("http", "docs.example.com", "https://docs.example.com", False),
        ("wss", "docs.example.com", "http://docs.example.com", False),
        ("http", "docs.example.com", "http://docs.example.com:8000", False),
        ("http", "docs.example.com:8000", "http://docs.example.com", False),
        ("http", "docs.example.com", "http://docs.example.com.evil.example", False),
        ("http", "docs.example.com", "http://evil.example", False),
        ("http", "docs.example.com", "http://sub.docs.example.com", False),
        ("http", "docs.example.com", "http://localhost:5173", False),
        ("http", "docs.example.com", "null", False),
    ],
)
async def test_on_a_network_the_origin_is_the_servers_own(scheme: str, host: str, origin: str, expected: bool) -> None:
    door = Door(settings(**NETWORK))
    connection = handshake(origin, host, scheme=scheme) if scheme.startswith("ws") else request("POST", host, origin)
    connection.scope["scheme"] = scheme
    assert await admitted(door, connection) is expected


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("https://app.example.com", True),
        ("https://app.example.com:8443", False),
        ("http://app.example.com", False),
        ("https://APP.example.com", False),
        ("https://app.example.com.evil.example", False),
        ("https://evil.example?https://app.example.com", False),
        ("https://other.example.com", False),
    ],
)
@pytest.mark.parametrize("where", [{}, NETWORK], ids=["local", "network"])
async def test_allowed_origins_are_compared_exactly(where: dict[str, Any], origin: str, expected: bool) -> None:
    door = Door(settings(allowed_origins="https://app.example.com", **where))
    assert await admitted(door, request(origin=origin)) is expected
    assert await admitted(door, handshake(origin)) is expected


@pytest.mark.parametrize("host", ["localhost", "LocalHost:8000", "127.0.0.1", "127.0.0.1:1", "127.1.2.3", "[::1]:8000"])
async def test_a_local_server_answers_to_names_of_this_machine(host: str) -> None:
    assert await admitted(Door(settings()), request("GET", host))


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "192.168.1.7",
        "0.0.0.0:8000",
        "[::]",
        "localhost.",
        "2130706433",
    ],
)
async def test_a_local_server_answers_to_no_other_name(host: str) -> None:
    """A page whose name was re-pointed to this machine sends its own origin and its own Host: both agree."""
    door = Door(settings())
    assert not await admitted(door, request("GET", host))
    assert not await admitted(door, handshake(f"http://{host}", host))
    assert await admitted(Door(settings(**NETWORK)), request("GET", host))


@pytest.mark.parametrize("host", [None, "", "local host", "localhost:8000@evil.example", "localhost/", "a:b:c", "[::1"])
@pytest.mark.parametrize("where", [{}, NETWORK], ids=["local", "network"])
async def test_a_host_header_that_is_none_is_a_bad_request(where: dict[str, Any], host: str | None) -> None:
    with pytest.raises(HTTPException) as caught:
        await Door(settings(**where)).welcome(request("GET", host))
    assert caught.value.status_code == 400


async def test_two_host_headers_are_a_bad_request() -> None:
    connection = request("GET")
    connection.scope["headers"].append((b"host", b"127.0.0.1:8000"))
    with pytest.raises(HTTPException) as caught:
        await Door(settings()).welcome(connection)
    assert caught.value.status_code == 400


@pytest.mark.parametrize("action", Action)
async def test_an_authority_that_does_not_exist_lets_nobody_in(action: Action) -> None:
    with pytest.raises(NotAuthenticated):
        await Door(settings(auth="accounts")).admit(request(), "a", action)


@pytest.mark.parametrize("action", Action)
async def test_without_sign_in_everybody_may_do_everything_and_has_no_name(action: Action) -> None:
    grant = await Door(settings()).admit(request(), "folder/a", action)
    creates = action in (Action.CREATE, Action.CONNECT, Action.APPEND)
    assert grant == Grant(grant.document, Role.OWNER, user_id=None, user_name=None, may_create=creates)
    assert grant.document == "folder/a"


class Readers:
    """Everybody may read, and nothing else."""

    waits = True

    async def identify(self, connection: HTTPConnection[Any]) -> Visitor:
        return Visitor("reader", "Reader", known=True)

    async def standing(self, visitor: Visitor, document: str) -> Standing:
        return Standing(Role.READER if document == "shared" else None)

    async def may_create(self, visitor: Visitor, document: str) -> bool:
        return False

    async def again(self, seats: Any) -> list[Found]:
        return [await self.standing(*seat) for seat in seats]


async def test_a_role_allows_what_it_includes_and_nothing_more() -> None:
    door = Door(settings(), Readers())
    grant = await door.admit(request(), "shared", Action.CONNECT)
    assert (grant.role, grant.may_create, grant.user_id) == (Role.READER, False, "reader")
    assert (await door.admit(request(), "shared", Action.READ)).document == "shared"
    for action in set(Action) - {Action.READ, Action.CONNECT, Action.LEAVE}:
        with pytest.raises(PermissionDenied):
            await door.admit(request(), "shared", action)
    with pytest.raises(PermissionDenied):
        await door.admit(request(), "private", Action.READ)


@hypothesis.settings(deadline=None)
@hypothesis.given(st.text(max_size=20) | st.text("ab./%~", max_size=8) | st.text("a", min_size=250, max_size=260))
async def test_7_a_name_is_a_document_id_or_a_bad_request(name: str) -> None:
    door = Door(settings())
    try:
        grant = await door.admit(request(), name, Action.READ)
    except HTTPException as error:
        refusal: HTTPException | None = error
    else:
        refusal = None
        assert grant.document == name
    assert (refusal is None) == is_name(name)
    assert refusal is None or refusal.status_code == 400


def is_name(text: str) -> bool:
    parts = text.split("/")
    allowed = set(string.ascii_letters + string.digits + "._:~-")
    return len(text) <= 255 and all(part not in ("", ".", "..") and set(part) <= allowed for part in parts)


@pytest.mark.parametrize("least", ["reader", "commenter", "editor", "owner"])
def test_who_sees_the_history_is_a_setting(least: Any) -> None:
    door = Door(Settings(history_role=least))
    for role in Role:
        assert door.may(Grant(DocumentId("plans"), role, None), Action.READ_HISTORY) == (role >= Role[least.upper()])
    assert door.may(Grant(DocumentId("plans"), Role.READER, None), Action.READ)
