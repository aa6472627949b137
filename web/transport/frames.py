"""WebSocket frames as bytes (RFC 6455 section 5): encoding what a server sends, judging what a client sent.

Pure functions; who reads a stream of frames is `reader.FrameReader`.
"""

import struct
from collections.abc import Iterator
from typing import Final

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

FINAL: Final = 0x80
"""Bit of the first byte: the last frame of its message."""
RESERVED: Final = 0x70
"""Bits of the first byte that only extensions use; none is ever negotiated here."""
CONTROL: Final = 0x08
"""Bit of the opcode that tells control frames from data frames."""
MASKED: Final = 0x80
"""Bit of the second byte. Every client frame has it, no server frame does."""

CONTROL_BYTES_MAX: Final = 125
REASON_BYTES_MAX: Final = CONTROL_BYTES_MAX - 2

_CODES_A_PEER_MAY_SEND: Final = frozenset((1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)))


class FrameError(Exception):
    """A peer broke a rule of the protocol or a limit. `str(error)` is the reason in the close frame."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def encode_frame(message: bytes, opcode: int = BINARY) -> bytes:
    """One final, unmasked frame: what `collab.ports.Connection.write` takes."""
    length = len(message)
    if length < 126:
        return bytes((FINAL | opcode, length)) + message
    if length < 65_536:
        return struct.pack("!BBH", FINAL | opcode, 126, length) + message
    return struct.pack("!BBQ", FINAL | opcode, 127, length) + message


def encode_text_frame(message: bytes) -> bytes:
    """The same for a message that is UTF-8, and text."""
    return encode_frame(message, TEXT)


def decode_frame(frame: bytes) -> tuple[int, bytes]:
    """Opcode and payload of what `encode_frame` made."""
    head = {126: 4, 127: 10}.get(frame[1], 2)
    return frame[0] & 0x0F, frame[head:]


def decode_frames(frames: bytes) -> Iterator[tuple[int, bytes]]:
    """The same for what `encode_frame` made several times, one after the other."""
    at = 0
    while at < len(frames):
        length, head = frames[at + 1], at + 2
        if length > 125:
            head += 2 if length == 126 else 8
            length = int.from_bytes(frames[at + 2 : head], "big")
        yield frames[at] & 0x0F, frames[head : head + length]
        at = head + length


def payload_of(frame: bytes) -> bytes:
    """The message in what `encode_frame` made."""
    return decode_frame(frame)[1]


def cut_reason(reason: str) -> str:
    """The longest beginning of `reason` that fits into a close frame as UTF-8."""
    return reason.encode()[:REASON_BYTES_MAX].decode(errors="ignore")


def encode_close(code: int | None, reason: str = "") -> bytes:
    """A close frame; without a code it is empty. The reason is cut at a character boundary to 123 bytes."""
    if code is None:
        return encode_frame(b"", CLOSE)
    return encode_frame(code.to_bytes(2, "big") + cut_reason(reason).encode(), CLOSE)


def decode_close(payload: bytes) -> int | None:
    """The code of a peer's close frame, None when it gave none.

    Raises:
        FrameError: 1002 for a code that must not be sent, 1007 for a reason that is not UTF-8.
    """
    if not payload:
        return None
    code = int.from_bytes(payload[:2], "big")
    if len(payload) < 2 or code not in _CODES_A_PEER_MAY_SEND:
        raise FrameError(1002, "invalid close code")
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        raise FrameError(1007, "close reason is not UTF-8") from None
    return code


def check_header(first: int, length: int) -> None:
    """Judge a frame by its first byte and the 7-bit length of its second, before its payload has arrived.

    Raises:
        FrameError: 1002.
    """
    if first & RESERVED:
        raise FrameError(1002, "reserved bits are set")
    opcode = first & 0x0F
    if opcode & CONTROL:
        if opcode > PONG:
            raise FrameError(1002, "unknown opcode")
        if not first & FINAL:
            raise FrameError(1002, "control frame is fragmented")
        if length > CONTROL_BYTES_MAX:
            raise FrameError(1002, "control frame is longer than 125 bytes")
    elif opcode > BINARY:
        raise FrameError(1002, "unknown opcode")
