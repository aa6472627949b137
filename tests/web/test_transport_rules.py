"""What a client may send and what ends its connection, over real sockets.

Each test runs on every transport; those that concern rules which plain ASGI leaves to the server say so.
"""

import asyncio
import random
from collections.abc import Iterator

import pytest
from websockets.asyncio.client import connect

from tests.support import eventually
from tests.web.transport_kit import (
    DETACHED,
    TRANSPORTS,
    Endpoint,
    Peer,
    TextRecorder,
    TransportServer,
    client_frame,
    close_frame,
    echo,
)
from web.transport import encode_frame
from web.transport.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT


@pytest.fixture(scope="module", params=TRANSPORTS)
def server(request: pytest.FixtureRequest) -> Iterator[TransportServer]:
    with TransportServer(request.param) as running:
        yield running


detached_only = pytest.mark.parametrize("server", DETACHED, indirect=True, scope="module")
"""For rules that are the server's own affair over ASGI."""


def url(server: TransportServer, endpoint: Endpoint) -> str:
    return f"ws://127.0.0.1:{server.port}{endpoint.path}"


async def refused(server: TransportServer, peer: Peer, endpoint: Endpoint, code: int) -> str:
    """The connection ends with `code`, its receiver hears of it once, and the server serves on."""
    told, reason = await peer.closing()
    assert told == code
    await peer.leave()
    await eventually(lambda: endpoint.only.closings, "the receiver is told")
    assert endpoint.only.closings == 1
    healthy = server.endpoint(on_message=echo)
    async with await Peer.connect(server, healthy) as other:
        await other.send(client_frame(b"still there?"))
        assert await other.receive() == (BINARY, b"still there?")
    return reason


async def test_messages_of_every_size_come_back(server: TransportServer) -> None:
    endpoint = server.endpoint(on_message=echo)
    async with connect(url(server, endpoint), compression=None, max_size=None) as client:
        for size in (0, 1, 125, 126, 4095, 4096, 65_535, 65_536, 1_000_000):
            message = random.Random(size).randbytes(size)
            await client.send(message)
            assert await client.recv() == message


async def test_one_frame_goes_to_many(server: TransportServer) -> None:
    endpoint = server.endpoint()
    clients = [await connect(url(server, endpoint), compression=None) for _ in range(20)]
    await eventually(lambda: len(endpoint.recorders) == 20)

    def broadcast() -> None:
        frame = encode_frame(b"to all")
        for recorder in endpoint.recorders:
            recorder.connection.write(frame)

    server.call(broadcast)
    assert [await client.recv() for client in clients] == [b"to all"] * 20
    for client in clients:
        await client.close()
    await eventually(lambda: all(recorder.closings == 1 for recorder in endpoint.recorders))


async def test_several_frames_in_one_segment(server: TransportServer) -> None:
    endpoint = server.endpoint()
    messages = [bytes((n,)) * n for n in range(200)]
    async with await Peer.connect(server, endpoint) as peer:
        await peer.send(b"".join(map(client_frame, messages)))
        await eventually(lambda: endpoint.only.messages == messages)


async def test_a_message_split_at_every_byte(server: TransportServer) -> None:
    endpoint = server.endpoint(on_message=echo)
    message = b"a message that is longer than 125 bytes has a longer head ".ljust(130, b".")
    whole = client_frame(message)
    async with await Peer.connect(server, endpoint) as peer:
        for cut in range(1, len(whole)):
            await peer.send(whole[:cut])
            await peer.send(whole[cut:])
            assert await peer.receive() == (BINARY, message)
    await eventually(lambda: endpoint.only.messages == [message] * (len(whole) - 1))


async def test_a_large_message_in_small_segments(server: TransportServer) -> None:
    endpoint = server.endpoint()
    message = random.Random(1).randbytes(8 * 1024 * 1024)
    whole = client_frame(message)
    async with await Peer.connect(server, endpoint) as peer:
        for start in range(0, len(whole), 1024):
            await peer.send(whole[start : start + 1024])
        await eventually(lambda: endpoint.only.messages == [message], "the message arrives")


async def test_fragments_make_one_message_with_control_frames_in_between(server: TransportServer) -> None:
    endpoint = server.endpoint()
    async with await Peer.connect(server, endpoint) as peer:
        await peer.send(client_frame(b"one ", final=False))
        await peer.send(client_frame(b"are you there", PING))
        await peer.send(client_frame(b"", CONTINUATION, final=False) + client_frame(b"message", CONTINUATION))
        assert await peer.receive() == (PONG, b"are you there")
        await eventually(lambda: endpoint.only.messages == [b"one message"])


async def test_pings_are_answered_in_order_with_their_payload(server: TransportServer) -> None:
    endpoint = server.endpoint()
    payloads = [b"", b"a", b"x" * 125]
    async with await Peer.connect(server, endpoint) as peer:
        await peer.send(b"".join(client_frame(payload, PING) for payload in payloads))
        assert [await peer.receive() for _ in payloads] == [(PONG, payload) for payload in payloads]
        await peer.send(client_frame(b"nobody asked", PONG))
        await peer.send(client_frame(b"goes on"))
        await eventually(lambda: endpoint.only.messages == [b"goes on"])


async def test_forty_thousand_small_messages_in_a_burst_arrive(server: TransportServer) -> None:
    endpoint = server.endpoint()
    messages = [n.to_bytes(3, "big") * 8 for n in range(40_000)]
    async with await Peer.connect(server, endpoint) as peer:
        await peer.send(b"".join(map(client_frame, messages)))
        await eventually(lambda: len(endpoint.only.messages) == len(messages), "all arrive", within=20)
        assert endpoint.only.messages == messages


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(client_frame(b"bare", masked=False), 1002, id="not masked"),
        pytest.param(client_frame(b"", CLOSE, masked=False), 1002, id="close not masked"),
        pytest.param(client_frame(b"x", reserved=0x40), 1002, id="first reserved bit"),
        pytest.param(client_frame(b"x", reserved=0x20), 1002, id="second reserved bit"),
        pytest.param(client_frame(b"x", reserved=0x10), 1002, id="third reserved bit"),
        pytest.param(client_frame(b"x", 0x3), 1002, id="unknown data opcode"),
        pytest.param(client_frame(b"x", 0xF), 1002, id="unknown control opcode"),
        pytest.param(client_frame(b"x", PING, final=False), 1002, id="fragmented ping"),
        pytest.param(client_frame(b"x" * 126, PING), 1002, id="long ping"),
        pytest.param(client_frame(b"x", CONTINUATION), 1002, id="continuation of nothing"),
        pytest.param(client_frame(b"x", final=False) + client_frame(b"y"), 1002, id="message inside a message"),
        pytest.param(client_frame(b"x", CLOSE), 1002, id="close with half a code"),
        pytest.param(close_frame(1005), 1002, id="close code that is never sent"),
        pytest.param(close_frame(1000, b"\xff"), 1007, id="close reason not UTF-8"),
        pytest.param(client_frame(b"text", TEXT), 1003, id="text"),
        pytest.param(client_frame(b"x" * (8 * 1024 * 1024 + 1))[:14], 1009, id="too large, head only"),
    ],
)
async def test_a_broken_rule_ends_the_connection(server: TransportServer, sent: bytes, code: int) -> None:
    endpoint = server.endpoint()
    peer = await Peer.connect(server, endpoint)
    await peer.send(client_frame(b"before") + sent + client_frame(b"after"))
    await refused(server, peer, endpoint, code)
    assert b"after" not in endpoint.only.messages


async def test_the_size_limit_is_the_endpoints(server: TransportServer) -> None:
    endpoint = server.endpoint(message_bytes_max=1000)
    peer = await Peer.connect(server, endpoint)
    await peer.send(client_frame(b"x" * 1000))
    await eventually(lambda: endpoint.only.messages == [b"x" * 1000])
    await peer.send(client_frame(b"x" * 1001))
    assert await refused(server, peer, endpoint, 1009) == "message is longer than 1000 bytes"


async def test_too_many_messages_a_second(server: TransportServer) -> None:
    endpoint = server.endpoint(frames_burst=100, frames_per_second=1)
    peer = await Peer.connect(server, endpoint)
    await peer.send(client_frame(b"x") * 200)
    assert await refused(server, peer, endpoint, 1008) == "too many frames"


async def test_too_many_bytes_a_second(server: TransportServer) -> None:
    """However few messages they are: a client may send what it kept offline at once, and not that for ever."""
    endpoint = server.endpoint(bytes_burst=10_000, bytes_per_second=1)
    peer = await Peer.connect(server, endpoint)
    await peer.send(client_frame(b"x" * 9000))
    await eventually(lambda: endpoint.only.messages == [b"x" * 9000])
    await peer.send(client_frame(b"x" * 2000))
    assert await refused(server, peer, endpoint, 1008) == "too many bytes a second"


async def test_bytes_are_earned_anew(server: TransportServer) -> None:
    endpoint = server.endpoint(on_message=echo, bytes_burst=10_000, bytes_per_second=1_000_000_000)
    async with await Peer.connect(server, endpoint) as peer:
        for _ in range(5):
            await peer.send(client_frame(b"x" * 9000))
            await eventually(lambda: endpoint.only.messages[-1:] == [b"x" * 9000])
            endpoint.only.messages.clear()


async def test_the_message_rate_is_earned_anew(server: TransportServer) -> None:
    endpoint = server.endpoint(on_message=echo, frames_burst=5, frames_per_second=1_000_000)
    async with await Peer.connect(server, endpoint) as peer:
        for _ in range(50):
            await peer.send(client_frame(b"x"))
            assert await peer.receive() == (BINARY, b"x")


@detached_only
async def test_too_many_fragments(server: TransportServer) -> None:
    endpoint = server.endpoint()
    fragments = [client_frame(b"x", final=False), *[client_frame(b"x", CONTINUATION, final=False)] * 1023]
    peer = await Peer.connect(server, endpoint)
    await peer.send(b"".join(fragments[:1023]) + client_frame(b"x", CONTINUATION))
    await eventually(lambda: endpoint.only.messages == [b"x" * 1024])
    await peer.send(b"".join(fragments) + client_frame(b"x", CONTINUATION))
    assert await refused(server, peer, endpoint, 1008) == "message has more than 1024 fragments"


BEGINNING = client_frame(b"", final=False)
MIDDLE = client_frame(b"", CONTINUATION, final=False)
END = client_frame(b"", CONTINUATION)


@detached_only
@pytest.mark.parametrize(
    "flood",
    [
        pytest.param(BEGINNING + MIDDLE * 200_000, id="empty continuations"),
        pytest.param((BEGINNING + END) * 50_000, id="empty messages in two parts"),
        pytest.param(client_frame(b"", PING) * 100_000, id="pings"),
        pytest.param(client_frame(b"", PONG) * 100_000, id="pongs"),
    ],
)
async def test_11_a_flood_of_nothing_ends(server: TransportServer, flood: bytes) -> None:
    endpoint = server.endpoint()
    peer = await Peer.connect(server, endpoint)
    sending = asyncio.create_task(peer.send(flood))
    await refused(server, peer, endpoint, 1008)
    await asyncio.gather(sending, return_exceptions=True)
    assert len(endpoint.only.messages) <= endpoint.limits.overhead_frames_burst + 1000


@detached_only
async def test_large_fragments_are_not_counted_as_overhead(server: TransportServer) -> None:
    endpoint = server.endpoint(overhead_frames_burst=10, overhead_frames_per_second=1)
    async with await Peer.connect(server, endpoint) as peer:
        await peer.send(client_frame(b"x" * 1024, final=False))
        await peer.send(client_frame(b"x" * 1024, CONTINUATION, final=False) * 100)
        await peer.send(client_frame(b"", CONTINUATION))
        await eventually(lambda: endpoint.only.messages == [b"x" * 1024 * 101])


async def test_text_is_for_receivers_that_take_it(server: TransportServer) -> None:
    endpoint = server.endpoint(recorder=TextRecorder)
    async with connect(url(server, endpoint), compression=None) as client:
        await client.send("héllo")
        assert await client.recv() == "héllo"
    peer = await Peer.connect(server, endpoint)
    await peer.send(client_frame(b"\xff", TEXT))
    assert (await peer.closing())[0] == 1007
    await peer.leave()


async def test_a_receiver_that_fails_ends_its_own_connection(
    server: TransportServer, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise LookupError("a fault of the session")

    endpoint = server.endpoint(on_message=fail)
    peer = await Peer.connect(server, endpoint)
    await peer.send(client_frame(b"x"))
    assert await refused(server, peer, endpoint, 1011) == "internal error"
    await eventually(lambda: "a fault of the session" in caplog.text)


async def test_a_receiver_that_cannot_be_opened(server: TransportServer, caplog: pytest.LogCaptureFixture) -> None:
    def fail(*_: object) -> None:
        raise LookupError("no room for one more")

    endpoint = server.endpoint(on_open=fail)
    async with await Peer.connect(server, endpoint) as peer:
        assert await peer.closing() == (1011, "internal error")
    await eventually(lambda: "no room for one more" in caplog.text)
