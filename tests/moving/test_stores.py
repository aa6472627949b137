"""Stores of Python servers, written by the real packages; of y-sweet, written by it and as it does; and plain files."""

import bz2
import gzip
import json
import lzma
import sqlite3
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pycrdt import Array, Doc, Map, Text, XmlFragment
from pycrdt.store import FileYStore, SQLiteYStore

from tests.e2e.replica import dump, new_doc, state_vector
from tests.moving.conftest import Home


def history(words: Sequence[str]) -> list[bytes]:
    """Updates as a server gets them, of two people in turn."""
    docs = [new_doc(), new_doc()]
    updates: list[bytes] = []
    for number, word in enumerate(words):
        writer, other = docs[number % 2], docs[1 - number % 2]
        before = writer.get_state()
        text = writer.get("text", type=Text)
        text += word
        if number % 5 == 4:
            del text[0:2]
        updates.append(writer.get_update(before))
        other.apply_update(updates[-1])
    return updates


def made_of(updates: Sequence[bytes]) -> Doc[Any]:
    doc = new_doc()
    for update in updates:
        doc.apply_update(update)
    return doc


async def check(home: Home, name: str, updates: Sequence[bytes]) -> None:
    """The document is what `updates` make, under the very same client ids and clocks."""
    here = new_doc()
    here.apply_update(await home.state(name))
    there = made_of(updates)
    assert dump(here) == dump(there)
    assert state_vector(here) == state_vector(there)


WORDS = [f"word{number} " for number in range(30)]


async def fill(store: Any, updates: Sequence[bytes]) -> None:
    async with store:
        for update in updates:
            await store.write(update)


# -- pycrdt-store


def sqlite_store(path: Path, **options: Any) -> Callable[[str], SQLiteYStore]:
    return type("Store", (SQLiteYStore,), {"db_path": str(path), **options})


async def test_sqlite_ystore(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "ystore.db"
    make = sqlite_store(file, checkpoint_interval=10)
    documents = {"json:notebook:1": history(WORDS), "text:file:2": history(WORDS[:7]), "notes/a b": history(WORDS[:1])}
    for name, updates in documents.items():
        await fill(make(name), updates)
    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT count(*) FROM ycheckpoints").fetchone() == (1,)
        times = [row[0] for row in connection.execute("SELECT timestamp FROM yupdates WHERE path = 'text:file:2'")]
    moved = await home.move("ystore-sqlite", file)
    assert (moved.documents, moved.updates, moved.faults) == (3, 30 + 7 + 1, [])
    assert moved.renamed == [("notes/a b", "notes/a~20b")]
    for name, updates in documents.items():
        await check(home, name.replace(" ", "~20"), updates)
    info = (await home.documents())["text:file:2"]
    assert (info.created_at_ms, info.updated_at_ms) == (int(times[0] * 1000), int(times[-1] * 1000))
    assert (await home.move("ystore-sqlite", file)).present == 3


@pytest.mark.parametrize("package", [zlib, gzip, bz2, lzma], ids=lambda package: package.__name__)
async def test_sqlite_ystore_that_compresses(home: Home, tmp_path: Path, package: Any) -> None:
    file = tmp_path / "ystore.db"
    store = sqlite_store(file)("notes")
    store.register_compression_callbacks(package.compress, package.decompress)
    updates = history(WORDS)
    await fill(store, updates)
    assert (await home.move("ystore-sqlite", file)).faults == []
    await check(home, "notes", updates)


async def test_sqlite_ystore_compressed_in_a_way_of_its_own(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "ystore.db"
    store = sqlite_store(file)("notes")
    store.register_compression_callbacks(lambda data: data[::-1] + b"?", lambda data: data[:-1][::-1])
    await fill(store, history(WORDS[:2]))
    moved = await home.move("ystore-sqlite", file)
    assert moved.faults == [
        ("notes", f"update {number}: it is no Yjs update, or is compressed in a way of its own") for number in (1, 2)
    ]
    assert await home.documents() == {}


async def test_what_a_squash_has_lost_comes_from_the_checkpoint(home: Home, tmp_path: Path) -> None:
    """pycrdt-store 0.1.5 squashes without compression into nothing; what is written afterwards hangs in the air."""
    file = tmp_path / "ystore.db"
    updates = history(WORDS)
    store = sqlite_store(file, checkpoint_interval=10)("notes")
    await fill(store, updates[:20])
    with sqlite3.connect(file) as connection:
        connection.execute("DELETE FROM yupdates WHERE rowid <= 15")
    await fill(sqlite_store(file, checkpoint_interval=None)("notes"), updates[20:])
    moved = await home.move("ystore-sqlite", file)
    assert moved.faults == []
    await check(home, "notes", updates)


async def test_file_ystore(home: Home, tmp_path: Path) -> None:
    directory = tmp_path / "stores"
    documents = {"team/notes": history(WORDS), "plans": history(WORDS[:3])}
    for name, updates in documents.items():
        await fill(FileYStore(str(directory / f"{name}.y")), updates)
    (directory / "readme.txt").write_text("not a store")
    moved = await home.move("ystore-file", directory)
    assert (moved.documents, moved.updates, moved.faults) == (2, 33, [])
    for name, updates in documents.items():
        await check(home, name, updates)
    # One file alone.
    assert (await home.move("ystore-file", directory / "plans.y")).present == 1


async def test_file_ystore_whose_writer_died(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "notes.y"
    updates = history(WORDS[:4])
    await fill(FileYStore(str(file)), updates)
    file.write_bytes(file.read_bytes()[:-30])
    moved = await home.move("ystore-file", file)
    assert moved.faults == [("notes", "the file ends inside an update")]
    assert await home.documents() == {}
    moved = await home.move("ystore-file", file, with_damaged=True)
    assert (moved.documents, moved.faults) == (1, [("notes", "the file ends inside an update")])
    await check(home, "notes", updates[:3])


async def test_an_older_version_of_either(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "notes.y"
    file.write_bytes(b"VERSION:1\n")
    assert (await home.move("ystore-file", file)).faults == [("notes", "it has version:1; this reads version 2")]


# -- y-sweet


def bincode(entries: dict[bytes, bytes]) -> bytes:
    """A `BTreeMap<Vec<u8>, Vec<u8>>`, as `SyncKv::persist` writes it."""

    def text(data: bytes) -> bytes:
        return struct.pack("<Q", len(data)) + data

    return struct.pack("<Q", len(entries)) + b"".join(text(key) + text(entries[key]) for key in sorted(entries))


def ysweet(updates: Sequence[bytes], pending: Sequence[bytes] = ()) -> bytes:
    """What y-sweet has in a file after `updates`; it merges each at once, so `pending` are those it died over."""
    doc = made_of(updates)
    number = struct.pack(">I", 1)
    entries = {
        b"\0\0doc\0": number,
        b"\0\x01" + number + b"\0": doc.get_update(),
        b"\0\x01" + number + b"\x01": doc.get_state(),
        b"\0\x01" + number + b"\x03title\0": b"Monday",
    }
    for clock, update in enumerate(pending, start=1):
        entries[b"\0\x01" + number + b"\x02" + struct.pack(">I", clock) + b"\0"] = update
    return bincode(entries)


async def test_y_sweet(home: Home, tmp_path: Path) -> None:
    updates = history(WORDS)
    for name, data in {
        "Kzp3_monday": ysweet(updates),
        "late": ysweet(updates[:20], updates[20:]),
        "cut-off": ysweet(updates)[:-5],
        "longer": ysweet(updates) + b"\0",
        "counted": struct.pack("<Q", 2**63) + b"\0" * 20,
    }.items():
        (tmp_path / "store" / name).mkdir(parents=True)
        (tmp_path / "store" / name / "data.ysweet").write_bytes(data)
    moved = await home.move("y-sweet", tmp_path / "store")
    assert moved.documents == 2
    assert dict(moved.faults).keys() == {"cut-off", "longer", "counted"}
    await check(home, "Kzp3_monday", updates)
    await check(home, "late", updates)


async def test_stores_that_y_sweet_wrote(home: Home) -> None:
    store = Path(__file__).parents[1] / "data" / "y-sweet"
    expected = json.loads((store / "expected.json").read_text())
    moved = await home.move("y-sweet", store)
    assert (moved.documents, moved.faults, moved.renamed) == (len(expected), [], [])
    for name, content in expected.items():
        doc = await home.doc(name)
        text, entries, items = doc.get("text", type=Text), doc.get("map", type=Map), doc.get("list", type=Array)
        assert {"text": str(text), "map": entries.to_py(), "list": items.to_py()} == content, name


# -- files


async def test_files(home: Home, tmp_path: Path) -> None:
    directory = tmp_path / "files"
    updates = history(WORDS)
    (directory / "team").mkdir(parents=True)
    (directory / "team" / "Plans for May.md").write_text("# Plans\n\n- [x] write\n")
    (directory / "page.html").write_text("<h1>Page</h1>")
    (directory / "state.bin").write_bytes(made_of(updates).get_update())
    (directory / "photo.png").write_bytes(b"\x89PNG")
    (directory / "broken.yjs").write_bytes(b"\x01\x02")
    (directory / "version2.yjs").write_bytes(bytes.fromhex("000003010002000000000000000000"))
    (directory / "page.txt").write_text("the same name")
    (directory / ".hidden.md").write_text("no")
    (directory / "link.md").symlink_to("/etc/hostname")
    moved = await home.move("files", directory)
    assert (moved.documents, moved.renamed) == (3, [("team/Plans for May", "team/Plans~20for~20May")])
    faults = dict(moved.faults)
    assert faults.keys() == {None, "broken", "version2", "page"}
    assert "photo.png: its ending tells of no format" in str(faults[None])
    assert "would be called page here" in faults["page"]
    await check(home, "state", updates)
    plans = await home.doc("team/Plans~20for~20May")
    assert "Plans" in str(plans.get("default", type=XmlFragment))
    # The same files once more bring nothing, though documents were made of them.
    again = await home.move("files", directory)
    assert (again.documents, again.grown, again.present) == (0, 0, 3)
    # A file that has changed is another document; the one that is here stays.
    (directory / "page.html").write_text("<h1>Another page</h1>")
    assert ("page", "another document has its name here") in (await home.move("files", directory)).faults
