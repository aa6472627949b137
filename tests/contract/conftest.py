"""Every adapter of the storage ports, ready to be tested: in memory, SQLite, PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete

from collab.ports import Quarantine, UpdateLog
from collab.types import DocumentId
from storage.documents import Documents
from storage.engine import Database
from storage.memory import MemoryDatabase
from storage.rows import find_document
from storage.schema import upgrade
from storage.tables import checkpoints, updates
from storage.tables import documents as documents_table
from tests.postgres import run_in_thread
from tests.storage.shared import emptied, shared_postgres

__all__ = ["shared_postgres"]

Store = Database | MemoryDatabase
START_MS = 1_800_000_000_000


class WallClock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.now_ms = START_MS

    def __call__(self) -> int:
        return self.now_ms


@dataclass(frozen=True)
class Stores:
    """One set of data behind several doors."""

    writers: list[Store]
    """As many as the adapter allows at once: one, or (PostgreSQL) two nodes."""
    observers: list[Store]
    """Each reads what the writers have committed; not all of them through a writer's connections."""


@pytest.fixture
def clock() -> WallClock:
    return WallClock()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database with our schema; "memory" for the one that needs no URL."""
    return "memory" if request.param == "memory" else empty_database(request, tmp_path)


def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """For the test that asks with the parameter "sqlite" or "postgresql"."""
    if request.param == "postgresql":
        return emptied(request.getfixturevalue("shared_postgres"))
    url = f"sqlite+aiosqlite:///{tmp_path}/contract.db"
    run_in_thread(upgrade(url))
    return url


@pytest.fixture
async def stores(url: str, clock: WallClock) -> AsyncIterator[Stores]:
    if url == "memory":
        memory = MemoryDatabase(now_ms=clock)
        yield Stores([memory], [memory])
        return
    async with AsyncExitStack() as opened:
        first = await opened.enter_async_context(await Database.open(url, now_ms=clock))
        beside = await Database.open(url, now_ms=clock, exclusive=url.startswith("postgresql"))
        second = await opened.enter_async_context(beside)
        yield Stores([first, second] if url.startswith("postgresql") else [first], [first, second])


@pytest.fixture
def store(stores: Stores) -> Store:
    return stores.writers[0]


@pytest.fixture
def log(store: Store) -> UpdateLog:
    return store.log


@pytest.fixture
def documents(store: Store) -> Documents:
    return store.documents


@pytest.fixture
def quarantine(store: Store) -> Quarantine:
    return store.quarantine


async def purge(store: Store, document: DocumentId) -> None:
    """Remove a document for good. There is no port for it yet."""
    if isinstance(store, MemoryDatabase):
        del store._records.by_name[document]
        return

    def work(connection: Connection) -> None:
        found = find_document(connection, document)
        assert found is not None
        for table in (updates, checkpoints):
            connection.execute(delete(table).where(table.c.document_pk == found.pk))
        connection.execute(delete(documents_table).where(documents_table.c.pk == found.pk))

    await store._transactions.write(work)
