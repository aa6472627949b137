"""S10: what things weigh while nothing happens: a connection, a room, an awareness state, a document."""

from collections.abc import Callable

from bench.generator.client import Client
from bench.generator.codec import sized, varuint
from bench.generator.frames import client_frame
from bench.generator.loop import Loop
from bench.peers.server import Server
from bench.results import Metric
from bench.scenarios.base import Bench, Scenario, join, wait_idle
from bench.scenarios.load import FIRST_CLIENT_ID
from bench.trace import load_trace

_PER_ROOM = 10
_IDLE_SECONDS = 1.0
_IDLE_LIMIT_SECONDS = 20.0
_STATE = sized(b'{"user":{"name":"Somebody","color":"#30bced"},"cursor":{"anchor":1,"head":1}}')


def _run(bench: Bench) -> None:
    count, documents = (100, 4) if bench.quick else (1000, 20)
    trace = load_trace(bench.quick)
    with bench.server() as server, Loop() as loop:

        def clients(rooms: int) -> list[Client]:
            dialects = [server.peer.dialect(bench.room("idle")) for _ in range(rooms)]
            made = [Client(server.address, dialect) for dialect in dialects for _ in range(count // rooms)]
            join(loop, made)
            return made

        def weigh(act: Callable[[], object]) -> float:
            before = _rest(loop, server)
            act()
            return float(_rest(loop, server) - before)

        clients(count // _PER_ROOM)
        shared = weigh(lambda: clients(count // _PER_ROOM)) / count
        alone: list[Client] = []
        single = weigh(lambda: alone.extend(clients(count))) / count
        room = (single - shared) / (1 - 1 / _PER_ROOM)
        states = weigh(lambda: _announce(alone)) / count
        heavy = [Client(server.address, server.peer.dialect(bench.room("paper"))) for _ in range(documents)]

        def write() -> None:
            join(loop, heavy)
            for client in heavy:
                client.send(client.dialect.update(trace.state))

        document = weigh(write) / documents
    bench.outcome.values |= {
        "connection": (single - room) / 1000,
        "room": room / 1000,
        "awareness": states / 1000,
        "document": document / 1e6,
    }


def _rest(loop: Loop, server: Server) -> int:
    wait_idle(loop, server, _IDLE_SECONDS, _IDLE_LIMIT_SECONDS)
    return server.tree.memory_bytes()


def _announce(clients: list[Client]) -> None:
    for number, client in enumerate(clients):
        entry = varuint(1) + varuint(FIRST_CLIENT_ID + number) + varuint(1) + _STATE
        client.send(client_frame(client.dialect.prefix + b"\x01" + sized(entry)))


SCENARIO = Scenario(
    "S10",
    "what things weigh while nothing happens",
    (
        Metric("connection", "a connection", "KB"),
        Metric("room", "a room, empty document", "KB"),
        Metric("awareness", "an awareness state of 76 bytes", "KB"),
        Metric("document", "the finished paper of S5, loaded", "MB"),
    ),
    _run,
)
