"""Rule L6: appends whose outcome nobody knows are stored exactly once, however often they are tried again."""

import asyncio
import random
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import Connection

from collab.errors import StoreUnavailable
from collab.ports import Append
from storage.engine import Database, wall_clock_ms
from storage.schema import upgrade
from storage.transactions import RETRY_PAUSES, Transactions
from tests.storage.conftest import connected
from tests.storage.edits import A, B, append, stored
from tests.storage.faults import CuttingProxy, FaultyBackend
from tests.support import eventually

pytestmark = pytest.mark.rule("L6")

OUTAGE = ["down"]

SLOW_COMMIT = """
    CREATE TABLE slow ();
    INSERT INTO slow DEFAULT VALUES;
    CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF EXISTS (SELECT FROM slow) THEN PERFORM pg_sleep(60); END IF; RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT ON updates DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION be_slow();
"""
COMMITTING = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND query = 'COMMIT;' AND wait_event = 'PgSleep'
"""
TERMINATE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture
def faults(database: Database) -> FaultyBackend:
    """Lies between `database` and the real one from now on."""
    backend = database._transactions._backend = FaultyBackend(database._transactions._backend)
    return backend


@pytest.fixture
async def database(database: Database) -> Database:
    for document in (A, B):
        await database.log.load(document, create=True)
    return database


@pytest.fixture
async def other_node(database: Database, url: str) -> AsyncIterator[Database]:
    """Another writer of the same data; on SQLite, where there is none, the same one without its faults."""
    if url.startswith("postgresql"):
        async with await Database.open(url) as other:
            yield other
    else:
        yield Database(Transactions(database._transactions._backend), now_ms=wall_clock_ms)


async def fail(database: Database, appends: list[Append]) -> None:
    with pytest.raises(StoreUnavailable):
        await database.log.append(appends)


@pytest.mark.parametrize("fault", ["before", "after"])
async def test_a_connection_that_breaks_once_is_not_even_noticed(
    database: Database, faults: FaultyBackend, fault: str
) -> None:
    await database.log.append([append(A, b"0")])
    faults.faults = [fault]
    assert await database.log.append([append(A, b"1", b"2"), append(B, b"x"), append(A, b"3")]) == [3, 1, 4]
    assert await stored(database.log, A) == [b"0", b"1", b"2", b"3"]
    assert await stored(database.log, B) == [b"x"]
    assert await database.log.append([append(A, b"4")]) == [5]


@pytest.mark.parametrize("fault", ["before", "after"])
async def test_the_same_appends_after_an_outage_are_stored_once(
    database: Database, faults: FaultyBackend, fault: str
) -> None:
    appends = [append(A, b"1", b"2"), append(B, b"x")]
    faults.faults = [fault, *OUTAGE, *OUTAGE, *OUTAGE]
    while faults.faults:
        await fail(database, appends)
    assert await database.log.append(appends) == [2, 1]
    assert await stored(database.log, A) == [b"1", b"2"]
    assert await stored(database.log, B) == [b"x"]


@pytest.mark.parametrize("fault", ["before", "after"])
async def test_another_node_may_write_before_the_second_try(
    database: Database, other_node: Database, faults: FaultyBackend, fault: str
) -> None:
    faults.faults = [fault, *OUTAGE]
    await fail(database, [append(A, b"mine")])
    await other_node.log.append([append(A, b"theirs")])
    expected = {"before": (2, [b"theirs", b"mine"]), "after": (1, [b"mine", b"theirs"])}[fault]
    assert (await database.log.append([append(A, b"mine")]))[0] == expected[0]
    assert await stored(database.log, A) == expected[1]


@pytest.mark.parametrize("fault", ["before", "after"])
async def test_other_appends_may_come_first(database: Database, faults: FaultyBackend, fault: str) -> None:
    faults.faults = [fault, *OUTAGE]
    await fail(database, [append(A, b"first")])
    await database.log.append([append(A, b"second")])
    await database.log.append([append(A, b"first")])
    expected = {"before": [b"second", b"first"], "after": [b"first", b"second"]}[fault]
    assert await stored(database.log, A) == expected


async def test_new_appends_may_join_those_in_doubt(database: Database, faults: FaultyBackend) -> None:
    faults.faults = ["after", *OUTAGE]
    await fail(database, [append(A, b"1"), append(B, b"x")])
    assert await database.log.append([append(A, b"1"), append(A, b"2"), append(B, b"x"), append(B, b"y")]) == [
        1,
        2,
        1,
        2,
    ]
    assert await stored(database.log, A) == [b"1", b"2"]
    assert await stored(database.log, B) == [b"x", b"y"]


async def test_the_second_try_may_fail_like_the_first(database: Database, faults: FaultyBackend) -> None:
    appends = [append(A, b"1")]
    faults.faults = ["after", *OUTAGE]
    await fail(database, appends)
    appends.append(append(A, b"2"))
    faults.faults = ["", "after", *OUTAGE]  # the look at the rows, then the commit of what is new
    await fail(database, appends)
    appends.append(append(A, b"3"))
    assert await database.log.append(appends) == [1, 2, 3]
    assert await stored(database.log, A) == [b"1", b"2", b"3"]


async def test_appends_that_are_alike_are_stored_as_often_as_they_were_asked_for(
    database: Database, faults: FaultyBackend
) -> None:
    twice = [append(A, b"1"), append(A, b"1")]
    faults.faults = ["after", *OUTAGE]
    await fail(database, twice)
    assert await database.log.append(twice) == [1, 2]
    assert await database.log.append(twice) == [3, 4]
    assert await stored(database.log, A) == [b"1"] * 4


async def test_answers_are_kept_for_each_of_several_callers(database: Database, faults: FaultyBackend) -> None:
    calls = [[append(A, b"%d" % number)] for number in range(5)]
    for call in calls:
        faults.faults = ["", "after", *OUTAGE] if call is not calls[0] else ["after", *OUTAGE]
        await fail(database, call)
    assert [await database.log.append(call) for call in reversed(calls)] == [[5], [4], [3], [2], [1]]
    assert len(await stored(database.log, A)) == 5


async def test_a_document_that_was_purged_meanwhile_keeps_nobody_waiting(
    database: Database, other_node: Database, faults: FaultyBackend
) -> None:
    faults.faults = ["before", *OUTAGE]
    await fail(database, [append(A, b"1")])

    def purge(connection: Connection) -> None:
        connection.exec_driver_sql("DELETE FROM documents WHERE name = 'a'")

    await other_node._transactions.write(purge)
    assert await database.log.append([append(B, b"1")]) == [1]


async def test_an_append_that_is_cancelled_after_its_commit_is_not_stored_again(
    database: Database, faults: FaultyBackend
) -> None:
    appends = [append(A, b"1")]
    faults.faults = ["silent"]
    writing = asyncio.create_task(database.log.append(appends))
    await faults.silence.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await database.log.append(appends) == [1]
    assert await stored(database.log, A) == [b"1"]


async def test_an_append_that_is_cancelled_at_any_moment_is_stored_once_when_it_is_tried_again(
    database: Database, rng: random.Random
) -> None:
    for number in range(25):
        appends = [append(A, b"%d" % number)]
        writing = asyncio.create_task(database.log.append(appends))
        await asyncio.wait([writing], timeout=rng.uniform(0, 0.004))
        writing.cancel()
        await asyncio.wait([writing])
        answer = await database.log.append(appends) if writing.cancelled() else writing.result()
        assert answer == [number + 1]
    assert await stored(database.log, A) == [b"%d" % number for number in range(25)]


class TestPostgres:
    """The same with a real network, and a real server that ends connections."""

    @pytest.fixture
    async def proxy(self, postgres_url: str) -> AsyncIterator[CuttingProxy]:
        await upgrade(postgres_url)
        async with CuttingProxy(postgres_url) as proxy:
            yield proxy

    @pytest.fixture
    async def database(self, proxy: CuttingProxy) -> AsyncIterator[Database]:
        async with await Database.open(proxy.url) as database:
            await database.log.load(A, create=True)
            yield database

    @pytest.fixture
    async def admin(self, postgres_url: str) -> AsyncIterator[asyncpg.Connection]:
        async with connected(postgres_url) as connection:
            yield connection

    @pytest.mark.parametrize("cut", ["before", "after"])
    async def test_a_connection_cut_at_commit(self, database: Database, proxy: CuttingProxy, cut: str) -> None:
        proxy.cuts = [cut]
        assert await database.log.append([append(A, b"1", b"2")]) == [2]
        assert await stored(database.log, A) == [b"1", b"2"]
        assert proxy.cuts == []

    @pytest.mark.parametrize("cut", ["before", "after"])
    async def test_a_network_that_stays_away(self, database: Database, proxy: CuttingProxy, cut: str) -> None:
        proxy.cuts = [cut] * (len(RETRY_PAUSES) + 1)
        appends = [append(A, b"1", b"2")]
        await fail(database, appends)
        assert proxy.cuts == []
        proxy.open = False
        await fail(database, appends)
        proxy.open = True
        assert await database.log.append(appends) == [2]
        assert await stored(database.log, A) == [b"1", b"2"]

    async def test_a_backend_that_is_terminated_inside_commit(
        self, database: Database, admin: asyncpg.Connection
    ) -> None:
        await admin.execute(SLOW_COMMIT)
        writing = asyncio.create_task(database.log.append([append(A, b"1")]))
        pid = await eventually(lambda: admin.fetchval(COMMITTING), "a transaction inside COMMIT")
        await admin.execute("DELETE FROM slow")
        await admin.execute("SELECT pg_terminate_backend($1)", pid)
        assert await writing == [1]
        assert await stored(database.log, A) == [b"1"]

    async def test_backends_that_are_terminated_at_any_moment(
        self, database: Database, admin: asyncpg.Connection, rng: random.Random
    ) -> None:
        for number in range(25):
            appends = [append(A, b"%d" % number)]
            writing = asyncio.create_task(database.log.append(appends))
            await asyncio.wait([writing], timeout=rng.uniform(0, 0.004))
            await admin.execute(TERMINATE)
            try:
                answer = await writing
            except StoreUnavailable:
                answer = await database.log.append(appends)
            assert answer == [number + 1]
        assert await stored(database.log, A) == [b"%d" % number for number in range(25)]
