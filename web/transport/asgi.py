"""The same Receiver over plain ASGI, for servers whose sockets cannot be detached.

Frame rules, pings and the close handshake are the server's here. This side keeps the limits that ASGI lets it see:
message size, message rate, text, what may wait to be sent, and the deadline of a close.
"""

import asyncio
import logging
import time
from collections import deque

from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from web.transport.frames import BINARY, TEXT, FrameError, cut_reason, decode_frames
from web.transport.heart import Heart
from web.transport.ports import OpenReceiver, Receiver, TextReceiver, TransportLimits

_log = logging.getLogger(__name__)


class _Bucket:
    """So much at once, then so much a second."""

    def __init__(self, per_second: int, burst: int, complaint: str) -> None:
        self._per_second = per_second
        self._burst = self._left = burst
        self._complaint = complaint
        self._refilled_at = time.monotonic()

    def pay(self, price: int) -> None:
        """
        Raises:
            FrameError: there is not enough left.
        """
        self._left -= price
        if self._left < 0:
            now = time.monotonic()
            self._left += min(int((now - self._refilled_at) * self._per_second), self._burst)
            self._refilled_at = now
        if self._left < 0:
            raise FrameError(1008, self._complaint)


class AsgiConnection:
    """A `collab.ports.Connection` with a bounded outgoing queue, and the heart's `Member`."""

    def __init__(self, websocket: WebSocket, heart: Heart, limits: TransportLimits, keep_alive: bytes) -> None:
        self._websocket = websocket
        self._heart = heart
        self._limits = limits
        self._keep_alive = keep_alive
        self._receiver: Receiver | None = None
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._ready = True
        self._wake = asyncio.Event()
        self._close: tuple[int, str] | None = None
        self._aborted = False
        self._tasks: list[asyncio.Task[None]] = []
        self._frames = _Bucket(limits.frames_per_second, limits.frames_burst, "too many frames")
        self._bytes = _Bucket(limits.bytes_per_second, limits.bytes_burst, "too many bytes a second")
        self.heard = heart.now
        self.slice = 0

    async def run(self, open_receiver: OpenReceiver) -> None:
        """Serve an accepted WebSocket until it is closed.

        Raises:
            RuntimeError: the heart does not beat.
            Exception: from `open_receiver`; the client is told 1011.
        """
        self._heart.add(self)
        try:
            try:
                self._receiver = open_receiver(self)
            except BaseException:
                await self._websocket.close(1011, "internal error")
                raise
            if not self._aborted:
                async with asyncio.TaskGroup() as group:
                    self._tasks = [group.create_task(self._read()), group.create_task(self._drain())]
        finally:
            self._gone()

    # collab.ports.Connection

    def write(self, frame: bytes) -> None:
        """Queue ready-made frames; dropped once the connection closes."""
        if self._closing:
            return
        self._queue.append(frame)
        self._queued_bytes += len(frame)
        self._wake.set()
        if self._queued_bytes > self._limits.outgoing_bytes_max:
            self.abort()
        elif self._ready and self._queued_bytes > self._limits.write_high_water:
            self._tell_writable(False)

    def close(self, code: int, reason: str) -> None:
        """Begin the close handshake behind what is queued. Idempotent."""
        if not self._closing:
            self._close = (code, cut_reason(reason))
            self._wake.set()
            self._heart.abort_after(self, self._limits.close_timeout)

    def probe(self, timeout: float) -> None:
        """Abort unless a message arrives within `timeout` seconds. ASGI has no ping, so nothing is asked."""
        if not self._closing:
            self._heart.probe(self, timeout)

    # heart.Member

    def beat(self) -> None:
        """The keep-alive only: the server pings, and its pongs are not seen here, so silence proves nothing."""
        if self._keep_alive and self._ready:
            self.write(self._keep_alive)

    def abort(self) -> None:
        """The server hangs up when the application returns."""
        self._aborted = True
        for task in self._tasks:
            task.cancel()

    @property
    def _closing(self) -> bool:
        return self._close is not None or self._aborted

    async def _read(self) -> None:
        try:
            while (message := await self._websocket.receive())["type"] == "websocket.receive":
                self.heard = self._heart.time()
                if not self._closing:
                    self._accept(message)
        finally:
            for task in self._tasks:
                if task is not asyncio.current_task():
                    task.cancel()

    def _accept(self, message: Message) -> None:
        try:
            data = message.get("bytes")
            self._frames.pay(1)
            self._bytes.pay(len(data if data is not None else message["text"]))
            if data is None:
                self._accept_text(message["text"])
            elif len(data) > self._limits.message_bytes_max:
                raise FrameError(1009, f"message is longer than {self._limits.message_bytes_max} bytes")
            elif self._receiver is not None:
                self._receiver.receive(data)
        except FrameError as error:
            self._heart.refused(error.code, str(error), self._websocket.client and self._websocket.client.host)
            self.close(error.code, str(error))
        except Exception:
            _log.exception("a receiver failed; its connection is closed")
            self.close(1011, "internal error")

    def _accept_text(self, text: str) -> None:
        if not isinstance(self._receiver, TextReceiver):
            raise FrameError(1003, "messages are binary here")
        self._receiver.receive_text(text)

    async def _drain(self) -> None:
        """The one task that sends. A failing send means the peer is gone: `_read` learns it from the server."""
        try:
            while self._close is None or self._queue:
                await self._wake.wait()
                self._wake.clear()
                while self._queue:
                    await self._send(self._queue.popleft())
            await self._websocket.close(*self._close)
        except (WebSocketDisconnect, RuntimeError, OSError):
            self._queue.clear()

    async def _send(self, frame: bytes) -> None:
        for opcode, payload in decode_frames(frame):
            if opcode == BINARY:
                await self._websocket.send_bytes(payload)
            elif opcode == TEXT:
                await self._websocket.send_text(payload.decode())
        self._queued_bytes -= len(frame)
        if not self._ready and self._queued_bytes <= self._limits.write_low_water:
            self._tell_writable(True)

    def _tell_writable(self, ready: bool) -> None:
        self._ready = ready
        if self._receiver is not None and not self._closing:
            try:
                self._receiver.writable(ready)
            except Exception:
                _log.exception("a receiver failed on flow control")

    def _gone(self) -> None:
        self._aborted = True
        self._heart.remove(self)
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            try:
                receiver.closed()
            except Exception:
                _log.exception("a receiver failed to close")
