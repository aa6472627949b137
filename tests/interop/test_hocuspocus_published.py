"""What Hocuspocus' own tests of its provider ask of a server, asked of this one: docs/hocuspocus-tests.md lists it."""

import asyncio
import base64
from typing import Any

import httpx
import pytest

from tests.e2e.feed import read_all
from tests.interop.hocuspocus import Provider, ProviderVersion, provide
from tests.interop.node import Node
from tests.interop.test_hocuspocus import VERSIONS, status
from tests.servers import ServerProcess
from tests.support import eventually
from tests.tokens import named_token as token

pytestmark = pytest.mark.xdist_group("clients")

generations = pytest.mark.parametrize("version", VERSIONS)


def adding(item: str) -> dict[str, Any]:
    return {"op": "insert", "at": ["array"], "index": 0, "values": [item]}


async def called(client: Provider, *names: str) -> None:
    async def all_of_them() -> bool:
        return set(names) <= set((await client.status())["calls"])

    await eventually(all_of_them, f"{names} called")


@generations
async def test_a_provider_hears_of_every_step_of_its_connection(
    server: ServerProcess, node: Node, document: str, version: ProviderVersion
) -> None:
    client = await provide(node, "client", server.ws_url, document, version=version)
    await called(client, "open", "connect", "authenticated", "message", "outgoingMessage", "status", "synced")
    await client.set_awareness({"foo": "bar"})
    await called(client, "awarenessUpdate", "awarenessChange")
    await client.disconnect()
    await called(client, "disconnect", "close")


@generations
async def test_when_a_provider_is_synced_everything_is_there(
    server: ServerProcess, node: Node, document: str, version: ProviderVersion
) -> None:
    writer = await provide(node, "writer", server.ws_url, document)
    await writer.edit(adding("bar"))
    await writer.saved()
    client = await provide(node, "client", server.ws_url, document, version=version)
    await client.wait("synced")
    assert (await client.status())["atSync"] == ["bar"]


@generations
async def test_each_change_is_observed_once_by_everybody(
    server: ServerProcess, node: Node, document: str, version: ProviderVersion
) -> None:
    here = await provide(node, "here", server.ws_url, document, version=version)
    there = await provide(node, "there", server.ws_url, document)
    await asyncio.gather(here.saved(), there.saved())
    for number in range(3):
        await here.edit(adding(f"{number}"))
        await here.saved()
    await here.edit(adding("of"), adding("one"), adding("transaction"))
    await here.saved()
    await status(there, observed={"here": 0, "elsewhere": 4})
    await status(here, observed={"here": 4, "elsewhere": 0})


@generations
async def test_a_token_may_take_its_time(
    jwt_server: ServerProcess, node: Node, document: str, version: ProviderVersion
) -> None:
    right = token("ann", {document: "editor"})
    client = await provide(node, "client", jwt_server.ws_url, document, version=version, token=right, lateToken=True)
    await client.saved()
    await status(client, scopes=["read-write"])


async def test_changes_wait_for_their_batch_and_are_unsynced_until_it_is_saved(
    server: ServerProcess, node: Node, document: str
) -> None:
    client = await provide(node, "client", server.ws_url, document, flushDelay=100)
    other = await provide(node, "other", server.ws_url, document)
    await asyncio.gather(client.saved(), other.saved())
    for number in range(3):
        await client.edit(adding(f"{number}"))
    assert (await client.status())["unsynced"] > 0
    await client.saved()
    await status(other, observed={"here": 0, "elsewhere": 1})


# -- readers ----------------------------------------------------------------------------------------------------------


@generations
async def test_readers_have_unsynced_changes_if_and_only_if_they_have_changed_something(
    jwt_server: ServerProcess, node: Node, operator: httpx.AsyncClient, document: str, version: ProviderVersion
) -> None:
    url, reader, editor = jwt_server.ws_url, token("bob", {"*": "reader"}), token("ann", {"*": "editor"})
    writer = await provide(node, "writer", url, document, token=editor)
    await writer.edit(adding("from the server"))
    await writer.saved()
    copy = base64.b64encode((await writer.state()).update).decode()
    rows = await read_all(operator, jwt_server, document)

    async def read(name: str, **options: Any) -> Provider:
        return await provide(node, name, url, document, version=version, token=reader, **options)

    unchanged = await read("unchanged")
    with_a_copy = await read("with a copy", copy=copy)
    changing = await read("changing")
    changed_before = await read("changed before", before=[adding("mine")])
    deleted_before = await read(
        "deleted before", copy=copy, before=[{"op": "delete", "at": ["array"], "index": 0, "length": 1}]
    )
    everybody = [unchanged, with_a_copy, changing, changed_before, deleted_before]
    await asyncio.gather(*(client.wait("synced") for client in everybody))
    await changing.edit(adding("mine"))
    for client in (unchanged, with_a_copy):
        await client.saved()
    assert await read_all(operator, jwt_server, document) == rows
    # What others write makes nothing of it saved, and nothing unsaved.
    await writer.edit(adding("more"))
    await writer.saved()
    for client in everybody:

        async def received(client: Provider = client) -> bool:
            return "more" in (await client.content())["array"]["array"]

        await eventually(received, "what others write comes")
    for client in (changing, changed_before, deleted_before):
        assert (await client.status())["unsynced"] > 0, client.name
    for client in (unchanged, with_a_copy):
        assert (await client.status())["unsynced"] == 0, client.name


# -- awareness, and several documents on a socket ---------------------------------------------------------------------


@generations
async def test_awareness_stays_in_its_document_and_newcomers_are_told(
    server: ServerProcess, node: Node, document: str, version: ProviderVersion
) -> None:
    shared: dict[str, Any] = {"version": version, "socket": f"awareness {document}"}
    first = await provide(node, "first", server.ws_url, document, **shared)
    other = await provide(node, "other", server.ws_url, f"{document}/other", **shared)
    await asyncio.gather(first.wait("synced"), other.wait("synced"))
    await first.set_awareness({"foo": "bar"})
    await other.set_awareness({"foo": "other"})
    late = await provide(node, "late", server.ws_url, document)
    without = await provide(node, "without", server.ws_url, document, version=version, awareness=False)
    await asyncio.gather(late.wait("synced"), without.wait("synced"))

    async def told() -> bool:
        return (await late.awareness()).get(first.client_id) == {"foo": "bar"}

    await eventually(told, "the newcomer is told")
    assert other.client_id not in await late.awareness()
    assert first.client_id not in await other.awareness()
    assert without.client_id not in await late.awareness()
    await first.close()

    async def gone() -> bool:
        return first.client_id not in await late.awareness()

    await eventually(gone, "who has left is gone")
    if version == 2:
        return  # It has no word for it.
    # All documents of the socket may be closed, and it stays.
    await other.detach()
    await other.attach()
    await other.edit(adding("on the same socket"))
    await other.saved()
    assert (await other.status())["connections"] == 1


async def test_of_two_sessions_of_a_document_one_may_be_denied(
    jwt_server: ServerProcess, node: Node, document: str
) -> None:
    shared: dict[str, Any] = {"socket": f"sessions {document}", "sessionAwareness": True}
    denied = await provide(node, "denied", jwt_server.ws_url, document, token="swordfish", **shared)
    right = token("ann", {document: "editor"})
    let_in = await provide(node, "let in", jwt_server.ws_url, document, token=right, **shared)
    await denied.until("denied")
    await let_in.edit(adding("x"))
    await let_in.saved()
    assert (await let_in.status())["denials"] == (await denied.status())["scopes"] == []
