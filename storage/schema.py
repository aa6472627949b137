"""Brings a database to this version's schema, and says how far it is.

Rule E6: migrations are all or nothing, run once however many processes start them, and a database that a newer
version has migrated is refused.
"""

import asyncio
import threading
from collections.abc import Callable
from enum import Enum
from functools import cache
from pathlib import Path
from typing import NamedTuple

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, column, inspect, select, table
from sqlalchemy.engine import URL

from collab.errors import SchemaTooNew, StoreUnavailable
from storage.errors import SchemaBehind, wrap_db_errors
from storage.postgresql import single_connection_engine
from storage.sqlite import BUSY_TIMEOUT_MS, FileLock, writer_engine
from storage.sqlite_readers import Readers
from storage.url import describe, is_sqlite, parse_database_url, sqlite_path

_version = table("alembic_version", column("version_num"))
MIGRATION_LOCK_KEY = 0x436F7363_72696265
"""Of PostgreSQL's advisory locks, which are numbers: "Coscribe", so that no other program takes the same by chance."""
_one_at_a_time = threading.Lock()
"""Alembic keeps what it is doing in global variables."""


class SchemaState(Enum):
    CURRENT = "current"
    BEHIND = "behind"
    TOO_NEW = "too new"


class Revisions(NamedTuple):
    """The migrations that this version of Coscribe brings along."""

    head: str
    known: frozenset[str]


async def upgrade(url: str) -> None:
    """Create the schema or bring it up to date. Does nothing, and needs no lock, when it is current.

    Raises:
        SchemaTooNew: a newer version of Coscribe has migrated the database.
        StoreUnavailable: the database cannot be reached or written, or (SQLite) another process has it open.
        StoreBroken: the file is damaged, or is no database.
        UnsupportedDatabase: the URL names no database that Coscribe can use.
    """
    match await schema_state(url):
        case SchemaState.TOO_NEW:
            raise too_new(describe(parse_database_url(url)))
        case SchemaState.BEHIND:
            parsed = parse_database_url(url)
            with wrap_db_errors(describe(parsed), writing=True):
                await asyncio.to_thread(_upgrade, alembic_config(parsed))
        case SchemaState.CURRENT:
            pass


def _upgrade(config: Config) -> None:
    with _one_at_a_time:
        command.upgrade(config, "head")


async def schema_state(url: str) -> SchemaState:
    """Compare the database's schema with this version's, without writing. A missing SQLite file is behind.

    Raises:
        StoreUnavailable, StoreBroken, UnsupportedDatabase: as for `upgrade`.
    """
    parsed = parse_database_url(url)
    if is_sqlite(parsed) and not await asyncio.to_thread(_sqlite_file_exists, parsed):
        return SchemaState.BEHIND
    revisions = await asyncio.to_thread(own_revisions)
    with wrap_db_errors(describe(parsed), writing=True):
        if is_sqlite(parsed):
            return await _sqlite_state(sqlite_path(parsed), revisions)
        engine = single_connection_engine(parsed)
        try:
            async with engine.connect() as connection:
                return await connection.run_sync(state_of, revisions)
        finally:
            await engine.dispose()


async def _sqlite_state(path: Path, revisions: Revisions) -> SchemaState:
    readers = Readers(path, 1, busy_timeout_ms=BUSY_TIMEOUT_MS)
    try:
        return await readers.run(lambda connection: state_of(connection, revisions))
    finally:
        await readers.close()


def state_of(connection: Connection, revisions: Revisions) -> SchemaState:
    if not inspect(connection).has_table("alembic_version"):
        return SchemaState.BEHIND
    found = connection.scalar(select(_version.c.version_num))
    if found is None or (found != revisions.head and found in revisions.known):
        return SchemaState.BEHIND
    return SchemaState.CURRENT if found == revisions.head else SchemaState.TOO_NEW


def require_current(state: SchemaState, place: str) -> None:
    """
    Raises:
        SchemaTooNew, SchemaBehind: the database is not at this version's schema.
    """
    if state is SchemaState.TOO_NEW:
        raise too_new(place)
    if state is SchemaState.BEHIND:
        raise SchemaBehind(f"{place}: this version of Coscribe needs another schema; run `coscribe db upgrade`")


def too_new(place: str) -> SchemaTooNew:
    return SchemaTooNew(f"{place}: a newer version of Coscribe has migrated it; run that version, or a newer one")


@cache
def own_revisions() -> Revisions:
    """Reads the migration scripts from disk the first time."""
    scripts = ScriptDirectory.from_config(alembic_config(None))
    head = scripts.get_current_head()
    assert head is not None
    return Revisions(head, frozenset(script.revision for script in scripts.walk_revisions()))


def alembic_config(url: URL | None) -> Config:
    """Alembic's configuration, found in the installed package wherever the process was started.

    The URL travels as an object: as an option it would lose its password, or trip over a percent sign in it.
    """
    config = Config(attributes={"url": url})
    config.set_main_option("script_location", "storage:migrations")
    config.set_main_option("path_separator", "os")
    return config


def run_migrations(url: URL, run: Callable[[Connection], None]) -> None:
    """Call `run` with a connection that may change the schema. Blocks; there must be no running event loop."""
    if is_sqlite(url):
        _run_on_sqlite(url, run)
    else:
        asyncio.run(_run_on_postgresql(url, run))


def _run_on_sqlite(url: URL, run: Callable[[Connection], None]) -> None:
    path = sqlite_path(url)
    lock = FileLock.acquire(path)
    try:
        with writer_engine(path).connect() as connection:
            run(connection)
    finally:
        lock.release()


async def _run_on_postgresql(url: URL, run: Callable[[Connection], None]) -> None:
    engine = single_connection_engine(url)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()


def _sqlite_file_exists(url: URL) -> bool:
    path = sqlite_path(url)
    if path.exists():
        return True
    if not path.parent.is_dir():
        raise StoreUnavailable(f"{describe(url)}: the directory {path.parent} does not exist")
    return False
