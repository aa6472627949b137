"""Opening and closing, and what people get to read when that fails."""

import asyncio
import traceback

import pytest
from sqlalchemy import Connection
from sqlalchemy.engine import make_url

from collab.errors import StoreUnavailable
from storage.engine import Database
from storage.errors import UnsupportedDatabase
from storage.schema import schema_state, upgrade
from storage.url import describe, parse_database_url
from tests.postgres import execute
from tests.servers import free_port
from tests.storage.edits import A, append, stored
from tests.storage.faults import CuttingProxy, FaultyBackend

SECRET = "swordfish"


@pytest.mark.rule("E8")
@pytest.mark.parametrize(
    ("host", "reason"), [("127.0.0.1", "Connection refused"), ("no-such-host.invalid", ""), ("[::1]", "")]
)
async def test_an_unreachable_postgresql_is_named_in_one_line_without_its_password(host: str, reason: str) -> None:
    port = free_port()
    url = f"postgresql+asyncpg://somebody:{SECRET}@{host}:{port}/documents"
    for refused in (upgrade(url), schema_state(url), Database.open(url)):
        with pytest.raises(StoreUnavailable) as error:
            await refused
        text = str(error.value)
        assert text.startswith(f"PostgreSQL database documents at {host.strip('[]')}:{port}: {reason}")
        assert "\n" not in text
        assert SECRET not in "".join(traceback.format_exception(error.value))


@pytest.mark.rule("E8")
async def test_a_postgresql_that_refuses_its_user_or_has_no_such_database_says_so(postgres_url: str) -> None:
    url = parse_database_url(postgres_url)
    for wrong, reason in (
        (url.set(database="no_such_database"), 'database "no_such_database" does not exist'),
        (url.set(username="nobody_knows", password=SECRET), 'role "nobody_knows" does not exist'),
    ):
        with pytest.raises(StoreUnavailable) as error:
            await Database.open(wrong.render_as_string(hide_password=False))
        assert str(error.value) == f"{describe(wrong)}: {reason}"


@pytest.mark.rule("E8")
@pytest.mark.parametrize(
    "url",
    [
        f"mysql://somebody:{SECRET}@host/database",
        f"postgresql+psycopg://somebody:{SECRET}@host/database",
        f"rubbish {SECRET}",
        f"postgresql+asyncpg://somebody:{SECRET}@host:port/database",
        "",
        "sqlite+aiosqlite://",
        "sqlite+aiosqlite:///:memory:",
        "sqlite+aiosqlite:///file:x.db?uri=true",
        "sqlite+aiosqlite:///x.db?mode=ro",
        "sqlite+aiosqlite://host/x.db",
    ],
)
async def test_other_databases_are_refused_without_repeating_their_url(url: str) -> None:
    for refused in (upgrade(url), Database.open(url)):
        with pytest.raises(UnsupportedDatabase) as error:
            await refused
        assert SECRET not in "".join(traceback.format_exception(error.value))


@pytest.mark.parametrize(
    ("text", "description"),
    [
        ("sqlite:////srv/x.db", "SQLite file /srv/x.db"),
        ("postgresql://db.example/coscribe", "PostgreSQL database coscribe at db.example:5432"),
        (f"postgresql+asyncpg://me:{SECRET}@db:6432/x", "PostgreSQL database x at db:6432"),
        ("postgresql+asyncpg:///x?host=/run/postgresql", "PostgreSQL database x at /run/postgresql:5432"),
    ],
)
async def test_a_database_is_described_without_its_secrets(text: str, description: str) -> None:
    assert describe(parse_database_url(text)) == description


@pytest.mark.rule("E4")
async def test_a_database_that_goes_away_is_unavailable_until_it_is_back(postgres_url: str) -> None:
    await upgrade(postgres_url)
    async with CuttingProxy(postgres_url) as proxy, await Database.open(proxy.url) as database:
        await database.log.load(A, create=True)
        proxy.open = False
        await proxy.cut_all()
        for refused in (database.ping(), database.log.append([append(A, b"1")]), database.documents.get(A)):
            with pytest.raises(StoreUnavailable) as error:
                await refused
            # A client may read it, so it names no host; whoever reads the logs finds the reason.
            assert "127.0.0.1" not in str(error.value)
            assert error.value.__notes__
        proxy.open = True
        await database.ping()
        assert await database.log.append([append(A, b"1")]) == [1]


@pytest.mark.rule("E4")
async def test_a_node_lives_through_a_migration_by_another(postgres_url: str) -> None:
    await upgrade(postgres_url)
    async with await Database.open(postgres_url) as database:
        await database.log.load(A, create=True)
        await database.log.append([append(A, b"1")])
        execute(make_url(postgres_url), "ALTER TABLE documents ALTER COLUMN head_seq TYPE integer")
        assert await database.log.append([append(A, b"2")]) == [2]
        execute(make_url(postgres_url), "ALTER TABLE updates ALTER COLUMN seq TYPE integer")
        assert await stored(database.log, A) == [b"1", b"2"]


@pytest.mark.rule("L2")
async def test_postgresql_commits_durably_whatever_its_default_is(postgres_url: str) -> None:
    await upgrade(postgres_url)

    def settings(connection: Connection) -> list[object]:
        names = ("synchronous_commit", "transaction_isolation", "transaction_read_only")
        return [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in names]

    name = parse_database_url(postgres_url).database
    execute(make_url(postgres_url), f"ALTER DATABASE {name} SET synchronous_commit = off")
    async with await Database.open(postgres_url) as database:
        assert await database._transactions.write(settings) == ["on", "read committed", "off"]
        assert await database._transactions.read(settings) == ["on", "repeatable read", "on"]


async def test_a_database_opened_for_reading_only_is_not_written(url: str) -> None:
    async with await Database.open(url) as database:
        await database.log.load(A, create=True)
        await database.log.append([append(A, b"1")])
    async with await Database.open(url, exclusive=False) as reader:
        await reader.ping()
        assert await stored(reader.log, A) == [b"1"]


@pytest.mark.rule("E7")
async def test_closing_waits_for_what_runs_and_refuses_what_comes(database: Database) -> None:
    backend = database._transactions._backend = FaultyBackend(database._transactions._backend)
    await database.log.load(A, create=True)
    backend.faults = ["held"]
    running = asyncio.create_task(database.log.append([append(A, b"1")]))
    await backend.holding.wait()
    closing = [asyncio.create_task(database.close()) for _ in range(2)]
    done, _ = await asyncio.wait(closing, timeout=0.1)
    assert not done
    with pytest.raises(StoreUnavailable, match="closed"):
        await database.log.load(A, create=True)
    backend.go_on.set()
    assert await running == [1]
    await asyncio.gather(*closing)
