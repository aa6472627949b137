"""What a scenario is, and what it is given."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench.generator.client import Client
from bench.generator.loop import Loop
from bench.machine import Cores, Idleness
from bench.peers.base import Peer
from bench.peers.server import Server
from bench.results import Metric, Outcome


@dataclass(slots=True)
class Bench:
    """One run against one server."""

    peer: Peer
    cores: Cores
    quick: bool
    """A fraction of the load and the time: to see that everything works, not for figures."""
    outcome: Outcome = field(default_factory=Outcome)
    _rooms: int = 0

    @contextmanager
    def server(self) -> Iterator[Server]:
        with Server(self.peer, self.cores.server) as server:
            yield server

    def room(self, name: str) -> str:
        """A room nobody has used."""
        self._rooms += 1
        return f"{name}-{self._rooms}"

    def used(self, generator_cores: float) -> None:
        self.outcome.generator_cores = max(self.outcome.generator_cores, generator_cores)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One question that is asked of every server."""

    name: str
    title: str
    metrics: tuple[Metric, ...]
    run: Callable[[Bench], None]
    """Fills `bench.outcome`. Raises `Failed` when the server fails it as a whole."""
    asks: Callable[[Peer], str | None] = lambda peer: None
    """Why the scenario cannot be asked of a server; None when it can."""
    servers: tuple[Peer, ...] | None = None
    """Of whom it is asked, whoever else takes part in the others."""


class Failed(Exception):
    """A server did not do what the scenario needs; the text says what."""


def wait_idle(loop: Loop, server: Server, quiet: float, limit: float) -> bool:
    """Wait, and go on reading, until the server has used next to no CPU for `quiet` seconds. False after `limit`."""
    return loop.run(Idleness(server.tree, quiet).reached, limit)


def needs_storage(peer: Peer) -> str | None:
    return None if peer.stores else "keeps nothing"


def join(loop: Loop, clients: list[Client], *, in_flight: int = 128, timeout: float = 120.0) -> None:
    """Connect and sync all clients, at most `in_flight` of them at a time.

    Raises:
        Failed: a connection was refused or lost, or not all were synced in time.
    """
    waiting, pending = iter(clients), set[int]()
    by_id = {id(client): client for client in clients}

    def done() -> bool:
        for key in [key for key in pending if by_id[key].synced_at or by_id[key].error]:
            pending.discard(key)
        while len(pending) < in_flight and (client := next(waiting, None)) is not None:
            loop.open(client)
            pending.add(id(client))
        return not pending

    if not loop.run(done, timeout):
        raise Failed(f"{len(pending)} of {len(clients)} clients got no sync step 2 in {timeout:.0f} s")
    if errors := [client.error for client in clients if client.error]:
        raise Failed(f"{len(errors)} of {len(clients)} connections failed: {errors[0]}")
