"""The shared timer: beats, keep-alives, silence and probes."""

import asyncio
import socket
from collections.abc import Callable, Iterator

import pytest
from websockets.asyncio.client import connect

from tests.support import eventually
from tests.web.transport_kit import (
    DETACHED,
    TRANSPORTS,
    Endpoint,
    Peer,
    TransportServer,
    client_frame,
    echo,
    upgrade_request,
)
from web.transport import Heart, encode_frame
from web.transport.frames import BINARY, PING, PONG

KEEP_ALIVE = encode_frame(b"\x01\x01\x00")


class Beating:
    """A member that counts its beats."""

    def __init__(self, on_beat: Callable[[], None] = lambda: None) -> None:
        self.heard = 0.0
        self.slice = 0
        self.beats = 0
        self.aborts = 0
        self._on_beat = on_beat

    def beat(self) -> None:
        self.beats += 1
        self._on_beat()

    def abort(self) -> None:
        self.aborts += 1


@pytest.fixture(scope="module", params=TRANSPORTS)
def server(request: pytest.FixtureRequest) -> Iterator[TransportServer]:
    with TransportServer(request.param) as running:
        yield running


detached_only = pytest.mark.parametrize("server", DETACHED, indirect=True, scope="module")


def url(server: TransportServer, endpoint: Endpoint) -> str:
    return f"ws://127.0.0.1:{server.port}{endpoint.path}"


async def test_beats_are_spread_over_the_interval() -> None:
    """As many members as five slices, and no tick serves more than one slice."""
    heart = Heart(interval=0.1, slices=5)
    members = [Beating() for _ in range(50)]
    heart.start()
    for member in members:
        heart.add(member)
    per_tick: list[int] = []
    for _ in range(5):
        before = sum(member.beats for member in members)
        heart._tick()
        per_tick.append(sum(member.beats for member in members) - before)
    assert per_tick == [10] * 5
    assert [member.beats for member in members] == [1] * 50
    heart.stop()


async def test_a_member_that_fails_ends_alone(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise LookupError("a fault in one connection")

    heart = Heart(interval=0.02, slices=1)
    faulty, healthy = Beating(fail), Beating()
    heart.start()
    heart.add(faulty)
    heart.add(healthy)
    await eventually(lambda: healthy.beats >= 3, every=0.005)
    assert faulty.aborts >= 1
    assert healthy.aborts == 0
    assert "a fault in one connection" in caplog.text
    heart.stop()


async def test_a_removed_member_beats_no_more() -> None:
    heart = Heart(interval=0.02, slices=2)
    gone, staying = Beating(), Beating()
    heart.start()
    heart.add(gone)
    heart.add(staying)
    assert heart.connections == 2
    heart.remove(gone)
    heart.remove(gone)
    assert heart.connections == 1
    await eventually(lambda: staying.beats >= 3, every=0.005)
    assert gone.beats == 0
    heart.stop()


async def test_a_probe_counts_only_what_arrives_after_it() -> None:
    heart = Heart(interval=0.05, slices=5)
    silent, alive, asked_again = Beating(), Beating(), Beating()
    heart.start()
    for member in (silent, alive, asked_again):
        heart.add(member)
        # in the very instant of the question
        member.heard = heart.time()
        heart.probe(member, 0.05)
    alive.heard = heart.now
    asked_again.heard = heart.now
    heart.probe(asked_again, 0.1)
    await eventually(lambda: silent.aborts and asked_again.aborts, every=0.005)
    assert alive.aborts == 0
    heart.stop()


async def test_an_answer_in_the_millisecond_of_the_question_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    heart = Heart(interval=0.05, slices=5)
    heart.start()
    member = Beating()
    heart.add(member)
    member.heard = heart.now
    with monkeypatch.context() as patch:
        patch.setattr(heart, "time", lambda: heart.now)  # a clock too coarse to show any progress
        heart.probe(member, 0.05)
        member.heard = heart.now
    control = Beating()
    heart.add(control)
    heart.probe(control, 0.1)
    await eventually(lambda: control.aborts == 1, every=0.005)
    assert member.aborts == 0
    heart.stop()


async def test_stopping_ends_whoever_is_left() -> None:
    heart = Heart()
    open_one, closing_one = Beating(), Beating()
    heart.start()
    heart.add(open_one)
    heart.abort_after(closing_one, 5.0)
    heart.stop()
    heart.stop()
    assert open_one.aborts == closing_one.aborts == 1
    late = Beating()
    heart.abort_after(late, 5.0)
    await eventually(lambda: late.aborts == 1)
    with pytest.raises(RuntimeError, match="running heart"):
        heart.add(late)


async def test_a_heart_is_started_once() -> None:
    heart = Heart()
    heart.start()
    with pytest.raises(RuntimeError, match="beats already"):
        heart.start()
    heart.stop()
    heart.start()
    heart.stop()


async def test_a_client_that_only_listens_gets_keep_alives(server: TransportServer) -> None:
    endpoint = server.endpoint(heart=Heart(interval=0.1, slices=5), keep_alive=KEEP_ALIVE)
    async with await Peer.connect(server, endpoint) as peer:
        beats = [await peer.receive() for _ in range(6)]
    if server.detached:
        assert beats == [(PING, b""), (BINARY, b"\x01\x01\x00")] * 3
    else:
        assert beats == [(BINARY, b"\x01\x01\x00")] * 6


@detached_only
async def test_a_silent_peer_is_gone(server: TransportServer) -> None:
    endpoint = server.endpoint(heart=Heart(interval=0.1, silence_max=0.4, slices=10), keep_alive=KEEP_ALIVE)
    async with await Peer.connect(server, endpoint) as peer:
        await peer.send(client_frame(b"once"))
        await eventually(lambda: endpoint.only.closings == 1)
        await peer.ended()
    assert endpoint.only.messages == [b"once"]


@detached_only
async def test_a_peer_that_answers_pings_stays(server: TransportServer) -> None:
    heart = Heart(interval=0.1, silence_max=0.5, slices=10)
    endpoint = server.endpoint(heart=heart, on_message=echo)
    async with await Peer.connect(server, endpoint) as peer:
        # five times the silence that would have ended it
        for _ in range(25):
            assert await peer.receive() == (PING, b"")
            await peer.send(client_frame(b"", PONG))
        await peer.send(client_frame(b"still here"))
        while (frame := await peer.receive())[0] == PING:
            pass
        assert frame == (BINARY, b"still here")


@detached_only
async def test_a_peer_that_is_slow_but_reads_is_not_silent(server: TransportServer) -> None:
    """What it reads is in front of our pings, so it cannot answer them yet; progress counts as a sign of life."""
    endpoint = server.endpoint(heart=Heart(interval=0.05, silence_max=0.4, slices=5))
    loop = asyncio.get_running_loop()
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        raw.setblocking(False)
        await loop.sock_connect(raw, ("127.0.0.1", server.port))
        await loop.sock_sendall(raw, upgrade_request(endpoint.path))
        await eventually(lambda: endpoint.recorders)
        recorder = endpoint.only
        left = 2 * 1024 * 1024
        server.call(recorder.connection.write, encode_frame(bytes(left)))
        began = loop.time()
        while left > 0:
            chunk = await loop.sock_recv(raw, 32_768)
            assert chunk, "the server hung up"
            left -= len(chunk)
            await asyncio.sleep(0.01)  # the speed of the line
        assert loop.time() - began > 0.8, "too fast to show anything"
        assert recorder.closings == 0
        await eventually(lambda: recorder.closings == 1, "and then it is silent")


async def test_a_probe_ends_a_peer_that_says_nothing(server: TransportServer) -> None:
    endpoint = server.endpoint(heart=Heart(interval=1.0, slices=50))
    async with await Peer.connect(server, endpoint) as peer:
        server.call(endpoint.only.connection.probe, 0.2)
        if server.detached:
            assert await peer.receive() == (PING, b"")
        await eventually(lambda: endpoint.only.closings == 1)
        await peer.ended()


async def test_a_probe_is_answered_by_any_message(server: TransportServer) -> None:
    endpoint = server.endpoint(heart=Heart(interval=1.0, slices=50), on_message=echo)
    probed, control = await Peer.connect(server, endpoint), await Peer.connect(server, endpoint)
    for recorder in endpoint.recorders:
        server.call(recorder.connection.probe, 0.3)
    await probed.send(client_frame(b"here"))
    await eventually(lambda: endpoint.recorders[1].closings == 1, "the one that said nothing is gone")
    assert endpoint.recorders[0].closings == 0
    await probed.send(client_frame(b"and there"))
    await eventually(lambda: endpoint.recorders[0].messages == [b"here", b"and there"])
    await probed.leave()
    await control.leave()


@detached_only
async def test_a_real_client_survives_a_probe_without_doing_anything(server: TransportServer) -> None:
    endpoint = server.endpoint(heart=Heart(interval=1.0, slices=50), on_message=echo)
    async with connect(url(server, endpoint), compression=None) as client, await Peer.connect(server, endpoint) as mute:
        await eventually(lambda: len(endpoint.recorders) == 2)
        for recorder in endpoint.recorders:
            server.call(recorder.connection.probe, 0.3)
        await mute.ended()
        await client.send(b"nothing happened")
        assert await client.recv() == b"nothing happened"
