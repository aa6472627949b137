"""The published y-partyserver client, beside others in the same documents."""

import asyncio
import secrets

import httpx
import pytest

from tests.e2e.feed import read_all
from tests.interop.hocuspocus import provide
from tests.interop.node import Node, text, typing
from tests.interop.y_partyserver import PartyClient, join
from tests.servers import ServerProcess
from tests.support import eventually
from tests.tokens import named_token as token

pytestmark = pytest.mark.xdist_group("clients")


async def heard(client: PartyClient, *messages: str) -> None:
    async def has() -> bool:
        return bool((await client.status())["heard"] == list(messages))

    await eventually(has, f"{client.name} has heard {messages}")


async def test_a_room_is_a_document_and_in_another_party_another_one(
    server: ServerProcess, node: Node, http: httpx.AsyncClient, document: str
) -> None:
    main = await join(node, "main", server.url, document)
    other = await join(node, "other", server.url, document, party="drafts")
    plain = await node.open("plain", server.ws_url, document)
    elsewhere = await node.open("elsewhere", server.ws_url, f"drafts/{document}")
    await asyncio.gather(*(client.wait("synced") for client in (main, other, plain, elsewhere)))
    await main.edit(typing("in main"))
    await other.edit(typing("in drafts"))
    await asyncio.gather(main.saved(), other.saved())

    async def there() -> bool:
        return [await text(client) for client in (plain, elsewhere)] == ["in main", "in drafts"]

    await eventually(there, "each document has its own")
    assert len(await read_all(http, server, document)) == 1


async def test_offline_edits_and_presence_survive_reconnects(server: ServerProcess, node: Node, document: str) -> None:
    client = await join(node, "client", server.url, document)
    plain = await node.open("plain", server.ws_url, document, max_backoff_ms=50)
    await asyncio.gather(client.wait("synced"), plain.wait("synced"))
    await client.set_awareness({"user": {"name": "Ann"}})
    for gone in (client.drop, client.disconnect):

        async def seen(wanted: bool) -> bool:
            return (client.client_id in await plain.awareness()) == wanted

        await eventually(lambda: seen(True), "it is seen")
        await gone()
        await eventually(lambda: seen(False), "it is seen to be gone")
        await client.edit(typing("offline "))
        await plain.edit(typing("online "))
        await client.connect()
        await client.saved()
        await eventually(lambda: seen(True), "it is seen again")

    async def same() -> bool:
        return (await client.state()).replica == (await plain.state()).replica

    await eventually(same, "both have the same")


async def test_custom_messages_reach_who_may_write_in_every_dialect_that_has_them(
    jwt_server: ServerProcess, node: Node, document: str
) -> None:
    def params(role: str) -> dict[str, str]:
        return {"token": token(role, {"*": role})}

    sender = await join(node, "sender", jwt_server.url, document, params=params("editor"))
    other = await join(node, "other", jwt_server.url, document, params=params("editor"))
    reader = await join(node, "reader", jwt_server.url, document, params=params("reader"))
    elsewhere = await join(node, "elsewhere", jwt_server.url, f"{document}/other", params=params("editor"))
    provider = await provide(node, "provider", jwt_server.ws_url, document, token=token("bob", {"*": "editor"}))
    await asyncio.gather(*(client.wait("synced") for client in (sender, other, reader, elsewhere, provider)))
    marker = f"marker {secrets.token_hex(8)} 🧑‍🚀"
    await reader.send_message("from a reader")
    await sender.send_message(marker)
    await heard(other, marker)
    await provider.send_stateless("from a provider")
    await heard(other, marker, "from a provider")
    await heard(sender, "from a provider")
    for silent in (reader, elsewhere):
        assert (await silent.status())["heard"] == []
    assert (await provider.status())["heard"] == [marker]
    assert marker.split()[1].encode() not in b"".join(p.read_bytes() for p in jwt_server.data_dir.glob("coscribe.db*"))


async def test_nobody_comes_in_without_a_token(jwt_server: ServerProcess, node: Node, document: str) -> None:
    for number, params in enumerate(({}, {"token": "swordfish"}, {"token": token("eve", {"elsewhere": "editor"})})):
        client = await join(node, f"refused {number}", jwt_server.url, document, params=params)

        async def refused(client: PartyClient = client) -> bool:
            return len((await client.status())["closes"]) > 1

        await eventually(refused, "refused, and again")
        assert (await client.status())["opens"] == 0
        await client.close()
