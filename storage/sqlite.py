"""SQLite: one writer connection on a thread of its own, any number of readers.

SQLite 3.7.0 to 3.51.2 can lose committed writes when two connections write or checkpoint the same WAL, so:

Rule E1: one connection writes, with WAL and synchronous=FULL; it also does every checkpoint.
Rule E2: every other connection is read-only.
Rule E3: a lock file beside the database keeps a second server out.

Each connection has a thread of its own, the readers aiosqlite's, and a whole transaction is one hop to it.
"""

import asyncio
import fcntl
import logging
import os
import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from sqlalchemy import Connection, NullPool, create_engine, event
from sqlalchemy.engine import URL, Engine

from collab.errors import StoreUnavailable
from storage.errors import disk_failed
from storage.sqlite_readers import Readers

T = TypeVar("T")

_log = logging.getLogger(__name__)

BUSY_TIMEOUT_MS = 5000
WRITER_BUSY_TIMEOUT_MS = 2000
"""Nobody else should hold the writer's lock. Who waits for a commit tries again anyway, and a server that is told to
stop has to wait for the attempt that is under way."""
CHECKPOINT_COMMITS = 500
"""A checkpoint of the WAL is due after so many commits …"""
CHECKPOINT_GROWTH_BYTES = 4 * 1024 * 1024
"""… or when the WAL file has grown by so much since the last one."""
_WIPE_TRIES = 20
_WIPE_PAUSE_SECONDS = 0.25
JOBS_MAX = 64
"""Transactions that are committed together at the most."""
WAL_KEPT_BYTES = 64 * 1024 * 1024
"""A WAL file that grew beyond this is cut back when it starts over."""


class SqliteBackend:
    """The `Backend` of one SQLite file. Without a writer (opened for reading only), `write` must not be called."""

    def __init__(self, path: Path, lock: "FileLock | None", writer: "Writer | None", readers: int) -> None:
        self._lock = lock
        self._writer = writer
        self._readers = Readers(path, readers, busy_timeout_ms=BUSY_TIMEOUT_MS)

    @classmethod
    async def open(cls, path: Path, *, exclusive: bool, readers: int) -> Self:
        """Take the lock, start the writer.

        Raises:
            StoreUnavailable: another server holds the file, or it cannot be written.
        """
        if not exclusive:
            return cls(path, None, None, readers)
        warn_of_wal_reset_bug(sqlite3.sqlite_version_info)
        lock = await asyncio.to_thread(FileLock.acquire, path)
        try:
            writer = await Writer.open(path)
        except BaseException:
            lock.release()
            raise
        backend = cls(path, lock, writer, readers)
        # The first document that is opened should not wait for the first connection.
        await backend.read(lambda _: None)
        return backend

    async def read(self, work: Callable[[Connection], T]) -> T:
        return await self._readers.run(work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        assert self._writer is not None
        return await self._writer.run(work)

    async def wipe(self) -> None:
        assert self._writer is not None
        await self._writer.wipe()

    async def close(self) -> None:
        # The writer goes last: whoever closes last writes the WAL back into the file.
        await self._readers.close()
        if self._writer is not None:
            await self._writer.close()
        if self._lock is not None:
            self._lock.release()


class _Job(Generic[T]):
    """One transaction that waits for the writer, and its result."""

    def __init__(self, work: Callable[[Connection], T]) -> None:
        self.work = work
        self.future: Future[T] = Future()


class Writer:
    """The one connection that writes, and the thread that alone touches it."""

    def __init__(self, path: Path) -> None:
        self._wal = Path(f"{path}-wal")
        self._engine = writer_engine(path)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="coscribe-sqlite-writer")
        self._connection: Connection | None = None
        self._jobs: deque[_Job[Any]] = deque()
        self._commits = 0
        self._wal_bytes = 0
        self._checkpoint_error: Exception | None = None

    @classmethod
    async def open(cls, path: Path) -> Self:
        writer = cls(path)
        try:
            await writer._call(writer._connect)
        except BaseException:
            await writer.close()
            raise
        return writer

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on the writer's thread and commit it durably.

        What waits there at the same time is committed together: a commit costs the disk a millisecond, whatever is in
        it. `work` may run twice, when something that it was to be committed with fails.
        """
        job = _Job(work)
        self._jobs.append(job)
        await self._call(self._transact_waiting)
        return job.future.result()

    async def wipe(self) -> None:
        """Write the file anew, without what was deleted, and empty the WAL."""
        await self._call(self._vacuum)
        for _ in range(_WIPE_TRIES):
            if await self._call(self._empty_wal):
                return
            await asyncio.sleep(_WIPE_PAUSE_SECONDS)  # A reader is in the way.
        raise StoreUnavailable("the WAL cannot be emptied while somebody reads; try again later")

    def _vacuum(self) -> None:
        self._driver.execute("VACUUM")

    def _empty_wal(self) -> bool:
        self._pragma("busy_timeout=0")  # Commits should not wait for a reader as well.
        try:
            busy, _, _ = self._driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            self._pragma(f"busy_timeout={WRITER_BUSY_TIMEOUT_MS}")
        self._wal_bytes = self._wal_size()
        return not busy

    async def close(self) -> None:
        await self._call(self._disconnect)
        self._executor.shutdown(wait=False)

    async def _call(self, function: Callable[[], T]) -> T:
        job = asyncio.get_running_loop().run_in_executor(self._executor, function)
        try:
            return await asyncio.shield(job)
        except asyncio.CancelledError:
            # What runs on the thread cannot be called back. Whoever gives up must not go on before it has ended,
            # otherwise the same rows could be tried again while they are being written.
            await asyncio.wait([job])
            if not job.cancelled():
                job.exception()  # has been seen; asyncio would log it as forgotten
            raise

    def _connect(self) -> None:
        self._connection = self._engine.connect()
        with self._connection.begin():
            pass  # BEGIN IMMEDIATE finds out whether the file can be written

    def _transact_waiting(self) -> None:
        """Settle every job that waits. Each job calls this once, so that most calls find nothing left to do."""
        jobs: list[_Job[Any]] = []
        while self._jobs and len(jobs) < JOBS_MAX:
            jobs.append(self._jobs.popleft())
        if len(jobs) > 1 and self._transact(jobs):
            return
        for job in jobs:
            self._transact([job])

    def _transact(self, jobs: "list[_Job[Any]]") -> bool:
        """Commit `jobs` in one transaction and settle them. When one of several fails, nothing is written and settled;
        returns False then."""
        assert self._connection is not None
        try:
            if self._checkpoint_error is not None:
                raise self._checkpoint_error
            transaction = self._connection.begin()
            try:
                results = [job.work(self._connection) for job in jobs]
            except BaseException:
                transaction.rollback()
                if len(jobs) > 1:
                    return False
                raise
            try:
                transaction.commit()
            except BaseException:
                # A full disk is noticed here. SQLite may or may not have rolled back by itself; a transaction left open
                # would refuse every later one.
                with suppress(Exception):
                    transaction.rollback()
                raise
        except BaseException as error:
            for job in jobs:
                job.future.set_exception(error)
            return True
        for job, result in zip(jobs, results, strict=True):
            job.future.set_result(result)
        self._commits += 1
        if self._checkpoint_is_due():
            # Not here: the rows are durable, their writer should not wait for housekeeping.
            self._executor.submit(self._checkpoint)
        return True

    def _checkpoint_is_due(self) -> bool:
        return self._commits >= CHECKPOINT_COMMITS or self._wal_size() > self._wal_bytes + CHECKPOINT_GROWTH_BYTES

    def _checkpoint(self) -> None:
        """Copy the WAL into the database as far as readers let it.

        SQLite's automatic checkpoint would do so inside a commit, and would keep a failed fsync to itself.
        """
        self._commits = 0
        try:
            self._pragma("wal_checkpoint(PASSIVE)")
        except sqlite3.Error as error:
            # Busy or full: nothing is lost, the next one comes. A failing disk must stop the next commit.
            self._checkpoint_error = error if disk_failed(error) else None
        self._wal_bytes = self._wal_size()

    def _disconnect(self) -> None:
        if self._connection is None:
            return
        try:
            self._pragma("busy_timeout=0")
            self._pragma("wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            # All of it is durable in the WAL, from where the next start takes it.
            _log.warning("the WAL stays behind, its last checkpoint failed: %s", error)
        self._connection.close()
        self._connection = None

    def _pragma(self, text: str) -> None:
        self._driver.execute(f"PRAGMA {text}").fetchall()

    @property
    def _driver(self) -> Any:
        """Past SQLAlchemy, whose connections run everything inside a transaction."""
        assert self._connection is not None
        return self._connection.connection.dbapi_connection

    def _wal_size(self) -> int:
        try:
            return self._wal.stat().st_size
        except FileNotFoundError:
            return 0


class FileLock:
    """Says to other processes that a server has this database open. Ends with the process, however that ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, database: Path) -> Self:
        """Lock `<database>.lock`.

        Raises:
            StoreUnavailable: another process has it, or the directory is missing or cannot be written.
        """
        path = Path(f"{database}.lock")
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            why = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be written: {error.strerror}"
            raise StoreUnavailable(f"SQLite file {database}: the directory {database.parent} {why}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise StoreUnavailable(
                f"SQLite file {database}: another Coscribe process ({holder}) has it open"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return cls(descriptor)

    def release(self) -> None:
        # The file stays: whoever removed it could remove the one that a third process has just locked.
        os.close(self._descriptor)


def writer_engine(path: Path) -> Engine:
    """An engine whose connections write durably, in transactions that are IMMEDIATE and include DDL."""
    engine = create_engine(URL.create("sqlite", database=str(path)), poolclass=NullPool, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def prepare(driver: sqlite3.Connection, _record: object) -> None:
        driver.isolation_level = None  # the driver would begin transactions late, and never for DDL
        driver.execute(f"PRAGMA busy_timeout={WRITER_BUSY_TIMEOUT_MS}")
        mode = driver.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        if mode != "wal":
            raise StoreUnavailable(f"SQLite file {path}: its file system cannot hold a WAL (journal_mode is {mode})")
        driver.execute("PRAGMA synchronous=FULL")
        driver.execute("PRAGMA foreign_keys=ON")
        driver.execute("PRAGMA wal_autocheckpoint=0")  # `Writer` does it, and sees the errors
        driver.execute(f"PRAGMA journal_size_limit={WAL_KEPT_BYTES}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def has_wal_reset_bug(version: tuple[int, int, int]) -> bool:
    """Whether this SQLite can lose committed writes when several connections use one WAL."""
    if version[:2] == (3, 44):
        return version < (3, 44, 6)
    if version[:2] == (3, 50):
        return version < (3, 50, 7)
    return (3, 7, 0) <= version < (3, 51, 3)


def warn_of_wal_reset_bug(version: tuple[int, int, int]) -> None:
    if has_wal_reset_bug(version):
        _log.warning(
            "SQLite %d.%d.%d can lose committed writes when another program writes to or checkpoints the database "
            "while Coscribe runs: open it read-only elsewhere, or use SQLite 3.51.3 or newer",
            *version,
        )
