"""lib0 integers and the few Yjs v1 updates that keystrokes are made of, written and read without a CRDT.

Writing an update by hand costs a fiftieth of what a Yjs document would take, so the generator is not the bottleneck;
reading one tells which edits it carries, however the server merged them.
"""

from typing import Final

TEXT: Final = "text"
"""Name of the root type that every generated edit goes to."""

LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"

EMPTY_UPDATE: Final = b"\x00\x00"
EMPTY_STATE_VECTOR: Final = b"\x00"

_GC, _DELETED, _STRING, _SKIP = 0, 1, 4, 10
_HAS_ORIGIN, _HAS_RIGHT_ORIGIN, _HAS_PARENT_SUB = 0x80, 0x40, 0x20
_KIND = 0x1F

Range = tuple[int, int, int]
"""Client id, first clock, clock after the last: a run of characters."""


def varuint(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def read_varuint(data: bytes, position: int) -> tuple[int, int]:
    """The number at `position` and the position behind it."""
    byte = data[position]
    position += 1
    if byte < 0x80:
        return byte, position
    value, shift = byte & 0x7F, 7
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def sized(payload: bytes) -> bytes:
    return varuint(len(payload)) + payload


def letter(client: int, clock: int) -> str:
    """What `client` types as its character number `clock`: the final text tells who wrote what."""
    return LETTERS[(client + clock) % 26]


def insert(client: int, clock: int, text: str) -> bytes:
    """The update of a client that types `text` behind its own previous character, or first of all at the start."""
    identity = varuint(client)
    head = b"\x01\x01" + identity + varuint(clock)
    place = b"\x04\x01" + sized(TEXT.encode()) if clock == 0 else b"\x84" + identity + varuint(clock - 1)
    return head + place + sized(text.encode()) + b"\x00"


def typed(client: int, count: int, per_update: int = 1) -> str:
    """Everything that `client` wrote in `count` updates of `per_update` characters."""
    return "".join(letter(client, index) * per_update for index in range(count))


def ranges(update: bytes) -> list[Range]:
    """The runs of characters that an update carries, in its order; what is deleted counts, what is skipped does not.

    Raises:
        ValueError: it holds content that no keystroke makes.
    """
    found: list[Range] = []
    clients, position = read_varuint(update, 0)
    for _ in range(clients):
        structs, position = read_varuint(update, position)
        client, position = read_varuint(update, position)
        clock, position = read_varuint(update, position)
        for _ in range(structs):
            length, position, is_content = _read_struct(update, position)
            if is_content:
                found.append((client, clock, clock + length))
            clock += length
    return found


def _read_struct(update: bytes, position: int) -> tuple[int, int, bool]:
    """Length in clocks, position behind it, and whether it carries something."""
    info = update[position]
    kind = info & _KIND
    position += 1
    if kind in (_GC, _SKIP):
        length, position = read_varuint(update, position)
        return length, position, kind == _GC
    if info & _HAS_ORIGIN:
        position = _skip_id(update, position)
    if info & _HAS_RIGHT_ORIGIN:
        position = _skip_id(update, position)
    if not info & (_HAS_ORIGIN | _HAS_RIGHT_ORIGIN):
        position = _skip_parent(update, position, bool(info & _HAS_PARENT_SUB))
    length, position = read_varuint(update, position)
    if kind == _DELETED:
        return length, position, True
    if kind != _STRING:
        raise ValueError(f"an update holds content of kind {kind}, which nobody sent")
    text = update[position : position + length]
    units = length if text.isascii() else len(text.decode().encode("utf-16-le")) // 2
    return units, position + length, True


def _skip_id(update: bytes, position: int) -> int:
    _, position = read_varuint(update, position)
    _, position = read_varuint(update, position)
    return position


def _skip_parent(update: bytes, position: int, has_sub: bool) -> int:
    is_root, position = read_varuint(update, position)
    if is_root:
        length, position = read_varuint(update, position)
        position += length
    else:
        position = _skip_id(update, position)
    if has_sub:
        length, position = read_varuint(update, position)
        position += length
    return position
