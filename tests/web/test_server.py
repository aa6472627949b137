"""The real server over real sockets: what uvicorn does around the application."""

import asyncio
import json
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from uvicorn.server import ServerState

from collab.errors import StoreUnavailable
from storage.engine import Database
from storage.errors import StoreBroken
from storage.schema import upgrade
from tests.servers import ServerProcess
from tests.web.conftest import make_settings
from tests.web.edits import text_of, text_update
from web.server import LimitedHttpProtocol, NotEverythingSaved, listen, serve, url_of
from web.settings import Settings
from web.transport.handshake import Deadlines

HEAD_MAX = 8192


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    directory: Path = tmp_path_factory.mktemp("server")
    with ServerProcess(directory, header_seconds=0.5, header_bytes_max=HEAD_MAX, sync_bytes_max=100_000) as server:
        yield server


class Answer:
    def __init__(self, data: bytes) -> None:
        head, _, self.body = data.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        self.status = int(status.split()[1])
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    def problem(self) -> int:
        """Its status, when it is a problem and says so."""
        assert self.headers["content-type"] == "application/problem+json"
        assert json.loads(self.body)["status"] == self.status
        return self.status


def exchange(server: ServerProcess, *parts: bytes) -> Answer | None:
    """Send bytes as they are; the answer up to where the server closes, None when it closes without one."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        received = b""
        try:
            for part in parts:
                connection.sendall(part)
            while data := connection.recv(65536):
                received += data
        except ConnectionError:
            pass
    return Answer(received) if received else None


def handshake(server: ServerProcess, path: str, **headers: str) -> Answer | None:
    fields = {
        "Host": f"127.0.0.1:{server.port}",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "cmVoZWFyc2FsLTEyMzQ1Ng==",
    } | headers
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return exchange(server, f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/ws/plans", {"Origin": "https://evil.example"}, 403),
        ("/ws/plans", {"Origin": "null"}, 403),
        ("/ws/plans", {"Host": "evil.example"}, 403),
        ("/ws/a%20b", {}, 400),
        ("/ws/a%252Fb", {}, 400),
        ("/ws/", {}, 400),
        ("/nothing", {}, 404),
        ("/api/documents", {}, 404),
    ],
)
def test_a_refused_handshake_is_an_http_answer_and_not_an_open_socket(
    server: ServerProcess, path: str, headers: dict[str, str], status: int
) -> None:
    answer = handshake(server, path, **headers)
    assert answer is not None
    assert answer.problem() == status
    assert httpx.get(f"{server.url}/api/documents/plans").status_code == 404


def test_a_half_sent_head_is_not_waited_for(server: ServerProcess) -> None:
    started = time.monotonic()
    assert exchange(server, b"GET /healthz HTTP/1.1\r\nHost: loc") is None
    assert exchange(server) is None
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "parts",
    [
        [b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + HEAD_MAX * b"x" + b"\r\n\r\n"],
        [b"GET / HTTP/1.1\r\nHost: localhost\r\n", *(b"X%d: " % n + 500 * b"x" + b"\r\n" for n in range(40))],
        [b"GET /" + HEAD_MAX * b"x" + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"],
    ],
    ids=["one header", "many headers", "address"],
)
def test_a_head_that_is_too_large_is_refused(server: ServerProcess, parts: list[bytes]) -> None:
    answer = exchange(server, *parts)
    # The end of what was still being sent can overtake the answer.
    assert answer is None or answer.problem() == 431
    assert httpx.get(f"{server.url}/healthz").status_code == 200


def test_a_head_within_the_limit_and_a_body_beyond_it_are_fine(server: ServerProcess) -> None:
    with httpx.Client(base_url=server.url) as http:
        for _ in range(2):  # the second request comes on the same connection
            padding = {"x-padding": (HEAD_MAX - 1000) * "x"}
            content = text_update(50_000 * "x")
            binary = {"content-type": "application/octet-stream"}
            response = http.post("/api/documents/large/updates", content=content, headers=binary | padding)
            assert response.status_code == 200
        assert text_of(http.get("/api/documents/large/content?format=yjs").content).startswith("xxx")
        http.delete("/api/documents/large")


class Stage(asyncio.Transport):
    """A socket without a network, so that the segments are those of the test."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.closing = False

    def write(self, data: Any) -> None:
        assert not self.closing
        self.sent += bytes(data)

    def close(self) -> None:
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing


@pytest.mark.parametrize("beginning", [b"GET / HTTP/1.1\r\nX: ", b"GET /", b"GET / HTTP/1.1\r\nx"])
async def test_a_head_that_never_ends_is_refused_as_soon_as_it_is_too_large(beginning: bytes) -> None:
    class Protocol(LimitedHttpProtocol):
        header_bytes_max = HEAD_MAX
        deadlines = Deadlines(10.0)

    async def never(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("the application was called")

    stage = Stage()
    config = uvicorn.Config(never, interface="asgi3", lifespan="off", log_config=None)
    config.load()
    protocol = Protocol(config, ServerState(), {}, asyncio.get_running_loop())
    protocol.connection_made(stage)
    protocol.data_received(beginning)
    given = 0
    while not stage.closing:
        protocol.data_received(100 * b"x")
        given += 100
        assert given <= HEAD_MAX + 100
    assert Answer(stage.sent).problem() == 431
    protocol.data_received(100 * b"x")
    protocol.connection_lost(None)


@pytest.mark.parametrize("request_line", [b"GET / HTTP/1.1 extra", b"GET /\xff HTTP/1.1", b"\x16\x03\x01\x02", b"GET"])
def test_what_is_not_http_is_a_problem(server: ServerProcess, request_line: bytes) -> None:
    answer = exchange(server, request_line + b"\r\nHost: localhost\r\n\r\n")
    assert answer is not None
    assert answer.problem() == 400


def test_a_body_larger_than_it_may_be_is_refused_though_it_never_ends(server: ServerProcess) -> None:
    head = (
        b"POST /api/documents/plans/updates HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Type: application/octet-stream\r\n"
    )
    declared = exchange(server, head + b"Content-Length: 1000000000\r\n\r\n")
    assert declared is not None
    assert declared.problem() == 413
    chunks = [b"2710\r\n" + 10_000 * b"x" + b"\r\n" for _ in range(40)]
    endless = exchange(server, head + b"Transfer-Encoding: chunked\r\n\r\n", *chunks)
    assert endless is None or endless.problem() == 413


def test_two_hosts_are_a_bad_request(server: ServerProcess) -> None:
    answer = exchange(server, b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
    assert answer is not None
    assert answer.problem() == 400


def test_nobody_is_believed_to_be_a_proxy_who_is_not_named(server: ServerProcess) -> None:
    claimed = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "localhost", "Forwarded": "host=localhost"}
    assert httpx.get(f"{server.url}/api/documents", headers=claimed | {"Host": "evil.example"}).status_code == 403


def test_answers_do_not_name_the_server_software(server: ServerProcess) -> None:
    headers = httpx.get(f"{server.url}/healthz").headers
    assert "server" not in headers
    assert "date" in headers


def test_a_client_that_offers_subprotocols_is_given_the_first(server: ServerProcess) -> None:
    """Browsers drop a connection whose offer was not answered."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(
            f"GET /ws/protocols HTTP/1.1\r\nHost: localhost:{server.port}\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: cmVoZWFyc2FsLTEyMzQ1Ng==\r\n"
            "Sec-WebSocket-Protocol: yjs, other\r\n\r\n".encode()
        )
        answer = Answer(connection.recv(65536))
    assert answer.status == 101
    assert answer.headers["sec-websocket-protocol"] == "yjs"


def test_a_trusted_proxy_says_by_which_scheme_the_page_came(tmp_path: Path) -> None:
    page = {"Host": "docs.example.com", "Origin": "https://docs.example.com"}
    by_tls = page | {"X-Forwarded-Proto": "https"}
    with ServerProcess(tmp_path, auth_none_on_network=True, trusted_proxies="127.0.0.1") as server:
        assert httpx.post(f"{server.url}/api/documents", headers=by_tls).status_code == 201
        assert httpx.post(f"{server.url}/api/documents", headers=page).status_code == 403


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    url = make_settings(tmp_path).database_url
    await upgrade(url)
    async with await Database.open(url) as database:
        yield database


class InProcess:
    """`web.server.serve` as a task of the test's own event loop."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._ready = asyncio.Event()
        sockets = listen("127.0.0.1", 0)
        self.url = url_of("127.0.0.1", sockets)
        self.task = asyncio.create_task(serve(settings, database, sockets, self._ready.set))

    async def post(self) -> None:
        """Send an update and wait until the server has it, whatever it answers."""
        await self._ready.wait()
        binary = {"content-type": "application/octet-stream"}
        async with httpx.AsyncClient() as http:
            await http.post(f"{self.url}/api/documents/plans/updates", content=text_update("x"), headers=binary)


async def test_a_server_that_can_never_save_again_ends_and_says_so(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def append(_appends: object) -> None:
        raise StoreBroken("the disk failed")

    monkeypatch.setattr(database.log, "append", append)
    server = InProcess(make_settings(tmp_path), database)
    await server.post()
    with pytest.raises(NotEverythingSaved, match="the disk failed"):
        await server.task


async def test_a_stopped_server_that_could_not_store_everything_says_so(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    async def append(_appends: object) -> None:
        asked.set()
        raise StoreUnavailable("the database is away")

    monkeypatch.setattr(database.log, "append", append)
    server = InProcess(make_settings(tmp_path, shutdown_seconds=0.1), database)
    posting = asyncio.create_task(server.post())
    await asked.wait()
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(NotEverythingSaved, match="bytes of edits"):
        await server.task
    await posting


def test_listening_on_a_name_takes_all_its_addresses_and_one_port() -> None:
    sockets = listen("localhost", 0)
    try:
        (port,) = {opened.getsockname()[1] for opened in sockets}
        assert url_of("localhost", sockets) == f"http://localhost:{port}"
        assert url_of("::1", sockets) == f"http://[::1]:{port}"
        with pytest.raises(OSError, match="in use"):
            listen("localhost", port)
    finally:
        for opened in sockets:
            opened.close()


def test_an_unknown_name_cannot_be_listened_on() -> None:
    with pytest.raises(OSError, match="(?i)name|address"):
        listen("nothing.invalid", 0)
