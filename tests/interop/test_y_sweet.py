"""The published y-sweet client and SDK, beside y-websocket clients in the same documents."""

import asyncio
from random import Random

import httpx
import pytest

from tests.e2e.feed import read_all
from tests.e2e.replica import append, items_of, replay, state_vector
from tests.interop.node import DriverError, Node, same, text, typing
from tests.interop.y_sweet import YSweet, ask, connection, sweeten
from tests.servers import ServerProcess, StartServer
from tests.support import eventually
from tests.tokens import token as server_token

pytestmark = pytest.mark.xdist_group("clients")


def name_of(document: str) -> str:
    """The SDK puts names into addresses as they are; y-sweet's have no slashes."""
    return document.replace("/", "-")


# -- the SDK ----------------------------------------------------------------------------------------------------------


async def test_the_sdk_makes_documents_reads_and_writes_them(server: ServerProcess, node: Node, document: str) -> None:
    string, name = connection(server.url), name_of(document)
    assert await ask(node, string, "checkStore") == {"ok": True}
    for _ in range(2):
        assert await ask(node, string, "createDoc", name) == {"docId": name}
    given = await ask(node, string, "getClientToken", name)
    assert given == {
        "url": f"ws://127.0.0.1:{server.port}/d/{name}/ws",
        "baseUrl": f"{server.url}/d/{name}",
        "docId": name,
        "authorization": "full",
    }
    doc = replay([])
    append("by the SDK")(doc)
    made = await ask(node, string, "createDocWithContent", doc.get_update())
    assert items_of(replay([await ask(node, string, "getDocAsUpdate", made["docId"])])) == ["by the SDK"]
    await ask(node, string, "updateDoc", name, doc.get_update())
    client = await sweeten(node, "client", server.url, name)
    await client.saved()
    assert (await client.content())["array"] == {"array": ["by the SDK"]}
    assert items_of(replay([await ask(node, string, "getDocAsUpdate", name)])) == ["by the SDK"]


async def test_names_with_slashes_work_too(server: ServerProcess, node: Node, document: str) -> None:
    client = await sweeten(node, "client", server.url, document)
    plain = await node.open("plain", server.ws_url, document)
    await client.edit(typing("here"))
    await client.saved()
    await plain.wait("synced")

    async def there() -> bool:
        return await text(plain) == "here"

    await eventually(there, "the same document")


# -- saved ------------------------------------------------------------------------------------------------------------

KILLS = 5


@pytest.mark.timeout(120)
async def test_what_y_sweet_clients_call_saved_is_there_after_a_kill(
    start_server: StartServer, node: Node, http: httpx.AsyncClient, document: str, rng: Random
) -> None:
    """`hasLocalChanges` turns false only after the commit: SIGKILL at any moment loses nothing of it."""
    server = await asyncio.to_thread(start_server)
    name = name_of(document)
    writers = [await sweeten(node, f"w{n}", server.url, name) for n in range(3)]
    said = 0

    async def write(writer: YSweet, until: asyncio.Event) -> None:
        number = 0
        while not until.is_set():
            number += 1
            await writer.edit({"op": "insert", "at": ["array"], "index": 0, "values": [f"{writer.name}.{number}"]})
            await asyncio.sleep(0.002)  # not a wait: somebody types

    for _ in range(KILLS):
        await asyncio.gather(*(writer.saved(30) for writer in writers))
        dead = asyncio.Event()
        writing = [asyncio.create_task(write(writer, dead)) for writer in writers]
        await asyncio.sleep(rng.uniform(0.05, 0.3))  # not a wait: it chooses the moment of the kill
        await asyncio.to_thread(server.kill9)
        dead.set()
        await asyncio.gather(*writing)
        promised = {writer.client_id: (await writer.status())["savedClock"] for writer in writers}
        for writer in writers:
            await writer.drop()
        await asyncio.to_thread(server.start)
        # Before the writers come back: they would heal a loss with what they still have.
        there = state_vector(replay(row.payload for row in await read_all(http, server, name)))
        assert all(there.get(client, 0) >= clock for client, clock in promised.items()), (there, promised)
        said = sum(promised.values())
        for writer in writers:
            await writer.connect()
    await asyncio.gather(*(writer.saved(30) for writer in writers))
    await eventually(lambda: same(writers), "all have the same")
    assert said > 10 * KILLS, "hardly anything was said to be saved; the test shows nothing"


# -- who may ----------------------------------------------------------------------------------------------------------


async def test_a_client_with_a_read_only_token_reads_and_is_not_told_that_it_wrote(
    jwt_server: ServerProcess, node: Node, document: str
) -> None:
    name, secret = name_of(document), server_token("app", {"*": "editor"})
    writer = await sweeten(node, "writer", jwt_server.url, name, secret=secret)
    reader = await sweeten(node, "reader", jwt_server.url, name, secret=secret, authorization="read-only")
    await asyncio.gather(writer.saved(), reader.saved())
    assert (await reader.status())["token"]["authorization"] == "read-only"
    await reader.edit(typing("a reader was here; "))
    await writer.edit(typing("written"))
    await writer.saved()

    async def received() -> bool:
        return "written" in await text(reader)

    await eventually(received, "the reader gets what others write")
    assert await text(writer) == "written"
    assert (await reader.status())["unsaved"] is True
    assert (await reader.status())["closes"] == []


async def test_whose_token_it_is_stands_in_the_history(jwt_server: ServerProcess, node: Node, document: str) -> None:
    name, secret = name_of(document), server_token("app", {}, admin=True)
    client = await sweeten(node, "client", jwt_server.url, name, secret=secret, userId="ann@example.com")
    await client.edit(typing("by ann"))
    await client.saved()
    async with httpx.AsyncClient(trust_env=False, headers={"authorization": f"Bearer {secret}"}) as operator:
        assert {row.user for row in await read_all(operator, jwt_server, name)} == {"ann@example.com"}
    plain = connection(jwt_server.url, server_token("app", {"*": "editor"}))
    with pytest.raises(DriverError, match="403"):
        await ask(node, plain, "getClientToken", name, {"userId": "ann@example.com"})


async def test_a_client_whose_token_expires_asks_for_the_next_one_and_goes_on(
    jwt_server: ServerProcess, node: Node, document: str
) -> None:
    secret = server_token("app", {"*": "editor"})
    client = await sweeten(node, "client", jwt_server.url, name_of(document), secret=secret, validForSeconds=2)
    await client.saved()

    async def renewed() -> bool:
        found = await client.status()
        return bool(found["tokens"] > 1 and found["synced"])

    await eventually(renewed, "connected with another token", within=20)
    assert (await client.status())["closes"][0] == 4401
    await client.edit(typing("still here"))
    await client.saved()


async def test_nobody_comes_in_without_a_token_or_with_one_for_another_document(
    jwt_server: ServerProcess, node: Node, document: str
) -> None:
    name, other = name_of(document), f"{name_of(document)}-other"
    string = connection(jwt_server.url, server_token("app", {"*": "editor"}))
    given = await ask(node, string, "getClientToken", name)
    for number, wrong in enumerate(
        (
            {**given, "token": None},
            {**given, "token": f"{given['token'][:-4]}AAAA"},
            {**given, "docId": other},
            {**given, "url": given["url"].replace(name, other), "docId": other},
        )
    ):
        client = await sweeten(node, f"wrong {number}", jwt_server.url, wrong["docId"], token=wrong)

        async def refused(client: YSweet = client) -> bool:
            return len((await client.status())["closes"]) > 1

        await eventually(refused, "refused, and again")
        assert (await client.status())["opens"] == 0
        await client.close()
