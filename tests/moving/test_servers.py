"""Moving over from servers as published, with clients that have been there: nothing is lost, nothing doubled."""

import base64
import json
import sqlite3
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from pycrdt import Text

from collab.live import LiveDocument
from tests.interop.hocuspocus import provide
from tests.interop.node import Node, NodeClient
from tests.moving.conftest import Home
from tests.moving.old_servers import hocuspocus, run_script, y_websocket
from tests.servers import ServerProcess, StartServer
from tests.support import eventually


def write(*words: str) -> list[dict[str, object]]:
    return [{"op": "insertText", "at": ["text"], "index": 0, "text": word} for word in words]


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with Node() as running:
        yield running


async def with_copy(node: Node, name: str, url: str, room: str, copy: bytes) -> NodeClient:
    """A y-websocket client that was away: it has a copy, and edits in it that nobody else has."""
    client_id = await node.call("open", client=name, version=3, url=url, room=room, connect=False)
    client = NodeClient(node, name, client_id)
    await client.apply(copy)
    await client.edit(*write(f"{name} was away. "))
    await client.connect()
    await client.wait("synced")
    await client.saved()
    return client


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
            await client.edit(*write("Written before. "))
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
        fresh = await node.open(f"fresh {room}", server.ws_url, here)
        await fresh.wait("synced")
        assert (await fresh.state()).content == old.content
        returned = await with_copy(node, f"returned {room}", server.ws_url, here, old.update)
        await eventually(partial(same, fresh, returned))
        text = str((await fresh.content())["text"])
        assert text.count("Written before.") == 1
        assert text.count("was away.") == 1


def holds(database: Path, room: str, vector: dict[int, int]) -> bool:
    with sqlite3.connect(database) as connection:
        row = connection.execute("SELECT data FROM documents WHERE name = ?", (room,)).fetchone()
    return row is not None and LiveDocument([bytes(row[0])]).clocks == vector


async def same(one: NodeClient, other: NodeClient) -> bool:
    return (await one.state()).replica == (await other.state()).replica


async def test_what_was_written_in_between_comes_with_the_next_import(home: Home, node: Node, tmp_path: Path) -> None:
    """The first import may run while the old server still works; the last one then takes a moment."""
    database = tmp_path / "db.sqlite"
    for day in ("Monday", "Tuesday"):
        with hocuspocus(database) as url:
            client = await provide(node, day, url, "diary")
            await client.wait("synced")
            await client.edit(*write(f"{day}. "))
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
        await client.edit(*write("Written before. "))
        await eventually(lambda: written("Written before. "))
        await client.disconnect()
    moved = await home.move("y-leveldb", directory)
    # Its server knew it by its address, room%20a; whoever asks ours for that asks for "room a".
    assert (moved.documents, moved.faults, moved.renamed) == (1, [], [("room a", "room~20a")])

    server = serve(start_server, home)
    old = await client.state()
    fresh = await node.open("fresh", server.ws_url, "room~20a")
    await fresh.wait("synced")
    assert (await fresh.state()).content == old.content
    returned = await with_copy(node, "returned", server.ws_url, "room~20a", old.update)
    await eventually(partial(same, fresh, returned))
    assert str((await fresh.content())["text"]).count("Written before.") == 1


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
