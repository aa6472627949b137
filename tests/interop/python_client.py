"""The Python client of the Yjs world: pycrdt's `Provider` over pycrdt-websocket's httpx channel."""

import asyncio
import itertools
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any, Self

import httpx
from httpx_ws import AsyncWebSocketSession, aconnect_ws
from pycrdt import Awareness, Doc, Provider
from pycrdt.websocket.websocket import HttpxWebsocket

from tests.e2e import wire
from tests.e2e.replica import Dump, canonical, dump, new_doc
from tests.support import eventually

_MESSAGE_BYTES_MAX = 64 * 1024 * 1024


class _Channel(HttpxWebsocket):
    """The published channel, with an ear for what `Provider` leaves aside: awareness and acknowledgements."""

    def __init__(self, websocket: AsyncWebSocketSession, path: str, listener: Callable[[wire.Message], None]) -> None:
        super().__init__(websocket, path)
        self._listener = listener
        self.updates_sent = 0

    async def send(self, message: bytes) -> None:
        await super().send(message)
        self.updates_sent += message[:2] == bytes((wire.SYNC, wire.UPDATE))

    async def recv(self) -> bytes:
        message = await super().recv()
        self._listener(wire.parse(message))
        return message


class PythonClient:
    """One document and its provider. `async with PythonClient(url, room) as client:` connects and syncs."""

    def __init__(self, url: str, room: str) -> None:
        self.url = f"{url}/{room}"
        self.doc: Doc[Any] = new_doc()
        self.awareness = Awareness(self.doc)
        self._markers = itertools.count(1)
        self._echoes: dict[int, asyncio.Event] = {}
        self._updates = 0

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
            self._session: AsyncWebSocketSession = await stack.enter_async_context(
                aconnect_ws(self.url, http, max_message_size_bytes=_MESSAGE_BYTES_MAX)
            )
            self._channel = _Channel(self._session, self.url, self._hear)
            self._updates = 0
            subscription = self.doc.observe(self._count)
            stack.callback(self.doc.unobserve, subscription)
            self.provider = await stack.enter_async_context(Provider(self.doc, self._channel))
            async with asyncio.timeout(10):
                await self.provider.synced.wait()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._stack.__aexit__(*error)

    def _count(self, _event: object) -> None:
        self._updates += 1

    def _hear(self, message: wire.Message) -> None:
        if message.kind == wire.AWARENESS:
            self.awareness.apply_awareness_update(message.payload, "server")
        elif message.kind == wire.SAVED:
            self._echoes[wire.read_varuint(message.payload)[0]].set()

    @property
    def client_id(self) -> int:
        return self.doc.client_id

    async def announce(self, state: dict[str, Any]) -> None:
        """Set this client's awareness state and send it."""
        self.awareness.set_local_state(state)
        payload = self.awareness.encode_awareness_update([self.client_id])
        await self._channel.send(bytes((wire.AWARENESS,)) + wire.sized(payload))

    async def saved(self) -> None:
        """Wait for a durable acknowledgement of every edit so far."""
        marker = next(self._markers)
        self._echoes[marker] = asyncio.Event()
        async with asyncio.timeout(10):
            # The provider sends in a task of its own; what it has not sent yet, the marker would not cover.
            await eventually(lambda: self._channel.updates_sent >= self._updates, "every edit sent", every=0.005)
            await self._channel.send(wire.saved(marker))
            await self._echoes[marker].wait()

    async def drop(self) -> None:
        """Lose the connection without a close frame, as when a cable is pulled."""
        await self._session.stream.aclose()

    def content(self) -> Dump:
        canonical_content: Dump = canonical(dump(self.doc))
        return canonical_content
