"""How a connection ends, and how it deals with a peer that does not read, over real sockets."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import pytest
from websockets.asyncio.client import connect

from tests.support import eventually
from tests.web.transport_kit import (
    DETACHED,
    TRANSPORTS,
    Endpoint,
    Peer,
    Recorder,
    TransportServer,
    client_frame,
    close_frame,
    echo,
    upgrade_request,
)
from web.transport import Heart, encode_frame
from web.transport.frames import BINARY, CLOSE, PING

BLOCK = encode_frame(b"b" * 65_536)


@pytest.fixture(scope="module", params=TRANSPORTS)
def server(request: pytest.FixtureRequest) -> Iterator[TransportServer]:
    with TransportServer(request.param) as running:
        yield running


detached_only = pytest.mark.parametrize("server", DETACHED, indirect=True, scope="module")
"""For what is the server's own affair over ASGI."""


def fast_heart() -> Heart:
    """One whose deadlines are exact to 20 ms."""
    return Heart(interval=1.0, slices=50)


@contextlib.asynccontextmanager
async def stalled(server: TransportServer, endpoint: Endpoint) -> AsyncIterator[tuple[socket.socket, Recorder]]:
    """A client that has stopped reading, with so much waiting for it that its receiver was told."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    raw.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(raw, ("127.0.0.1", server.port))
    with raw:
        await loop.sock_sendall(raw, upgrade_request(endpoint.path))
        await eventually(lambda: endpoint.recorders)
        recorder = endpoint.only

        unchanged = 0

        def write_until_told() -> bool:
            """A server may have buffers of its own to fill: it is stalled when it stays unwritable for a while."""
            nonlocal unchanged
            unwritable = bool(recorder.flow) and not recorder.flow[-1]
            unchanged = unchanged + 1 if unwritable else 0
            if not unwritable:
                recorder.connection.write(BLOCK)
            return unchanged > 20

        await eventually(lambda: server.call(write_until_told), "the receiver is told", within=30, every=0.005)
        recorder.flow.clear()
        yield raw, recorder


async def read_all(raw: socket.socket, until: bytes) -> int:
    """Read up to and with `until`; how many bytes came."""
    loop = asyncio.get_running_loop()
    size, tail = 0, b""
    async with asyncio.timeout(10):
        while until not in tail:
            chunk = await loop.sock_recv(raw, 1 << 20)
            assert chunk, "the server hung up"
            size += len(chunk)
            tail = (tail + chunk)[-1_100_000:] if len(chunk) < 1000 else chunk
    return size


async def test_11_a_slow_reader_is_told_apart_and_loses_nothing(server: TransportServer) -> None:
    endpoint = server.endpoint()
    other = server.endpoint(on_message=echo)
    async with stalled(server, endpoint) as (raw, recorder), await Peer.connect(server, other) as neighbour:
        await neighbour.send(client_frame(b"not my problem"))
        assert await neighbour.receive() == (BINARY, b"not my problem")
        server.call(recorder.connection.write, encode_frame(b"the end"))
        await read_all(raw, b"the end")
        await eventually(lambda: recorder.flow == [True])
        assert recorder.closings == 0


async def test_the_server_closes_and_the_peer_answers(server: TransportServer) -> None:
    endpoint = server.endpoint()
    async with await Peer.connect(server, endpoint) as peer:
        recorder = endpoint.only

        def close_and_write() -> None:
            recorder.connection.write(encode_frame(b"last words"))
            recorder.connection.close(4403, "é" * 60)
            recorder.connection.write(encode_frame(b"too late"))
            recorder.connection.close(1000, "not again")

        server.call(close_and_write)
        assert await peer.receive() == (BINARY, b"last words")
        assert await peer.receive() == (CLOSE, (4403).to_bytes(2, "big") + ("é" * 60).encode()), "and nothing before it"
        await peer.send(client_frame(b"crossed on the wire") + close_frame(4403))
        assert await peer.ended() == b""
        await eventually(lambda: recorder.closings)
    assert recorder.messages == []
    assert recorder.closings == 1


async def test_a_receiver_may_close_in_the_middle_of_a_segment(server: TransportServer) -> None:
    def hang_up(recorder: Recorder, message: bytes) -> None:
        recorder.connection.close(1008, "enough")

    endpoint = server.endpoint(on_message=hang_up)
    async with await Peer.connect(server, endpoint) as peer:
        # the peer's close frame, split across two segments, is still understood
        farewell = close_frame(1008)
        await peer.send(client_frame(b"one") + client_frame(b"two") + farewell[:3])
        assert await peer.closing() == (1008, "enough")
        await peer.send(farewell[3:])
        assert await peer.ended() == b""
        await eventually(lambda: endpoint.only.closings == 1)
    assert endpoint.only.messages == [b"one"]


async def test_a_receiver_may_close_as_soon_as_it_is_opened(server: TransportServer) -> None:
    endpoint = server.endpoint(on_open=lambda recorder: recorder.connection.close(1013, "full"))
    async with connect(f"ws://127.0.0.1:{server.port}{endpoint.path}", compression=None) as client:
        await client.wait_closed()
        assert (client.close_code, client.close_reason) == (1013, "full")
    await eventually(lambda: endpoint.only.closings == 1)


async def test_a_close_that_nobody_answers_ends_by_its_deadline(server: TransportServer) -> None:
    endpoint = server.endpoint(heart=fast_heart(), close_timeout=0.3)
    async with await Peer.connect(server, endpoint) as peer:
        recorder = endpoint.only
        server.call(recorder.connection.close, 1001, "")
        assert await peer.closing() == (1001, "")
        await eventually(lambda: recorder.closings == 1)
        if server.detached:
            await peer.ended()


async def test_a_close_that_cannot_even_be_sent_ends_by_its_deadline(server: TransportServer) -> None:
    endpoint = server.endpoint(heart=fast_heart(), close_timeout=0.3)
    async with stalled(server, endpoint) as (_, recorder):
        server.call(recorder.connection.close, 1001, "")
        await eventually(lambda: recorder.closings == 1)


async def test_the_peer_closes(server: TransportServer) -> None:
    endpoint = server.endpoint()
    for sent, answer in ((close_frame(1001, b"going"), 1001), (client_frame(b"", CLOSE), None)):
        async with await Peer.connect(server, endpoint) as peer:
            await peer.send(client_frame(b"bye") + sent + client_frame(b"ghost"))
            code, _ = await peer.closing()
            assert code == answer
            assert await peer.ended() == b""
        await eventually(lambda: endpoint.recorders[-1].closings == 1)
        assert endpoint.recorders[-1].messages == [b"bye"]


@detached_only
async def test_a_peer_that_closes_without_reading_does_not_stay(server: TransportServer) -> None:
    endpoint = server.endpoint(heart=fast_heart(), close_timeout=0.3)
    before = server.call(lambda: set(server.uvicorn.server_state.connections))
    async with stalled(server, endpoint) as (raw, recorder):
        raw.send(close_frame(1000))
        await eventually(lambda: recorder.closings == 1)
        await eventually(lambda: server.call(lambda: server.uvicorn.server_state.connections) <= before)


async def test_the_peer_vanishes(server: TransportServer) -> None:
    endpoint = server.endpoint()
    peer = await Peer.connect(server, endpoint)
    recorder = endpoint.only
    await peer.send(client_frame(b"sent")[:4])
    peer.reset()
    await eventually(lambda: recorder.closings)

    def write_to_nobody() -> None:
        for _ in range(100):
            recorder.connection.write(BLOCK)
        recorder.connection.probe(0.1)
        recorder.connection.close(1000, "")

    server.call(write_to_nobody)
    assert recorder.closings == 1
    assert recorder.messages == []


async def test_writing_while_the_peer_vanishes_raises_nothing(server: TransportServer) -> None:
    endpoint = server.endpoint()
    peers = [await Peer.connect(server, endpoint) for _ in range(10)]

    def write_to_all() -> bool:
        for recorder in endpoint.recorders:
            recorder.connection.write(BLOCK)
        return all(recorder.closings for recorder in endpoint.recorders)

    for peer in peers:
        server.call(write_to_all)
        peer.reset()
    await eventually(lambda: server.call(write_to_all), every=0.001)
    assert [recorder.closings for recorder in endpoint.recorders] == [1] * 10


async def test_a_half_closed_socket_counts_as_closed(server: TransportServer) -> None:
    endpoint = server.endpoint()
    peer = await Peer.connect(server, endpoint)
    await peer.send(client_frame(b"last") + client_frame(b"cut off")[:5])
    peer.writer.write_eof()
    await eventually(lambda: endpoint.only.closings == 1)
    await peer.ended()
    await peer.leave()
    assert endpoint.only.messages == [b"last"]


async def test_a_sender_that_ignores_flow_control_is_stopped(server: TransportServer) -> None:
    endpoint = server.endpoint(heart=fast_heart(), outgoing_bytes_max=2_000_000)
    async with stalled(server, endpoint) as (_, recorder):
        for _ in range(100):
            server.call(recorder.connection.write, BLOCK)
        await eventually(lambda: recorder.closings == 1)


@detached_only
async def test_pings_of_a_peer_that_does_not_read_are_not_answered(server: TransportServer) -> None:
    endpoint = server.endpoint(overhead_frames_burst=100_000)
    async with stalled(server, endpoint) as (raw, recorder):
        transport = server.call(lambda: recorder.connection._transport)  # type: ignore[attr-defined]
        waiting = transport.get_write_buffer_size()
        ping = client_frame(b"x" * 125, PING)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(raw, ping * 1000 + client_frame(b"done"))
        await eventually(lambda: recorder.messages == [b"done"])
        assert transport.get_write_buffer_size() <= waiting


@detached_only
async def test_socket_options(server: TransportServer) -> None:
    endpoint = server.endpoint(write_high_water=200_000, write_low_water=100_000)
    async with await Peer.connect(server, endpoint):
        transport = endpoint.only.connection._transport  # type: ignore[attr-defined]

        def options() -> tuple[int, int]:
            raw = transport.get_extra_info("socket")
            return (
                raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY),
                raw.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF),
            )

        assert server.call(transport.get_write_buffer_limits) == (100_000, 200_000)
        no_delay, send_buffer = server.call(options)
        assert no_delay
        # Linux reports twice of what was asked for
        assert send_buffer in (131_072, 2 * 131_072)
