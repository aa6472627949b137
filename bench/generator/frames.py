"""WebSocket frames of a client: ready-made ones to send, and where those of a server begin and end."""

import struct
from typing import Final

from websockets.speedups import apply_mask

BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

# One key for everything: the server has to unmask all the same, and frames can be made before the clock starts.
_MASK: Final = b"\x5b\x17\xc6\x3a"


def client_frame(payload: bytes, opcode: int = BINARY) -> bytes:
    length = len(payload)
    masked = apply_mask(payload, _MASK)
    if length < 126:
        return bytes((0x80 | opcode, 0x80 | length)) + _MASK + masked
    if length < 65_536:
        return struct.pack("!BBH", 0x80 | opcode, 0xFE, length) + _MASK + masked
    return struct.pack("!BBQ", 0x80 | opcode, 0xFF, length) + _MASK + masked


def locate_frame(data: bytes, position: int) -> tuple[int, int, int] | None:
    """Opcode, start of the payload and end of the server's frame at `position`; None while it is incomplete.

    Raises:
        ValueError: it is fragmented or masked; none of the servers measured here does that.
    """
    available = len(data) - position
    if available < 2:
        return None
    first, length = data[position], data[position + 1]
    if not first & 0x80 or length & 0x80:
        raise ValueError("the server sent a fragmented or masked frame")
    start = position + 2
    if length == 126:
        if available < 4:
            return None
        length, start = int.from_bytes(data[position + 2 : position + 4], "big"), position + 4
    elif length == 127:
        if available < 10:
            return None
        length, start = int.from_bytes(data[position + 2 : position + 10], "big"), position + 10
    end = start + length
    return (first & 0x0F, start, end) if end <= len(data) else None
