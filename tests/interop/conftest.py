"""Fixtures of the interop tests."""

import json
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import httpx
import pytest

from tests.interop.node import DRIVER, Node, require_node
from tests.servers import ServerProcess
from tests.tokens import SECRET, named_token

LISTENERS = ("present", "silent")
"""One has an awareness state, as clients have from the start; one has none. Each alone, to hear the server only."""


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with Node() as running:
        yield running


@pytest.fixture(scope="module")
def jwt_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for all tests of a module that asks for JSON Web Tokens (`tests.tokens`)."""
    with ServerProcess(tmp_path_factory.mktemp("jwt"), auth="jwt", jwt_secret=SECRET) as server:
        yield server


@pytest.fixture
async def operator(jwt_server: ServerProcess) -> AsyncIterator[httpx.AsyncClient]:
    """An administrator's requests."""
    headers = {"authorization": f"Bearer {named_token('operator', {}, admin=True)}"}
    async with httpx.AsyncClient(trust_env=False, verify=False, headers=headers) as client:
        yield client


@dataclass(frozen=True, slots=True)
class Listener:
    """Two y-websocket clients in a process of their own that only listen, from the first interop test on."""

    process: subprocess.Popen[str]
    since: float
    """`time.monotonic()` of its start."""

    def ask(self, client: str, request: str, **arguments: object) -> object:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"id": 1, "do": request, "client": client, **arguments}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer["ok"]


@pytest.fixture(scope="session", autouse=True)
def listener(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listener | None]:
    """None unless the test that needs it was selected."""
    if not any(item.path.name == "test_watchdog.py" for item in request.session.items):
        yield None
        return
    command = [require_node(), str(DRIVER)]
    with (
        ServerProcess(tmp_path_factory.mktemp("listener")) as server,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process,
    ):
        listening = Listener(process, time.monotonic())
        for client in LISTENERS:
            listening.ask(client, "open", version=3, url=server.ws_url, room=f"listened-to/{client}")
            listening.ask(client, "wait", **{"for": "synced", "timeoutMs": 10_000})
        # Without a state of its own a client renews nothing, so the server has to speak first.
        listening.ask("silent", "setAwareness", state=None)
        yield listening
        assert process.stdin is not None
        process.stdin.close()
        process.wait(10)
