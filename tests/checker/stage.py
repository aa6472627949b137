"""What a run of the checker plays on: a server that can be killed and planted, its database, proxies, Node."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from random import Random
from typing import Any, Literal

import httpx

from tests.checker.plant import VARIABLE
from tests.checker.postgres import Cluster
from tests.checker.postgres import cluster as postgres_cluster
from tests.checker.proxy import Proxy
from tests.checker.rows import Database
from tests.interop.node import Node
from tests.postgres import execute
from tests.servers import ServerDied, ServerProcess

DatabaseKind = Literal["sqlite", "postgresql"]


class PlantedServer(ServerProcess):
    """A server process into which something is planted when it starts."""

    def start_planted(self, plants: list[str]) -> "PlantedServer":
        self.add_environment(**{VARIABLE: ",".join(plants)})
        return self.start()


class Stage:
    def __init__(
        self,
        kind: DatabaseKind,
        server: PlantedServer,
        database: Database,
        cluster: Cluster | None,
        proxy: Proxy,
        corrupting_proxy: Proxy,
        node: Node,
        http: httpx.AsyncClient,
        plants: list[str],
    ) -> None:
        self.kind = kind
        self.server = server
        self.database = database
        self.cluster = cluster
        self.proxy = proxy
        self.corrupting_proxy = corrupting_proxy
        self.node = node
        self.http = http
        self._plants = plants
        self.kills = 0
        self.crashes: dict[str, int] = {}
        """How often the server died at each crash point."""

    async def start(self, *plants: str) -> None:
        """
        Raises:
            ServerDied: at a planted point, before it was ready.
        """
        await asyncio.to_thread(self.server.start_planted, [*self._plants, *plants])

    async def kill(self) -> None:
        await asyncio.to_thread(self.server.kill9)
        self.kills += 1

    async def start_to_crash(self, point: str, times: int) -> None:
        """Start a server that kills itself at `point`; it may not come that far."""
        try:
            await self.start(f"crash:{point}:{times}")
        except ServerDied:
            self.crashed(point)
            await self.start()

    def crashed(self, point: str) -> None:
        self.kills += 1
        self.crashes[point] = self.crashes.get(point, 0) + 1

    def let_in(self, clients: bool) -> None:
        """Whether new connections reach the server."""
        self.proxy.open = self.corrupting_proxy.open = clients

    @property
    def alive(self) -> bool:
        return self.server.process.poll() is None

    @property
    def memory_bytes(self) -> int:
        """Resident memory of the server."""
        status = Path(f"/proc/{self.server.process.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))


@asynccontextmanager
async def stage(
    kind: DatabaseKind, directory: Path, rng: Random, *, plants: list[str], settings: dict[str, Any]
) -> AsyncIterator[Stage]:
    """Everything up and running, and gone afterwards."""
    with _cluster(kind) as cluster:
        url = None if cluster is None else cluster.url.set(database="checked").render_as_string(hide_password=False)
        if cluster is not None:
            execute(cluster.url, "CREATE DATABASE checked")
        server = PlantedServer(directory, url, **settings)
        file = None if cluster is not None else server.data_dir / "coscribe.db"
        async with (
            Proxy(server.port, rng) as proxy,
            Proxy(server.port, rng) as corrupting_proxy,
            Node() as node,
            # A connection kept alive would not outlive the server it leads to.
            httpx.AsyncClient(trust_env=False, timeout=30, limits=httpx.Limits(max_keepalive_connections=0)) as http,
        ):
            made = Stage(kind, server, Database(file, url), cluster, proxy, corrupting_proxy, node, http, plants)
            try:
                yield made
            finally:
                await asyncio.to_thread(server.__exit__, None, None, None)


@contextmanager
def _cluster(kind: DatabaseKind) -> Iterator[Cluster | None]:
    if kind == "sqlite":
        yield None
        return
    with postgres_cluster() as cluster:
        yield cluster


def hold_write_lock(file: Path) -> sqlite3.Connection:
    """Lock an SQLite database for writing, from outside, until the connection is closed. Writes nothing."""
    connection = sqlite3.connect(file, timeout=10, isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN IMMEDIATE")
    return connection
