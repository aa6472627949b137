"""S6: the server is killed the moment the last edit has been delivered."""

import time
from collections.abc import Mapping

from pycrdt import merge_updates

from bench.generator.client import Client
from bench.generator.codec import ranges, read_varuint, varuint
from bench.generator.loop import Loop
from bench.generator.schedule import Schedule, Writer
from bench.generator.stream import Clocks
from bench.peers.base import Peer
from bench.peers.server import Server
from bench.results import Metric
from bench.scenarios.base import Bench, Failed, Scenario, join, needs_storage
from bench.scenarios.load import Room, make_room, open_rooms, read_text

_WRITERS = 4
_UPDATES = 1_200
_RATE = 400.0
_LATE_SECONDS = 1.0
_RETURN_SECONDS = 30.0


def _run(bench: Bench) -> None:
    with bench.server() as server:
        with Loop() as loop:
            room = make_room(bench, server, "killed", writers=_WRITERS, readers=2)
            open_rooms(loop, [room])
            _write(bench.peer, loop, room)
            server.kill()
        server.start()
        _inspect(bench, server, room)
        _return(bench, server, room)


def _write(peer: Peer, loop: Loop, room: Room) -> None:
    """Write everything and ask again and again what is stored, until the last update is delivered."""
    asked = dict.fromkeys((writer.client_id for writer in room.writers), -1)
    schedule = Schedule(room.writers, _RATE, _UPDATES / _RATE)

    def done() -> bool:
        for writer in room.writers if peer.answers_saved else ():
            if writer.sent > asked[writer.client_id]:
                asked[writer.client_id] = writer.sent
                writer.client.send(writer.client.dialect.ask_saved(writer.sent))
        return schedule.finished and room.settled()

    if not loop.run(done, 60.0, schedule):
        raise Failed("not everything was delivered before the kill")


def _acknowledged(peer: Peer, writer: Writer) -> int:
    """How many of its updates the writer was told to be stored, the one before the schedule included."""
    saved = writer.client.saved
    if peer.counts_saved:
        # The first one is for the sync step 2 with which every client answers the server's step 1.
        return max(0, len(saved) - 1)
    return read_varuint(saved[-1], 0)[0] + 1 if saved else 0


def _inspect(bench: Bench, server: Server, room: Room) -> None:
    """What a new client finds after the restart."""
    values = bench.outcome.values
    with Loop() as loop:
        client = Client(server.address, room.clients[0].dialect)
        join(loop, [client])
        # A store that is read late sends the document as an update after an empty sync step 2.
        loop.run(lambda: False, _LATE_SECONDS)
    found = _found([update for _, update in client.updates])
    values["delivered"] = _missing(found, {writer.client_id: writer.sent + 1 for writer in room.writers})
    if bench.peer.answers_saved or bench.peer.counts_saved:
        acknowledged = {writer.client_id: _acknowledged(bench.peer, writer) for writer in room.writers}
        values["acknowledged"] = _missing(found, acknowledged)
        bench.outcome.notes["acknowledged"] = f"{sum(acknowledged.values()):,} were acknowledged before the kill"


def _return(bench: Bench, server: Server, room: Room) -> None:
    """Everybody comes back with their copies; then a new client must find it all."""
    dialect = room.clients[0].dialect
    stream = room.clients[-1].stream
    assert stream is not None
    everything = dialect.step2(merge_updates(*stream.updates))
    entries = sorted(((writer.client_id, writer.sent + 1) for writer in room.writers), reverse=True)
    state_vector = varuint(len(entries)) + b"".join(varuint(client_id) + varuint(clock) for client_id, clock in entries)
    expected, deadline = room.text(), time.perf_counter() + _RETURN_SECONDS
    with Loop() as loop:
        back = [
            Client(server.address, dialect, state_vector=state_vector, answer=lambda _: everything)
            for _ in room.clients
        ]
        join(loop, back)
        while True:
            late = Client(server.address, dialect)
            join(loop, [late])
            updates = [update for _, update in late.updates]
            loop.close([late])
            if read_text(updates) == expected or time.perf_counter() > deadline:
                break
    due = {writer.client_id: writer.sent + 1 for writer in room.writers}
    bench.outcome.values["returned"] = _missing(_found(updates), due)
    if read_text(updates) != expected:
        bench.outcome.fault("returned", "the document is not what was written")


def _found(updates: list[bytes]) -> Clocks:
    clocks = Clocks()
    for update in updates:
        for client_id, first, end in ranges(update):
            clocks.add(client_id, first, end)
    return clocks


def _missing(found: Clocks, due: Mapping[int, int]) -> int:
    return found.gaps + sum(max(0, count - found.next.get(client_id, 0)) for client_id, count in due.items())


SCENARIO = Scenario(
    "S6",
    "kill -9 after the last of 1,200 updates was delivered",
    (
        Metric("acknowledged", "acknowledged updates missing after the restart", ""),
        Metric("delivered", "delivered updates missing after the restart", ""),
        Metric("returned", "delivered updates missing after the readers came back", ""),
    ),
    _run,
    needs_storage,
)
