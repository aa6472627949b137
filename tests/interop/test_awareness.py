"""Who is there: seen by everybody, stored nowhere, gone within a second of a lost connection."""

import asyncio
import secrets
from pathlib import Path

import pytest

from tests.e2e.raw_client import RawClient
from tests.interop.node import Node, Version
from tests.interop.python_client import PythonClient
from tests.servers import ServerProcess
from tests.support import eventually

pytestmark = pytest.mark.xdist_group("clients")

GONE_SECONDS = 1


def files_with(directory: Path, needle: str) -> list[str]:
    return [path.name for path in directory.rglob("*") if path.is_file() and needle.encode() in path.read_bytes()]


async def test_the_state_of_each_client_is_seen_by_all_and_is_never_in_the_database(
    server: ServerProcess, node: Node, document: str
) -> None:
    marker, written = f"presence-{secrets.token_hex(8)}", f"content-{secrets.token_hex(8)}"
    newest = await node.open("newest", server.ws_url, document, version=3)
    oldest = await node.open("oldest", server.ws_url, document, version=2)
    await asyncio.gather(newest.wait("synced"), oldest.wait("synced"))
    async with PythonClient(server.ws_url, document) as python, RawClient(server, document) as raw:
        clients = {newest.client_id: newest, oldest.client_id: oldest, python.client_id: python}
        expected = {client: {"user": {"name": f"{marker} {client} 🧑‍🚀"}} for client in [*clients, raw.doc.client_id]}
        await newest.set_awareness(expected[newest.client_id])
        await oldest.set_awareness(expected[oldest.client_id])
        await python.announce(expected[python.client_id])
        await raw.announce(expected[raw.doc.client_id])

        async def seen() -> bool:
            tables = [await newest.awareness(), await oldest.awareness(), python.awareness.states, raw.awareness]
            return all({**table, **expected} == table for table in tables)

        await eventually(seen, "everybody sees everybody")
        await newest.edit({"op": "insertText", "at": ["text"], "index": 0, "text": written})
        await newest.saved()

    assert files_with(server.data_dir, written), "the search does not even find what is stored"
    assert files_with(server.data_dir, marker) == []


@pytest.mark.parametrize("version", [3, 2])
async def test_the_state_of_a_javascript_client_disappears_within_a_second_of_a_dropped_connection(
    server: ServerProcess, node: Node, document: str, version: Version
) -> None:
    leaver = await node.open("leaver", server.ws_url, document, version=version)
    stayer = await node.open("stayer", server.ws_url, document)
    await asyncio.gather(leaver.wait("synced"), stayer.wait("synced"))
    async with RawClient(server, document) as raw, PythonClient(server.ws_url, document) as python:
        await leaver.set_awareness({"here": True})

        async def somebody_sees() -> list[bool]:
            return [
                leaver.client_id in await stayer.awareness(),
                *(leaver.client_id in t for t in (raw.awareness, python.awareness.states)),
            ]

        async def all_see() -> bool:
            return all(await somebody_sees())

        async def none_sees() -> bool:
            return not any(await somebody_sees())

        await eventually(all_see, "everybody sees the one who will leave")
        await leaver.drop()
        await eventually(none_sees, "gone for everybody", within=GONE_SECONDS)


@pytest.mark.parametrize("kind", ["Provider", "bare"])
async def test_the_state_of_a_python_client_disappears_within_a_second_of_a_dropped_connection(
    server: ServerProcess, node: Node, document: str, kind: str
) -> None:
    stayer = await node.open("stayer", server.ws_url, document)
    await stayer.wait("synced")
    leaving = PythonClient(server.ws_url, document) if kind == "Provider" else RawClient(server, document)
    async with leaving as leaver:

        async def sees() -> bool:
            return leaver.doc.client_id in await stayer.awareness()

        async def sees_no_more() -> bool:
            return not await sees()

        await leaver.announce({"here": True})
        await eventually(sees, "seen")
        await leaver.drop()
        await eventually(sees_no_more, "gone", within=GONE_SECONDS)
