"""Clients that come through a channel of pycrdt's (`pycrdt.Channel`) instead of a socket of ours: whatever can send and
receive whole messages of y-websocket's protocol."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from pycrdt import Channel

from collab.codec import write_var_bytes
from collab.dialects.y_websocket import YWebSocket
from collab.errors import CollabError, RoomClosed, SlowConsumer
from collab.messages import Dialect
from collab.ports import Connection, FrameEncoder
from collab.session import Session
from collab.types import Grant

if TYPE_CHECKING:
    from collab.room import Room

_HIGH_WATER: Final = 1024 * 1024
_LOW_WATER: Final = _HIGH_WATER // 4
_WAITING_BYTES_MAX: Final = 64 * 1024 * 1024
_FAREWELL_SECONDS: Final = 5.0
_QUIET_SECONDS: Final = 15.0
"""After so long without a message a client gets one: y-websocket takes 30 s of silence for a lost connection."""
_NOBODY: Final = b"\x01" + write_var_bytes(b"\x00")


class _OverChannel(YWebSocket):
    name = "channel"

    def session(self, room: "Room", grant: Grant, connection: Connection) -> Session:
        return _ChannelSession(room, grant, connection, self)


class _ChannelSession(Session):
    __slots__ = ()

    def _part(self, error: CollabError) -> None:
        assert isinstance(self.connection, ChannelConnection)
        self.connection.fail(error)


_OVER_CHANNEL: Final = _OverChannel()


class ChannelConnection:
    """The `Connection` of one channel. What waits to be sent is bounded by the room: it leaves a slow reader out."""

    def __init__(self, channel: Channel, unframe: FrameEncoder) -> None:
        self._channel = channel
        self._unframe = unframe
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._wake = asyncio.Event()
        self._session: Session | None = None
        self._ready = True
        self._error: CollabError | None = None
        self._sending: asyncio.Task[None] | None = None

    async def run(self, attach: Callable[[Dialect], Session]) -> None:
        """Serve until the channel ends.

        Raises:
            CollabError: the session was ended for this.
        """
        self._session = session = attach(_OVER_CHANNEL)
        sending = self._sending = asyncio.create_task(self._send())
        receiving = asyncio.create_task(self._receive(session))
        try:
            await asyncio.wait((sending, receiving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            session.closed()
            for task in (sending, receiving):
                task.cancel()
            ended = await asyncio.gather(sending, receiving, return_exceptions=True)
        if self._error is not None:
            raise self._error
        for failure in ended:
            if isinstance(failure, Exception):
                raise failure

    # -- collab.ports.Connection

    def write(self, frame: bytes) -> None:
        if self._error is None:
            self._queue.append(frame)
            self._queued_bytes += len(frame)
            self._wake.set()
            if self._queued_bytes > _WAITING_BYTES_MAX and self._session is not None:
                self._session.end(SlowConsumer("too much waits to be sent"))
            elif self._ready and self._queued_bytes > _HIGH_WATER:
                self._tell_writable(False)

    def close(self, code: int, reason: str) -> None:
        self.fail(RoomClosed(reason))

    def probe(self, timeout: float) -> None:
        """A channel has no way to be asked."""

    def fail(self, error: CollabError) -> None:
        if self._error is None:
            self._error = error
            self._wake.set()
            if self._sending is not None:
                # What waits may still go out; whoever takes none of it keeps nobody.
                asyncio.get_running_loop().call_later(_FAREWELL_SECONDS, self._sending.cancel)

    # -- both ways

    async def _receive(self, session: Session) -> None:
        async for message in self._channel:
            session.receive(message)

    async def _send(self) -> None:
        while self._queue or self._error is None:
            if not self._queue:
                await self._next()
            while self._queue:
                frame = self._queue.popleft()
                await self._channel.send(self._unframe(frame))
                self._queued_bytes -= len(frame)
                if not self._ready and self._queued_bytes <= _LOW_WATER:
                    self._tell_writable(True)

    async def _next(self) -> None:
        self._wake.clear()
        try:
            async with asyncio.timeout(_QUIET_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            await self._channel.send(_NOBODY)

    def _tell_writable(self, ready: bool) -> None:
        self._ready = ready
        if self._session is not None:
            self._session.writable(ready)
