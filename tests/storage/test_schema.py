"""Migrations: from nothing to the newest, all or nothing, never backwards (rule E6)."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from alembic import op
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from collab.errors import SchemaTooNew, StoreUnavailable
from storage.engine import Database
from storage.errors import SchemaBehind
from storage.schema import MIGRATION_LOCK_KEY, SchemaState, own_revisions, run_migrations, schema_state, upgrade
from storage.sqlite import FileLock
from storage.tables import metadata
from storage.url import parse_database_url
from tests.storage.conftest import connected
from tests.support import eventually

T = TypeVar("T")

TWO_ARE_WAITING = """
    SELECT count(*) = 2 FROM pg_locks JOIN pg_database ON database = pg_database.oid
    WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted
"""

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
async def url(empty_url: str) -> str:
    """A database with our schema, of the test's own."""
    await upgrade(empty_url)
    return empty_url


def inside(url: str, work: Callable[[Connection], T]) -> T:
    """What `work` gives on a connection with all rights."""
    found: list[T] = []

    def run(connection: Connection) -> None:
        found.append(work(connection))
        connection.commit()

    run_migrations(parse_database_url(url), run)
    return found[0]


async def execute(url: str, statement: str) -> None:
    await asyncio.to_thread(inside, url, lambda connection: connection.execute(text(statement)))


async def tables(url: str) -> set[str]:
    return set(await asyncio.to_thread(inside, url, lambda connection: inspect(connection).get_table_names()))


@pytest.mark.rule("E6")
async def test_an_empty_database_is_behind_until_it_is_upgraded(empty_url: str) -> None:
    assert await schema_state(empty_url) is SchemaState.BEHIND
    with pytest.raises(SchemaBehind, match="coscribe db upgrade"):
        await Database.open(empty_url)
    await upgrade(empty_url)
    assert await schema_state(empty_url) is SchemaState.CURRENT
    async with await Database.open(empty_url) as database:
        await database.ping()


@pytest.mark.rule("E6")
async def test_upgrading_again_does_nothing_and_may_happen_while_a_server_runs(url: str) -> None:
    async with await Database.open(url):
        await upgrade(url)
    assert await schema_state(url) is SchemaState.CURRENT


async def test_a_missing_sqlite_file_is_behind_and_is_not_created_by_looking(tmp_path: Path, sqlite_url: str) -> None:
    assert await schema_state(sqlite_url) is SchemaState.BEHIND
    assert os.listdir(tmp_path) == []


@pytest.mark.rule("E6")
async def test_upgrades_within_one_process_wait_for_each_other(postgres_url: str) -> None:
    await asyncio.gather(*(upgrade(postgres_url) for _ in range(3)))
    assert await schema_state(postgres_url) is SchemaState.CURRENT


@pytest.mark.rule("E6")
async def test_a_schema_of_a_newer_version_is_refused(url: str) -> None:
    await execute(url, "UPDATE alembic_version SET version_num = 'from the future'")
    assert await schema_state(url) is SchemaState.TOO_NEW
    for refused in (upgrade(url), Database.open(url)):
        with pytest.raises(SchemaTooNew, match="a newer version of Coscribe has migrated it"):
            await refused


@pytest.mark.rule("E6")
async def test_a_server_notices_that_its_database_was_migrated_away(postgres_url: str) -> None:
    await upgrade(postgres_url)
    async with await Database.open(postgres_url) as database:
        await execute(postgres_url, "UPDATE alembic_version SET version_num = 'from the future'")
        with pytest.raises(SchemaTooNew):
            await database.ping()


@pytest.mark.rule("E6")
async def test_a_migration_that_fails_leaves_nothing_behind(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    create_table = op.create_table

    def fail_at_updates(name: str, *args: Any, **options: Any) -> Any:
        if name == "updates":
            raise RuntimeError("the power went out")
        return create_table(name, *args, **options)

    monkeypatch.setattr(op, "create_table", fail_at_updates)
    with pytest.raises(RuntimeError, match="the power went out"):
        await upgrade(empty_url)
    assert await tables(empty_url) == set()
    monkeypatch.undo()
    await upgrade(empty_url)
    assert await tables(empty_url) >= metadata.tables.keys()


@pytest.mark.rule("E6")
async def test_nodes_that_start_together_migrate_once(postgres_url: str, tmp_path: Path) -> None:
    async with connected(postgres_url) as admin:
        await admin.execute(f"SELECT pg_advisory_lock({MIGRATION_LOCK_KEY})")
        nodes = [asyncio.to_thread(alembic, ["upgrade", "head"], postgres_url, tmp_path) for _ in range(2)]
        upgrading = asyncio.gather(*nodes)
        await eventually(lambda: admin.fetchval(TWO_ARE_WAITING), "two processes at the lock", within=30)
        await admin.execute(f"SELECT pg_advisory_unlock({MIGRATION_LOCK_KEY})")
        assert [done.returncode for done in await upgrading] == [0, 0]
    assert await schema_state(postgres_url) is SchemaState.CURRENT


@pytest.mark.rule("E6")
async def test_sqlite_is_not_migrated_under_a_running_server(sqlite_path: Path, sqlite_url: str) -> None:
    lock = FileLock.acquire(sqlite_path)
    try:
        with pytest.raises(StoreUnavailable, match="another Coscribe process"):
            await upgrade(sqlite_url)
    finally:
        lock.release()
    await upgrade(sqlite_url)


async def test_the_migrations_make_the_tables_that_the_code_expects(url: str) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    assert await asyncio.to_thread(inside, url, differences) == []


async def test_postgresql_compares_names_by_bytes_whatever_its_locale_is(postgres_url: str) -> None:
    await upgrade(postgres_url)
    async with connected(postgres_url) as admin:
        rows = await admin.fetch("SELECT column_name FROM information_schema.columns WHERE collation_name = 'C'")
    assert {row["column_name"] for row in rows} >= {"name", "external_id"}


async def test_sqlite_keeps_updates_in_the_order_of_their_key_and_never_reuses_a_document(sqlite_url: str) -> None:
    await upgrade(sqlite_url)

    def definitions(connection: Connection) -> dict[str, str]:
        rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
        return {row.name: row.sql for row in rows}

    found = await asyncio.to_thread(inside, sqlite_url, definitions)
    assert "WITHOUT ROWID" in found["updates"]
    assert "AUTOINCREMENT" in found["documents"]


async def test_developers_may_use_alembic_from_any_directory(url: str, tmp_path: Path) -> None:
    shown = await asyncio.to_thread(alembic, ["current", "--check-heads"], url, tmp_path)
    assert f"{own_revisions().head} (head)" in shown.stdout, shown.stderr
    undone = await asyncio.to_thread(alembic, ["downgrade", "base"], url, tmp_path)
    assert undone.returncode == 0, undone.stderr
    assert await tables(url) == {"alembic_version"}
    assert await schema_state(url) is SchemaState.BEHIND


async def test_alembic_prints_the_statements_for_those_who_run_them_themselves(empty_url: str, tmp_path: Path) -> None:
    done = await asyncio.to_thread(alembic, ["upgrade", "head", "--sql"], empty_url, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "CREATE TABLE updates" in done.stdout
    assert ("WITHOUT ROWID" in done.stdout) == empty_url.startswith("sqlite")
    assert await schema_state(empty_url) is SchemaState.BEHIND


def alembic(arguments: list[str], url: str, directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "alembic", "-c", ROOT / "alembic.ini", *arguments],
        cwd=directory,
        env=os.environ | {"COSCRIBE_DATABASE_URL": url, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
