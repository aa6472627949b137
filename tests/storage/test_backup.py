"""Backups, between all pairs of databases: what comes out is what went in, and what is not whole is refused."""

import asyncio
import hashlib
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pycrdt import Doc, Text, TransactionEvent
from sqlalchemy import Connection, insert, select, update

from collab.errors import SchemaTooNew, StoreUnavailable
from collab.ports import Append, Checkpoint, NewUpdate
from collab.types import DocumentId, Seq
from storage.audit import Damage
from storage.backup import BackupError, _seal, audit, back_up, no_progress, restore, verify
from storage.blobs import DiskBlobs
from storage.engine import Database
from storage.files import File
from storage.schema import upgrade
from storage.tables import accounts, documents, grants, metadata, server_values, updates
from tests.postgres import run_in_thread
from tests.storage.edits import A, B

ROWS = 1200
"""More than one batch."""


def written(text: str) -> tuple[NewUpdate, ...]:
    """Updates of somebody who types `text`, a letter each, and of somebody without a name."""
    doc: Doc[Any] = Doc()
    letters = doc.get("text", type=Text)
    emitted: list[bytes] = []

    def keep(event: TransactionEvent) -> None:
        emitted.append(event.update)

    subscription = doc.observe(keep)
    for letter in text:
        letters.insert(len(str(letters)), letter)
    doc.unobserve(subscription)
    return tuple(NewUpdate("ada" if n % 2 else None, update) for n, update in enumerate(emitted))


async def fill(database: Database) -> None:
    for document in (A, B):
        await database.log.load(document, create=True)
    rows = written("lorem ipsum " * (ROWS // 12))
    await database.log.append([Append(A, rows), Append(B, written("two"))])
    state: Doc[Any] = Doc()
    for row in rows[:100]:
        state.apply_update(row.payload)
    await database.log.write_checkpoint(A, Checkpoint(Seq(100), state.get_update()))
    await database.documents.rename(B, "Ein schöner Titel 🎈")
    await database.documents.delete(B)
    await database._transactions.write(people_and_rights)


def people_and_rights(connection: Connection) -> None:
    """Rows of other kinds: booleans, text keys, keys of two columns."""
    person = {"id": "ada", "name": "Ada Ödgård", "administrator": True, "guest": False, "created_at_ms": 1 << 40}
    connection.execute(insert(accounts).values(pk=7, **person))
    of_a = select(documents.c.pk).where(documents.c.name == A).scalar_subquery()
    connection.execute(insert(grants).values(document_pk=of_a, account_pk=7, role=4))
    connection.execute(insert(server_values).values(name="a test", value="🎈"))


def everything(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    tables = metadata.sorted_tables
    return {
        table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns))]
        for table in tables
    }


async def holdings(url: str) -> dict[str, list[tuple[Any, ...]]]:
    async with await Database.open(url, exclusive=False) as database:
        return await database._transactions.read(everything)


@pytest.fixture(scope="module")
def finished_backup(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a small database that is gone already."""

    async def make(url: str, file: Path) -> None:
        await upgrade(url)
        async with await Database.open(url) as database:
            await fill(database)
            await back_up(url, file)

    directory = tmp_path_factory.mktemp("backup")
    run_in_thread(make(f"sqlite+aiosqlite:///{directory / 'earlier.db'}", directory / "backup"))
    return directory / "backup"


@pytest.fixture
def backup(finished_backup: Path, tmp_path: Path) -> Path:
    """A copy that the test may spoil."""
    return Path(shutil.copyfile(finished_backup, tmp_path / "backup"))


@pytest.mark.rule("B1")
@pytest.mark.parametrize("other", ["sqlite", "postgresql"])
async def test_a_backup_of_either_database_restores_into_either_to_the_last_byte(
    database: Database, url: str, other: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    await fill(database)
    before = await holdings(url)
    summary = await back_up(url, tmp_path / "backup")
    assert (summary.documents, summary.updates, summary.damages) == (2, ROWS + 3, [])
    await database.close()

    target = f"sqlite+aiosqlite:///{tmp_path / 'target.db'}"
    if other == "postgresql":
        target = request.getfixturevalue("postgres_url")
    await restore(tmp_path / "backup", target)
    assert await holdings(target) == before
    async with await Database.open(target) as restored:
        # Keys go on behind the restored ones, on PostgreSQL too.
        assert (await restored.log.load(DocumentId("new"), create=True)).head == 0
        assert await restored.log.append([Append(A, written("more"))]) == [ROWS + 4]
    assert (await audit(target)).damages == []


PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


async def illustrate(database: Database, blobs: DiskBlobs) -> list[str]:
    """Two images of a document that are whole, one that was lost, and one that has rotted."""
    digests = []
    epoch = (await database.documents.get(A)).epoch
    for number in range(4):
        content = PNG + bytes([number])
        digest = hashlib.sha256(content).hexdigest()
        await database.files.add(A, File(digest, "image/png", len(content)), None, 2**20)
        if number < 2:
            await blobs.put(epoch, digest, content)
        elif number == 2:
            await blobs.put(epoch, digest, b"rotten")
        digests.append(digest)
    return digests


@pytest.mark.rule("B6")
async def test_images_are_in_a_backup_and_come_back_whole(sqlite_url: str, tmp_path: Path) -> None:
    here, there, backup = DiskBlobs(tmp_path / "here"), DiskBlobs(tmp_path / "there"), tmp_path / "backup"
    await upgrade(sqlite_url)
    async with await Database.open(sqlite_url) as database:
        await database.log.load(A, create=True)
        epoch = (await database.documents.get(A)).epoch
        digests = await illustrate(database, here)
        summary = await back_up(sqlite_url, backup, here)
        assert (summary.images, summary.images_missing, summary.damages) == (2, 2, [])
        assert (await back_up(sqlite_url, tmp_path / "without")).images == 0
    checked = await verify(backup)
    assert (checked.images, checked.images_missing) == (2, 2)
    target = f"sqlite+aiosqlite:///{tmp_path / 'target.db'}"
    assert (await restore(backup, target, there)).images == 2
    assert [await there.get(epoch, digest) for digest in digests] == [PNG + b"\0", PNG + b"\1", None, None]

    # A file that was sealed anew by whoever put something else into it.
    with closing(sqlite3.connect(backup)) as connection, connection:
        connection.execute("UPDATE coscribe_files SET content = x'00' WHERE digest = ?", (digests[0],))
        connection.execute("DROP TABLE coscribe_backup")
    _seal(backup, no_progress)
    forged = DiskBlobs(tmp_path / "forged")
    for attempt in (verify(backup), restore(backup, target, forged, replace=True)):
        with pytest.raises(BackupError, match=digests[0]):
            await attempt
    assert await forged.get(epoch, digests[0]) is None
    # Of a time before there were images in backups.
    with closing(sqlite3.connect(backup)) as connection, connection:
        connection.execute("DROP TABLE coscribe_files")
        connection.execute("DROP TABLE coscribe_backup")
    _seal(backup, no_progress)
    old = await restore(backup, target, forged, replace=True)
    assert (old.documents, old.images, old.images_missing) == (1, 0, 4)


@pytest.mark.rule("B1")
@pytest.mark.rule("B2")
async def test_a_backup_made_while_somebody_writes_is_a_beginning_that_holds_what_was_acknowledged(
    database: Database, url: str, tmp_path: Path, rng: random.Random
) -> None:
    await database.log.load(A, create=True)
    rows = written("".join(rng.choice("abc") for _ in range(400)))
    acknowledged = 0

    async def write() -> None:
        nonlocal acknowledged
        for row in rows:
            (acknowledged,) = await database.log.append([Append(A, (row,))])

    writing = asyncio.create_task(write())
    made: list[tuple[int, Path]] = []
    while not writing.done():
        await asyncio.sleep(0)
        file = tmp_path / f"backup-{len(made)}"
        made.append((acknowledged, file))
        # In a thread with a loop of its own, as another process would.
        assert (await asyncio.to_thread(asyncio.run, back_up(url, file))).damages == []
    await writing
    assert len(made) > 1, "no backup was made meanwhile"
    for least, file in made:
        with sqlite3.connect(file) as connection:
            payloads = [row[0] for row in connection.execute("SELECT payload FROM updates ORDER BY seq")]
        connection.close()
        assert payloads == [row.payload for row in rows[: len(payloads)]]
        assert len(payloads) >= least


@pytest.mark.rule("B3")
async def test_a_backup_leaves_one_private_file_and_overwrites_none(
    sqlite_database: Database, sqlite_url: str, tmp_path: Path
) -> None:
    await fill(sqlite_database)
    directory = tmp_path / "backups"
    directory.mkdir()
    await back_up(sqlite_url, directory / "backup")
    assert [path.name for path in directory.iterdir()] == ["backup"]
    assert (directory / "backup").stat().st_mode & 0o777 == 0o600
    with pytest.raises(BackupError, match="exists already"):
        await back_up(sqlite_url, directory / "backup")
    await sqlite_database.documents.create(DocumentId("new"), "")
    assert (await back_up(sqlite_url, directory / "backup", overwrite=True)).documents == 3
    assert [path.name for path in directory.iterdir()] == ["backup"]


@pytest.mark.rule("B3")
async def test_a_backup_that_fails_leaves_nothing_behind(
    sqlite_database: Database, sqlite_url: str, tmp_path: Path
) -> None:
    await fill(sqlite_database)
    directory = tmp_path / "backups"
    directory.mkdir()

    def fail(what: str, done: int, total: int) -> None:
        if what == "copying" and done:
            raise OSError(28, "No space left on device")

    with pytest.raises(StoreUnavailable, match="No space left"):
        await back_up(sqlite_url, directory / "backup", progress=fail)
    assert list(directory.iterdir()) == []
    with pytest.raises(BackupError, match=r"nowhere/backup cannot be written: No such file"):
        await back_up(sqlite_url, tmp_path / "nowhere" / "backup")


def flip(content: bytes) -> bytes:
    changed = bytearray(content)
    changed[content.index("Ein schöner Titel".encode())] ^= 1  # in a column that has no checksum of its own
    return bytes(changed)


SPOILED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a flipped bit": (flip, "is not what was written"),
    "a missing end": (lambda content: content[: len(content) // 2], "is damaged"),
    "other bytes": (lambda _content: b"x" * 10_000, "no backup of Coscribe"),
    "nothing": (lambda _content: b"", "no backup of Coscribe"),
}


@pytest.mark.rule("B4")
@pytest.mark.parametrize(("spoil", "reason"), SPOILED.values(), ids=SPOILED.keys())
def test_a_file_that_is_not_as_it_was_written_is_refused_before_anything_is_touched(
    backup: Path, sqlite_url: str, sqlite_path: Path, spoil: Callable[[bytes], bytes], reason: str
) -> None:
    backup.write_bytes(spoil(backup.read_bytes()))
    with pytest.raises(BackupError, match=reason):
        asyncio.run(verify(backup))
    with pytest.raises(BackupError, match=reason):
        asyncio.run(restore(backup, sqlite_url))
    assert not sqlite_path.exists()


async def test_a_database_is_no_backup_and_a_missing_file_is_named(
    sqlite_database: Database, sqlite_path: Path
) -> None:
    await sqlite_database.close()
    with pytest.raises(BackupError, match="no backup of Coscribe"):
        await verify(sqlite_path)
    with pytest.raises(BackupError, match="does not exist"):
        await verify(sqlite_path.with_name("nothing"))


@pytest.mark.rule("B4")
async def test_damage_that_was_there_already_is_named_and_restored_only_on_request(
    sqlite_database: Database, sqlite_url: str, tmp_path: Path
) -> None:
    await fill(sqlite_database)
    rot = update(updates).where(updates.c.seq == 7).values(payload=b"rot")
    await sqlite_database._transactions.write(lambda connection: connection.execute(rot))
    summary = await back_up(sqlite_url, tmp_path / "backup")
    assert [(damage.document, damage.what) for damage in summary.damages] == [
        ("a", "row 7 does not match its checksum")
    ]
    assert (await audit(sqlite_url)).damages == (await verify(tmp_path / "backup")).damages == summary.damages

    target = f"sqlite+aiosqlite:///{tmp_path / 'target.db'}"
    with pytest.raises(BackupError, match="a: row 7 does not match"):
        await restore(tmp_path / "backup", target)
    await restore(tmp_path / "backup", target, with_damaged=True)
    assert (await audit(target)).damages == summary.damages


async def test_an_audit_finds_missing_rows_and_rows_that_no_client_could_have_sent(
    sqlite_database: Database, sqlite_url: str
) -> None:
    await fill(sqlite_database)
    await sqlite_database.log.append([Append(A, (NewUpdate(None, b"junk"),))])

    def damage(connection: Connection) -> None:
        connection.execute(updates.delete().where(updates.c.seq == 5))
        connection.execute(updates.delete().where(updates.c.seq == 3, updates.c.document_pk == 2))

    await sqlite_database._transactions.write(damage)
    assert (await audit(sqlite_url)).damages == [
        Damage("a", "row 5 is missing"),
        Damage("a", f"row {ROWS + 1} is no update that can be taken"),
        Damage("b", "its log should end with row 3 and ends with row 2"),
    ]


@pytest.mark.rule("B5")
async def test_a_database_that_holds_anything_is_left_alone_unless_told_otherwise(
    backup: Path, database: Database, url: str
) -> None:
    await database.documents.create(DocumentId("precious"), "")
    await database.close()
    before = await holdings(url)
    with pytest.raises(BackupError, match="not empty"):
        await restore(backup, url)
    assert await holdings(url) == before
    await restore(backup, url, replace=True)
    assert [row[1] for row in (await holdings(url))["documents"]] == ["a", "b"]


@pytest.mark.rule("B4")
async def test_a_restore_that_fails_half_way_changes_nothing(backup: Path, database: Database, url: str) -> None:
    await database.documents.create(DocumentId("precious"), "")
    await database.close()
    before = await holdings(url)

    def fail(what: str, done: int, total: int) -> None:
        if what == "comparing" and done == total:
            raise RuntimeError("the power went out")

    with pytest.raises(RuntimeError, match="power"):
        await restore(backup, url, replace=True, progress=fail)
    assert await holdings(url) == before


async def test_a_database_with_a_server_on_it_is_not_restored_into(backup: Path, database: Database, url: str) -> None:
    await database.ping()
    with pytest.raises((BackupError, StoreUnavailable), match=r"in use|has it open"):
        await restore(backup, url, replace=True)


async def test_a_backup_of_a_newer_version_is_refused(backup: Path, sqlite_url: str) -> None:
    with sqlite3.connect(backup) as connection:
        connection.execute("DROP TABLE coscribe_backup")
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    _seal(backup, no_progress)
    with pytest.raises(SchemaTooNew):
        await restore(backup, sqlite_url)
