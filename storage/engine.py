"""Opens a database and hands out the ports that it implements: the one thing of `storage` that `web` has to know."""

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from sqlalchemy.engine import URL

from storage.access import SqlAccess
from storage.accounts import SqlAccounts
from storage.archives import Archives
from storage.audit_log import AuditLog
from storage.credentials import SqlCredentials
from storage.documents import SqlDocuments
from storage.errors import wrap_db_errors
from storage.files import SqlFiles
from storage.history import SqlHistory
from storage.postgresql import PostgresBackend
from storage.quarantine import SqlQuarantine
from storage.retention import SqlRetention
from storage.schema import own_revisions, require_current, schema_state, state_of
from storage.search import SqlSearch
from storage.sharing import SqlSharing
from storage.sqlite import SqliteBackend
from storage.stars import SqlStars
from storage.transactions import Backend, Transactions
from storage.update_log import SqlUpdateLog
from storage.url import describe, is_sqlite, parse_database_url, sqlite_path


def wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class Database:
    """An open database. Made by `open`; `async with` closes it."""

    log: SqlUpdateLog
    documents: SqlDocuments
    quarantine: SqlQuarantine
    history: SqlHistory
    archives: Archives
    accounts: SqlAccounts
    access: SqlAccess
    sharing: SqlSharing
    search: SqlSearch
    stars: SqlStars
    credentials: SqlCredentials
    audit: AuditLog
    retention: SqlRetention
    files: SqlFiles

    def __init__(self, transactions: Transactions, *, now_ms: Callable[[], int]) -> None:
        self.now_ms = now_ms
        self._transactions = transactions
        self.log = SqlUpdateLog(transactions, now_ms=now_ms)
        self.documents = SqlDocuments(transactions, now_ms=now_ms)
        self.quarantine = SqlQuarantine(transactions, now_ms=now_ms)
        self.history = SqlHistory(transactions, now_ms=now_ms)
        self.archives = Archives(transactions)
        self.accounts = SqlAccounts(transactions, now_ms=now_ms)
        self.access = SqlAccess(transactions, now_ms=now_ms)
        self.sharing = SqlSharing(transactions, now_ms=now_ms)
        self.search = SqlSearch(transactions)
        self.stars = SqlStars(transactions)
        self.credentials = SqlCredentials(transactions, now_ms=now_ms)
        self.audit = AuditLog(transactions, now_ms=now_ms)
        self.retention = SqlRetention(transactions, now_ms=now_ms)
        self.files = SqlFiles(transactions, now_ms=now_ms)

    @classmethod
    async def open(
        cls, url: str, *, exclusive: bool = True, connections: int = 8, now_ms: Callable[[], int] = wall_clock_ms
    ) -> Self:
        """Open a database whose schema is current (see `storage.schema.upgrade`).

        Args:
            url: `sqlite+aiosqlite:///path/to/file.db` or `postgresql+asyncpg://user:password@host:port/database`.
            exclusive: Open it to write. On SQLite this process is then the only one that may. Without, the database
                is opened for reading only, on SQLite also beside a running server.
            connections: How many may be open at once; on SQLite readers, besides the one writer.
            now_ms: Wall clock for the times of rows, milliseconds since 1970.

        Raises:
            StoreUnavailable: it cannot be reached or written, or another server has the SQLite file. One line that
                names the place and the reason, and no secret.
            SchemaTooNew, SchemaBehind: its schema is not this version's.
            StoreBroken: the SQLite file is damaged, or is none.
            UnsupportedDatabase: the URL names no database that Coscribe can use.
        """
        parsed = parse_database_url(url)
        place = describe(parsed)
        require_current(await schema_state(url), place)
        with wrap_db_errors(place, writing=True):
            backend = await _open_backend(parsed, exclusive=exclusive, connections=connections)
        return cls(Transactions(backend, read_only=not exclusive), now_ms=now_ms)

    async def ping(self) -> None:
        """Find out whether the database can serve.

        Raises:
            StoreUnavailable: it cannot be reached.
            StoreBroken: its disk failed under an earlier write.
            SchemaTooNew, SchemaBehind: its schema was changed meanwhile.
        """
        self._transactions.require_unbroken()
        revisions = await asyncio.to_thread(own_revisions)
        state = await self._transactions.read(lambda connection: state_of(connection, revisions))
        require_current(state, "the database")

    async def wipe(self) -> None:
        """Make sure that what was deleted is not left in the database's files. Writing waits meanwhile.

        On SQLite the file is written anew (VACUUM) and the WAL emptied; some seconds for each GB. On PostgreSQL the
        space is given back for reuse, which overwrites it sooner or later: see docs/history.md.

        Raises:
            StoreUnavailable: somebody reads without end, or the disk is full; it may be tried again.
        """
        await self._transactions.wipe()

    async def close(self) -> None:
        """Wait for what is running, then let go of the database. Idempotent; later use raises StoreUnavailable."""
        await self._transactions.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


async def _open_backend(url: URL, *, exclusive: bool, connections: int) -> Backend:
    if is_sqlite(url):
        return await SqliteBackend.open(sqlite_path(url), exclusive=exclusive, readers=connections)
    return PostgresBackend(url, connections=connections)
