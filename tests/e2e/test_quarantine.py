"""Stored data that ends a process, and stored data that has rotted: one document suffers, the others go on.

The rows are planted in the database, past the server that would have refused them.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pycrdt import Doc, Text
from sqlalchemy import Connection, delete, update
from websockets.exceptions import InvalidMessage

from collab.ports import Append, NewUpdate
from collab.types import DocumentId
from storage.engine import Database
from storage.rows import find_document
from storage.tables import documents, updates
from tests import hostile
from tests.e2e.raw_client import Disconnected, RawClient
from tests.e2e.replica import text_of
from tests.servers import ServerProcess, StartServer
from tests.support import eventually

pytestmark = pytest.mark.xdist_group("quarantine")

QUARANTINED = 4503


async def change(url: str, *works: Callable[[Connection], object]) -> None:
    async with await Database.open(url) as database:
        for work in works:
            await database._transactions.write(work)


async def poison(url: str, document: str) -> None:
    """Append what passes every checksum and no pycrdt survives."""
    payload = hostile.update(hostile.section(1, 0, hostile.value(hostile.nested_arrays())))
    async with await Database.open(url) as database:
        await database.log.append([Append(DocumentId(document), (NewUpdate(None, payload),))])


def pk_of(connection: Connection, document: str) -> int:
    found = find_document(connection, DocumentId(document))
    assert found is not None
    return int(found.pk)


def rot(document: str) -> Callable[[Connection], object]:
    """Change the last row of a document."""

    def work(connection: Connection) -> None:
        of_document = updates.c.document_pk == pk_of(connection, document)
        connection.execute(update(updates).where(of_document, updates.c.seq == 2).values(payload=b"rot"))

    return work


def cut(document: str) -> Callable[[Connection], object]:
    """Remove the last row of a document, as an administrator might."""

    def work(connection: Connection) -> None:
        pk = pk_of(connection, document)
        connection.execute(delete(updates).where(updates.c.document_pk == pk, updates.c.seq == 2))
        connection.execute(update(documents).where(documents.c.pk == pk).values(head_seq=1))

    return work


def insert(text: str) -> Callable[[Doc[Any]], None]:
    return lambda doc: doc.get("text", type=Text).insert(0, text)


async def write(server: ServerProcess, document: str, *texts: str) -> None:
    async with RawClient(server, document) as client:
        for text in texts:
            await client.edit(insert(text))
            await client.saved()


async def close_code(server: ServerProcess, document: str) -> int | None:
    """With which code the server closes a connection to a document."""
    return await (await RawClient(server, document).connect(sync=False)).closed()


async def test_10_poison_and_rot_cost_one_document_each(
    start_server: StartServer, http: httpx.AsyncClient, document: str
) -> None:
    server = await asyncio.to_thread(start_server)
    url = f"sqlite+aiosqlite:///{server.data_dir}/coscribe.db"
    poisoned, rotten, healthy = (f"{document}/{name}" for name in ("poisoned", "rotten", "healthy"))
    await write(server, poisoned, "harmless")
    await write(server, rotten, "intact ", "rotten ")
    await write(server, healthy, "fine")
    await asyncio.to_thread(server.terminate)
    await poison(url, poisoned)
    await change(url, rot(rotten))
    await asyncio.to_thread(server.start)

    # The first load ends the process. That cannot be helped: nobody had tried before.
    with pytest.raises((Disconnected, InvalidMessage, OSError)):
        await RawClient(server, poisoned).connect()
    assert await asyncio.to_thread(server.process.wait, 10) == -11
    await asyncio.to_thread(server.start)

    async with RawClient(server, healthy) as witness:
        assert await close_code(server, poisoned) == QUARANTINED
        assert await close_code(server, rotten) == QUARANTINED
        await witness.edit(insert("still "))
        await witness.saved()

        for name, reason, last_good in (
            (poisoned, "must not apply", "harmless"),
            (rotten, "row 2 does not match its checksum", "intact "),
        ):
            info = (await http.get(server.document_url(name))).json()
            assert reason in info["quarantine"]["reason"]
            assert info["quarantine"]["readable"]
            content = await http.get(server.document_url(name, "content"))
            assert (content.text, content.headers["coscribe-quarantine"]) == (last_good, "through=1")
            refused = await http.post(
                server.document_url(name, "updates"),
                content=b"\x00\x00",
                headers={"Content-Type": "application/octet-stream"},
            )
            assert (refused.status_code, refused.json()["code"]) == (423, "document-quarantined")
            assert (await http.post(server.document_url(name, "release"))).status_code == 423
            assert f"{name}" in server.log_tail()
            assert "went into quarantine" in server.log_tail()

        listed = await asyncio.to_thread(server.done, "document", "list", "--quarantined", "--json")
        assert [json.loads(line)["id"] for line in listed.splitlines()] == [poisoned, rotten]
        await witness.saved()

    # An administrator takes the bad rows out; then, and not before, the documents can be released.
    await asyncio.to_thread(server.terminate)
    assert (await asyncio.to_thread(server.run, "document", "release", rotten)).returncode == 1
    await change(url, cut(poisoned), cut(rotten))
    await asyncio.to_thread(server.done, "document", "release", rotten)
    await asyncio.to_thread(server.start)
    assert await close_code(server, poisoned) == QUARANTINED
    released = await http.post(server.document_url(poisoned, "release"))
    assert (released.status_code, released.json()["quarantine"]) == (200, None)
    for name, text in ((poisoned, "harmless"), (rotten, "intact "), (healthy, "still fine")):
        async with RawClient(server, name) as client:
            await eventually(lambda client=client, text=text: text_of(client.doc) == text)  # type: ignore[misc]
            await client.edit(insert("more "))
            await client.saved()
