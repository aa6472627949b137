"""Rule L7: whatever has happened to a stored row, it is never handed out as if nothing had."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Update, delete, select, update

from collab.errors import CorruptUpdate
from collab.ports import Checkpoint
from collab.types import Seq
from storage.engine import Database
from storage.tables import checkpoints, documents, people, updates
from tests.storage.edits import A, B, append, stored

pytestmark = pytest.mark.rule("L7")

Damage = Callable[[Connection], object]


def of(name: str) -> Any:
    return select(documents.c.pk).where(documents.c.name == name).scalar_subquery()


def row(seq: int) -> Update:
    return update(updates).where(updates.c.document_pk == of(A), updates.c.seq == seq)


def person(name: str) -> Any:
    return select(people.c.pk).where(people.c.external_id == name).scalar_subquery()


def swap_payloads(connection: Connection) -> None:
    for seq, payload in ((2, b"three"), (3, b"two")):
        connection.execute(row(seq).values(payload=payload))


def move_rows_to_another_document(connection: Connection) -> None:
    connection.execute(delete(updates).where(updates.c.document_pk == of(A)))
    connection.execute(update(updates).where(updates.c.document_pk == of(B)).values(document_pk=of(A)))


ROWS: dict[str, Damage] = {
    "a changed byte": lambda connection: connection.execute(row(2).values(payload=b"twp")),
    "a byte less": lambda connection: connection.execute(row(2).values(payload=b"tw")),
    "another author": lambda connection: connection.execute(row(2).values(person_pk=person("bob"))),
    "no author": lambda connection: connection.execute(row(2).values(person_pk=None)),
    "another time": lambda connection: connection.execute(row(2).values(at_ms=updates.c.at_ms + 1)),
    "another checksum": lambda connection: connection.execute(row(2).values(checksum=1)),
    "two rows exchanged": swap_payloads,
    "rows of another document": move_rows_to_another_document,
    "a row missing": lambda connection: connection.execute(
        delete(updates).where(updates.c.document_pk == of(A), updates.c.seq == 2)
    ),
    "the last rows missing": lambda connection: connection.execute(
        delete(updates).where(updates.c.document_pk == of(A), updates.c.seq > 1)
    ),
}


@pytest.fixture
async def database(database: Database) -> Database:
    for document in (A, B):
        await database.log.load(document, create=True)
    await database.log.append([append(A, b"one", b"two", b"three", by="ada"), append(B, b"1", b"2", b"3", by="bob")])
    return database


@pytest.mark.parametrize("damage", ROWS.values(), ids=ROWS.keys())
async def test_a_damaged_row_is_found(database: Database, damage: Damage) -> None:
    await database._transactions.write(damage)
    with pytest.raises(CorruptUpdate, match="row [123] "):
        await database.log.load(A, create=False)
    with pytest.raises(CorruptUpdate, match="row [123] "):
        await stored(database.log, A)


async def test_a_missing_row_is_called_missing(database: Database) -> None:
    await database._transactions.write(ROWS["a row missing"])
    with pytest.raises(CorruptUpdate, match="row 2 is missing"):
        await database.log.load(A, create=False)


async def test_damage_to_one_document_leaves_the_others_alone(database: Database) -> None:
    await database._transactions.write(ROWS["a changed byte"])
    assert await stored(database.log, B) == [b"1", b"2", b"3"]
    assert await database.log.append([append(B, b"4")]) == [4]
    assert (await database.log.load(B, create=False)).head == 4


async def test_the_rows_before_the_damage_can_still_be_read(database: Database) -> None:
    await database._transactions.write(ROWS["a changed byte"])
    page = await database.log.read(A, after=Seq(0), limit=1, bytes_max=1000)
    assert [row.payload for row in page.updates] == [b"one"]


CHECKPOINTS: dict[str, dict[str, Any]] = {
    "a changed byte": {"state": b"stats"},
    "another place": {"through_seq": 1},
    "another document": {"document_pk": of(B)},
    "a place beyond the log": {"through_seq": 4},
}


@pytest.mark.parametrize("values", CHECKPOINTS.values(), ids=CHECKPOINTS.keys())
async def test_a_damaged_checkpoint_is_not_used_for_the_rows_are_all_there(
    database: Database, values: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    await database.log.write_checkpoint(A, Checkpoint(Seq(2), b"state"))
    await database._transactions.write(lambda connection: connection.execute(update(checkpoints).values(**values)))
    name, payloads = (B, [b"1", b"2", b"3"]) if "document_pk" in values else (A, [b"one", b"two", b"three"])
    loaded = await database.log.load(name, create=False)
    assert (loaded.checkpoint, [row.payload for row in loaded.updates]) == (None, payloads)
    assert f"{name}: its checkpoint is damaged" in caplog.text
    salvaged = await database.quarantine.salvage(name)
    assert (salvaged.checkpoint, len(salvaged.updates), salvaged.head) == (None, 3, 3)


async def test_a_damaged_checkpoint_and_a_damaged_row_are_too_much(database: Database) -> None:
    await database.log.write_checkpoint(A, Checkpoint(Seq(2), b"state"))
    await database._transactions.write(ROWS["a changed byte"])
    assert (await database.log.load(A, create=False)).checkpoint is not None
    await database._transactions.write(lambda connection: connection.execute(update(checkpoints).values(state=b"x")))
    with pytest.raises(CorruptUpdate, match="row 2 does not match its checksum"):
        await database.log.load(A, create=False)
    salvaged = await database.quarantine.salvage(A)
    assert ([row.payload for row in salvaged.updates], salvaged.head) == ([b"one"], 3)


async def test_a_damaged_checkpoint_can_be_written_anew(database: Database) -> None:
    await database.log.write_checkpoint(A, Checkpoint(Seq(2), b"state"))
    await database._transactions.write(lambda connection: connection.execute(update(checkpoints).values(state=b"x")))
    await database.log.write_checkpoint(A, Checkpoint(Seq(2), b"state"))
    assert (await database.log.load(A, create=False)).checkpoint == Checkpoint(Seq(2), b"state")


async def test_a_byte_that_flips_in_the_file_is_found(
    sqlite_database: Database, sqlite_url: str, sqlite_path: Path
) -> None:
    payload = bytes(range(256))
    for document in (A, B):
        await sqlite_database.log.load(document, create=True)
    await sqlite_database.log.append([append(A, payload), append(B, b"1")])
    await sqlite_database.close()
    content = bytearray(await asyncio.to_thread(sqlite_path.read_bytes))
    content[content.index(payload) + 100] ^= 1
    await asyncio.to_thread(sqlite_path.write_bytes, content)
    async with await Database.open(sqlite_url) as reopened:
        with pytest.raises(CorruptUpdate, match="row 1 does not match its checksum"):
            await reopened.log.load(A, create=False)
        assert await stored(reopened.log, B) == [b"1"]


async def test_a_ruined_page_of_the_file_hurts_only_whom_it_belongs_to(
    sqlite_database: Database, sqlite_url: str, sqlite_path: Path
) -> None:
    big = b"".join(b"%08d" % number for number in range(100_000))
    for document in (A, B):
        await sqlite_database.log.load(document, create=True)
    await sqlite_database.log.append([append(B, b"1"), append(A, *(big[i : i + 900] for i in range(0, 90_000, 900)))])
    await sqlite_database.close()
    content = bytearray(await asyncio.to_thread(sqlite_path.read_bytes))
    page = content.index(big[45_000:45_100]) // 4096 * 4096
    content[page : page + 4096] = b"\xff" * 4096
    await asyncio.to_thread(sqlite_path.write_bytes, content)
    async with await Database.open(sqlite_url) as reopened:
        with pytest.raises(CorruptUpdate, match="cannot be read"):
            await reopened.log.load(A, create=False)
        assert await stored(reopened.log, B) == [b"1"]
        assert await reopened.log.append([append(B, b"2")]) == [2]
