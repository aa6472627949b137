"""S7: the server comes back, and everybody who was in one room is there at once."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pycrdt import Doc, Text

from bench.generator.client import Client
from bench.generator.dialects import Dialect
from bench.generator.loop import Loop
from bench.peers.server import Server
from bench.results import Metric
from bench.scenarios.base import Bench, Failed, Scenario, join, wait_idle
from bench.scenarios.load import make_room, open_rooms, read_text, run_load
from bench.trace import Trace, load_trace

_IN_FLIGHT = 256
"""Connections that wait to be accepted at a time: below every server's backlog, so that no lost SYN is measured."""
_IDLE_SECONDS = 3.0
_IDLE_LIMIT_SECONDS = 60.0
_BYSTANDER_RATE = 50.0
_BYSTANDER_SECONDS = 60.0


def _run(bench: Bench) -> None:
    trace = load_trace(bench.quick)
    count = 100 if bench.quick else 1000
    with bench.server() as server:
        dialect = server.peer.dialect(bench.room("popular"))
        if bench.peer.stores:
            _fill(server, dialect, trace)
        for key, returning in (("returning", True), ("new", False)):
            if not returning and not bench.peer.stores:
                bench.outcome.notes[key] = "the document is gone"
                continue
            server.stop()
            server.start()
            _rush(bench, server, dialect, _Crowd(trace, dialect, count, returning), key)


def _fill(server: Server, dialect: Dialect, trace: Trace) -> None:
    with Loop() as loop:
        writer, reader = (Client(server.address, dialect) for _ in range(2))
        join(loop, [writer, reader])
        writer.send(dialect.update(trace.state))
        if not loop.run(lambda: any(len(update) > 2 for _, update in reader.updates[1:]), 60.0):
            raise Failed("the document did not reach its first reader")
        wait_idle(loop, server, _IDLE_SECONDS, _IDLE_LIMIT_SECONDS)


@dataclass(slots=True)
class _Crowd:
    """Those who come: with their copy of the document, or with nothing."""

    trace: Trace
    dialect: Dialect
    count: int
    returning: bool
    _answers: dict[bytes, bytes] = field(default_factory=dict)
    _complete: dict[int, bool] = field(default_factory=dict)
    _texts: dict[bytes, bool] = field(default_factory=dict)

    def clients(self, server: Server) -> list[Client]:
        state_vector = self.trace.state_vector if self.returning else b"\x00"
        answer = self._answer if self.returning else None
        return [
            Client(server.address, self.dialect, state_vector=state_vector, answer=answer) for _ in range(self.count)
        ]

    def _answer(self, state_vector: bytes) -> bytes:
        """What the server lacks of this copy, as a real client works it out."""
        if state_vector not in self._answers:
            doc: Doc[Text] = Doc()
            doc.apply_update(self.trace.state)
            self._answers[state_vector] = self.dialect.step2(doc.get_update(state_vector))
        return self._answers[state_vector]

    def complete(self, client: Client) -> bool:
        """Whether it is synced and has the whole document."""
        if not client.synced_at:
            return False
        if self.returning:
            return True
        if self._complete.get(id(client)):
            return True
        # The same bytes for all, so one of them has to be read.
        updates = [update for _, update in client.updates if len(update) > 2]
        key = max(updates, key=len, default=b"")
        if key not in self._texts:
            self._texts[key] = read_text(updates) == self.trace.text
        self._complete[id(client)] = self._texts[key]
        return self._texts[key]


def _rush(bench: Bench, server: Server, dialect: Dialect, crowd: _Crowd, key: str) -> None:
    """All come at once while two people in another room go on writing."""
    with Loop() as loop:
        bystanders = make_room(bench, server, "bystanders", writers=1, readers=1)
        open_rooms(loop, [bystanders])
        clients = crowd.clients(server)
        rush = _Rush(loop, clients, crowd.complete)
        load = run_load(
            bench,
            server,
            loop,
            [bystanders],
            rate=_BYSTANDER_RATE,
            seconds=_BYSTANDER_SECONDS,
            until=rush.done,
        )
        if errors := [client.error for client in clients if client.error]:
            bench.outcome.fault(key, f"{len(errors)} of {len(clients)} connections failed: {errors[0]}")
        if not rush.finished:
            behind = sum(not crowd.complete(client) for client in clients)
            bench.outcome.fault(key, f"{behind} of {len(clients)} clients never had the whole document")
        else:
            bench.outcome.values[key] = (rush.finished - rush.started) * 1000
        bench.outcome.values[f"{key}-bystander"] = load.p99_ms
        late = Client(server.address, dialect)
        join(loop, [late])
        loop.run(lambda: False, 0.5)
        if read_text([update for _, update in late.updates]) != crowd.trace.text:
            bench.outcome.fault(key, "the document is not what it was")


class _Rush:
    """Opens connections as fast as the server takes them, until all are complete."""

    def __init__(self, loop: Loop, clients: list[Client], complete: Callable[[Client], bool]) -> None:
        self._loop = loop
        self._waiting = list(reversed(clients))
        self._connecting: list[Client] = []
        self._incomplete: list[Client] = []
        self._complete = complete
        self.started = self.finished = 0.0

    def done(self) -> bool:
        self.started = self.started or time.perf_counter()
        self._connecting = [client for client in self._connecting if not (client.connected_at or client.error)]
        while self._waiting and len(self._connecting) < _IN_FLIGHT:
            client = self._waiting.pop()
            self._loop.open(client)
            self._connecting.append(client)
            self._incomplete.append(client)
        self._incomplete = [client for client in self._incomplete if not (self._complete(client) or client.error)]
        if not self._waiting and not self._incomplete and not self.finished:
            self.finished = time.perf_counter()
        return self.finished > 0


SCENARIO = Scenario(
    "S7",
    "1,000 people of one room (the finished paper of S5) come back at once after a restart",
    (
        Metric("returning", "everybody who has a copy is synced after", "ms"),
        Metric("returning-bystander", "meanwhile in another room: p99", "ms"),
        Metric("new", "everybody without a copy has the whole document after", "ms"),
        Metric("new-bystander", "meanwhile in another room: p99", "ms"),
    ),
    _run,
)
