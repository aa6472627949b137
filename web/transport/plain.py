"""ASGI over a detached connection, for endpoints that know nothing of this transport and read and write themselves."""

import asyncio
from collections import deque
from typing import Any, Final

from uvicorn.protocols.utils import ClientDisconnected

from collab.ports import Connection
from web.transport.frames import TEXT, encode_frame
from web.transport.heart import Heart

_WAITING_MAX: Final = 32
"""Messages that wait for the endpoint; with more the socket is not read."""


class PlainSocket:
    """A TextReceiver whose messages wait to be fetched. Has a heart of its own: there are few of these."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.heart = Heart(slices=15)
        self.heart.start()
        self._transport = transport
        self._connection: Connection | None = None
        self._messages: deque[dict[str, Any]] = deque()
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._paused = self._closed = False
        self._code = 1005

    def open(self, connection: Connection) -> "PlainSocket":
        self._connection = connection
        return self

    # TextReceiver

    def receive(self, message: bytes) -> None:
        self._add({"type": "websocket.receive", "bytes": message})

    def receive_text(self, message: str) -> None:
        self._add({"type": "websocket.receive", "text": message})

    def writable(self, ready: bool) -> None:
        if ready:
            self._writable.set()
        else:
            self._writable.clear()

    def closed(self) -> None:
        self._closed = True
        self._arrived.set()
        self._writable.set()
        self.heart.stop()

    def _add(self, message: dict[str, Any]) -> None:
        self._messages.append(message)
        self._arrived.set()
        if len(self._messages) > _WAITING_MAX and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    # the endpoint's side

    async def next_event(self) -> dict[str, Any]:
        """What ASGI's `receive` gives."""
        while not self._messages and not self._closed:
            self._arrived.clear()
            await self._arrived.wait()
        if not self._messages:
            return {"type": "websocket.disconnect", "code": self._code}
        event = self._messages.popleft()
        if self._paused and not self._messages and not self._closed:
            self._paused = False
            self._transport.resume_reading()
        return event

    async def send(self, message: dict[str, Any]) -> None:
        """ASGI's `send`."""
        await self._writable.wait()
        if self._closed or self._connection is None:
            raise ClientDisconnected
        if message["type"] == "websocket.send":
            data = message.get("bytes")
            frame = encode_frame(message["text"].encode(), TEXT) if data is None else encode_frame(data)
            self._connection.write(frame)
        elif message["type"] == "websocket.close":
            self.finish(message.get("code", 1000), message.get("reason") or "")
        else:
            raise RuntimeError(f"{message['type']!r} is not what can be sent now")

    def finish(self, code: int, reason: str) -> None:
        """Begin to close, unless that was done."""
        if not self._closed and self._connection is not None:
            self._code = code
            self._connection.close(code, reason)
