"""What the transport and the sessions behind it agree on: `Receiver`, and the limits of a connection."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from collab.ports import Connection
from web.transport.heart import Heart


class Receiver(Protocol):
    """The session's side of one connection. Every call is synchronous and must be short.

    An exception out of any of them is logged; out of `receive` it also closes the connection with 1011.
    """

    def receive(self, message: bytes) -> None:
        """A whole binary message. Never called after `Connection.close` or `closed`."""
        ...

    def writable(self, ready: bool) -> None:
        """False: more than the high-water mark waits to be sent; True: it is below the low-water mark again.

        False may arrive from inside `Connection.write`. Writing is still allowed then, but it only piles up.
        """
        ...

    def closed(self) -> None:
        """Exactly once: the peer closed, broke a rule or vanished, or the close handshake that we began is over.

        Nothing arrives after it, and whatever is written is dropped.
        """
        ...


@runtime_checkable
class TextReceiver(Receiver, Protocol):
    """A Receiver that takes text messages too; any other has them closed with 1003."""

    def receive_text(self, message: str) -> None: ...


OpenReceiver = Callable[[Connection], Receiver]
"""Called once per connection, when it is open; may write to it, or close it, at once."""


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """Limits of one connection. Rates are token buckets: so much at once, then so much a second."""

    message_bytes_max: int = 8 * 1024 * 1024
    """A longer message is refused with 1009 before its payload is read."""
    fragments_max: int = 1024
    """Frames per message; one more is refused with 1008: the message is not too large, it is too finely cut."""
    frames_burst: int = 500_000
    frames_per_second: int = 200_000
    """Frames of any kind; more are refused with 1008."""
    bytes_burst: int = 64 * 1024 * 1024
    bytes_per_second: int = 8 * 1024 * 1024
    """Bytes of any kind; more are refused with 1008."""
    overhead_frames_burst: int = 2048
    overhead_frames_per_second: int = 100
    """Frames that carry next to nothing: control frames and continuations under 1 KiB; more: 1008."""
    write_high_water: int = 256 * 1024
    write_low_water: int = 64 * 1024
    """Bytes waiting to be sent at which `Receiver.writable` tells False and True."""
    outgoing_bytes_max: int = 64 * 1024 * 1024
    """A peer for which more than this waits is dropped. Only a sender that ignores `writable` comes here."""
    close_timeout: float = 5.0
    """Seconds the peer has to answer a close frame."""
    shutdown_timeout: float = 2.0
    """The same when the server stops."""


EXTENSION: Final = "coscribe.detach"
"""Key in `scope["extensions"]` under which a server that can let a socket go offers a `Detach`."""

Detach = Callable[[OpenReceiver, Heart, TransportLimits, bytes], None]
"""Moves the accepted socket out of its request. The last argument is the keep-alive frame."""
