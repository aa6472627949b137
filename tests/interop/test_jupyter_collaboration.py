"""jupyter_nbmodel_client, as published, which asks at jupyter-collaboration's addresses."""

import asyncio
import uuid
from contextlib import AsyncExitStack
from typing import Any

import pytest
from jupyter_nbmodel_client import NbModelClient, get_jupyter_notebook_websocket_url
from pycrdt import Array, Doc, Provider, Text

from tests.interop.test_jupyter import connect, sources
from tests.servers import ServerProcess
from tests.support import eventually

pytestmark = pytest.mark.xdist_group("clients")


async def test_a_notebooks_client_asks_for_a_path_and_comes_to_its_document(server: ServerProcess) -> None:
    path = f"team/Ergebnisse {uuid.uuid4()}.ipynb"
    name = f"json:notebook:{path.replace(' ', '~20')}"

    async def connected(stack: AsyncExitStack, who: str) -> NbModelClient:
        url = await asyncio.to_thread(get_jupyter_notebook_websocket_url, server.url, path)
        return await stack.enter_async_context(NbModelClient(url, username=who))

    async with AsyncExitStack() as stack:
        ann = await connected(stack, "ann")
        ann.add_code_cell("print('hello')")
        bob = await connected(stack, "bob")
        assert [cell["source"] for cell in bob] == ["print('hello')"]
        bob.add_markdown_cell("# é 🧑‍🚀")
        await eventually(lambda: len(ann) == 2, "the other one has it")
        # Any other client finds it under the room's name.
        doc: Doc[Any] = Doc()
        channel = await connect(stack, f"{server.ws_url}/{name}")
        provider = await stack.enter_async_context(Provider(doc, channel))
        async with asyncio.timeout(10):
            await provider.synced.wait()
        await eventually(lambda: sources(doc) == ["print('hello')", "# é 🧑‍🚀"], "and so has any other client")
        source: Text = doc.get("cells", type=Array)[0]["source"]
        source += "  # read"
        await eventually(lambda: ann[0]["source"] == "print('hello')  # read", "and the other way round")
    async with AsyncExitStack() as stack:
        later = await connected(stack, "later")
        assert [cell["source"] for cell in later] == ["print('hello')  # read", "# é 🧑‍🚀"]
