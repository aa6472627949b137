"""A connection with nothing behind it but its socket: no request, no scope, no task, no queue.

`HandshakeProtocol` moves an accepted WebSocket here. What stays per idle connection is the event loop's transport,
this object and what the Receiver keeps.
"""

import asyncio
import functools
import logging
from collections.abc import Callable
from typing import Any

from web.transport.frames import PING, PONG, FrameError, decode_close, encode_close, encode_frame
from web.transport.heart import Heart
from web.transport.ports import OpenReceiver, Receiver, TextReceiver, TransportLimits
from web.transport.reader import CLOSING, ENDED, OPEN, FrameReader, ignore

_log = logging.getLogger(__name__)


@functools.lru_cache(maxsize=16)
def _beat_bytes(keep_alive: bytes) -> bytes:
    """Ping and keep-alive as one write; one object for all connections."""
    return encode_frame(b"", PING) + keep_alive


class _Cork:
    """Makes one write of several. Whoever kept its `write` loses nothing afterwards."""

    __slots__ = ("_kept", "_transport")

    def __init__(self, transport: asyncio.Transport, first: bytes) -> None:
        self._transport = transport
        self._kept: list[bytes] | None = [first]

    def write(self, data: bytes) -> None:
        if self._kept is None:
            self._transport.write(data)
        else:
            self._kept.append(data)

    def pull(self) -> None:
        kept, self._kept = self._kept, None
        if kept:
            self._transport.write(b"".join(kept))


class DetachedConnection(FrameReader, asyncio.Protocol):
    """A `collab.ports.Connection` straight on the transport, and the heart's `Member`."""

    __slots__ = (
        "_beat_bytes",
        "_connections",
        "_heart",
        "_receiver",
        "_transport",
        "_unsent",
        "heard",
        "slice",
        "write",
    )

    write: Callable[[bytes], None]
    """Queue a ready-made frame, or several. This is the transport's own method, so a fan-out pays for no call in
    between, and becomes a no-op once the connection closes: look it up at each use (`connection.write(frame)`), do not
    keep it."""

    def __init__(
        self,
        transport: asyncio.Transport,
        connections: set[Any],
        heart: Heart,
        limits: TransportLimits,
        keep_alive: bytes,
    ) -> None:
        """
        Args:
            connections: the server's register of what it must shut down and wait for.
            keep_alive: a ready-made frame sent at each beat; may be empty.
        """
        super().__init__(limits)
        self._transport = transport
        self._connections = connections
        self._heart = heart
        self._beat_bytes = _beat_bytes(keep_alive)
        self._receiver: Receiver | None = None
        self._unsent = 0
        self.heard = heart.now
        self.slice = 0
        self.write = transport.write

    def open(self, open_receiver: OpenReceiver, early: bytes, answer: bytes) -> None:
        """Take the socket over.

        Args:
            early: what came from the client before the handshake was answered.
            answer: what is still to be sent of the handshake; goes out together with what the receiver says first.

        Raises:
            RuntimeError: the heart does not beat.
            Exception: from `open_receiver`; the client is told 1011.
        """
        self._heart.add(self)
        self._connections.add(self)
        self._transport.set_write_buffer_limits(self._limits.write_high_water, self._limits.write_low_water)
        self._transport.set_protocol(self)
        cork = _Cork(self._transport, answer)
        self.write = cork.write
        try:
            self._receiver = receiver = open_receiver(self)
        except BaseException:
            cork.pull()
            self._end(1011, "internal error")
            raise
        cork.pull()
        if self._state == OPEN:
            self.write = self._transport.write
            self._receive = receiver.receive
        elif self._state == ENDED:
            return self._gone()
        if self._unsent:
            self._tell_writable(False)
        # The handshake stops reading when a client sends too much too early.
        self._transport.resume_reading()
        if early:
            self.data_received(early)

    def refuse(self, open_receiver: OpenReceiver) -> None:
        """The same for a client that left during the handshake: its Receiver is opened and closed."""
        self._stop()
        self._receiver = open_receiver(self)
        self._gone()

    # collab.ports.Connection

    def close(self, code: int, reason: str) -> None:
        """Begin the close handshake; the peer has `close_timeout` seconds to answer. Idempotent."""
        self._begin_close(code, reason, self._limits.close_timeout)

    def probe(self, timeout: float) -> None:
        """Ping; abort unless anything at all arrives within `timeout` seconds."""
        if self._state == OPEN:
            self._heart.probe(self, timeout)
            self.write(encode_frame(b"", PING))

    # asyncio.Protocol

    def data_received(self, data: bytes) -> None:
        if self._state == ENDED:
            return
        self.heard = self._heart.now
        try:
            self._feed(data)
        except FrameError as error:
            peer = self._transport.get_extra_info("peername")
            self._heart.refused(error.code, str(error), peer[0] if peer else None)
            self._end(error.code, str(error))
        except Exception:
            _log.exception("a receiver failed; its connection is closed")
            self._end(1011, "internal error")

    def eof_received(self) -> None:
        """The peer has shut its side down; a WebSocket has no use for the other half, so the transport closes it."""
        if self._state != ENDED:
            self._finish()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._stop()

    def pause_writing(self) -> None:
        self._unsent = max(self._transport.get_write_buffer_size(), 1)
        self._tell_writable(False)

    def resume_writing(self) -> None:
        self._unsent = 0
        self.heard = self._heart.now
        self._tell_writable(True)

    # uvicorn's register of connections

    def shutdown(self) -> None:
        """The server stops; it waits until this connection has left its register."""
        if self._state == OPEN:
            self._begin_close(1012, "the server restarts", self._limits.shutdown_timeout)
        else:
            self._heart.abort_after(self, self._limits.shutdown_timeout)

    # heart.Member

    def beat(self) -> None:
        if self._unsent:
            unsent = self._transport.get_write_buffer_size()
            if unsent > self._limits.outgoing_bytes_max:
                return self.abort()
            if unsent < self._unsent:
                # On a slow line our ping waits behind what is being read: reading is a sign of life.
                self.heard = self._heart.now
            self._unsent = max(unsent, 1)
        else:
            self.write(self._beat_bytes)
        self._heart.watch_silence(self)

    def abort(self) -> None:
        self._transport.abort()
        self._stop()

    # FrameReader

    def _takes_text(self) -> bool:
        return isinstance(self._receiver, TextReceiver)

    def _on_text(self, message: str) -> None:
        if self._state == OPEN and isinstance(self._receiver, TextReceiver):
            self._receiver.receive_text(message)

    def _on_ping(self, payload: bytes) -> None:
        # To a peer that does not read, pongs would only pile up.
        if not self._unsent:
            self.write(encode_frame(payload, PONG))

    def _on_close(self, payload: bytes) -> None:
        code = decode_close(payload)
        if self._state == OPEN:
            self.write(encode_close(code))
        self._finish()

    def _on_turn_over(self) -> None:
        self._transport.pause_reading()
        asyncio.get_running_loop().call_soon(self._next_turn)

    def _next_turn(self) -> None:
        self._transport.resume_reading()
        self.data_received(b"")

    # endings

    def _begin_close(self, code: int, reason: str, timeout: float) -> None:
        if self._state == OPEN:
            self._state = CLOSING
            self.write(encode_close(code, reason))
            self.write = self._receive = ignore
            self._heart.abort_after(self, timeout)

    def _end(self, code: int, reason: str) -> None:
        """Fail the connection. What the peer still sends is read and thrown away until it hangs up: closing a
        socket with unread bytes resets it, and the peer would never see the code."""
        if self._state == OPEN:
            self.write(encode_close(code, reason))
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()
        else:
            self._transport.close()
        self._heart.abort_after(self, self._limits.close_timeout)
        self._stop()

    def _finish(self) -> None:
        """Hang up, giving what is still to be sent as long as a close handshake gets."""
        if self._transport.get_write_buffer_size():
            self._heart.abort_after(self, self._limits.close_timeout)
        self._transport.close()
        self._stop()

    def _stop(self) -> None:
        """Nothing goes in or out any more; tell the receiver, once."""
        self._state = ENDED
        self.write = self._receive = ignore
        self._partial = self._fragments = None
        self._gone()

    def _gone(self) -> None:
        self._heart.remove(self)
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            try:
                receiver.closed()
            except Exception:
                _log.exception("a receiver failed to close")

    def _tell_writable(self, ready: bool) -> None:
        receiver = self._receiver
        if receiver is not None and self._state == OPEN:
            try:
                receiver.writable(ready)
            except Exception:
                _log.exception("a receiver failed on flow control")
