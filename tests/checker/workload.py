"""Writers of three kinds, each one Yjs client for as long as it lives: pycrdt, raw bytes, and published yjs under Node.

A writer inserts tagged elements, deletes some of its own, goes offline and comes back, and enters into the history what
it did and what it was told. It comes back by itself after every fault.
"""

import asyncio
import itertools
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random

from pycrdt import Doc
from websockets.exceptions import WebSocketException

from tests.checker import elements
from tests.checker.elements import RawAuthor
from tests.checker.history import KINDS, Element, History, Operation
from tests.checker.invariants import Violated, Violation
from tests.e2e import wire
from tests.e2e.raw_client import Address, RawClient
from tests.e2e.replica import decode_vector
from tests.interop.node import Node, NodeClient

_WINDOW_MAX = 20
"""Edits ahead of their acknowledgement, at most."""
_PATIENCE_SECONDS = 60.0
"""So long a writer waits for an answer on an open connection before it tries a new one."""
_REFUSALS = frozenset({1002, 1003, 1007, 1008, 1009}) | frozenset(range(4400, 4500))
"""Close codes that no client deserves which has done nothing wrong."""

WhenAcknowledged = Callable[[Operation], Awaitable[None]]
"""Called when an acknowledgement has arrived, before anything else is done."""


class Editor:
    """Chooses what a writer does next, and remembers what it may delete."""

    def __init__(self, name: str, document: str, history: History, rng: Random) -> None:
        self.name = name
        self._document = document
        self._history = history
        self._rng = rng
        self._numbers = itertools.count(1)
        self._mine: list[Element] = []
        self.deleting = 0.3
        """Share of the operations that delete something."""

    def next(self) -> Operation:
        """Enter the next operation into the history."""
        # The end mark keeps a tag apart from whatever byte follows it in an update.
        tag = f"{self.name}.{next(self._numbers)}!"
        inserts = [Element(kind, tag) for kind in self._rng.sample(KINDS, self._rng.choice((1, 1, 1, 2, 4)))]
        deletes = []
        if self._mine and self._rng.random() < self.deleting:
            deletes.append(self._mine.pop(self._rng.randrange(len(self._mine))))
            if self._rng.random() < 0.2:
                inserts = []
        self._mine += inserts
        return self._history.invoke(self.name, self._document, inserts, deletes)


class Writer(ABC):
    """One writer. `run` until `stop`; then `finish`."""

    def __init__(
        self, name: str, address: Address, document: str, history: History, rng: Random, pace: float = 0.03
    ) -> None:
        """
        Args:
            pace: mean seconds between two edits.
        """
        self.name = name
        self.document = document
        self.history = history
        self.rng = rng
        self.address = address
        self.pace = pace
        self.editor = Editor(name, document, history, rng)
        self.stopping = False
        self.when_acknowledged: WhenAcknowledged | None = None
        self.refusals: set[int] = set()
        """Close codes with which the server has sent this writer away, though it did nothing to deserve that."""

    def start(self) -> asyncio.Task[None]:
        self._task = asyncio.create_task(self.run(), name=self.name)
        return self._task

    def stop(self) -> None:
        self.stopping = True

    async def finish(self) -> None:
        """After `stop`: be connected, and wait until everything is acknowledged."""
        await self._task
        await self.catch_up()

    @abstractmethod
    async def run(self) -> None:
        """Write until `stop`, through every fault."""

    @abstractmethod
    async def catch_up(self) -> None:
        """Be connected, and wait until everything is acknowledged."""

    @abstractmethod
    async def state(self) -> bytes | None:
        """The whole replica as an update, as of now. None: this client keeps none."""

    @abstractmethod
    async def close(self) -> None: ...

    async def settle(self, operations: list[Operation]) -> None:
        """These are acknowledged, as of now."""
        for operation in operations:
            self.history.end(operation, "ok")
        if operations and self.when_acknowledged is not None:
            await self.when_acknowledged(operations[-1])

    async def breathe(self) -> None:
        await asyncio.sleep(self.rng.expovariate(1 / self.pace))  # no wait: it is the speed of typing


class SocketWriter(Writer):
    """A writer on a bare WebSocket."""

    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__(*arguments, **named)  # type: ignore[arg-type]
        self.client = self.make_client()
        self._asked: deque[tuple[int, list[Operation]]] = deque()
        """Operations by the marker that covers them, oldest first."""
        self._unasked: list[Operation] = []

    @abstractmethod
    def make_client(self) -> RawClient: ...

    @abstractmethod
    def carry_out(self, operation: Operation) -> bytes:
        """Make the edit; its update."""

    async def run(self) -> None:
        while not self.stopping:
            with suppress(OSError, TimeoutError, WebSocketException, AssertionError):
                await self.client.connect()
                await self._ask()
                await self._write_a_while()
            await self._leave()
            if not self.stopping:
                self._edit_offline()
                await asyncio.sleep(self.rng.uniform(0.02, 0.3))  # no wait: somebody comes back when he likes

    async def _write_a_while(self) -> None:
        while not self.stopping and self.rng.random() > 0.01:
            await self._send(self.editor.next())
            await self._ask()
            await self._collect()
            if len(self._asked) >= _WINDOW_MAX:
                await self.client.acknowledged_through(self._asked[len(self._asked) // 2][0], _PATIENCE_SECONDS)
            await self.breathe()

    def _edit_offline(self) -> None:
        for _ in range(self.rng.choice((0, 0, 1, 5, 20))):
            operation = self.editor.next()
            self._unasked.append(operation)
            self.carry_out(operation)

    async def _send(self, operation: Operation) -> None:
        self._unasked.append(operation)
        await self.client.send_update(self.carry_out(operation))

    async def _ask(self) -> None:
        """Ask for an acknowledgement of everything so far. After `connect` the server has our sync step 2."""
        operations, self._unasked = self._unasked, []
        self._asked.append((self.client.asked + 1, operations))
        await self.client.ask_saved()

    async def _collect(self) -> None:
        """Enter what was acknowledged meanwhile."""
        acknowledged: list[Operation] = []
        while self._asked and self._asked[0][0] <= self.client.acknowledged:
            acknowledged += self._asked.popleft()[1]
        await self.settle(acknowledged)

    async def _leave(self) -> None:
        with suppress(OSError, TimeoutError, WebSocketException, AssertionError, RuntimeError):
            # Now and then without a word, as when a cable is pulled.
            await (self.client.drop() if self.rng.random() < 0.5 else asyncio.wait_for(self.client.close(), 5))
        await self._collect()
        if self.client.close_code in _REFUSALS:
            self.refusals.add(self.client.close_code)

    async def catch_up(self) -> None:
        while True:
            with suppress(OSError, TimeoutError, WebSocketException, AssertionError):
                await self.client.connect()
                await self._ask()
                await self.client.acknowledged_through(self.client.asked, _PATIENCE_SECONDS)
                await self._collect()
                return
            await self._leave()
            await asyncio.sleep(0.1)

    async def state(self) -> bytes | None:
        await self.client.sync()  # the server has sent everything it has
        return self.client.doc.get_update()

    async def close(self) -> None:
        await self._leave()


class PycrdtWriter(SocketWriter):
    def make_client(self) -> RawClient:
        return RawClient(self.address, self.document)

    def carry_out(self, operation: Operation) -> bytes:
        try:
            return self.client.change(lambda doc: elements.write(doc, operation.inserts, operation.deletes, self.rng))
        except LookupError as missing:
            where = f"{self.document}, the live client {self.name}"
            raise Violated(Violation("no loss", where, f"what it wrote is gone ({missing}): {operation}")) from missing


class CorruptedWriter(PycrdtWriter):
    """One whose bytes are changed on the way. What it hears may make no sense, and then it begins anew."""

    async def run(self) -> None:
        self.editor.deleting = 0.0  # what it wrote may be gone by then: a changed bit deletes as well
        while not self.stopping:
            with suppress(Exception):
                await super().run()


class _BytesClient(RawClient):
    """A connection whose client has no document: what it is sent it throws away."""

    def __init__(self, server: Address, document: str, author: RawAuthor) -> None:
        super().__init__(server, document, Doc(client_id=author.client))
        self._author = author

    async def _handle(self, message: wire.Message) -> None:
        if message.kind == wire.SYNC and message.step != wire.STEP_1:
            self._steps2 += message.step == wire.STEP_2
        else:
            await super()._handle(message)

    def missing(self, state: bytes) -> bytes:
        return self._author.missing(decode_vector(state).get(self._author.client, 0))


class BytesWriter(SocketWriter):
    """Writes updates byte by byte. Some it sends twice, some in the wrong order."""

    def make_client(self) -> RawClient:
        self._author = RawAuthor(self.rng.randrange(1, 2**53))
        self._kept_back: bytes | None = None
        return _BytesClient(self.address, self.document, self._author)

    def carry_out(self, operation: Operation) -> bytes:
        return self._author.write(operation.inserts, operation.deletes)

    async def _send(self, operation: Operation) -> None:
        update = self.carry_out(operation)
        self._unasked.append(operation)
        chance = self.rng.random()
        if self._kept_back is None and chance < 0.03:
            self._kept_back = update
            # Asked for with the next one: until both are sent, an acknowledgement would not cover this.
            return
        await self.client.send_update(update)
        if self._kept_back is not None:
            late, self._kept_back = self._kept_back, None
            await self.client.send_update(late)
        elif chance > 0.97:
            await self.client.send_update(update)

    async def _ask(self) -> None:
        if self._kept_back is None:
            await super()._ask()

    async def _leave(self) -> None:
        await super()._leave()
        self._kept_back = None  # it goes into the next sync step 2

    async def state(self) -> bytes | None:
        return None


class YjsWriter(Writer):
    """A published y-websocket client, with its own way of coming back."""

    client: NodeClient

    def __init__(self, node: Node, *arguments: object, **named: object) -> None:
        super().__init__(*arguments, **named)  # type: ignore[arg-type]
        self._node = node
        self._waiting: set[asyncio.Task[None]] = set()
        self._last_saved: asyncio.Task[None] | None = None

    async def run(self) -> None:
        await self._open()
        while not self.stopping:
            chance = self.rng.random()
            if chance < 0.02:
                await (self.client.drop() if chance < 0.01 else self.client.disconnect())
                await self._edit(self.rng.choice((1, 5, 20)))
                await self.client.connect()
            await self._edit(self.rng.choice((1, 1, 3)))
            self._ask()
            if len(self._waiting) >= _WINDOW_MAX // 2:
                await asyncio.wait(self._waiting, return_when=asyncio.FIRST_COMPLETED)
            await self.breathe()

    async def _open(self) -> None:
        self._unasked: list[Operation] = []
        name = f"{self.document}/{self.name}"
        self.client = await self._node.open(name, self.address.ws_url, self.document, max_backoff_ms=200)

    async def _edit(self, times: int) -> None:
        for _ in range(times):
            operation = self.editor.next()
            self._unasked.append(operation)
            await self.client.edit_tagged(operation.inserts, operation.deletes, at=self.rng.random())

    def _ask(self) -> None:
        operations, self._unasked = self._unasked, []
        task = asyncio.create_task(self._await_saved(operations))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _await_saved(self, operations: list[Operation]) -> None:
        await self.client.saved(within=600)
        await self.settle(operations)

    async def catch_up(self) -> None:
        status = await self.client.status()
        self.refusals |= _REFUSALS & set(status["closes"])
        await self.client.connect()
        self._ask()
        await asyncio.gather(*self._waiting)

    async def state(self) -> bytes | None:
        await self.client.wait("synced", 30)
        return (await self.client.state()).update

    async def close(self) -> None:
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)
        await self.client.close()
