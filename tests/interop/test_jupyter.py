"""Python clients as Jupyter's world writes them: notebooks by name, pycrdt's Provider, a YRoom of pycrdt-websocket."""

import asyncio
import uuid
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from httpx_ws import AsyncWebSocketSession, aconnect_ws
from pycrdt import Array, Doc, Map, Provider, Text
from pycrdt.websocket import YRoom
from pycrdt.websocket.websocket import HttpxWebsocket

from tests.e2e.feed import read_all
from tests.e2e.replica import replay
from tests.interop.node import Node
from tests.servers import ServerProcess
from tests.support import eventually

pytestmark = pytest.mark.xdist_group("clients")

MESSAGE_BYTES_MAX = 64 * 1024 * 1024


async def connect(stack: AsyncExitStack, url: str) -> HttpxWebsocket:
    http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
    socket: AsyncWebSocketSession = await stack.enter_async_context(
        aconnect_ws(url, http, max_message_size_bytes=MESSAGE_BYTES_MAX)
    )
    return HttpxWebsocket(socket, url)


def sources(doc: Doc[Any]) -> list[str]:
    return [str(cell["source"]) for cell in doc.get("cells", type=Array)]


def cell(source: str) -> Map[Any]:
    return Map({"cell_type": "code", "source": Text(source), "metadata": Map({}), "outputs": Array([])})


async def test_two_kernels_and_a_page_work_in_one_notebook(server: ServerProcess, node: Node) -> None:
    """The names and shared types are those of jupyter-collaboration and jupyter_ydoc."""
    name = f"json:notebook:{uuid.uuid4()}"
    page = await node.open("page", server.ws_url, name)
    await page.wait("synced")
    async with AsyncExitStack() as stack:
        docs = [Doc[Any]() for _ in range(2)]
        for doc in docs:
            channel = await connect(stack, f"{server.ws_url}/{name}")
            provider = await stack.enter_async_context(Provider(doc, channel))
            async with asyncio.timeout(10):
                await provider.synced.wait()
        first, second = docs
        first.get("cells", type=Array).append(cell("import this"))
        await eventually(lambda: sources(second) == ["import this"], "the other one has it")
        source: Text = second.get("cells", type=Array)[0]["source"]
        source += "  # é 🧑‍🚀"
        first.get("meta", type=Map)["metadata"] = Map({"kernelspec": Map({"name": "python3"})})
        first.get("state", type=Map)["dirty"] = False
        await page.edit({"op": "insertText", "at": ["text"], "index": 0, "text": "from the page"})
        await eventually(lambda: str(first.get("text", type=Text)) == "from the page", "Python has it")
        await eventually(lambda: sources(first) == ["import this  # é 🧑‍🚀"], "the first one has it")
        await page.saved()
    url = server.document_url(name, "content")
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(url, params={"format": "yjs"})
        rows = [row.payload for row in await read_all(http, server, name)]
    for stored in ([answer.content], rows):
        doc = replay(stored)
        assert sources(doc) == ["import this  # é 🧑‍🚀"]
        assert doc.get("meta", type=Map)["metadata"]["kernelspec"]["name"] == "python3"


async def test_a_room_of_pycrdt_websocket_joins_a_document_here(
    server: ServerProcess, node: Node, document: str
) -> None:
    """A server that is being replaced can stay a while: its room takes part like a client, with what it has."""
    page = await node.open("page", server.ws_url, document)
    await page.wait("synced")
    await page.edit({"op": "insertText", "at": ["text"], "index": 0, "text": "new"})
    async with AsyncExitStack() as stack:
        room = await stack.enter_async_context(YRoom())
        stack.callback(room._update_send_stream.close)  # It leaves that open, which is a warning here.
        room.ydoc.get("text", type=Text).insert(0, "old, ")
        channel = await connect(stack, f"{server.ws_url}/{document}")
        serving = asyncio.create_task(room.serve(channel))
        try:

            async def joined() -> bool:
                here = (await page.content())["text"]["text"]
                both = {"old, ", "new"}
                written = "".join(run for run, _ in here)
                return all(part in written for part in both) and str(room.ydoc.get("text", type=Text)) == written

            await eventually(joined, "both have both")
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
