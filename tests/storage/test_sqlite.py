"""SQLite: one durable writer, readers that cannot write, one server at a time; and what happens when a disk fails."""

import asyncio
import logging
import os
import resource
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete
from sqlalchemy.engine import URL

import storage.sqlite
from collab.errors import StoreError, StoreUnavailable
from collab.types import parse_document_id
from storage.engine import Database
from storage.errors import BROKEN, BUSY, FULL, REFUSED, StoreBroken
from storage.schema import upgrade
from storage.sqlite import SqliteBackend, Writer, has_wal_reset_bug
from storage.sqlite_readers import Readers
from storage.tables import updates
from tests.storage.edits import A, append, stored
from tests.support import eventually


def pragma(name: str) -> Any:
    return lambda connection: connection.exec_driver_sql(f"PRAGMA {name}").scalar()


def writer_of(database: Database) -> Writer:
    backend = database._transactions._backend
    assert isinstance(backend, SqliteBackend)
    assert backend._writer is not None
    return backend._writer


@pytest.fixture
async def database(sqlite_database: Database) -> Database:
    await sqlite_database.log.load(A, create=True)
    return sqlite_database


@pytest.mark.rule("E1")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("journal_mode", "wal"),
        ("synchronous", 2),  # FULL: fsync at every commit
        ("foreign_keys", 1),
        ("busy_timeout", 2000),
        ("wal_autocheckpoint", 0),
    ],
)
async def test_the_writer_is_durable(database: Database, name: str, value: object) -> None:
    assert await database._transactions.write(pragma(name)) == value


@pytest.mark.rule("E1")
async def test_every_write_runs_on_the_same_thread(database: Database) -> None:
    writes = (database._transactions.write(lambda _: threading.current_thread().name) for _ in range(20))
    names = set(await asyncio.gather(*writes))
    assert len(names) == 1
    assert names.pop().startswith("coscribe-sqlite-writer")


@pytest.mark.rule("E1")
async def test_the_writer_copies_the_wal_back_before_it_grows(
    database: Database, sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.sqlite, "CHECKPOINT_COMMITS", 10)
    for number in range(200):
        await database.log.append([append(A, b"%d" % number)])
    # Each commit writes two pages or more: without a checkpoint it would be 1.6 MB.
    assert os.stat(f"{sqlite_path}-wal").st_size < 400_000
    assert len(await stored(database.log, A)) == 200


@pytest.mark.rule("E1")
async def test_a_commit_that_makes_the_wal_grow_much_is_followed_by_a_checkpoint(
    database: Database, sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.sqlite, "CHECKPOINT_GROWTH_BYTES", 100_000)
    payload = os.urandom(200_000)
    await database.log.append([append(A, payload)])
    # Only a checkpoint brings it into the file itself.
    await eventually(lambda: payload[-1000:] in sqlite_path.read_bytes(), "the row in the database file")


async def test_closing_leaves_one_file_with_everything_in_it(database: Database, sqlite_path: Path) -> None:
    await database.log.append([append(A, b"the last words")])
    await database.close()
    assert {name for name in os.listdir(sqlite_path.parent) if "lock" not in name} == {sqlite_path.name}
    assert b"the last words" in await asyncio.to_thread(sqlite_path.read_bytes)


@pytest.mark.rule("E2")
async def test_readers_cannot_write(database: Database) -> None:
    def write(connection: Connection) -> None:
        connection.execute(delete(updates))

    def write_by_force(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA query_only=OFF")
        connection.execute(delete(updates))

    for work in (write, write_by_force):
        with pytest.raises(StoreUnavailable, match=REFUSED):
            await database._transactions.read(work)


@pytest.mark.rule("E3")
async def test_a_second_server_is_kept_out_and_told_who_has_the_database(
    database: Database, sqlite_url: str, sqlite_path: Path
) -> None:
    with pytest.raises(StoreUnavailable) as refused:
        await Database.open(sqlite_url)
    assert str(refused.value) == f"SQLite file {sqlite_path}: another Coscribe process ({os.getpid()}) has it open"
    await database.close()
    async with await Database.open(sqlite_url):
        pass


@pytest.mark.rule("E3")
async def test_reading_beside_a_server_needs_no_lock_and_cannot_write(database: Database, sqlite_url: str) -> None:
    async with await Database.open(sqlite_url, exclusive=False) as beside:
        await database.log.append([append(A, b"1")])
        assert await stored(beside.log, A) == [b"1"]
        with pytest.raises(StoreError, match="for reading only") as refused:
            await beside.log.append([append(A, b"2")])
        assert not refused.value.retryable
    assert await database.log.append([append(A, b"2")]) == [2]


async def test_a_crashed_server_leaves_a_database_that_can_be_read_and_opened(
    database: Database, sqlite_path: Path, tmp_path: Path
) -> None:
    await database.log.append([append(A, b"1")])
    crashed = tmp_path / "crashed.db"
    for suffix in ("", "-wal"):
        content = await asyncio.to_thread(Path(f"{sqlite_path}{suffix}").read_bytes)
        await asyncio.to_thread(Path(f"{crashed}{suffix}").write_bytes, content)
    for exclusive in (False, True):
        async with await Database.open(f"sqlite+aiosqlite:///{crashed}", exclusive=exclusive) as opened:
            assert await stored(opened.log, A) == [b"1"]


@pytest.mark.rule("E4")
async def test_a_full_disk_is_survived(database: Database) -> None:
    pages = await database._transactions.write(pragma("page_count"))
    await database._transactions.write(pragma(f"max_page_count={pages}"))
    appends = [append(A, b"x" * 100_000)]
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=FULL):
            await database.log.append(appends)
    assert await stored(database.log, A) == []
    await database._transactions.write(pragma("max_page_count=1000000"))
    assert await database.log.append(appends) == [1]
    assert len(await stored(database.log, A)) == 1


@pytest.mark.rule("E4")
async def test_a_lock_of_another_program_is_survived(
    sqlite_url: str, sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.sqlite, "WRITER_BUSY_TIMEOUT_MS", 10)
    await upgrade(sqlite_url)
    async with await Database.open(sqlite_url) as database:
        await database.log.load(A, create=True)
        with locked(sqlite_path), pytest.raises(StoreUnavailable, match=BUSY):
            await database.log.append([append(A, b"1")])
        assert await database.log.append([append(A, b"1")]) == [1]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        yield
    finally:
        other.close()


@pytest.mark.rule("E4")
@pytest.mark.rule("E5")
async def test_after_a_failed_write_to_the_disk_nothing_is_acknowledged_any_more(
    database: Database, sqlite_url: str, sqlite_path: Path
) -> None:
    await database.log.append([append(A, b"1")])
    with no_file_may_grow_beyond(os.stat(f"{sqlite_path}-wal").st_size):
        with pytest.raises(StoreBroken, match=BROKEN) as failure:
            await database.log.append([append(A, b"2" * 100_000)])
        assert not failure.value.retryable
    # The disk would take it now, but what the kernel has dropped meanwhile nobody knows.
    with pytest.raises(StoreBroken):
        await database.log.append([append(A, b"3")])
    with pytest.raises(StoreBroken):
        await database.ping()
    await database.close()
    async with await Database.open(sqlite_url) as reopened:
        assert await stored(reopened.log, A) == [b"1"]
        assert await reopened.log.append([append(A, b"3")]) == [2]


@contextmanager
def no_file_may_grow_beyond(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.rule("E5")
async def test_a_checkpoint_whose_fsync_fails_stops_the_next_commit(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = sqlite3.OperationalError("disk I/O error")
    failure.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC

    def fail(_: str) -> None:
        raise failure

    monkeypatch.setattr(storage.sqlite, "CHECKPOINT_COMMITS", 1)
    monkeypatch.setattr(writer_of(database), "_pragma", fail)
    assert await database.log.append([append(A, b"1")]) == [1]
    with pytest.raises(StoreBroken):
        await database.log.append([append(A, b"2")])
    assert await stored(database.log, A) == [b"1"]


async def test_a_checkpoint_that_readers_hold_up_is_made_later(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = sqlite3.OperationalError("database table is locked")
    failure.sqlite_errorcode = sqlite3.SQLITE_LOCKED

    def fail(_: str) -> None:
        raise failure

    with monkeypatch.context() as patched:
        patched.setattr(storage.sqlite, "CHECKPOINT_COMMITS", 1)
        patched.setattr(writer_of(database), "_pragma", fail)
        assert await database.log.append([append(A, b"1")]) == [1]
        assert await database.log.append([append(A, b"2")]) == [2]


@pytest.mark.parametrize(
    ("version", "has_bug"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 53, 0), False),
    ],
)
async def test_sqlite_versions_that_can_lose_commits_are_known(version: tuple[int, int, int], has_bug: bool) -> None:
    assert has_wal_reset_bug(version) == has_bug


async def test_a_server_warns_of_a_sqlite_that_can_lose_commits(
    sqlite_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    await upgrade(sqlite_url)
    for version, warnings in (((3, 40, 1), 1), ((3, 51, 3), 0)):
        monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
        caplog.clear()
        with caplog.at_level(logging.WARNING, "storage"):
            async with await Database.open(sqlite_url):
                assert len(caplog.records) == warnings


async def test_a_file_that_is_no_database_is_refused(sqlite_url: str, sqlite_path: Path) -> None:
    await asyncio.to_thread(sqlite_path.write_text, "Dear diary, " * 1000)
    for refused in (upgrade(sqlite_url), Database.open(sqlite_url)):
        with pytest.raises(StoreBroken, match=f"SQLite file {sqlite_path}: file is not a database"):
            await refused


async def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/no/such/coscribe.db"
    for refused in (upgrade(url), Database.open(url)):
        with pytest.raises(StoreUnavailable) as error:
            await refused
        assert (
            str(error.value)
            == f"SQLite file {tmp_path}/no/such/coscribe.db: the directory {tmp_path}/no/such does not exist"
        )


async def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    directory = tmp_path
    if os.geteuid() == 0:
        directory = Path("/sys")  # permissions do not stop root, a file system without files does
    else:
        os.chmod(directory, 0o555)
    with pytest.raises(StoreUnavailable) as error:
        await upgrade(f"sqlite+aiosqlite:///{directory}/coscribe.db")
    assert str(error.value).startswith(
        f"SQLite file {directory}/coscribe.db: the directory {directory} cannot be written: "
    )
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["with space", "100%25", "what?", "h#sh", "ünï", "a&b=c"])
async def test_any_file_name_will_do(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.db"
    url = URL.create("sqlite+aiosqlite", database=str(path)).render_as_string()
    await upgrade(url)
    async with await Database.open(url) as database:
        await database.log.load(A, create=True)
        assert await database.log.append([append(A, b"1")]) == [1]
    assert path.name in os.listdir(tmp_path)


async def test_a_caller_that_gives_up_waits_for_its_transaction(database: Database) -> None:
    started, go_on = threading.Event(), threading.Event()

    def work(_: Connection) -> None:
        started.set()
        go_on.wait(10)

    writing = asyncio.create_task(database._transactions.write(work))
    await asyncio.to_thread(started.wait, 10)
    writing.cancel()
    await asyncio.wait([writing], timeout=0.05)
    assert not writing.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await writing


async def _hold_the_writer(database: Database) -> tuple[threading.Event, "asyncio.Task[None]"]:
    """Keep the writer's thread busy until the event is set: whatever is written meanwhile waits together."""
    busy, release = threading.Event(), threading.Event()

    def work(_: Connection) -> None:
        busy.set()
        release.wait(10)

    holding = asyncio.create_task(database._transactions.write(work))
    await eventually(busy.is_set, "the writer is busy")
    return release, holding


async def test_transactions_that_wait_together_are_committed_together(database: Database) -> None:
    release, holding = await _hold_the_writer(database)
    commits = writer_of(database)._commits
    names = [parse_document_id(f"together/{number}") for number in range(20)]
    loading = [asyncio.create_task(database.log.load(name, create=True)) for name in names]
    await eventually(lambda: len(writer_of(database)._jobs) == 20, "all wait")
    release.set()
    await holding
    assert len({loaded.epoch for loaded in await asyncio.gather(*loading)}) == 20
    assert writer_of(database)._commits == commits + 2


async def test_a_transaction_that_fails_takes_none_of_those_it_waited_with_along(database: Database) -> None:
    release, holding = await _hold_the_writer(database)

    def fail(connection: Connection) -> None:
        connection.execute(delete(updates))
        raise KeyError("on purpose")

    first = asyncio.create_task(database.log.append([append(A, b"first")]))
    await eventually(lambda: len(writer_of(database)._jobs) == 1, "the first waits")
    failing = asyncio.create_task(database._transactions.write(fail))
    last = asyncio.create_task(database.log.load(parse_document_id("together/last"), create=True))
    await eventually(lambda: len(writer_of(database)._jobs) == 3, "all wait")
    release.set()
    await holding
    with pytest.raises(KeyError, match="on purpose"):
        await failing
    assert await first == [1]
    assert (await last).head == 0
    assert await stored(database.log, A) == [b"first"]


def test_a_reader_that_is_given_up_while_it_opens_leaves_no_thread_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that ended while its application was still opening readers printed a traceback of their thread."""
    sqlite3.connect(tmp_path / "some.db").close()
    begun = threading.Event()
    connect = sqlite3.connect

    def slowly(*arguments: Any, **options: Any) -> sqlite3.Connection:
        begun.set()
        time.sleep(0.2)
        opened: sqlite3.Connection = connect(*arguments, **options)
        return opened

    monkeypatch.setattr("aiosqlite.core.sqlite3.connect", slowly)

    async def give_up() -> None:
        readers = Readers(tmp_path / "some.db", 1, busy_timeout_ms=0)
        reading = asyncio.create_task(readers.run(lambda _: None))
        await asyncio.to_thread(begun.wait)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await readers.close()

    asyncio.run(give_up())
    assert [thread for thread in threading.enumerate() if "_connection_worker" in thread.name] == []
