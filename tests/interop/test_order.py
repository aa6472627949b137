"""Updates of one client that arrive over three connections in the wrong order give what Yjs makes of them."""

from contextlib import AsyncExitStack

import httpx
import pytest
from pycrdt import Map

from tests.e2e.feed import read_all
from tests.e2e.raw_client import RawClient
from tests.e2e.replica import replay
from tests.hostile import BAD_ORDER, BAD_ORDER_RESULT, SELF_ORIGIN, section, text, update
from tests.interop.node import DriverError, Node
from tests.servers import ServerProcess
from tests.support import eventually

pytestmark = pytest.mark.xdist_group("clients")


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2)], ids=["the bad order", "backwards"])
async def test_three_clients_send_one_clients_updates_in_a_bad_order_and_end_with_the_state_of_yjs(
    server: ServerProcess, node: Node, http: httpx.AsyncClient, document: str, order: tuple[int, int, int]
) -> None:
    updates = [BAD_ORDER[n] for n in order]
    expected = await node.replay(updates, maps=["m"])
    assert expected.content["m"] == {"map": BAD_ORDER_RESULT}

    witness = await node.open("witness", server.ws_url, document)
    await witness.wait("synced")
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(RawClient(server, document)) for _ in updates]
        for client, update in zip(clients, updates, strict=True):
            await client.send_update(update)
            await client.sync()  # one after the other
        for client in clients:
            await client.saved()

        async def seen() -> bool:
            state = await node.replay([(await witness.state()).update], maps=["m"])
            return state.replica == expected.replica

        await eventually(seen, "the same for a Yjs client in the room")

    rows = [row.payload for row in await read_all(http, server, document)]
    assert dict(replay(rows).get("m", type=Map).items()) == BAD_ORDER_RESULT
    assert (await node.replay(rows, maps=["m"])).replica == expected.replica
    async with RawClient(server, document) as newcomer:
        assert dict(newcomer.doc.get("m", type=Map).items()) == BAD_ORDER_RESULT


async def test_yjs_does_not_take_an_item_that_is_its_own_right_origin(node: Node) -> None:
    """pycrdt writes such items when it is told to insert in the middle of a character. The scanner refuses them."""
    known = update(section(7, 0, text("\U0001f44b ")))
    with pytest.raises(DriverError):
        await node.replay([known, SELF_ORIGIN])
