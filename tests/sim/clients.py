"""Clients of the simulation: with a document (pycrdt), byte by byte, and a reader who does not obey."""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any

from pycrdt import TransactionEvent

from collab.dialects.y_websocket import Y_WEBSOCKET
from collab.messages import ACK_REQUEST, SYNC_STEP_1, SYNC_STEP_2, UPDATE
from tests.checker import elements
from tests.checker.elements import RawAuthor
from tests.checker.history import Element, History, Operation
from tests.checker.workload import Editor
from tests.e2e.replica import decode_vector, new_doc
from tests.e2e.wire import read_varuint, sized, varuint
from tests.sim.network import Link

Connect = Callable[["Client"], None]
"""Asks for a connection; the answer is `Client.connected`, or nothing."""

_COMES_BACK_SECONDS = 0.5
_NOT_AT_FAULT = frozenset({None, 1001, 1006, 1011, 1012, 1013})


class Client(ABC):
    """One Yjs client. It edits when it is told to, and comes back by itself when it loses its connection."""

    def __init__(self, name: str, document: str, history: History, rng: Random, connect: Connect) -> None:
        self.name = name
        self.document = document
        self.history = history
        self.rng = rng
        self.link: Link | None = None
        self.editor = Editor(name, document, history, rng)
        self.refused: int | None = None
        """A close code it did nothing to deserve."""
        self.when_acknowledged: Callable[[Operation], None] = lambda _operation: None
        self._connect = connect
        self._marker = 0
        self._asked: deque[tuple[int, list[Operation]]] = deque()
        self._unasked: list[Operation] = []
        self._synced = False
        self._announced = 0

    # -- connection

    def come(self) -> None:
        if self.link is None:
            self._connect(self)

    def connected(self, link: Link) -> None:
        if self.link is not None:
            self.link.cut()
        self.link = link
        self._synced = False
        link.send(Y_WEBSOCKET.sync_step_1(self.vector()))
        self._announced += 1
        body = varuint(1) + varuint(self.client_id) + varuint(self._announced) + sized(b"{}")
        link.send(Y_WEBSOCKET.awareness(body))

    def ended(self, link: Link, code: int | None) -> None:
        if link is self.link:
            self.link = None
            asyncio.get_running_loop().call_later(self.rng.uniform(0, _COMES_BACK_SECONDS), self.come)
        if code not in _NOT_AT_FAULT:
            self.refused = code

    def received(self, link: Link, message: bytes) -> None:
        if link is not self.link or message[0] == 2:
            return
        kind, payload = Y_WEBSOCKET.decode(message)
        if kind == SYNC_STEP_1:
            link.send(Y_WEBSOCKET.sync_step_2(self.missing(payload)))
            if not self._synced:
                self._synced = True
                self.ask()
        elif kind in (SYNC_STEP_2, UPDATE):
            self.take(payload)
        elif kind == ACK_REQUEST:
            self._acknowledged(read_varuint(payload)[0])

    def _acknowledged(self, marker: int) -> None:
        while self._asked and self._asked[0][0] <= marker:
            for operation in self._asked.popleft()[1]:
                self.history.end(operation, "ok")
                self.when_acknowledged(operation)

    def ask(self) -> None:
        """Ask for an acknowledgement of everything so far."""
        if self.link is not None and self._synced:
            operations, self._unasked = self._unasked, []
            self._marker += 1
            self._asked.append((self._marker, operations))
            self.link.send(Y_WEBSOCKET.acknowledgement(varuint(self._marker)))

    @property
    def saved(self) -> bool:
        return not self._unasked and not any(operations for _, operations in self._asked)

    # -- editing

    def edit(self) -> None:
        operation = self.editor.next()
        self._unasked.append(operation)
        update = self.carry_out(operation)
        if self.link is not None and self._synced:
            self.send(update)
            if self.rng.random() < 0.7:
                self.ask()

    def send(self, update: bytes) -> None:
        assert self.link is not None
        self.link.send(Y_WEBSOCKET.update(update))
        if self.rng.random() < 0.03:
            self.link.send(Y_WEBSOCKET.update(update))

    @property
    @abstractmethod
    def client_id(self) -> int: ...

    @abstractmethod
    def carry_out(self, operation: Operation) -> bytes: ...

    @abstractmethod
    def vector(self) -> bytes: ...

    @abstractmethod
    def missing(self, vector: bytes) -> bytes: ...

    @abstractmethod
    def take(self, update: bytes) -> None: ...


class DocClient(Client):
    """Holds the document, as every real client does."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.doc = new_doc(self.rng.randrange(1, 2**53))
        self._own: list[bytes] | None = None
        self._subscription = self.doc.observe(self._observe)

    def _observe(self, event: TransactionEvent) -> None:
        if self._own is not None:
            self._own.append(event.update)

    @property
    def client_id(self) -> int:
        return self.doc.client_id

    def carry_out(self, operation: Operation) -> bytes:
        self._own = []
        elements.write(self.doc, operation.inserts, operation.deletes, self.rng)
        (update,), self._own = self._own, None
        return update

    def vector(self) -> bytes:
        return self.doc.get_state()

    def missing(self, vector: bytes) -> bytes:
        return self.doc.get_update(vector)

    def take(self, update: bytes) -> None:
        self.doc.apply_update(update)


class BytesClient(Client):
    """Knows what it wrote, and nothing else."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._author = RawAuthor(self.rng.randrange(1, 2**53))

    @property
    def client_id(self) -> int:
        return self._author.client

    def carry_out(self, operation: Operation) -> bytes:
        return self._author.write(operation.inserts, operation.deletes)

    def vector(self) -> bytes:
        return b"\x00"

    def missing(self, vector: bytes) -> bytes:
        return self._author.missing(decode_vector(vector).get(self._author.client, 0))

    def take(self, update: bytes) -> None:
        pass


class DisobedientReader(DocClient):
    """May only read, and writes all the same: updates, and in its sync step 2 whatever the server lacks."""

    def edit(self) -> None:
        tag = f"{self.name}.{self.rng.getrandbits(40)}!"
        operation = self.history.invoke(self.name, self.document, [Element("array", tag)])
        self.history.end(operation, "failed")
        update = self.carry_out(operation)
        if self.link is not None and self._synced:
            self.send(update)
            self.ask()

    @property
    def saved(self) -> bool:
        return True  # Nothing it writes ever is.
