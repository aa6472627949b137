"""A stock y-websocket client of somebody who may only read."""

import secrets
import time
from collections.abc import AsyncIterator

import httpx
import jwt
import pytest

from tests.e2e.feed import read_all
from tests.interop.node import Node, Version
from tests.servers import ServerProcess
from tests.support import eventually
from tests.tokens import SECRET, named_token

pytestmark = pytest.mark.xdist_group("clients")


@pytest.fixture
async def jwt_http(jwt_server: ServerProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, verify=False) as client:
        yield client


@pytest.mark.parametrize("version", [3, 2])
async def test_5_a_reader_keeps_receiving_and_is_not_thrown_into_a_reconnect_loop(
    jwt_server: ServerProcess, jwt_http: httpx.AsyncClient, node: Node, version: Version
) -> None:
    # y-websocket's own words for being told so.
    node.expected_complaint = r"Permission denied to access \S+\.\nyou may read this document, not change it\n"
    document = f"doc-{secrets.token_hex(6)}"
    writing = {"token": named_token("writer", {document: "editor"})}
    writer = await node.open("writer", jwt_server.ws_url, document, params=writing)
    await writer.wait("synced")
    reading = {"token": named_token("reader", {document: "reader"})}
    reader = await node.open("reader", jwt_server.ws_url, document, version=version, params=reading)
    await reader.wait("synced")
    await reader.edit({"op": "insertText", "at": ["text"], "index": 0, "text": "a reader was here"})
    await writer.edit({"op": "insertText", "at": ["text"], "index": 0, "text": "written"})
    await writer.saved()

    async def received() -> bool:
        return "written" in str(await reader.content())

    await eventually(received, "the reader is told what others write")
    await reader.set_awareness({"user": {"name": "Reader"}})

    async def seen() -> bool:
        return reader.client_id in await writer.awareness()

    await eventually(seen, "the reader is seen")
    status = await reader.status()
    assert (status["opens"], status["closes"]) == (1, [])
    assert "a reader was here" not in str(await writer.content())
    jwt_http.headers["authorization"] = f"Bearer {writing['token']}"
    rows = await read_all(jwt_http, jwt_server, document)
    assert {row.user for row in rows} == {"writer"}


async def test_4_a_client_whose_token_has_expired_does_not_come_back(jwt_server: ServerProcess, node: Node) -> None:
    """4401 stops a y-websocket client for good: another try with the same token would end the same way."""
    document = f"doc-{secrets.token_hex(6)}"
    claims = {"sub": "a", "exp": time.time() + 3, "aud": "coscribe", "documents": {document: "editor"}}
    params = {"token": jwt.encode(claims, SECRET, "HS256")}
    client = await node.open("client", jwt_server.ws_url, document, params=params, max_backoff_ms=50)
    await client.wait("synced")
    await client.wait("stopped")
    status = await client.status()
    assert (status["opens"], status["closes"]) == (1, [4401])
