"""After a disaster: an older backup is restored, and real clients push back what it lacks."""

import asyncio
from pathlib import Path

import httpx
import pytest

from tests.e2e.feed import read_all
from tests.e2e.replica import canonical, dump, replay
from tests.interop.node import Node, NodeClient
from tests.servers import StartServer
from tests.support import eventually

pytestmark = pytest.mark.xdist_group("clients")


async def test_clients_bring_back_what_a_restored_backup_lacks_and_nothing_twice(
    start_server: StartServer,
    node: Node,
    http: httpx.AsyncClient,
    document: str,
    database_url: str | None,
    tmp_path: Path,
) -> None:
    server = await asyncio.to_thread(start_server, database_url)
    anna = await node.open("anna", server.ws_url, document)
    boris = await node.open("boris", server.ws_url, document)
    await asyncio.gather(anna.wait("synced"), boris.wait("synced"))
    await anna.edit({"op": "insert", "at": ["array"], "index": 0, "values": ["a-early", "doomed"]})
    await anna.saved()
    await eventually(lambda: same(anna, boris), "both have the early edits")
    epoch = (await http.get(server.document_url(document))).json()["epoch"]

    file = tmp_path / "backup"
    assert "1 documents" in await asyncio.to_thread(server.done, "backup", str(file))
    assert "every one as it was written" in await asyncio.to_thread(server.done, "doctor", "--backup", str(file))

    # Newer than the backup: one who stays connected, a deletion, and one who goes offline first.
    await boris.edit({"op": "insert", "at": ["array"], "index": 0, "values": ["b-late"]})
    await boris.saved()
    await anna.edit({"op": "delete", "at": ["array"], "index": 2, "length": 1})
    await anna.saved()
    await eventually(lambda: same(anna, boris), "both have the late edits")
    await anna.disconnect()
    await anna.edit({"op": "insert", "at": ["array"], "index": 0, "values": ["a-offline"]})
    await asyncio.to_thread(server.kill9)
    await asyncio.to_thread(server.done, "restore", "--replace", str(file))
    await asyncio.to_thread(server.done, "doctor", "--data")
    await asyncio.to_thread(server.start)

    assert (await http.get(server.document_url(document))).json()["epoch"] == epoch
    await boris.saved(within=20)
    await anna.connect()
    await anna.saved(within=20)
    await eventually(lambda: same(anna, boris), "equal again")
    content = await anna.content()
    assert sorted(content["array"]["array"]) == ["a-early", "a-offline", "b-late"]
    rows = await read_all(http, server, document)
    assert canonical(dump(replay(row.payload for row in rows))) == content


async def same(one: NodeClient, other: NodeClient) -> bool:
    return (await one.state()).replica == (await other.state()).replica
