"""The examples of docs/embedding.md do what it says, in servers of their own."""

import ast
import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_ws import AsyncWebSocketSession, WebSocketDisconnect, WebSocketUpgradeError, aconnect_ws
from pycrdt import Doc, Provider, Text
from pycrdt.websocket.websocket import HttpxWebsocket

from tests.interop.hocuspocus import provide
from tests.interop.node import Node
from tests.servers import free_port
from tests.support import eventually

EXAMPLES = Path(__file__).parent.parent.parent / "docs" / "examples"
GUIDE = EXAMPLES.parent / "embedding.md"


@contextmanager
def uvicorn(module: str, directory: Path) -> Iterator[str]:
    """An example as its first lines say; gives its address."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COSCRIBE_")}
    environment |= {"COSCRIBE_DATA_DIR": str(directory / "data"), "PYTHONWARNINGS": "default"}
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(EXAMPLES), "--port", str(port), f"{module}:app"]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 20
        while b"Uvicorn running" not in (directory / "log").read_bytes():
            assert process.poll() is None, (directory / "log").read_text()
            assert time.monotonic() < deadline, (directory / "log").read_text()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        assert process.wait(15) in (0, -15), (directory / "log").read_text()
    finally:
        process.kill()
        process.wait(10)
    assert "Traceback" not in (directory / "log").read_text()


@pytest.fixture(scope="module")
def fastapi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with uvicorn("fastapi_app", tmp_path_factory.mktemp("fastapi")) as url:
        yield url


@asynccontextmanager
async def signed_in(url: str, user: str) -> AsyncIterator[httpx.AsyncClient]:
    # What a browser sends.
    async with httpx.AsyncClient(base_url=url, headers={"Origin": url}, trust_env=False) as client:
        (await client.post(f"/sign-in/{user}")).raise_for_status()
        yield client


@asynccontextmanager
async def connected(client: httpx.AsyncClient, path: str) -> AsyncIterator[Doc[Any]]:
    doc: Doc[Any] = Doc({"text": Text()})
    address = str(client.base_url).rstrip("/").replace("http", "ws", 1) + path
    websocket: AsyncWebSocketSession
    async with aconnect_ws(address, client) as websocket, Provider(doc, HttpxWebsocket(websocket, path)):
        yield doc


async def test_people_of_the_application_edit_together(fastapi: str) -> None:
    async with signed_in(fastapi, "ann") as ann, signed_in(fastapi, "bob") as bob:
        async with (
            connected(ann, "/collab/ws/red/notes") as of_ann,
            connected(bob, "/collab/ws/red/notes") as of_bob,
        ):
            of_ann["text"] += "Hello"
            await eventually(lambda: str(of_bob["text"]) == "Hello")
            # The application edits, too, and answers when it is stored.
            answer = await bob.post("/teams/red/notes", params={"text": "A note."})
            assert answer.json() == {"saved": "A note."}
            await eventually(lambda: str(of_ann["text"]) == "A note.\nHello")
        updates = (await ann.get("/collab/api/documents/red%2Fnotes/updates")).json()
        assert [row["user"] for row in updates["updates"]] == ["ann", "bob"]
        listed = (await bob.get("/collab/api/documents")).json()["documents"]
        assert ("red/notes", "editor") in [(document["id"], document["role"]) for document in listed]


async def test_nobody_else_gets_in(fastapi: str) -> None:
    async with httpx.AsyncClient(base_url=fastapi, trust_env=False) as nobody:
        assert (await nobody.get("/collab/api/documents/red%2Fnotes")).status_code == 401
        with pytest.raises(WebSocketUpgradeError):
            async with connected(nobody, "/collab/ws/red/notes"):
                pass
        assert (await nobody.get("/collab/healthz")).status_code == 200
        assert (await nobody.get("/collab/")).status_code == 404
    async with signed_in(fastapi, "ann") as ann:
        assert (await ann.get("/collab/api/documents/blue%2Fnotes")).status_code == 403
        # A page elsewhere may make her browser ask.
        ann.headers["Origin"] = "https://evil.example"
        with pytest.raises(WebSocketUpgradeError):
            async with connected(ann, "/collab/ws/red/notes"):
                pass
        # Without saying where it comes from, a cookie counts for nothing.
        del ann.headers["Origin"]
        answer = await ann.post("/collab/api/documents", json={"id": "red/forged"})
        assert answer.status_code == 403


async def test_who_leaves_is_sent_away_at_once(fastapi: str) -> None:
    async with signed_in(fastapi, "bob") as bob:
        address = fastapi.replace("http", "ws", 1) + "/collab/ws/blue/notes"
        await check_sent_away(bob, address, by_deleting="/teams/blue/members/bob")


async def check_sent_away(client: httpx.AsyncClient, address: str, *, by_deleting: str) -> None:
    websocket: AsyncWebSocketSession
    async with aconnect_ws(address, client) as websocket:
        await websocket.receive_bytes()
        (await client.delete(by_deleting)).raise_for_status()
        with pytest.raises(WebSocketDisconnect) as closed:
            await read_to_the_end(websocket)
        assert closed.value.code == 4403


async def read_to_the_end(websocket: AsyncWebSocketSession) -> None:
    async with asyncio.timeout(5):
        while True:
            await websocket.receive_bytes()


async def test_a_hocuspocus_provider_brings_the_applications_token(fastapi: str) -> None:
    async with httpx.AsyncClient(base_url=fastapi, trust_env=False) as client, Node() as node:
        token = (await client.post("/sign-in/ann")).json()["token"]
        url = fastapi.replace("http", "ws", 1) + "/collab/ws"
        provider = await provide(node, "ann", url, "red/hocuspocus", token=token)
        await provider.wait("synced")
        stranger = await provide(node, "stranger", url, "red/hocuspocus", token="guessed")
        await stranger.until("denied")


async def test_a_channel_takes_part(tmp_path: Path) -> None:
    with uvicorn("channel", tmp_path) as url:
        async with (
            httpx.AsyncClient(base_url=url, trust_env=False) as client,
            connected(client, "/board/ann") as ann,
            connected(client, "/board/bob") as bob,
        ):
            ann["text"] += "Hello"
            await eventually(lambda: str(bob["text"]) == "Hello")
            bob["text"] += " Ann"
            await eventually(lambda: str(ann["text"]) == "Hello Ann")
            address = url.replace("http", "ws", 1) + "/board/eve"
            await check_sent_away(client, address, by_deleting="/board/eve")


def test_a_program_without_a_server(tmp_path: Path) -> None:
    environment = os.environ | {"COSCRIBE_DATA_DIR": str(tmp_path / "data")}
    doc: Doc[Any] = Doc({"text": Text("two  blanks,   three 👋  one")})
    (tmp_path / "notes.yjs").write_bytes(doc.get_update())

    def run(*command: str) -> str:
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    run(sys.executable, "-m", "web", "db", "upgrade")
    run(sys.executable, "-m", "web", "import", str(tmp_path / "notes.yjs"), "--id", "notes/monday")
    tidied = run(sys.executable, str(EXAMPLES / "tidy.py"), "notes/monday")
    assert tidied == "changed by tidy\ntwo blanks, three 👋 one\n"
    run(sys.executable, "-m", "web", "export", str(tmp_path / "out.txt"), "notes/monday")
    assert (tmp_path / "out.txt").read_text() == "two blanks, three 👋 one"


def test_mounting_takes_less_than_twenty_lines() -> None:
    source = (EXAMPLES / "fastapi_app.py").read_text()
    part = source.split("# -- Coscribe\n")[1].split("# -- the application goes on")[0]
    assert "app.mount(" in part
    assert len([line for line in part.splitlines() if line.strip()]) < 20


def test_the_guide_shows_what_there_is() -> None:
    """Its code can be parsed, and it links to every example."""
    text = GUIDE.read_text()
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        ast.parse(block.replace("await ", ""))
    for example in EXAMPLES.glob("*.py"):
        assert f"examples/{example.name}" in text
