"""Published Hocuspocus providers, three generations of them, beside y-websocket clients in the same documents."""

import asyncio
import secrets
import time
from random import Random
from typing import Any

import httpx
import pytest

from tests.e2e.feed import read_all
from tests.e2e.replica import replay, state_vector
from tests.interop.hocuspocus import Provider, ProviderVersion, provide
from tests.interop.node import Node, NodeClient, same, text, typing
from tests.servers import ServerProcess, StartServer
from tests.support import eventually
from tests.tokens import named_token as token

pytestmark = pytest.mark.xdist_group("clients")

VERSIONS: list[ProviderVersion] = [4, 3, 2]


async def status(client: Provider, **wanted: object) -> None:
    """Wait until the client's status has these values."""

    async def has() -> bool:
        found = await client.status()
        return all(found[name] == value for name, value in wanted.items())

    await eventually(has, f"{client.name} has {wanted}")


# -- together ---------------------------------------------------------------------------------------------------------


@pytest.mark.timeout(120)
async def test_every_generation_of_clients_edits_one_document_through_reconnects(
    server: ServerProcess, node: Node, document: str, seed: int
) -> None:
    rng = Random(seed)
    providers = [await provide(node, f"h{version}", server.ws_url, document, version=version) for version in VERSIONS]
    old = [provider for provider, version in zip(providers, VERSIONS, strict=True) if version < 4]
    batching = await provide(node, "batching", server.ws_url, document, flushDelay=20)
    y3 = await node.open("y3", server.ws_url, document, max_backoff_ms=50)
    y2 = await node.open("y2", server.ws_url, document, version=2, max_backoff_ms=50)
    clients: list[NodeClient] = [*providers, batching, y3, y2]
    await asyncio.gather(*(client.wait("synced") for client in clients))
    for turn in range(8):
        await asyncio.gather(*(c.edit_randomly(seed=seed + 31 * turn + n, count=20) for n, c in enumerate(clients)))
        away = rng.choice(clients)
        late = next((provider for provider in old if provider is away), None)
        connections = 0 if late is None else (await late.status())["connections"]
        await rng.choice([away.drop, away.disconnect])()
        await away.edit_randomly(seed=seed - turn, count=10)
        await away.connect()
        if late is not None:
            # Nobody can say whether it counts what it deletes before it has synced (rule P3 of the dialect).
            await status(late, connections=connections + 1, synced=True)
    await asyncio.gather(*(client.saved(20) for client in clients))
    await eventually(lambda: same(clients), "all have the same")
    for client in clients:
        await client.set_awareness({"user": {"name": client.name}})

    async def all_seen() -> bool:
        wanted = {client.client_id: {"user": {"name": client.name}} for client in clients}
        return [await client.awareness() for client in clients] == [wanted] * len(clients)

    await eventually(all_seen, "everybody sees everybody")
    await y3.drop()
    await providers[0].drop()

    async def both_gone() -> bool:
        left = {client.client_id for client in clients} - {y3.client_id, providers[0].client_id}
        return all([(await client.awareness()).keys() == left for client in (batching, y2, *providers[1:])])

    await eventually(both_gone, "who has left is gone")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("given", ["", "any token", None])
async def test_where_everybody_may_do_everything_any_token_and_none_will_do(
    server: ServerProcess, node: Node, document: str, version: ProviderVersion, given: str | None
) -> None:
    client = await provide(node, "client", server.ws_url, document, version=version, token=given)
    await client.saved()
    await client.edit(typing("in"))
    await client.saved()
    assert (await client.status())["scopes"] == ["read-write"]


async def test_two_providers_of_one_document_share_a_socket_by_their_sessions(
    server: ServerProcess, node: Node, document: str
) -> None:
    left, right = [
        await provide(node, name, server.ws_url, document, socket=f"two {document}", sessionAwareness=True)
        for name in ("left", "right")
    ]
    await asyncio.gather(left.saved(), right.saved())
    await left.edit(typing("from the left; "))
    await eventually(lambda: same([left, right]), "the right has it")
    await right.edit(typing("from the right; "))
    await asyncio.gather(left.saved(), right.saved())
    await eventually(lambda: same([left, right]), "the left has it")
    await left.set_awareness({"name": "left"})

    async def seen() -> bool:
        return (await right.awareness()).get(left.client_id) == {"name": "left"}

    await eventually(seen, "the right sees the left")
    await left.detach()

    async def gone() -> bool:
        return left.client_id not in await right.awareness()

    await eventually(gone, "the left has left")
    await right.edit(typing("still here; "))
    await right.saved()
    assert await text(right) == "still here; from the right; from the left; "


@pytest.mark.parametrize("version", [4, 2])
async def test_a_provider_without_awareness_is_kept_awake(
    start_server: StartServer, node: Node, document: str, version: ProviderVersion
) -> None:
    """It leaves a server that says nothing for so long, and nobody else is there to say anything."""
    server = await asyncio.to_thread(start_server, keepalive_seconds=0.15)
    client = await provide(node, "client", server.ws_url, document, version=version, awareness=False, silenceMs=500)
    await client.saved()
    heard = set()

    async def often() -> bool:
        heard.add((await client.status())["lastMessageReceived"])
        return len(heard) > 6

    await eventually(often, "something comes again and again")
    assert (await client.status())["connections"] == 1


# -- saved ------------------------------------------------------------------------------------------------------------

KILLS = 6


@pytest.mark.timeout(180)
async def test_what_providers_say_is_saved_is_there_after_a_kill(
    start_server: StartServer, node: Node, http: httpx.AsyncClient, document: str, rng: Random
) -> None:
    """`hasUnsyncedChanges` turns false only after the commit: SIGKILL at any moment loses nothing of it."""
    server = await asyncio.to_thread(start_server)
    writers = [await provide(node, f"w{version}", server.ws_url, document, version=version) for version in VERSIONS]
    said = 0

    async def write(writer: Provider, until: asyncio.Event) -> None:
        number = 0
        while not until.is_set():
            for _ in range(rng.randint(1, 4)):
                number += 1
                await writer.edit({"op": "insert", "at": ["array"], "index": 0, "values": [f"{writer.name}.{number}"]})
            saved = asyncio.create_task(writer.saved(60))
            killed = asyncio.create_task(until.wait())
            await asyncio.wait([saved, killed], return_when=asyncio.FIRST_COMPLETED)
            pending.append(saved)
            killed.cancel()

    for _ in range(KILLS):
        pending: list[asyncio.Task[None]] = []
        await asyncio.gather(*(writer.saved(30) for writer in writers))
        dead = asyncio.Event()
        writing = [asyncio.create_task(write(writer, dead)) for writer in writers]
        await asyncio.sleep(rng.uniform(0.05, 0.3))  # not a wait: it chooses the moment of the kill
        await asyncio.to_thread(server.kill9)
        dead.set()
        await asyncio.gather(*writing)
        promised = {writer.client_id: (await writer.status())["savedClock"] for writer in writers}
        for writer in writers:
            await writer.disconnect()
        await asyncio.to_thread(server.start)
        # Before the writers come back: they would heal a loss with what they still have.
        there = state_vector(replay(row.payload for row in await read_all(http, server, document)))
        assert all(there.get(client, 0) >= clock for client, clock in promised.items()), (there, promised)
        said = sum(promised.values())
        for writer in writers:
            await writer.connect()
        await asyncio.gather(*pending)
    await asyncio.gather(*(writer.saved(30) for writer in writers))
    await eventually(lambda: same(list(writers)), "all have the same")
    assert said > 10 * KILLS, "hardly anything was said to be saved; the test shows nothing"


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_was_typed_and_deleted_offline_is_saved_and_counted_down(
    server: ServerProcess, node: Node, http: httpx.AsyncClient, document: str, version: ProviderVersion
) -> None:
    client = await provide(node, "client", server.ws_url, document, version=version)
    await client.saved()
    await client.edit(typing("some words"))
    await client.saved()
    for gone in (client.drop, client.disconnect):
        await gone()
        await client.wait("disconnected")
        for _ in range(5):
            await client.edit({"op": "delete", "at": ["text"], "index": 0, "length": 1}, typing("more "))
            await client.edit({"op": "delete", "at": ["text"], "index": 0, "length": 1})
        await client.connect()
        await client.saved()
        await client.edit(typing("on"))
        await client.saved()
    stored = replay(row.payload for row in await read_all(http, server, document))
    assert str(stored["text"]) == await text(client)
    await status(client, unsynced=0)


# -- who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_bad_token_then_a_good_one_on_the_same_socket(
    jwt_server: ServerProcess, node: Node, document: str, version: ProviderVersion
) -> None:
    client = await provide(node, "client", jwt_server.ws_url, document, version=version, token="swordfish")
    await client.until("denied")
    assert (await client.status())["scopes"] == []
    right = token("ann", {document: "editor"})
    if version == 2:
        # It cannot send a token by itself; applications make a new provider on the socket.
        await client.close()
        client = await provide(node, "again", jwt_server.ws_url, document, version=version, token=right)
    else:
        await client.use_token(right, "sync")
    await client.edit(typing("let in"))
    await client.saved()
    found = await client.status()
    assert found["scopes"] == ["read-write"]
    assert version == 2 or (found["connections"], len(found["denials"])) == (1, 1)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_reader_reads_and_is_seen_and_is_told_that_nothing_of_its_own_is_saved(
    jwt_server: ServerProcess, node: Node, operator: httpx.AsyncClient, document: str, version: ProviderVersion
) -> None:
    writer = await provide(node, "writer", jwt_server.ws_url, document, token=token("ann", {document: "editor"}))
    await writer.edit(typing("written; "))
    await writer.saved()
    reader = await provide(
        node, "reader", jwt_server.ws_url, document, version=version, token=token("bob", {document: "reader"})
    )
    await reader.saved()
    assert (await reader.status())["scopes"] == ["readonly"]
    await reader.edit(typing("a reader was here; "))
    await writer.edit(typing("more; "))
    await writer.saved()

    async def received() -> bool:
        return "more; " in await text(reader)

    await eventually(received, "the reader gets what others write")
    await reader.set_awareness({"name": "Bob"})

    async def seen() -> bool:
        return reader.client_id in await writer.awareness()

    await eventually(seen, "the reader is seen")
    await status(reader, unsynced=1, closes=[])
    assert await text(writer) == "more; written; "
    assert {row.user for row in await read_all(operator, jwt_server, document)} == {"ann"}


async def test_a_reader_who_may_write_from_now_on_brings_what_was_refused(
    jwt_server: ServerProcess, node: Node, document: str
) -> None:
    """On the same socket, by a new token; and its count, which had gone up for ever, comes down."""
    await (await provide(node, "ann", jwt_server.ws_url, document, token=token("ann", {document: "editor"}))).saved()
    client = await provide(node, "client", jwt_server.ws_url, document, token=token("bob", {document: "reader"}))
    await client.saved()
    for number in range(3):
        await client.edit(typing(f"{number} "))
    await status(client, unsynced=3)
    await client.use_token(token("bob", {document: "editor"}), "send")
    await client.saved()
    newcomer = await node.open(
        "newcomer", jwt_server.ws_url, document, params={"token": token("ann", {document: "reader"})}
    )
    await newcomer.wait("synced")
    assert await text(newcomer) == "2 1 0 "
    found = await client.status()
    assert (found["scopes"], found["connections"]) == (["readonly", "read-write"], 1)


async def test_the_server_asks_for_a_token_before_the_one_it_has_expires(
    jwt_server: ServerProcess, node: Node, document: str
) -> None:
    client = await provide(
        node, "client", jwt_server.ws_url, document, token=token("ann", {document: "editor"}, seconds=5)
    )
    began = time.monotonic()
    await client.saved()
    await client.use_token(token("ann", {document: "editor"}), "later")

    async def asked() -> bool:
        return bool((await client.status())["tokensAsked"] >= 2)

    await eventually(asked, "the server has asked")

    async def outlived() -> bool:
        await client.edit(typing("x"))
        await client.saved()
        return time.monotonic() - began > 5.5

    await eventually(outlived, "still there when the first one has expired")
    await status(client, closes=[], denials=[], connections=1)


async def test_when_no_better_token_comes_the_document_is_closed_and_nothing_else(
    jwt_server: ServerProcess, node: Node, document: str
) -> None:
    name = f"expiring {document}"
    short = token("ann", {"*": "editor"}, seconds=3)
    expiring = await provide(node, "expiring", jwt_server.ws_url, document, token=short, socket=name)
    other = await provide(
        node, "other", jwt_server.ws_url, f"{document}/other", token=token("ann", {"*": "editor"}), socket=name
    )
    await asyncio.gather(expiring.saved(), other.saved())
    await expiring.until("closed")
    assert (await expiring.status())["closes"] == [[1000, "the token has expired"]]
    await other.edit(typing("still open"))
    await other.saved()
    assert (await other.status())["connections"] == 1
    # A provider that is attached anew is let in on the same socket.
    await expiring.detach()
    await expiring.use_token(token("ann", {"*": "editor"}), "later")
    await expiring.attach()
    await expiring.edit(typing("back"))
    await expiring.saved()
    assert (await expiring.status())["connections"] == 1


async def test_somebody_elses_token_does_not_take_a_document_over(
    jwt_server: ServerProcess, node: Node, document: str
) -> None:
    client = await provide(node, "client", jwt_server.ws_url, document, token=token("ann", {document: "editor"}))
    await client.saved()
    await client.use_token(token("bob", {document: "owner"}), "send")
    await client.until("closed")
    assert "somebody else's" in (await client.status())["closes"][0][1]


DOCUMENTS = 100


@pytest.mark.timeout(120)
async def test_a_hundred_documents_on_one_socket_open_close_and_fail_each_alone(
    jwt_server: ServerProcess, node: Node, operator: httpx.AsyncClient, document: str
) -> None:
    ann, stranger = token("ann", {f"{document}/*": "editor"}), token("eve", {"elsewhere": "editor"})
    shared: dict[str, Any] = {"socket": f"hundred {document}"}
    url = jwt_server.ws_url
    clients = [await provide(node, f"{n}", url, f"{document}/{n}", token=ann, **shared) for n in range(DOCUMENTS)]
    barred = await provide(node, "barred", url, f"{document}/barred", token=stranger, **shared)
    misnamed = await provide(node, "misnamed", url, f"{document}/no such name", token=ann, **shared)
    await asyncio.gather(*(client.saved(30) for client in clients))
    for client in (barred, misnamed):
        await client.until("denied")
    for client in clients:
        await client.edit(typing(client.name))
    await asyncio.gather(*(client.saved(30) for client in clients))

    deleted, left, kept = clients[:10], clients[10:20], clients[20:]
    for client in deleted:
        answer = await operator.delete(jwt_server.document_url(f"{document}/{client.name}"))
        assert answer.status_code == 204
    await asyncio.gather(*(client.until("closed") for client in deleted))
    await asyncio.gather(*(client.detach() for client in left))
    for client in kept:
        await client.edit(typing("still "))
    await asyncio.gather(*(client.saved(30) for client in kept))
    await asyncio.gather(*(client.attach() for client in left))
    for client in left:
        await client.edit(typing("again "))
    await asyncio.gather(*(client.saved(30) for client in left))
    found = await kept[0].status()
    assert (found["connections"], found["closes"], found["denials"]) == (1, [], [])

    watching = await node.open("watching", url, f"{document}/99", params={"token": ann})
    await watching.wait("synced")
    assert await text(watching) == "still 99"


async def test_a_restart_of_the_server_brings_every_document_of_a_socket_back(
    start_server: StartServer, node: Node, document: str
) -> None:
    server = await asyncio.to_thread(start_server)
    clients = [
        await provide(node, f"{n}", server.ws_url, f"{document}/{n}", socket=f"restart {document}") for n in range(5)
    ]
    await asyncio.gather(*(client.saved() for client in clients))
    await asyncio.to_thread(server.restart)
    for client in clients:
        await client.edit(typing("before or after"))
    await asyncio.gather(*(client.saved(30) for client in clients))
    assert (await clients[0].status())["connections"] > 1


# -- stateless --------------------------------------------------------------------------------------------------------


async def test_stateless_messages_reach_who_may_write_and_are_stored_nowhere(
    jwt_server: ServerProcess, node: Node, operator: httpx.AsyncClient, document: str
) -> None:
    url, editor, reader = jwt_server.ws_url, token("ann", {"*": "editor"}), token("bob", {"*": "reader"})
    sender = await provide(node, "sender", url, document, token=editor)
    old = await provide(node, "old", url, document, token=editor, version=2)
    other = await provide(node, "other", url, f"{document}/other", token=editor)
    reading = await provide(node, "reading", url, document, token=reader)
    plain = await node.open("plain", url, document, params={"token": editor})
    await asyncio.gather(*(client.saved() for client in (sender, old, other, reading)), plain.wait("synced"))
    marker = f"marker {secrets.token_hex(8)}"
    await reading.send_stateless("from a reader")
    await sender.send_stateless(f"{marker} 🧑‍🚀")
    await status(old, heard=[f"{marker} 🧑‍🚀"])
    # An edit behind it is there: so would the message be.
    await sender.edit(typing("after it"))
    await sender.saved()

    async def received() -> bool:
        return await text(reading) == "after it"

    await eventually(received, "the edit has come")
    for client in (sender, other, reading):
        assert (await client.status())["heard"] == []
    assert len(await read_all(operator, jwt_server, document)) == 1
    stored = b"".join(path.read_bytes() for path in jwt_server.data_dir.glob("coscribe.db*"))
    assert document.encode() in stored
    assert marker.encode() not in stored
