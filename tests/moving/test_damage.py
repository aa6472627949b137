"""Stores that are damaged, hostile or in use: what can be read is, and what cannot is named (rules I1 and I2)."""

import asyncio
import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pycrdt import Text

from collab.errors import BadFile, LimitExceeded
from collab.takeover import ForeignUpdate, take_over
from storage.archives import Archives
from storage.foreign.crc32c import crc32c
from storage.foreign.snappy import unpack
from storage.foreign.stores import KINDS, StoreLimits
from tests.hostile import nested_types
from tests.moving.conftest import Home
from tests.moving.old_servers import run_script
from tests.moving.test_stores import WORDS, check, history, made_of, ysweet
from tests.support import eventually
from web import moving
from web.workers import Workers

LIMITS = StoreLimits(document_bytes_max=1_000_000, file_bytes_max=1_000_000)


def read_all(kind: str, path: Path) -> tuple[int, list[str]]:
    """How many documents could be read, and what could not."""
    store = KINDS[kind].open(path, LIMITS)
    good, faults = 0, list[str]()
    for found in store.documents():
        if isinstance(found, str):
            faults.append(found)
            continue
        try:
            document = store.read(found.key)
        except BadFile as error:
            faults.append(f"{found.name}: {error}")
        else:
            faults += document.faults
            good += not document.faults
    return good, faults


def damage(rng: random.Random, data: bytes) -> bytes:
    """Bits turned over, something cut out, or put in twice."""
    changed = bytearray(data)
    at = rng.randrange(len(changed))
    match rng.randrange(3):
        case 0:
            changed[at] ^= 1 << rng.randrange(8)
        case 1:
            del changed[at : at + rng.randrange(1, 40)]
        case 2:
            changed[at:at] = changed[at : at + rng.randrange(1, 40)]
    return bytes(changed)


# -- LevelDB


@pytest.fixture(scope="module")
def leveldb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("store") / "leveldb"
    run_script("leveldb.mjs", str(directory), "4096")
    return directory


def test_the_checksum_is_the_published_one() -> None:
    assert crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize(
    ("packed", "unpacked"),
    [
        (b"\x00", b""),
        (b"\x05\x10hello", b"hello"),
        (b"\x0a\x04ab\x11\x02", b"ababababab"),
        (b"\x06\x08abc\x0a\x03\x00", b"abcabc"),
        (b"\x06\x08abc\x0b\x03\x00\x00\x00", b"abcabc"),
        (b"\x46\xf0\x45" + b"x" * 70, b"x" * 70),
        (b"\x46\xf4\x45\x00" + b"x" * 70, b"x" * 70),
    ],
)
def test_snappy(packed: bytes, unpacked: bytes) -> None:
    assert unpack(packed, 100) == unpacked
    for end in range(len(packed)):
        if packed[:end]:
            with pytest.raises(BadFile):
                unpack(packed[:end], 100)


@pytest.mark.parametrize("packed", [b"", b"\xff" * 10, b"\x05\x01\x00", b"\x05\x04ab\x11\x03", b"\x02\x10hello"])
def test_snappy_that_is_none(packed: bytes) -> None:
    with pytest.raises((BadFile, LimitExceeded)):
        unpack(packed, 100)


def test_snappy_that_would_be_too_large() -> None:
    with pytest.raises(LimitExceeded):
        unpack(b"\xff\xff\xff\x7f\x00a", 100)


def test_a_damaged_table_costs_what_is_in_it(leveldb: Path, tmp_path: Path) -> None:
    directory = tmp_path / "leveldb"
    shutil.copytree(leveldb, directory)
    whole, faults = read_all("y-leveldb", directory)
    assert (whole, faults) == (6, [])
    table = min(directory.glob("*.ldb"))
    data = bytearray(table.read_bytes())
    data[20] ^= 1
    table.write_bytes(data)
    good, faults = read_all("y-leveldb", directory)
    assert good < whole
    assert f"{table.name}: a block does not match its checksum" in faults
    table.unlink()
    assert f"{table.name}: the file is missing" in read_all("y-leveldb", directory)[1]


def test_leveldb_damaged_anywhere_is_read_or_refused(leveldb: Path, tmp_path: Path, rng: random.Random) -> None:
    directory = tmp_path / "leveldb"
    shutil.copytree(leveldb, directory)
    files = [path for path in directory.iterdir() if path.name.startswith(("MANIFEST", "CURRENT", "0"))]
    for _ in range(60):
        file = rng.choice([path for path in files if path.stat().st_size])
        before = file.read_bytes()
        file.write_bytes(damage(rng, before))
        with contextlib.suppress(BadFile):
            read_all("y-leveldb", directory)
        file.write_bytes(before)


HOLD = """
import fcntl, sys
file = open(sys.argv[1], "r+b")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_leveldb_in_use(leveldb: Path, tmp_path: Path) -> None:
    directory = tmp_path / "leveldb"
    shutil.copytree(leveldb, directory)
    command = [sys.executable, "-c", HOLD, str(directory / "LOCK")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(BadFile, match="open in another process"):
            read_all("y-leveldb", directory)
        assert holder.stdin is not None
        holder.stdin.close()
        holder.wait(10)
    assert read_all("y-leveldb", directory) == (6, [])


# -- the others


def test_files_damaged_anywhere_are_read_or_refused(tmp_path: Path, rng: random.Random) -> None:
    whole = ysweet(history(WORDS))
    folder = tmp_path / "notes"
    folder.mkdir()
    for _ in range(300):
        (folder / "data.ysweet").write_bytes(damage(rng, whole))
        read_all("y-sweet", tmp_path)


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("CREATE TABLE other (name)", "has no table documents"),
        ("CREATE VIEW documents AS SELECT 'a' AS name, x'0000' AS data", "has no table documents"),
        ("CREATE TABLE documents (name, other)", "has no table documents"),
    ],
)
async def test_another_database(home: Home, tmp_path: Path, sql: str, says: str) -> None:
    file = tmp_path / "db.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute(sql)
    with pytest.raises(BadFile, match=says):
        await home.move("hocuspocus-sqlite", file)


async def test_no_database(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "db.sqlite"
    file.write_bytes(b"SQLite format 3\0" + b"?" * 4000)
    with pytest.raises(BadFile, match="cannot be read"):
        await home.move("hocuspocus-sqlite", file)
    for kind in ("y-sweet", "ystore-file", "files", "y-leveldb", "ystore-sqlite"):
        with pytest.raises(BadFile):
            await home.move(kind, tmp_path / "nothing")


def hocuspocus_database(file: Path, rows: Sequence[tuple[Any, Any]]) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute(
            'CREATE TABLE IF NOT EXISTS "documents" ("name" varchar(255) NOT NULL, "data" blob NOT NULL)'
        )
        connection.executemany("INSERT INTO documents VALUES (?, ?)", rows)


async def test_rows_that_are_no_documents(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "db.sqlite"
    updates = history(WORDS)
    hocuspocus_database(
        file,
        [
            ("good", made_of(updates).get_update()),
            ("text", "no blob"),
            ("nothing", b"\xff"),
            ("kills pycrdt", nested_types(30_000)),
            ("too large", b"\0" * (home.settings.document_bytes_max + 1)),
            (b"bytes \xff", b"\0\0"),
            ("empty", b"\0\0"),
            ("a gap", updates[-1]),
            ("good", b"\0\0"),
        ],
    )
    moved = await home.move("hocuspocus-sqlite", file)
    assert {*await home.documents()} == {"good", "empty"}
    await check(home, "good", updates)
    faults: dict[str | None, str] = {}
    for name, fault in moved.faults:
        faults.setdefault(name, fault)
    assert faults["text"] == "update 1: 111 structs are declared in 3 bytes"
    assert faults["a gap"] == "update 1: it builds on edits that are not there"
    assert "nested" in faults["kills pycrdt"]
    assert faults[None] == "row 6: a name is not UTF-8"
    assert "larger than it may be" in faults["too large"]
    assert faults.keys() == {"text", "nothing", "kills pycrdt", "too large", None, "a gap", "good"}


def test_updates_in_any_order_make_the_same_document() -> None:
    updates = [ForeignUpdate(update) for update in history(WORDS)]
    shuffled = random.Random(1).sample(updates, len(updates))
    taken = take_over([*shuffled, *updates[:5]], 1_000_000)
    assert taken.faults == []
    assert sorted(row.payload for row in taken.rows) == sorted(update.payload for update in updates)
    assert str(made_of([row.payload for row in taken.rows])["text"]) == str(
        made_of([u.payload for u in updates])["text"]
    )


def test_what_builds_on_something_that_is_missing_is_named_and_the_rest_kept() -> None:
    updates = [ForeignUpdate(update) for update in history(WORDS)]
    whole = made_of([update.payload for update in updates]).get_update()
    taken = take_over([updates[0], *updates[10:]], 1_000_000)
    assert len(taken.faults) == len(updates) - 10
    # A state with something pending in it, as Yjs writes it: what can be integrated is.
    assert take_over([*updates[10:], ForeignUpdate(whole)], 1_000_000).faults == []


# -- one document must not take the others along


async def test_a_document_that_ends_its_process_is_named_and_the_others_come_in(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "db.sqlite"
    state = made_of(history(WORDS)).get_update()
    hocuspocus_database(file, [(f"doc{number}", state) for number in range(9)])

    class Fragile(Workers):
        async def run(self, task: str, data: bytes, *arguments: Any, **options: Any) -> bytes:
            if task == "read_store" and b"doc5" in data:
                raise LimitExceeded("this takes more time or memory than the server allows for it")
            return await super().run(task, data, *arguments, **options)

    monkeypatch.setattr(moving, "Workers", Fragile)
    moved = await home.move("hocuspocus-sqlite", file)
    assert moved.documents == 8
    assert [name for name, _ in moved.faults] == ["doc5"]
    assert len(await home.documents()) == 8


# -- broken off


async def test_a_large_document_that_was_broken_off_comes_in_whole_though_it_has_changed(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of it lies there, unseen; meanwhile the old server has merged its updates, so the halves do not fit."""
    from tests.moving.test_stores import fill, sqlite_store

    updates = history([f"{number} " for number in range(60)])
    file = tmp_path / "ystore.db"
    await fill(sqlite_store(file, checkpoint_interval=None)("notes"), updates[:50])
    monkeypatch.setattr("collab.archive.spool.CHUNK_ROWS", 20)
    real = Archives.store

    async def broken_off(self: Archives, document: Any, chunks: Any) -> bool:
        def one_chunk() -> Any:
            yield next(chunks)
            raise KeyError("broken off")

        return await real(self, document, one_chunk())

    monkeypatch.setattr(Archives, "store", broken_off)
    with pytest.raises(KeyError):
        await home.move("ystore-sqlite", file)
    monkeypatch.setattr(Archives, "store", real)
    assert await home.documents() == {}
    with sqlite3.connect(file) as connection:
        connection.execute("DELETE FROM yupdates")
    await fill(
        sqlite_store(file, checkpoint_interval=None)("notes"), [made_of(updates[:50]).get_update(), *updates[50:]]
    )
    moved = await home.move("ystore-sqlite", file)
    assert (moved.documents, moved.updates) == (1, 11)
    await check(home, "notes", updates)


async def test_an_import_that_was_killed_goes_on(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "db.sqlite"
    count = 700
    state = made_of(history(WORDS)).get_update()
    hocuspocus_database(file, [(f"doc{number}", state) for number in range(count)])

    def stored() -> int:
        with sqlite3.connect(f"file:{home.settings.sqlite_path}?mode=ro", uri=True) as connection:
            return int(connection.execute("SELECT count(*) FROM documents").fetchone()[0])

    process = await run_import(home, file)
    await eventually(lambda: stored() > 20, every=0.005)
    os.killpg(process.pid, signal.SIGKILL)
    await process.communicate()
    before = stored()
    assert 0 < before < count
    said, _ = await (await run_import(home, file)).communicate()
    assert f"{count - before} documents, {count - before} updates; {before} were here already" in said.decode()
    assert all(info.head == 1 for info in (await home.documents()).values())
    assert stored() == count


async def run_import(home: Home, file: Path) -> asyncio.subprocess.Process:
    environment = os.environ | {"COSCRIBE_AUTH": "none", "COSCRIBE_DATA_DIR": str(home.settings.data_dir)}
    command = [sys.executable, "-m", "web", "import", str(file), "--from", "hocuspocus-sqlite"]
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(*command, env=environment, stdout=pipe, start_new_session=True)


async def test_nothing_is_stored_by_a_dry_run(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "db.sqlite"
    hocuspocus_database(file, [("notes", made_of(history(WORDS)).get_update())])
    before = home.settings.sqlite_path.read_bytes() if home.settings.sqlite_path else b""
    moved = await home.move("hocuspocus-sqlite", file, dry_run=True)
    assert (moved.documents, moved.updates) == (1, 1)
    assert home.settings.sqlite_path is not None
    assert home.settings.sqlite_path.read_bytes() == before
    assert await home.documents() == {}


async def test_a_name_that_another_document_has(home: Home, tmp_path: Path) -> None:
    for number in range(2):
        file = tmp_path / f"{number}.sqlite"
        doc = made_of([])
        doc.get("text", type=Text).insert(0, f"document {number}")
        hocuspocus_database(file, [("notes", doc.get_update())])
    await home.move("hocuspocus-sqlite", tmp_path / "0.sqlite")
    moved = await home.move("hocuspocus-sqlite", tmp_path / "1.sqlite")
    assert moved.faults == [("notes", "another document has its name here")]
    assert str((await home.doc("notes")).get("text", type=Text)) == "document 0"
    moved = await home.move("hocuspocus-sqlite", tmp_path / "1.sqlite", prefix="new/")
    assert (moved.documents, moved.faults) == (1, [])
    assert str((await home.doc("new/notes")).get("text", type=Text)) == "document 1"
