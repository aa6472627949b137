"""One simulation: nodes on one store, clients, a nemesis, and the checks when everything has healed."""

import asyncio
import itertools
import random
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from pycrdt import Doc

from collab.dialects.y_websocket import Y_WEBSOCKET
from collab.errors import CollabError
from collab.guard import Panicked
from collab.hub import Hub
from collab.limits import RoomLimits
from collab.live import LiveDocument
from collab.room import Room
from collab.session import Session
from collab.structs import read_deletions
from collab.types import Grant, Role, Seq, parse_document_id
from tests.checker import elements
from tests.checker.history import History, Operation
from tests.checker.invariants import Reading, Violated, Violation, check
from tests.e2e.replica import decode_vector, replay
from tests.sim.clients import BytesClient, Client, DisobedientReader, DocClient
from tests.sim.loop import VirtualLoop
from tests.sim.network import Link
from tests.sim.store import NodeLog, Store

LIVENESS_SECONDS = 60.0
"""Virtual time within which everything must be acknowledged after healing. An abandoned connection's edits may be held
until the probe, and a store may fail right up to that moment."""
_PANICS = 0.002
_FAULTS_A_SECOND = 5.0


FAULTS = ("crash", "cut", "abandon", "slow", "store", "duplicate")


@dataclass(frozen=True)
class Plan:
    """What a simulation is made of. The seed decides the rest."""

    seed: int
    nodes: int = 1
    documents: int = 1
    seconds: float = 2.0
    pace: float = 0.1
    """Mean seconds between two edits of a client."""
    faults: tuple[str, ...] = FAULTS
    crash_at_step: int | None = None
    """Crash the first node at this step of the loop, besides what the nemesis does."""
    panics: bool = False
    """pycrdt panics now and then, for no reason."""


@dataclass
class Outcome:
    operations: int = 0
    acknowledged: int = 0
    first_step: int = 0
    """Of the loop, when the nodes had started."""
    steps: int = 0
    """Of the loop, when the clients stopped writing."""
    crashes: int = 0
    violation: Violation | None = None
    faults: dict[str, int] = field(default_factory=dict)


class Node:
    """One server process, again and again: each life has a hub and a log of its own."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.links: set[Link] = set()
        self.alive = False

    async def start(self) -> None:
        self.log = NodeLog(self._world.store)
        self.hub = Hub(self.log, frame=lambda message: message, limits=self._world.limits)
        await self.hub.start()
        self.alive = True

    def crash(self) -> None:
        self.alive = False
        self.log.die()
        for link in list(self.links):
            link.crash()
        self.links.clear()

    async def accept(self, client: Client, role: Role) -> None:
        """The handshake of one client; on whatever error it is told nothing and comes back later."""
        hub = self.hub
        document = parse_document_id(client.document)
        grant = Grant(document, role, client.name, may_create=role >= Role.EDITOR)
        try:
            room = await hub.open(grant)
        except CollabError:
            return
        if not self.alive or hub is not self.hub:
            return
        link = Link(client, self._world.rng)
        self.links.add(link)
        client.connected(link)
        link.opened(hub.attach(room, grant, link, Y_WEBSOCKET))


class World:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.rng = Random(plan.seed)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self.loop = loop
        self.history = History(self.loop.time)
        self.store = Store(self.rng)
        self.limits = RoomLimits(
            idle_seconds=self.rng.choice((0.0, 0.3, 5.0)),
            checkpoint_rows=self.rng.choice((3, 20, 1000)),
            commit_window_seconds=self.rng.choice((0.0, 0.01, 0.1)),
        )
        self.nodes = [Node(self) for _ in range(plan.nodes)]
        self.clients: list[Client] = []
        self.outcome = Outcome()
        self._writing = True
        self._dishonest: Violation | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """
        Raises:
            Violated.
        """
        for node in self.nodes:
            await node.start()
        self.outcome.first_step = self.loop.steps + 1
        self._make_clients()
        if self.plan.crash_at_step is not None:
            self.loop.at_step[self.plan.crash_at_step] = lambda: self._crash(self.nodes[0])
        for client in self.clients:
            client.come()
            self._spawn(self._type(client))
        await self._disturb()
        self._writing = False
        self.outcome.steps = self.loop.steps
        await self._heal()
        await self._check()

    # -- clients

    def _make_clients(self) -> None:
        kinds: list[tuple[str, type[Client]]] = [("d", DocClient), ("b", BytesClient)]
        for number in range(self.plan.documents):
            document = f"sim/{number}"
            for nth in range(3):
                for letter, kind in kinds:
                    self._add(kind, f"{letter}{nth}-{number}-0", document)
            self._add(DisobedientReader, f"r0-{number}-0", document)

    def _add(self, kind: type[Client], name: str, document: str) -> None:
        client = kind(name, document, self.history, Random(self.rng.random()), self._connect)
        client.when_acknowledged = self._check_honesty
        self.clients.append(client)

    def _check_honesty(self, operation: Operation) -> None:
        """At the moment an acknowledgement arrives: a row holds what it is for."""
        deleted = self.history.documents[operation.document].deleted
        for element in operation.inserts:
            if element not in deleted and element.tag.encode() not in self.store.tags and self._dishonest is None:
                self._dishonest = Violation("honest acks", operation.document, f"no row holds {element}: {operation}")

    def _connect(self, client: Client) -> None:
        self._spawn(self._connect_soon(client))

    async def _connect_soon(self, client: Client) -> None:
        while client.link is None:
            await asyncio.sleep(self.rng.uniform(0, 0.05))
            node = self.rng.choice(self.nodes)
            if node.alive:
                await self._accepted(node, client)

    async def _accepted(self, node: Node, client: Client) -> None:
        role = Role.READER if isinstance(client, DisobedientReader) else Role.EDITOR
        task = self.loop.create_task(node.accept(client, role))
        # A node that dies meanwhile never answers.
        await asyncio.wait([task], timeout=2.0)
        task.cancel()

    async def _type(self, client: Client) -> None:
        while True:
            await asyncio.sleep(client.rng.expovariate(1 / self.plan.pace))
            if not self._writing:
                return
            client.edit()

    def _spawn(self, work: Any) -> None:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.loop.call_exception_handler({"message": "the simulation failed", "exception": task.exception()})

    # -- nemesis

    async def _disturb(self) -> None:
        until = self.loop.time() + self.plan.seconds
        while self.loop.time() < until:
            await asyncio.sleep(self.rng.expovariate(_FAULTS_A_SECOND))
            if self.plan.faults:
                fault = self.rng.choice(self.plan.faults)
                self.outcome.faults[fault] = self.outcome.faults.get(fault, 0) + 1
                self.history.event(fault)
                getattr(self, f"_fault_{fault}")()

    def _fault_crash(self) -> None:
        self._crash(self.rng.choice(self.nodes))

    def _crash(self, node: Node) -> None:
        if node.alive:
            self.outcome.crashes += 1
            node.crash()
            self._spawn(self._start_later(node))

    async def _start_later(self, node: Node) -> None:
        await asyncio.sleep(self.rng.uniform(0, 0.3))
        await node.start()

    def _fault_cut(self) -> None:
        link = self._any_link()
        if link is not None:
            link.cut()

    def _fault_abandon(self) -> None:
        link = self._any_link()
        if link is not None:
            link.abandon()

    def _fault_slow(self) -> None:
        link = self._any_link()
        if link is not None:
            link.slow(self.rng.uniform(0, 0.5))

    def _fault_duplicate(self) -> None:
        """A client opens a second connection with the same document while the first is still open for a moment."""
        client = self.rng.choice(self.clients)
        link, client.link = client.link, None
        client.come()
        if link is not None:
            self.loop.call_later(self.rng.uniform(0, 1), link.cut)

    def _fault_store(self) -> None:
        self.store.failing = self.rng.choice((0.1, 0.5, 1.0))
        self.store.latency_max = self.rng.choice((0.005, 0.2))
        self.loop.call_later(self.rng.uniform(0, 0.5), self._mend_store)

    def _mend_store(self) -> None:
        self.store.failing = 0.0
        self.store.latency_max = 0.005

    def _any_link(self) -> Link | None:
        links = [client.link for client in self.clients if client.link is not None]
        return self.rng.choice(links) if links else None

    # -- the end

    async def _heal(self) -> None:
        self._mend_store()
        until = self.loop.time() + LIVENESS_SECONDS
        while not all(node.alive for node in self.nodes) or not all(client.saved for client in self.clients):
            if self.loop.time() > until:
                late = next((client.name for client in self.clients if not client.saved), "a node")
                raise Violated(
                    Violation("liveness", "everything", f"{late} waits {LIVENESS_SECONDS:.0f} s after healing")
                )
            await asyncio.sleep(0.5)
            for client in self.clients:
                if client.link is not None:
                    client.ask()
        if self._dishonest is not None:
            raise Violated(self._dishonest)
        for node in self.nodes:
            if node.hub.failure is not None:
                raise Violated(Violation("liveness", "a node", f"it gave up: {node.hub.failure!r}"))
        for client in self.clients:
            if client.refused is not None:
                raise Violated(Violation("containment", client.name, f"closed with {client.refused}"))

    async def _check(self) -> None:
        for number in range(self.plan.documents):
            document = f"sim/{number}"
            for node in self.nodes:
                await self._nudge(node, document)
                await self._check_node(node, document)
            # Everything again from the store alone, as a server finds it that has just been started.
            fresh = Node(self)
            await fresh.start()
            await self._check_node(fresh, document)

    async def _nudge(self, node: Node, document: str) -> None:
        """One commit, so that the node hears of what others have committed."""
        writer = BytesClient(f"n{self.nodes.index(node)}-0-0", document, self.history, self.rng, lambda _client: None)
        await node.accept(writer, Role.EDITOR)
        until = self.loop.time() + LIVENESS_SECONDS
        writer.edit()
        while not writer.saved:
            if self.loop.time() > until or writer.link is None:
                raise Violated(Violation("liveness", document, "an edit of a new client is not saved"))
            await asyncio.sleep(0.2)
            writer.ask()
        await asyncio.sleep(3)
        for link in node.links:
            if link.server_open and not link.client_open:
                link.cut()

    async def _check_node(self, node: Node, document: str) -> None:
        """What the store has, a new client of this node, the node's own state, and whoever is connected to it."""
        name = parse_document_id(document)
        page = await self.store.log.read(name, after=Seq(0), limit=1 << 30, bytes_max=1 << 40)
        rows = [row.payload for row in page.updates]
        stored = replay(rows)
        expected = self._examine(document, "the rows", stored)
        loaded = await self.store.log.load(name, create=False)
        parts = [] if loaded.checkpoint is None else [loaded.checkpoint.state]
        docs = {"checkpoint and tail": replay([*parts, *(row.payload for row in loaded.updates)])}
        state = await node.hub.state(Grant(name, Role.READER, "checker"))
        docs["the live room"] = replay([state])
        newcomer = DocClient("v0-0-0", document, self.history, self.rng, lambda _client: None)
        await node.accept(newcomer, Role.READER)
        await asyncio.sleep(0.5)
        docs["a new client"] = newcomer.doc
        for client in self.clients:
            if type(client) is DocClient and client.document == document and client.link in node.links:
                docs[f"the live client {client.name}"] = client.doc
        for source, doc in docs.items():
            found = self._examine(document, source, doc)
            if found != expected:
                differs = next(key for key in expected if found[key] != expected[key])
                witness = f"its {differs} is {found[differs]!r:.300} instead of {expected[differs]!r:.300}"
                raise Violated(Violation("convergence", f"{document}, {source}", witness))
        if newcomer.link is not None:
            newcomer.link.cut()

    def _examine(self, document: str, source: str, doc: Doc[Any]) -> dict[str, Any]:
        """Check its content; everything by which two replicas are compared."""
        found = elements.read(doc)
        check(self.history, Reading(document, source, found))
        vector = doc.get_state()
        return {
            "content": [element for element in found if element.kind != "map"],
            "map": sorted(element for element in found if element.kind == "map"),
            "state vector": decode_vector(vector),
            "deletions": _deletions(doc.get_update(vector)),
        }


def _deletions(update: bytes) -> list[tuple[int, int, int]]:
    """Client, first clock and end of everything deleted by an update without edits, with neighbours joined."""
    assert update[0] == 0
    joined: list[tuple[int, int, int]] = []
    for client, start, end in sorted(read_deletions(update, 1)):
        if joined and joined[-1][0] == client and joined[-1][2] >= start:
            joined[-1] = (client, joined[-1][1], max(end, joined[-1][2]))
        else:
            joined.append((client, start, end))
    return joined


def _session_hash(session: Session) -> int:
    return hash(session.connection)


def _room_hash(room: Room) -> int:
    return zlib.crc32(room.document.encode())


@contextmanager
def _repeatable(plan: Plan) -> Iterator[None]:
    """Sets of sessions and rooms come in the same order every time, and panics when the seed says so."""
    random.seed(plan.seed)
    rng = Random(plan.seed)
    session_hash, room_hash, apply = Session.__hash__, Room.__hash__, LiveDocument.apply

    def apply_or_panic(self: LiveDocument, updates: list[bytes]) -> bytes:
        if rng.random() < _PANICS:
            raise Panicked("for no reason")
        return apply(self, updates)

    Session.__hash__ = _session_hash  # type: ignore[method-assign,assignment]
    Room.__hash__ = _room_hash  # type: ignore[method-assign,assignment]
    if plan.panics:
        LiveDocument.apply = apply_or_panic  # type: ignore[method-assign]
    try:
        yield
    finally:
        Session.__hash__, Room.__hash__ = session_hash, room_hash  # type: ignore[method-assign]
        LiveDocument.apply = apply  # type: ignore[method-assign]


def simulate(plan: Plan) -> Outcome:
    """Run one simulation from its first step to its verdict."""
    loop = VirtualLoop()
    failures: list[BaseException] = []
    loop.set_exception_handler(lambda _loop, context: failures.append(context.get("exception") or Exception(context)))

    async def main() -> Outcome:
        world = World(plan)
        try:
            await world.run()
        except Violated as violated:
            world.outcome.violation = violated.violation
        world.outcome.operations = world.history.operations
        world.outcome.acknowledged = world.history.acknowledged
        return world.outcome

    Link.numbers = itertools.count()
    with _repeatable(plan):
        try:
            outcome = loop.run_until_complete(main())
        finally:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()
    if failures and outcome.violation is None:
        raise failures[0]
    return outcome
