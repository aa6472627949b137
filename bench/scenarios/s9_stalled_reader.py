"""S9: three people in a busy room stop reading: a phone in a tunnel, a laptop that was closed."""

import time

from bench.generator.client import Client
from bench.generator.loop import Loop
from bench.generator.stream import Stream
from bench.peers.server import Server
from bench.results import Metric
from bench.scenarios.base import Bench, Scenario, join
from bench.scenarios.load import Load, Room, make_room, open_rooms, run_load

_WRITERS, _READERS, _STALLED = 10, 20, 3
_CHARACTERS = 4_096
_RATE = 500.0
_RECEIVE_BUFFER = 16_384
_WAKE_SECONDS = 30.0


def _run(bench: Bench) -> None:
    seconds = 2.0 if bench.quick else 8.0
    values = bench.outcome.values
    for name, stalled in (("healthy", 0), ("stalled", _STALLED)):
        with bench.server() as server:
            load, memory = _busy(bench, server, seconds, stalled=stalled)
        values[f"p99-{name}"], values[f"memory-{name}"] = load.p99_ms, memory / 1e6
        for fault in load.faults:
            bench.outcome.fault(f"p99-{name}", fault)


def _busy(bench: Bench, server: Server, seconds: float, *, stalled: int) -> tuple[Load, int]:
    """A busy room; returns its load and the server's memory at the end of it."""
    with Loop() as loop:
        room = make_room(bench, server, "busy", writers=_WRITERS, readers=_READERS, characters=_CHARACTERS)
        sleepers = [
            Client(server.address, room.clients[0].dialect, stream=Stream(private=True), receive_buffer=_RECEIVE_BUFFER)
            for _ in range(stalled)
        ]
        join(loop, sleepers)
        open_rooms(loop, [room])
        for sleeper in sleepers:
            loop.stall(sleeper)
        load = run_load(bench, server, loop, [room], rate=_RATE, seconds=seconds)
        memory = server.tree.memory_bytes()
        if sleepers:
            _wake(bench, loop, room, sleepers)
    return load, memory


def _wake(bench: Bench, loop: Loop, room: Room, sleepers: list[Client]) -> None:
    """They read again and must have everything soon."""
    woken = time.perf_counter()
    for sleeper in sleepers:
        loop.wake(sleeper)
    awake = Room(room.name, room.stream, room.writers, sleepers)
    loop.run(lambda: awake.settled() or any(sleeper.error for sleeper in sleepers), _WAKE_SECONDS)
    for fault in awake.faults():
        bench.outcome.fault("woken", fault)
    if "woken" not in bench.outcome.faults:
        last = max(sleeper.arrivals[-1][0] for sleeper in sleepers)
        bench.outcome.values["woken"] = (last - woken) * 1000


SCENARIO = Scenario(
    "S9",
    "three of 33 people in a busy room (500 updates/s of 4 KB) stop reading",
    (
        Metric("p99-healthy", "p99 while everybody reads", "ms"),
        Metric("p99-stalled", "p99 of the others while three do not", "ms"),
        Metric("memory-healthy", "memory of the server while everybody reads", "MB"),
        Metric("memory-stalled", "memory of the server while three do not", "MB"),
        Metric("woken", "those who slept have everything after", "ms"),
    ),
    _run,
)
