"""The y-websocket messages as bytes, written down once more, independently of the code under test."""

from dataclasses import dataclass

SYNC, AWARENESS, AUTH, QUERY_AWARENESS, SAVED = 0, 1, 2, 3, 102
STEP_1, STEP_2, UPDATE = 0, 1, 2


def varuint(value: int) -> bytes:
    """lib0: seven bits a byte, lowest first, the high bit says that more follow."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def sized(payload: bytes) -> bytes:
    return varuint(len(payload)) + payload


def step1(state_vector: bytes) -> bytes:
    return bytes((SYNC, STEP_1)) + sized(state_vector)


def step2(update: bytes) -> bytes:
    return bytes((SYNC, STEP_2)) + sized(update)


def update(payload: bytes) -> bytes:
    return bytes((SYNC, UPDATE)) + sized(payload)


def saved(marker: int) -> bytes:
    """Asks for an echo once everything sent before it is committed."""
    return bytes((SAVED,)) + sized(varuint(marker))


def awareness(entries: list[tuple[int, int, str]]) -> bytes:
    """`entries`: client id, clock, state as JSON."""
    body = b"".join(varuint(client) + varuint(clock) + sized(state.encode()) for client, clock, state in entries)
    return bytes((AWARENESS,)) + sized(varuint(len(entries)) + body)


def read_varuint(data: bytes, position: int = 0) -> tuple[int, int]:
    """The number at `position` and the position behind it."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position


@dataclass(frozen=True, slots=True)
class Message:
    kind: int
    step: int | None
    """Of a SYNC message: STEP_1, STEP_2 or UPDATE. Of an AUTH message: 0, denied."""
    payload: bytes


def parse(data: bytes) -> Message:
    kind, position = read_varuint(data)
    step = None
    if kind in (SYNC, AUTH):
        step, position = read_varuint(data, position)
    if kind == QUERY_AWARENESS:
        return Message(kind, step, b"")
    length, position = read_varuint(data, position)
    payload = data[position : position + length]
    assert len(payload) == length == len(data) - position, f"the server sent a message of the wrong size: {data!r}"
    return Message(kind, step, payload)
