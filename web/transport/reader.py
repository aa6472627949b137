"""Bytes of a client in, whole messages out: the frame rules of RFC 6455 for the receiving side of a server.

Rule F1: a frame is judged by its header as soon as the header is there; nothing is buffered for a refused one.
Rule F2: what is incomplete is gathered in place and looked at again only when enough of it is there, so a message
    costs time in proportion to its length, however it was cut into segments.
Rule F3: one call handles a bounded number of frames; the rest waits for the next turn of the event loop.
Rule F4: frames are paid for from two buckets, all of them from one and those that carry next to nothing from another;
    bytes from a third.
"""

import time
from collections.abc import Callable
from typing import Final

from web.transport.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    CONTROL,
    FINAL,
    MASKED,
    PING,
    TEXT,
    FrameError,
    check_header,
)
from web.transport.ports import TransportLimits

try:
    from websockets.speedups import apply_mask
except ImportError:  # no compiled wheel for this platform
    from websockets.utils import apply_mask

OPEN: Final = 0
CLOSING: Final = 1
"""Our close frame is out; the peer's is awaited, messages are ignored."""
ENDED: Final = 2
"""Nothing is read any more."""

_FRAMES_PER_TURN: Final = 1024
"""About a millisecond of splitting; a segment of 256 KB may hold 43,000 empty frames."""
_TURN: Final = range(1, _FRAMES_PER_TURN + 1)
_SMALL_FRAGMENT: Final = 1024
_WHOLE_BINARY: Final = FINAL | BINARY
_COPY_BELOW: Final = 4096
"""Slicing a payload out first is faster than a memoryview on it below this, and slower above."""


def ignore(_message: object) -> None:
    """Stands in for a receiver that no longer receives, and for a socket that no longer sends."""


class FrameReader:
    """Splits what `_feed` gets. Subclasses own the socket and act on what `_on_…` methods tell them."""

    __slots__ = (
        "_budget",
        "_bytes_budget",
        "_bytes_refilled_at",
        "_fragment_bytes",
        "_fragments",
        "_limits",
        "_message_opcode",
        "_need",
        "_overhead_budget",
        "_overhead_refilled_at",
        "_partial",
        "_receive",
        "_refilled_at",
        "_state",
    )

    def __init__(self, limits: TransportLimits) -> None:
        self._limits = limits
        self._state = OPEN
        self._receive: Callable[[bytes], None] = ignore
        self._partial: bytearray | None = None
        self._need = 0
        self._fragments: list[bytes] | None = None
        self._fragment_bytes = 0
        self._message_opcode = BINARY
        self._budget = limits.frames_burst
        self._overhead_budget = limits.overhead_frames_burst
        self._bytes_budget = limits.bytes_burst
        self._refilled_at = self._overhead_refilled_at = self._bytes_refilled_at = time.monotonic()

    def _on_text(self, message: str) -> None:
        raise NotImplementedError

    def _on_ping(self, payload: bytes) -> None:
        raise NotImplementedError

    def _on_close(self, payload: bytes) -> None:
        raise NotImplementedError

    def _on_turn_over(self) -> None:
        """There is more than one turn may handle: do not read; call `_feed(b"")` in the next turn."""
        raise NotImplementedError

    def _feed(self, data: bytes | bytearray) -> None:
        """Take one segment.

        Raises:
            FrameError: the peer broke a rule; feed nothing more.
        """
        self._bytes_budget -= len(data)
        if self._bytes_budget < 0:
            self._refill_bytes()
        if self._partial is not None:
            self._partial += data
            if len(self._partial) < self._need:
                return
            data, self._partial = self._partial, None
        at, end = 0, len(data)
        frames = 0
        for frames in _TURN:  # noqa: B007 - read after the loop
            # The common frame is whole, short, binary and all of its message; every other one goes the long way.
            if (
                end - at > 5
                and data[at] == _WHOLE_BINARY
                and (length := data[at + 1] ^ MASKED) < 126
                and (stop := at + 6 + length) <= end
                and self._fragments is None
            ):
                self._receive(apply_mask(data[at + 6 : stop], data[at + 2 : at + 6]))
            else:
                stop = self._take(data, at, end)
                if stop == at:
                    break
            at = stop
            if at == end or self._state == ENDED:
                break
        else:
            self._need = 0
            self._on_turn_over()
        if at < end and self._state != ENDED:
            self._partial = bytearray(memoryview(data)[at:])
        self._budget -= frames
        if self._budget < 0:
            self._refill()

    def _take(self, data: bytes | bytearray, at: int, end: int) -> int:
        """Take any frame. Returns where the next one begins, or `at` if this one is not complete yet."""
        if end - at < 2:
            self._need = 2
            return at
        first, length = data[at], data[at + 1] ^ MASKED
        if length >= MASKED:
            raise FrameError(1002, "frame is not masked")
        check_header(first, length)
        head = at + 6
        if length > 125:
            head += 2 if length == 126 else 8
            if end < head:
                self._need = head - at
                return at
            length = int.from_bytes(data[at + 2 : head - 4], "big")
        if not first & CONTROL:
            self._check_data_frame(first, length)
        stop = head + length
        if stop > end:
            self._need = stop - at
            return at
        masked = data[head:stop] if length < _COPY_BELOW else memoryview(data)[head:stop]
        payload = apply_mask(masked, data[head - 4 : head])
        if first == _WHOLE_BINARY:
            self._receive(payload)
        else:
            self._accept(first, payload)
        return stop

    def _check_data_frame(self, first: int, length: int) -> None:
        opcode = first & 0x0F
        if (opcode == CONTINUATION) == (self._fragments is None):
            raise FrameError(1002, "continuation of nothing" if opcode == CONTINUATION else "message inside a message")
        if opcode == TEXT and not self._takes_text():
            raise FrameError(1003, "messages are binary here")
        if self._fragment_bytes + length > self._limits.message_bytes_max:
            raise FrameError(1009, f"message is longer than {self._limits.message_bytes_max} bytes")
        if self._fragments is not None and len(self._fragments) >= self._limits.fragments_max:
            raise FrameError(1008, f"message has more than {self._limits.fragments_max} fragments")

    def _takes_text(self) -> bool:
        return False

    def _accept(self, first: int, payload: bytes) -> None:
        opcode = first & 0x0F
        if opcode & CONTROL:
            self._pay_overhead()
            if opcode == PING:
                self._on_ping(payload)
            elif opcode == CLOSE:
                self._on_close(payload)
        elif first & FINAL and self._fragments is None:
            self._deliver(opcode, payload)
        else:
            self._collect(first, payload)

    def _collect(self, first: int, payload: bytes) -> None:
        if self._fragments is None:
            self._fragments = []
            self._message_opcode = first & 0x0F
        elif len(payload) < _SMALL_FRAGMENT:
            self._pay_overhead()
        self._fragments.append(payload)
        self._fragment_bytes += len(payload)
        if first & FINAL:
            message = b"".join(self._fragments)
            self._fragments = None
            self._fragment_bytes = 0
            self._deliver(self._message_opcode, message)

    def _deliver(self, opcode: int, message: bytes) -> None:
        if opcode == BINARY:
            self._receive(message)
            return
        try:
            text = message.decode()
        except UnicodeDecodeError:
            raise FrameError(1007, "text is not UTF-8") from None
        self._on_text(text)

    def _pay_overhead(self) -> None:
        self._overhead_budget -= 1
        if self._overhead_budget >= 0:
            return
        now = time.monotonic()
        earned = int((now - self._overhead_refilled_at) * self._limits.overhead_frames_per_second)
        self._overhead_budget += min(earned, self._limits.overhead_frames_burst)
        self._overhead_refilled_at = now
        if self._overhead_budget < 0:
            raise FrameError(1008, "too many control frames or empty fragments")

    def _refill(self) -> None:
        """The bucket is filled only when it runs dry: a clock read per bucketful instead of one per frame."""
        now = time.monotonic()
        earned = int((now - self._refilled_at) * self._limits.frames_per_second)
        self._budget += min(earned, self._limits.frames_burst)
        self._refilled_at = now
        if self._budget < 0:
            raise FrameError(1008, "too many frames")

    def _refill_bytes(self) -> None:
        now = time.monotonic()
        earned = int((now - self._bytes_refilled_at) * self._limits.bytes_per_second)
        self._bytes_budget += min(earned, self._limits.bytes_burst)
        self._bytes_refilled_at = now
        if self._bytes_budget < 0:
            raise FrameError(1008, "too many bytes a second")
