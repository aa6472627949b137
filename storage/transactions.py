"""Runs transactions: translates errors, tries lost ones again, stops after a disk failure, drains before closing.

Adapters write a transaction as one synchronous function of a SQLAlchemy Connection. The backend decides where it runs:
on SQLite's writer thread, or in a greenlet over an asynchronous driver. So each statement exists once for both.

Rule E4: what may succeed later is StoreUnavailable; a failing disk is StoreBroken.
Rule E5: after StoreBroken no write is tried any more.
Rule E7: closing waits for what runs, refuses what comes, and may be repeated.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from collab.errors import StoreError, StoreUnavailable
from storage.errors import StoreBroken, TransactionLost, wrap_db_errors

T = TypeVar("T")

RETRY_PAUSES = (0.05, 0.25)
"""Seconds before the second and the third try of a lost transaction; after that it is the caller's to decide."""


class Backend(Protocol):
    """One database's way to run a transaction. Raises what the driver raises."""

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on one consistent snapshot."""
        ...

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` and commit durably, or roll back when it raises."""
        ...

    async def wipe(self) -> None:
        """See `Database.wipe`."""
        ...

    async def close(self) -> None: ...


class Transactions:
    def __init__(self, backend: Backend, *, read_only: bool = False) -> None:
        self._backend = backend
        self._read_only = read_only
        self.interned: dict[str, int] = {}
        """What `storage.people` knows, for everybody who uses this database."""
        self._broken: str | None = None
        self._closed = False
        self._closing = asyncio.Lock()
        self._let_go = False
        self._running = 0
        self._drained = asyncio.Event()
        self._drained.set()

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on one snapshot.

        Raises:
            StoreUnavailable, CorruptUpdate, StoreError: or whatever `work` raises.
        """

        async def once() -> T:
            with self._admitted(), wrap_db_errors():
                return await self._backend.read(work)

        return await retry(once)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` and commit. It may run again after it was committed, so it must be idempotent.

        Raises:
            StoreUnavailable, StoreBroken, StoreError: or whatever `work` raises.
        """
        return await retry(lambda: self.write_once(work))

    async def write_once(self, work: Callable[[Connection], T]) -> T:
        """As `write`, without a second try. After StoreUnavailable it may have been committed all the same."""
        with self._admitted():
            if self._read_only:
                raise StoreError("the database was opened for reading only")
            self.require_unbroken()
            try:
                with wrap_db_errors(writing=True):
                    return await self._backend.write(work)
            except StoreBroken as error:
                self._broken = str(error)
                raise

    async def wipe(self) -> None:
        """See `Database.wipe`."""
        with self._admitted():
            if self._read_only:
                raise StoreError("the database was opened for reading only")
            self.require_unbroken()
            with wrap_db_errors(writing=True):
                await self._backend.wipe()

    async def close(self) -> None:
        self._closed = True
        await self._drained.wait()
        async with self._closing:
            if not self._let_go:
                await self._backend.close()
                self._let_go = True

    def require_unbroken(self) -> None:
        """
        Raises:
            StoreBroken: an earlier write has failed in a way after which no other may be believed.
        """
        if self._broken is not None:
            raise StoreBroken(self._broken)

    @contextmanager
    def _admitted(self) -> Iterator[None]:
        if self._closed:
            raise StoreUnavailable("the database is closed")
        self._running += 1
        self._drained.clear()
        try:
            yield
        finally:
            self._running -= 1
            if not self._running:
                self._drained.set()


async def retry(attempt: Callable[[], Awaitable[T]]) -> T:
    """Await `attempt`; when its transaction was lost, again, up to twice."""
    for pause in RETRY_PAUSES:
        try:
            return await attempt()
        except TransactionLost:
            await asyncio.sleep(pause)
    return await attempt()
