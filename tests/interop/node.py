"""Python's end of `driver.mjs`: published y-websocket clients under Node, one process for as many as a test wants."""

import asyncio
import base64
import itertools
import json
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from tests.e2e.replica import Dump, canonical
from tests.support import skip_or_fail

HERE = Path(__file__).parent
DRIVER = HERE / "driver.mjs"
_LINE_BYTES_MAX = 256 * 1024 * 1024

Version = Literal[2, 3, "partyserver"]
Condition = Literal["connected", "disconnected", "synced", "stopped"]


def require_node() -> str:
    """Path of Node; skips the test where it or the clients are missing."""
    node = shutil.which("node")
    if node is None:
        skip_or_fail("Node is not installed, which runs the published Yjs clients")
    if not (HERE / "node_modules" / "yjs").is_dir():
        skip_or_fail("the published Yjs clients are not installed: run `python -m tests.setup`")
    return node


class DriverError(AssertionError):
    """A request failed in Node; the text is the JavaScript stack."""


@dataclass(frozen=True, slots=True)
class YjsState:
    """One Y.Doc, comparable: equal states are equal replicas."""

    content: Dump
    state_vector: dict[int, int]
    deletions: dict[str, list[list[int]]]
    pending: bool
    """Whether it holds updates it could not integrate."""
    update: bytes
    """The whole document as an update. Not deterministic: leave it out of comparisons."""

    @classmethod
    def read(cls, dumped: dict[str, Any]) -> Self:
        clocks = {int(client): clock for client, clock in dumped["stateVector"].items()}
        deletions, update = dumped["deletions"], base64.b64decode(dumped["update"])
        return cls(canonical(dumped["content"]), clocks, deletions, dumped["pending"], update)

    @property
    def replica(self) -> tuple[Dump, dict[int, int], dict[str, list[list[int]]], bool]:
        return self.content, self.state_vector, self.deletions, self.pending


class Node:
    """The Node process. `async with Node() as node:` ends it, and fails when a client complained on stderr."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self.expected_complaint: str | None = None
        """What a client has to complain of, and of nothing else; None for nothing at all."""

    async def __aenter__(self) -> Self:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            require_node(), DRIVER, stdin=pipe, stdout=pipe, stderr=pipe, limit=_LINE_BYTES_MAX
        )
        assert self._process.stderr is not None
        self._answers = asyncio.create_task(self._read_answers())
        self._complaints = asyncio.create_task(self._process.stderr.read())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await asyncio.wait_for(self._process.wait(), 10)
        await self._answers
        complaints = (await self._complaints).decode()
        if kind is None:
            # Yjs and y-websocket warn of a second copy of Yjs and of messages they cannot read by printing alone.
            if self.expected_complaint is None:
                assert complaints == "", f"a client complained:\n{complaints}"
            else:
                assert re.fullmatch(self.expected_complaint, complaints), f"not as expected:\n{complaints}"

    async def _read_answers(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            answer = json.loads(line)
            future = self._waiting.pop(answer["id"])
            if future.cancelled():
                continue
            if "error" in answer:
                future.set_exception(DriverError(answer["error"]))
            else:
                future.set_result(answer["ok"])
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(DriverError("Node ended"))

    async def call(self, name: str, **request: Any) -> Any:
        """Send one request and wait for its answer.

        Raises:
            DriverError: it failed there.
        """
        assert self._process.stdin is not None
        number = next(self._ids)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._process.stdin.write(json.dumps({"id": number, "do": name, **request}).encode() + b"\n")
        await self._process.stdin.drain()
        return await future

    async def open(
        self,
        name: str,
        url: str,
        room: str,
        *,
        version: Version = 3,
        params: dict[str, str] | None = None,
        max_backoff_ms: int = 2500,
        **options: Any,
    ) -> "NodeClient":
        """A new client with an empty document, connecting. `options` are those of its provider."""
        client_id = await self.call(
            "open",
            client=name,
            version=version,
            url=url,
            room=room,
            params=params or {},
            maxBackoffTime=max_backoff_ms,
            **options,
        )
        return NodeClient(self, name, client_id)

    async def replay(self, updates: Iterable[bytes], *, maps: Sequence[str] = ()) -> YjsState:
        """What `updates`, applied in order to a new Y.Doc, make. `maps` names root Maps to dump besides the four."""
        encoded = [base64.b64encode(update).decode() for update in updates]
        return YjsState.read(await self.call("replay", updates=encoded, maps=maps))


@dataclass(frozen=True, slots=True)
class NodeClient:
    """One Y.Doc and its WebsocketProvider."""

    node: Node
    name: str
    client_id: int

    async def _call(self, request: str, **arguments: Any) -> Any:
        return await self.node.call(request, client=self.name, **arguments)

    async def edit(self, *operations: dict[str, Any]) -> None:
        """Carry out operations (see `document.mjs`) in one transaction."""
        await self._call("edit", operations=operations)

    async def edit_randomly(self, *, seed: int, count: int, tag: str | None = None) -> None:
        await self._call("random", seed=seed, count=count, tag=tag or self.name)

    async def edit_tagged(
        self, inserts: Sequence[tuple[str, str]], deletes: Sequence[tuple[str, str]], *, at: float
    ) -> None:
        """Insert and delete elements, pairs of a root and a tag (see `tagged.mjs`), in one transaction."""
        await self._call("tagged", inserts=list(inserts), deletes=list(deletes), at=at)

    async def apply(self, update: bytes) -> None:
        """Apply an update to the document as if it came from elsewhere; the provider passes it on."""
        await self._call("apply", update=base64.b64encode(update).decode())

    async def wait(self, condition: Condition, within: float = 10) -> None:
        await self._call("wait", **{"for": condition, "timeoutMs": within * 1000})

    async def saved(self, within: float = 10) -> None:
        """Wait for a durable acknowledgement of every edit so far."""
        await self._call("saved", timeoutMs=within * 1000)

    async def status(self) -> dict[str, Any]:
        """`connected`, `synced`, `shouldConnect`, `opens` (connections made) and `closes` (close codes seen)."""
        status: dict[str, Any] = await self._call("status")
        return status

    async def disconnect(self) -> None:
        await self._call("disconnect")

    async def connect(self) -> None:
        await self._call("connect")

    async def drop(self) -> None:
        """Destroy the socket without a close frame, and stay away."""
        await self._call("drop")

    async def close(self) -> None:
        await self._call("close")

    async def set_awareness(self, state: dict[str, Any] | None) -> None:
        await self._call("setAwareness", state=state)

    async def awareness(self) -> dict[int, Any]:
        """State by client id, its own included."""
        return {int(client): state for client, state in (await self._call("awareness")).items()}

    async def state(self) -> YjsState:
        return YjsState.read(await self._call("dump"))

    async def content(self) -> Dump:
        return (await self.state()).content


def typing(text: str, index: int = 0) -> dict[str, Any]:
    """Characters in the text, for `NodeClient.edit`."""
    return {"op": "insertText", "at": ["text"], "index": index, "text": text}


async def text(client: NodeClient) -> str:
    return "".join(run for run, _ in (await client.content())["text"]["text"])


async def same(clients: Sequence[NodeClient]) -> bool:
    """Whether all have the same document."""
    states = [(await client.state()).replica for client in clients]
    return all(state == states[0] for state in states)
