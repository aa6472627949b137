"""Read-only connections to one SQLite file, each on aiosqlite's thread.

A whole transaction is one hop to that thread. SQLAlchemy's own adapter takes one for each call of the driver, ten for
loading a document, and each costs more than the query it asks for.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import aiosqlite
from sqlalchemy import Connection, StaticPool, create_engine, event
from sqlalchemy.engine import Engine

T = TypeVar("T")


class Readers:
    """Opens another connection, up to `connections`, when all are busy."""

    def __init__(self, path: Path, connections: int, *, busy_timeout_ms: int) -> None:
        self._path = path
        self._connections = connections
        self._busy_timeout_ms = busy_timeout_ms
        self._readers: list[_Reader] = []
        self._opening = asyncio.Lock()

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on one consistent snapshot."""
        reader = min(self._readers, key=lambda reader: reader.waiting, default=None)
        if reader is None or (reader.waiting and len(self._readers) < self._connections):
            reader = await self._another()
        return await reader.run(work)

    async def _another(self) -> "_Reader":
        async with self._opening:
            if len(self._readers) < self._connections:
                self._readers.append(await _Reader.open(self._path, self._busy_timeout_ms))
            return min(self._readers, key=lambda reader: reader.waiting)

    async def close(self) -> None:
        while self._readers:
            await self._readers.pop().close()


class _Reader:
    def __init__(self, path: Path) -> None:
        self._driver = aiosqlite.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None)
        self._connection: Connection | None = None
        self.waiting = 0
        """Transactions that run or wait on its thread."""

    @classmethod
    async def open(cls, path: Path, busy_timeout_ms: int) -> "_Reader":
        reader = cls(path)
        opening = asyncio.ensure_future(_opened(reader._driver))
        try:
            await asyncio.shield(opening)
        except asyncio.CancelledError:
            # aiosqlite would leave its thread to itself, which then may find no event loop to answer to.
            await asyncio.wait([opening])
            if opening.exception() is None:
                await reader._driver.close()
            raise
        try:
            await reader._call(partial(reader._prepare, busy_timeout_ms))
        except BaseException:
            await reader._driver.close()
            raise
        return reader

    async def run(self, work: Callable[[Connection], T]) -> T:
        self.waiting += 1
        try:
            # What is given up still ends on the thread, before anything that comes after it.
            return await self._call(partial(self._transact, work))
        finally:
            self.waiting -= 1

    async def close(self) -> None:
        if self._connection is not None:
            await self._call(self._connection.close)
        await self._driver.close()

    async def _call(self, function: Callable[[], T]) -> T:
        # Not a public method of aiosqlite's, but the only one that runs anything of ours on its thread.
        execute: Callable[[Callable[[], T]], Awaitable[T]] = self._driver._execute
        return await execute(function)

    def _prepare(self, busy_timeout_ms: int) -> None:
        raw = self._driver._conn
        raw.execute(f"PRAGMA busy_timeout={busy_timeout_ms}")
        raw.execute("PRAGMA query_only=ON")
        self._connection = _engine(raw).connect()

    def _transact(self, work: Callable[[Connection], T]) -> T:
        assert self._connection is not None
        with self._connection.begin():
            return work(self._connection)


async def _opened(driver: aiosqlite.Connection) -> None:
    await driver


def _engine(raw: sqlite3.Connection) -> Engine:
    engine = create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool, hide_parameters=True)

    @event.listens_for(engine, "begin")
    def begin(_connection: Connection) -> None:
        raw.execute("BEGIN")

    return engine
