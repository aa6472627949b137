"""People edit offline and the server goes down meanwhile; they come back: replicas are equal, nothing doubles."""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.e2e.feed import read_all
from tests.e2e.replica import canonical, dump, replay
from tests.interop.node import Node, NodeClient
from tests.interop.python_client import PythonClient
from tests.servers import StartServer
from tests.support import eventually

pytestmark = pytest.mark.xdist_group("clients")

EDITS = 2_000
COMMON = 100
"""Edits made together before, so that the offline ones conflict in them."""


def tags(content: Any) -> list[str]:
    """The tag of every item and element that random edits wrote."""
    return [*content["array"]["array"], *(element["attributes"]["tag"] for element in content["xml"]["fragment"])]


async def same(one: NodeClient, other: NodeClient) -> bool:
    return (await one.state()).replica == (await other.state()).replica


@pytest.mark.timeout(120)
async def test_2000_conflicting_offline_edits_each_and_a_restart_leave_all_replicas_equal_and_nothing_twice(
    start_server: StartServer, node: Node, http: httpx.AsyncClient, document: str, seed: int
) -> None:
    server = await asyncio.to_thread(start_server)
    anna = await node.open("anna", server.ws_url, document, version=3)
    boris = await node.open("boris", server.ws_url, document, version=2)
    both = (anna, boris)
    await asyncio.gather(*(client.wait("synced") for client in both))
    await asyncio.gather(*(client.edit_randomly(seed=seed + n, count=COMMON) for n, client in enumerate(both)))
    await asyncio.gather(*(client.saved() for client in both))
    await eventually(lambda: same(anna, boris), "equal before they part")

    await asyncio.gather(*(client.disconnect() for client in both))
    for n, client in enumerate(both):
        await client.edit_randomly(seed=seed + 10 + n, count=EDITS, tag=f"{client.name}-offline")
    assert not await same(anna, boris)
    await asyncio.to_thread(server.restart)
    await asyncio.gather(*(client.connect() for client in both))
    await asyncio.gather(*(client.saved(within=30) for client in both))
    await eventually(lambda: same(anna, boris), "equal after they came back")

    final = await anna.state()
    assert not final.pending
    newcomer = await node.open("newcomer", server.ws_url, document)
    await newcomer.wait("synced")
    rows = [row.payload for row in await read_all(http, server, document)]
    assert (await newcomer.state()).replica == final.replica
    assert (await node.replay(rows)).replica == final.replica
    assert canonical(dump(replay(rows))) == final.content
    async with PythonClient(server.ws_url, document) as python:
        assert python.content() == final.content

    # Whoever makes a document anew from its content puts it in twice, under a client id of its own.
    assert set(final.state_vector) == {anna.client_id, boris.client_id}
    written = Counter(tags(final.content))
    assert {name.split("-")[0] for name in written if "-offline" in name} == {"anna", "boris"}
    assert [tag for tag, count in written.items() if count > 1] == []


async def test_who_lost_unsaved_edits_with_the_server_goes_on_although_somebody_else_brought_them_back(
    start_server: StartServer, node: Node, document: str
) -> None:
    # A commit window this long leaves what was relayed unsaved when the server dies.
    server = await asyncio.to_thread(start_server, commit_window_ms=1000)
    anna = await node.open("anna", server.ws_url, document)
    boris = await node.open("boris", server.ws_url, document)
    await asyncio.gather(anna.wait("synced"), boris.wait("synced"))
    await boris.edit({"op": "insert", "at": ["array"], "index": 0, "values": ["before"]})
    await eventually(lambda: same(anna, boris), "relayed")
    await asyncio.to_thread(server.kill9)
    await asyncio.gather(anna.wait("disconnected"), boris.wait("disconnected"))
    await boris.disconnect()
    await asyncio.to_thread(server.start)

    await anna.saved(within=20)  # with Boris's edit, which nobody else has
    await boris.connect()
    await boris.wait("synced")
    await boris.edit({"op": "insert", "at": ["array"], "index": 1, "values": ["after"]})
    await boris.saved()
    await eventually(lambda: same(anna, boris), "relayed again")
    assert (await anna.content())["array"] == {"array": ["before", "after"]}
