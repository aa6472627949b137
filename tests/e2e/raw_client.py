"""A Yjs client made of pycrdt and a bare WebSocket, for tests that need every message under their control."""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, Self

from pycrdt import Doc, TransactionEvent
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.e2e import wire
from tests.e2e.replica import new_doc

Outgoing = bytes | str | Iterable[bytes]


class Address(Protocol):
    """What a client has to know of a server, or of a proxy before it."""

    @property
    def ws_url(self) -> str: ...


class Disconnected(AssertionError):
    """The connection ended while something was still to be sent to it, or awaited from it."""


class RawClient:
    """One document, one connection at a time. The document outlives the connection, as a browser's does.

    Args:
        doc: what the client already has; an empty document by default.
        headers: sent with the handshake.
        token: sent in its address.
    """

    def __init__(
        self,
        server: Address,
        document: str,
        doc: Doc[Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
    ) -> None:
        self.server = server
        self.document = document
        self.headers = dict(headers or {})
        self.query = "" if token is None else f"?token={token}"
        self.doc = doc or new_doc()
        self.awareness: dict[int, Any] = {}
        """Last state of every client that announced one; those gone are absent."""
        self.asked = 0
        """Marker of the last acknowledgement asked for."""
        self.acknowledged = 0
        """Highest marker that was echoed."""
        self.close_code: int | None = None
        self.received: list[wire.Message] = []
        """Every message except updates and awareness."""
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()
        self.ended = False
        """Whether the last connection has ended."""
        self._steps2 = 0
        self._local: list[bytes] | None = None
        self._subscription = self.doc.observe(self._observe)

    def _observe(self, event: TransactionEvent) -> None:
        if self._local is not None:
            self._local.append(event.update)

    # --- connection ---------------------------------------------------------------------------------------------------

    async def connect(self, *, sync: bool = True) -> Self:
        """Open the socket and, unless `sync` is false, send sync step 1 and wait for step 2."""
        self._steps2, self.ended, self.close_code = 0, False, None
        self._socket = await connect(
            self.address,
            additional_headers=self.headers,
            compression=None,
            max_size=None,
            # With a bound, `websockets` stops reading while an answer cannot be sent, and never sees the close frame.
            max_queue=None,
            ping_interval=None,
            proxy=None,
        )
        self._reader = asyncio.create_task(self._read(self._socket))
        if sync:
            await self.sync()
        return self

    async def sync(self) -> None:
        """Send sync step 1 and wait for step 2; the server has then read everything sent before."""
        wanted = self._steps2 + 1
        await self.send(wire.step1(self.doc.get_state()))
        await self.until(lambda: self._steps2 >= wanted, "synced")

    @property
    def address(self) -> str:
        return f"{self.server.ws_url}/{self.document}{self.query}"

    @property
    def connected(self) -> bool:
        return self._socket is not None and not self.ended

    @property
    def socket(self) -> ClientConnection:
        if self._socket is None:
            raise RuntimeError("not connected")
        return self._socket

    async def send(self, message: Outgoing) -> None:
        """Send one message; an iterable is sent as the fragments of one.

        Raises:
            Disconnected: the connection has ended.
        """
        try:
            await self.socket.send(message)
        except (ConnectionClosed, AttributeError) as error:
            # AttributeError: `websockets` aborts a transport that asyncio has already taken apart.
            raise Disconnected("the connection ended before everything was sent") from error

    async def close(self) -> None:
        """Close the connection in the orderly way."""
        if self._socket is not None:
            await self._socket.close()
        await self.closed()

    async def drop(self) -> None:
        """Lose the connection without a close frame, as when a cable is pulled."""
        self.socket.transport.abort()
        await self.closed()

    async def closed(self, within: float = 10) -> int | None:
        """Wait until the connection has ended; the close code the server sent, None for an end without one."""
        if self._reader is not None:
            await asyncio.wait_for(self._reader, within)
        return self.close_code

    async def __aenter__(self) -> Self:
        return await self.connect()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _read(self, socket: ClientConnection) -> None:
        try:
            while True:
                data = await socket.recv()
                if isinstance(data, str):
                    await self._receive_text(data)
                else:
                    await self._receive(data)
                async with self._changed:
                    self._changed.notify_all()
        except (ConnectionClosed, Disconnected):
            self.close_code = socket.protocol.close_rcvd.code if socket.protocol.close_rcvd else None
        finally:
            self.ended = True
            async with self._changed:
                self._changed.notify_all()

    async def _receive_text(self, text: str) -> None:
        raise AssertionError(f"the server sent text: {text!r}")

    async def _receive(self, data: bytes) -> None:
        await self._handle(wire.parse(data))

    async def _handle(self, message: wire.Message) -> None:
        match message.kind, message.step:
            case wire.SYNC, wire.STEP_1:
                self.received.append(message)
                await self.send(wire.step2(self.missing(message.payload)))
            case wire.SYNC, _:
                self.doc.apply_update(message.payload)
                self._steps2 += message.step == wire.STEP_2
            case wire.AWARENESS, _:
                self._learn(message.payload)
            case wire.SAVED, _:
                self.acknowledged = max(self.acknowledged, wire.read_varuint(message.payload)[0])
                self.received.append(message)
            case _:
                self.received.append(message)

    def missing(self, state: bytes) -> bytes:
        """What a peer with the state vector `state` lacks."""
        return self.doc.get_update(state)

    def _learn(self, payload: bytes) -> None:
        count, position = wire.read_varuint(payload)
        for _ in range(count):
            client, position = wire.read_varuint(payload, position)
            _, position = wire.read_varuint(payload, position)
            length, position = wire.read_varuint(payload, position)
            state = json.loads(payload[position : position + length])
            position += length
            if state is None:
                self.awareness.pop(client, None)
            else:
                self.awareness[client] = state

    async def until(self, condition: Callable[[], bool], what: str, within: float = 10) -> None:
        """Wait until `condition` holds; it is looked at after every message.

        Raises:
            AssertionError: it did not hold in time.
            Disconnected: the connection ended first.
        """
        try:
            async with asyncio.timeout(within), self._changed:
                await self._changed.wait_for(lambda: condition() or self.ended)
        except TimeoutError:
            raise AssertionError(f"not {what} within {within} s") from None
        if not condition():
            raise Disconnected(f"the connection ended ({self.close_code}) before it was {what}")

    # --- editing ------------------------------------------------------------------------------------------------------

    def change(self, edit: Callable[[Doc[Any]], object]) -> bytes:
        """Carry out `edit` in one transaction and return its update; empty if it changed nothing. Sends nothing."""
        self._local = []
        try:
            with self.doc.transaction():
                edit(self.doc)
            return b"".join(self._local)
        finally:
            self._local = None

    async def edit(self, edit: Callable[[Doc[Any]], object]) -> bytes:
        """`change`, and send the update."""
        update = self.change(edit)
        if update:
            await self.send_update(update)
        return update

    async def send_update(self, update: bytes) -> None:
        await self.send(wire.update(update))

    async def ask_saved(self) -> int:
        """Ask for an acknowledgement of everything sent so far; returns its marker."""
        self.asked += 1
        await self.send(wire.saved(self.asked))
        return self.asked

    async def saved(self, within: float = 10) -> None:
        """Ask for an acknowledgement and wait for it."""
        await self.acknowledged_through(await self.ask_saved(), within)

    async def acknowledged_through(self, marker: int, within: float = 10) -> None:
        await self.until(lambda: self.acknowledged >= marker, f"acknowledged through {marker}", within)

    async def announce(self, state: object, clock: int = 1) -> None:
        """Set this client's awareness state."""
        await self.send(wire.awareness([(self.doc.client_id, clock, json.dumps(state))]))
