"""S4: thousands of connections in which nothing happens, and how fast they get in."""

import time

from bench.generator.client import Client
from bench.generator.loop import Loop
from bench.results import Metric
from bench.scenarios.base import Bench, Scenario, join, wait_idle

_PER_ROOM = 10
_IDLE_SECONDS = 1.0
_IDLE_LIMIT_SECONDS = 20.0


def _run(bench: Bench) -> None:
    rooms, warm_up_rooms = (50, 10) if bench.quick else (500, 20)
    with bench.server() as server, Loop() as loop:

        def clients(count: int) -> list[Client]:
            # One after the other of a room, as people arrive: not ten at once in one room.
            dialects = [server.peer.dialect(bench.room("idle")) for _ in range(count)]
            return [Client(server.address, dialect) for _ in range(_PER_ROOM) for dialect in dialects]

        join(loop, clients(warm_up_rooms))
        wait_idle(loop, server, _IDLE_SECONDS, _IDLE_LIMIT_SECONDS)
        memory, cpu, generator = server.tree.memory_bytes(), server.tree.cpu_seconds(), time.process_time()
        joining = clients(rooms)
        start = time.perf_counter()
        join(loop, joining)
        seconds = time.perf_counter() - start
        bench.used((time.process_time() - generator) / seconds)
        cpu = server.tree.cpu_seconds() - cpu
        wait_idle(loop, server, _IDLE_SECONDS, _IDLE_LIMIT_SECONDS)
        memory = server.tree.memory_bytes() - memory
    values = bench.outcome.values
    values["memory"] = memory / len(joining) / 1000
    values["joins"] = len(joining) / seconds
    values["cpu"] = cpu / len(joining) * 1e6


SCENARIO = Scenario(
    "S4",
    "5,000 idle connections in 500 rooms",
    (
        Metric("memory", "memory per connection", "KB"),
        Metric("joins", "joins/s: handshake and sync", "/s", "higher"),
        Metric("cpu", "server CPU per join", "us"),
    ),
    _run,
)
