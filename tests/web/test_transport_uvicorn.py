"""The uvicorn side: what happens before a connection is detached, at shutdown, and when uvicorn is not as expected."""

import asyncio
import gc
import logging
import socket
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.support import eventually
from tests.web.transport_kit import (
    DETACHED,
    TRANSPORTS,
    Peer,
    TransportServer,
    client_frame,
    close_frame,
    echo,
    upgrade_request,
)
from web.transport import TransportLimits, check_uvicorn, uvicorn_options
from web.transport.detached import DetachedConnection
from web.transport.frames import BINARY, PING, PONG
from web.transport.handshake import Handshake, HttpProtocol

HEADER_TIMEOUT = 0.5


@pytest.fixture(scope="module", params=TRANSPORTS)
def server(request: pytest.FixtureRequest) -> Iterator[TransportServer]:
    with TransportServer(request.param, header_timeout=HEADER_TIMEOUT) as running:
        yield running


detached_only = pytest.mark.parametrize("server", DETACHED, indirect=True, scope="module")


# What arrives early


@detached_only
async def test_frames_in_the_segment_of_the_request_are_not_lost(server: TransportServer) -> None:
    endpoint = server.endpoint(on_message=echo)
    async with await Peer.dial(server) as peer:
        second = client_frame(b"two")
        await peer.send(upgrade_request(endpoint.path) + client_frame(b"one") + second[:3])
        await peer.accepted()
        assert await peer.receive() == (BINARY, b"one")
        await peer.send(second[3:])
        assert await peer.receive() == (BINARY, b"two")


async def test_frames_sent_before_the_answer_are_not_lost(server: TransportServer) -> None:
    endpoint = server.endpoint(on_message=echo, gated=True)
    async with await Peer.dial(server) as peer:
        await peer.send(upgrade_request(endpoint.path))
        await asyncio.to_thread(endpoint.waiting.wait, 10)
        second = client_frame(b"two")
        await peer.send(client_frame(b"one") + second[:5])
        server.call(endpoint.gate.set)
        await peer.accepted()
        await peer.send(second[5:])
        assert [await peer.receive(), await peer.receive()] == [(BINARY, b"one"), (BINARY, b"two")]


async def test_much_too_early_data_waits_in_the_network(server: TransportServer) -> None:
    endpoint = server.endpoint(gated=True)
    messages = [bytes((n,)) * 100_000 for n in range(100)]
    async with await Peer.dial(server) as peer:
        await peer.send(upgrade_request(endpoint.path))
        await asyncio.to_thread(endpoint.waiting.wait, 10)
        sending = asyncio.create_task(peer.send(b"".join(map(client_frame, messages))))
        if server.detached:

            def held() -> int:
                connections = server.uvicorn.server_state.connections
                (protocol,) = (it for it in connections if isinstance(it, Handshake))
                assert protocol._transport is not None
                return 0 if protocol._transport.is_reading() else protocol._early_bytes

            assert await eventually(lambda: server.call(held), "reading is paused") < 400_000
        server.call(endpoint.gate.set)
        await peer.accepted()
        await sending
        await eventually(lambda: endpoint.recorders and endpoint.only.messages == messages, "all of it arrives")


async def test_a_client_that_leaves_before_the_answer(server: TransportServer) -> None:
    endpoint = server.endpoint(gated=True)
    peer = await Peer.dial(server)
    await peer.send(upgrade_request(endpoint.path))
    await asyncio.to_thread(endpoint.waiting.wait, 10)
    peer.reset()
    await eventually(lambda: server.call(lambda: len(server.uvicorn.server_state.connections)) == 0)
    server.call(endpoint.gate.set)
    await eventually(lambda: server.call(lambda: len(server.uvicorn.server_state.tasks)) == 0)
    assert [recorder.closings for recorder in endpoint.recorders] in ([], [1])


# The handshake itself


@detached_only
async def test_compression_is_never_agreed_on(server: TransportServer) -> None:
    endpoint = server.endpoint()
    offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
    async with await Peer.connect(server, endpoint, offer) as peer:
        assert b"sec-websocket-extensions" not in peer.response.lower()


@detached_only
@pytest.mark.parametrize(
    ("change", "status"),
    [
        ((b"GET ", b"POST "), 405),
        ((b" HTTP/1.1", b" HTTP/1.0"), 505),
        ((b"Version: 13", b"Version: 12"), 426),
        ((b"Sec-WebSocket-Version: 13\r\n", b""), 426),
        ((b"Sec-WebSocket-Key: ", b"Sec-WebSocket-Key: dHdv\r\nSec-WebSocket-Key: "), 400),
        ((b"Sec-WebSocket-Key: ", b"Sec-WebSocket-Key: %"), 400),
        ((b"Sec-WebSocket-Key: ", b"Sec-WebSocket-Key: c2hvcnQ=\r\nX-Was: "), 400),
        ((b"Sec-WebSocket-Key: ", b"X-Was: "), 400),
        ((b"Host: ", b"Content-Length: 3\r\nHost: "), 400),
    ],
    ids=["method", "HTTP/1.0", "version", "no version", "two keys", "no base64", "short key", "no key", "a body"],
)
async def test_a_wrong_handshake_is_told_what_is_wrong(
    server: TransportServer, change: tuple[bytes, bytes], status: int
) -> None:
    endpoint = server.endpoint()
    async with await Peer.dial(server) as peer:
        await peer.send(upgrade_request(endpoint.path).replace(*change, 1))
        answer = await peer.ended()
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer
    assert b"application/problem+json" in answer
    assert endpoint.opened == 0


@detached_only
async def test_an_endpoint_that_refuses_may_say_why(server: TransportServer) -> None:
    async with await Peer.dial(server) as peer:
        await peer.send(upgrade_request("/explained"))
        answer = await peer.ended()
    assert answer.startswith(b"HTTP/1.1 418 ")
    assert answer.endswith(b"\r\n\r\nshort and stout")


@detached_only
async def test_an_endpoint_that_fails_is_answered_for(
    server: TransportServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with await Peer.dial(server) as peer:
        await peer.send(upgrade_request("/failing"))
        assert (await peer.ended()).startswith(b"HTTP/1.1 500 ")
    assert "a WebSocket endpoint failed" in caplog.text


@detached_only
async def test_text_and_closing_of_an_endpoint_that_stays(server: TransportServer) -> None:
    async with await Peer.dial(server) as peer:
        await peer.send(upgrade_request("/spoken") + client_frame("hört".encode(), 1))
        await peer.accepted()
        assert await peer.receive() == (1, "HÖRT".encode())
        assert await peer.closing() == (4000, "said enough")


async def test_endpoints_that_stay_with_uvicorn_are_served(server: TransportServer) -> None:
    async with await Peer.dial(server) as peer:
        await peer.send(upgrade_request("/plain"))
        await peer.accepted()
        await peer.send(client_frame(b"hello", PING) + client_frame(b"one") + client_frame(b"two"))
        assert await peer.receive() == (PONG, b"hello")
        assert [await peer.receive(), await peer.receive()] == [(BINARY, b"one"), (BINARY, b"two")]
        await peer.send(close_frame(1000))
        assert (await peer.closing())[0] == 1000


@detached_only
async def test_early_frames_of_an_endpoint_that_stays_with_uvicorn(server: TransportServer) -> None:
    async with await Peer.dial(server) as peer:
        await peer.send(upgrade_request("/plain") + client_frame(b"early"))
        await peer.accepted()
        assert await peer.receive() == (BINARY, b"early")


async def test_a_refused_handshake(server: TransportServer) -> None:
    with pytest.raises(InvalidStatus) as caught:
        await connect(f"ws://127.0.0.1:{server.port}/refused")
    assert caught.value.response.status_code == 403


# Deadline of the request's headers


@detached_only
@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nHost: local", b"\r\n\r\n\r\n"], ids=["nothing", "half", "blank"]
)
async def test_11_an_unfinished_request_is_cut_off(server: TransportServer, sent: bytes) -> None:
    async with await Peer.dial(server) as peer:
        await peer.send(sent)
        assert await peer.ended() == b""


@detached_only
async def test_a_dripping_request_is_cut_off(server: TransportServer) -> None:
    async with await Peer.dial(server) as peer:
        ended = asyncio.create_task(peer.ended())
        while not ended.done():
            peer.writer.write(b"X")
            await asyncio.wait([ended], timeout=HEADER_TIMEOUT / 10)


@detached_only
async def test_a_second_request_has_the_same_deadline(server: TransportServer) -> None:
    async with await Peer.dial(server) as peer:
        await peer.send(b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with asyncio.timeout(10):
            assert (await peer.reader.readuntil(b"\r\n\r\nNot Found")).startswith(b"HTTP/1.1 404 ")
        await peer.send(b"GET / HTTP/1.1\r\n")
        assert await peer.ended() == b""


@detached_only
async def test_the_deadline_ends_with_the_headers(server: TransportServer) -> None:
    async with await Peer.dial(server) as peer:
        await peer.send(b"POST /slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nConnection: close\r\n\r\n1")
        await peer.send(b"2")
        assert b"2 bytes" in await peer.ended()


# Shutdown


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_shutdown_says_1012_and_waits_for_nobody_long(transport: str) -> None:
    with TransportServer(transport) as server:
        polite = await connect(f"ws://127.0.0.1:{server.port}{server.endpoint().path}", compression=None)
        deaf_endpoint = server.endpoint(shutdown_timeout=0.5)
        deaf = await Peer.connect(server, deaf_endpoint)
        await asyncio.to_thread(server.stop)
        await polite.wait_closed()
        assert polite.close_code == 1012
        assert (await deaf.closing())[0] == 1012
        await deaf.ended()
        await deaf.leave()
        assert deaf_endpoint.only.closings == 1


# What is left of a request


async def test_an_idle_connection_keeps_nothing_of_its_request(
    server: TransportServer, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint = server.endpoint()

    def open_many(number: int) -> list[socket.socket]:
        opened = []
        for _ in range(number):
            raw = socket.create_connection(("127.0.0.1", server.port))
            raw.sendall(upgrade_request(endpoint.path))
            assert raw.recv(65_536).startswith(b"HTTP/1.1 101 ")
            opened.append(raw)
        return opened

    for raw in await asyncio.to_thread(open_many, 50):
        raw.close()
    await eventually(lambda: [it.closings for it in endpoint.recorders] == [1] * 50)
    gc.collect()
    tracemalloc.start()
    clients = await asyncio.to_thread(open_many, 400)
    await eventually(lambda: len(endpoint.recorders) == 450)
    gc.collect()
    allocated, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    with capsys.disabled():
        sys.stdout.write(f"\n{server.transport}: {allocated / 400 / 1024:.1f} KB per idle connection\n")
    if server.detached:
        await eventually(lambda: not server.call(lambda: server.uvicorn.server_state.tasks))
        kept = [it for it in gc.get_objects() if isinstance(it, (Handshake, HttpProtocol))]
        assert kept == []
        connections = server.call(lambda: set(server.uvicorn.server_state.connections))
        assert len(connections) == 400
        assert all(isinstance(it, DetachedConnection) and not hasattr(it, "__dict__") for it in connections)
    for raw in clients:
        raw.close()
    await eventually(lambda: all(it.closings for it in endpoint.recorders))


# Whether uvicorn plays along


def test_the_installed_uvicorn_can_be_detached_from() -> None:
    assert check_uvicorn() is None
    options = uvicorn_options(TransportLimits(message_bytes_max=5000), header_timeout=3.0)
    assert issubclass(options["http"], HttpProtocol)
    assert options["http"].deadlines.seconds == 3.0
    assert options["http"].limits.message_bytes_max == 5000
    assert options["ws_per_message_deflate"] is False
    assert options["ws_max_size"] == 5000


async def test_the_check_may_run_beside_a_running_loop() -> None:
    assert check_uvicorn() is None


def _renamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(HttpToolsProtocol, "_start_asgi_task")


def _another_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    def accepts_nothing(self: HttpToolsProtocol, config: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(HttpToolsProtocol, "__init__", accepts_nothing)


def _closes_when_the_application_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Handshake, "_let_go", lambda self: None)


def _drops_what_follows_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    original = HttpToolsProtocol.data_received
    monkeypatch.setattr(
        HttpToolsProtocol, "data_received", lambda self, data: original(self, data[: data.index(b"\r\n\r\n") + 4])
    )
    monkeypatch.setattr(HttpProtocol, "_segment", property(lambda self: b"", lambda self, data: None), raising=True)


@pytest.mark.parametrize(
    "change",
    [_renamed, _another_signature, _closes_when_the_application_returns, _drops_what_follows_the_request],
)
def test_a_changed_uvicorn_is_noticed_and_served_over_asgi(
    change: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        change(patch)
        reason = check_uvicorn()
        assert reason is not None
        assert "\n" not in reason
        with caplog.at_level(logging.WARNING):
            options: dict[str, Any] = uvicorn_options(TransportLimits())
    assert options["http"] == "auto"
    assert reason in caplog.text


def test_the_check_leaves_no_trace_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        check_uvicorn()
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


async def test_a_connection_needs_a_running_heart(server: TransportServer, caplog: pytest.LogCaptureFixture) -> None:
    endpoint = server.endpoint()
    endpoint.heart = type(server.heart)()
    async with await Peer.dial(server) as peer:
        await peer.send(upgrade_request(endpoint.path))
        await peer.accepted()
        await peer.ended()
    assert endpoint.recorders == []
    await eventually(lambda: "a connection needs a running heart" in caplog.text)
