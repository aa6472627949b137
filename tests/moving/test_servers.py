"""Moving over from servers as published, with clients that have been there: nothing is lost, nothing doubled."""

import base64
import json
import sqlite3
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from pycrdt import Text

from collab.errors import BadFile
from collab.live import LiveDocument
from storage.foreign.stores import KINDS, StoreLimits
from tests.interop.hocuspocus import provide
from tests.interop.node import Node, NodeClient, YjsState, same, text, typing
from tests.interop.y_sweet import sweeten
from tests.moving.conftest import Home
from tests.moving.old_servers import hocuspocus, pycrdt_websocket, run_script, y_websocket
from tests.moving.test_stores import ysweet
from tests.servers import ServerProcess, StartServer
from tests.support import eventually


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with Node() as running:
        yield running


async def goes_on(node: Node, server: ServerProcess, document: str, old: YjsState, *, sweet: bool = False) -> None:
    """Somebody new finds what was written on the old server, and edits. Then somebody comes who was away, with a copy
    from there and edits in it that nobody else has (a y-sweet client, if `sweet`). Nothing of it is there twice."""
    fresh = await node.open(f"fresh {document}", server.ws_url, document)
    await fresh.wait("synced")
    assert (await fresh.state()).content == old.content
    await fresh.edit(typing("Written here. "))
    name = f"returned {document}"
    returned: NodeClient
    if sweet:
        returned = await sweeten(node, name, server.url, document, connect=False)
    else:
        returned = await node.open(name, server.ws_url, document, connect=False)
    await returned.apply(old.update)
    await returned.edit(typing("Written offline. "))
    await returned.connect()
    await returned.wait("synced")
    await returned.edit(typing("Written afterwards. "))
    await returned.saved()
    await eventually(partial(same, [fresh, returned]))
    written = await text(fresh)
    for when in ("before", "here", "offline", "afterwards"):
        assert written.count(f"Written {when}. ") == 1


def serve(start_server: StartServer, home: Home) -> ServerProcess:
    return start_server(home.settings.database_url, data_dir=home.settings.data_dir)


async def test_hocuspocus(home: Home, node: Node, tmp_path: Path, start_server: StartServer) -> None:
    database = tmp_path / "db.sqlite"
    rooms = ("team/plans", "room a")

    with hocuspocus(database) as url:
        for room in rooms:
            client = await provide(node, f"before {room}", url, room)
            await client.wait("synced")
            await client.edit_randomly(seed=7, count=60)
            await client.edit(typing("Written before. "))
            await eventually(partial(holds, database, room, (await client.state()).state_vector))
            await client.disconnect()
    moved = await home.move("hocuspocus-sqlite", database)
    assert (moved.documents, moved.grown, moved.present, moved.faults) == (2, 0, 0, [])
    assert moved.renamed == [("room a", "room~20a")]
    assert (await home.documents())["room~20a"].title == "room a"

    again = await home.move("hocuspocus-sqlite", database)
    assert (again.documents, again.grown, again.present, again.faults) == (0, 0, 2, [])

    server = serve(start_server, home)
    for room, here in zip(rooms, ("team/plans", "room~20a"), strict=True):
        old = await NodeClient(node, f"before {room}", 0).state()
        await goes_on(node, server, here, old)


def holds(database: Path, room: str, vector: dict[int, int]) -> bool:
    with sqlite3.connect(database) as connection:
        row = connection.execute("SELECT data FROM documents WHERE name = ?", (room,)).fetchone()
    return row is not None and LiveDocument([bytes(row[0])]).clocks == vector


async def test_what_was_written_in_between_comes_with_the_next_import(home: Home, node: Node, tmp_path: Path) -> None:
    """The first import may run while the old server still works; the last one then takes a moment."""
    database = tmp_path / "db.sqlite"
    for day in ("Monday", "Tuesday"):
        with hocuspocus(database) as url:
            client = await provide(node, day, url, "diary")
            await client.wait("synced")
            await client.edit(typing(f"{day}. "))
            await client.saved()
            await client.close()
        moved = await home.move("hocuspocus-sqlite", database)
        assert (moved.documents, moved.grown) == ((1, 0) if day == "Monday" else (0, 1))
    assert str((await home.doc("diary")).get("text", type=Text)) == "Tuesday. Monday. "
    assert (await home.documents())["diary"].head == 2


async def test_y_websocket(home: Home, node: Node, tmp_path: Path, start_server: StartServer) -> None:
    directory = tmp_path / "leveldb"

    def written(word: str) -> bool:
        return any(word.encode() in path.read_bytes() for path in directory.glob("*.log"))

    with y_websocket(directory) as url:
        client = await node.open("before", url, "room a", version=2)
        await client.wait("synced")
        await client.edit_randomly(seed=3, count=60)
        await client.edit(typing("Written before. "))
        await eventually(lambda: written("Written before. "))
        await client.disconnect()
    moved = await home.move("y-leveldb", directory)
    # Its server knew it by its address, room%20a; whoever asks ours for that asks for "room a".
    assert (moved.documents, moved.faults, moved.renamed) == (1, [], [("room a", "room~20a")])

    await goes_on(node, serve(start_server, home), "room~20a", await client.state())


def kept_by_pycrdt(kind: str, path: Path, name: str, vector: dict[int, int]) -> bool:
    """By the importer's reader, which only reads: pycrdt-store's own, opened while the server still makes its tables,
    takes them for those of an older version, moves the file away and begins another."""
    try:
        store = KINDS[kind].open(path, StoreLimits(1_000_000, 1_000_000))
        document = store.read(name if kind == "ystore-sqlite" else f"{name}.y")
    except (BadFile, OSError):
        return False
    return LiveDocument([update.payload for update in document.updates]).clocks == vector


@pytest.mark.parametrize("kind", ["ystore-sqlite", "ystore-file"])
async def test_pycrdt_websocket(kind: str, home: Home, node: Node, tmp_path: Path, start_server: StartServer) -> None:
    path, name = tmp_path / "stores", "json:notebook:1"
    with pycrdt_websocket(kind, path) as url:
        client = await node.open("before", url, name)
        await client.wait("synced")
        await client.edit_randomly(seed=5, count=60)
        await client.edit(typing("Written before. "))
        old = await client.state()
        await eventually(partial(kept_by_pycrdt, kind, path, name, old.state_vector))
        await client.disconnect()
    moved = await home.move(kind, path)
    assert (moved.documents, moved.faults) == (1, [])
    assert moved.updates > 1, "its updates came as one"
    await goes_on(node, serve(start_server, home), name, old)


@pytest.mark.parametrize("kind", ["y-sweet", "files"])
async def test_what_a_client_has_a_copy_of(
    kind: str, home: Home, node: Node, tmp_path: Path, start_server: StartServer
) -> None:
    """y-sweet's server cannot be had here: its file is written as it does, and its client is the real one."""
    path = tmp_path / "store"
    (path / "notes").mkdir(parents=True)
    client = await node.open("before", "ws://127.0.0.1:9", "notes", connect=False)
    await client.edit_randomly(seed=9, count=60)
    await client.edit(typing("Written before. "))
    old = await client.state()
    if kind == "y-sweet":
        (path / "notes" / "data.ysweet").write_bytes(ysweet([old.update]))
    else:
        (path / "notes.yjs").write_bytes(old.update)
    moved = await home.move(kind, path)
    assert (moved.documents, moved.faults) == (1, [])
    await goes_on(node, serve(start_server, home), "notes", old, sweet=kind == "y-sweet")


@pytest.mark.parametrize("write_buffer_size", [4096, 4 * 1024 * 1024], ids=["many tables", "one log"])
async def test_y_leveldb(home: Home, node: Node, tmp_path: Path, write_buffer_size: int) -> None:
    """Another version of it, with another LevelDB under it, and enough in it to be moved through its levels."""
    directory = tmp_path / "leveldb"
    held = json.loads(run_script("leveldb.mjs", str(directory), str(write_buffer_size)))
    tables = [*directory.glob("*.ldb")]
    assert len(tables) > 1 if write_buffer_size == 4096 else not tables
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    moved = await home.move("y-leveldb", directory)
    assert (moved.documents, moved.faults) == (len(held), [])
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before
    called = dict(moved.renamed)
    for name, state in held.items():
        spoken = "room a" if name == "room%20a" else name
        here = await home.state(called.get(spoken, spoken))
        theirs, ours = await node.replay([base64.b64decode(state)]), await node.replay([here])
        assert ours.replica == theirs.replica
    info = (await home.documents())["notes/monday"]
    assert info.head > 1, "its updates came as one"
