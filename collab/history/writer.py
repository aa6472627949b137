"""Writes a Yjs v1 update: edits of one new client, and deletions."""

from collections.abc import Iterable

from collab.codec import write_var_string, write_var_uint
from collab.contents import ANY, STRING
from collab.history.id_map import IdMap
from collab.history.values import from_units
from collab.structs import Id

_ORIGIN, _RIGHT_ORIGIN, _KEYED = 0x80, 0x40, 0x20


class UpdateWriter:
    """Collects what one transaction of `client`, which has not edited before, does."""

    def __init__(self, client: int) -> None:
        self.client = client
        self.clock = 0
        self._structs: list[bytes] = []
        self._deleted: IdMap[bool] = IdMap()

    @property
    def empty(self) -> bool:
        return not self._structs and not any(self._deleted)

    def insert(
        self,
        kind: int,
        contents: list[str | bytes],
        *,
        left: Id | None,
        right: Id | None,
        parent: Id | str,
        key: str | None = None,
    ) -> Id:
        """Add an item between two others.

        Args:
            contents: one for each unit; only of a STRING or an ANY may there be several.

        Returns:
            Its last id: what comes next has it on its left.
        """
        info = kind
        place = b""
        if left is not None:
            info |= _ORIGIN
            place += _id(left)
        if right is not None:
            info |= _RIGHT_ORIGIN
            place += _id(right)
        if key is not None:
            info |= _KEYED
        if left is None and right is None:
            place += b"\x01" + write_var_string(parent) if isinstance(parent, str) else b"\x00" + _id(parent)
            if key is not None:
                place += write_var_string(key)
        encoded, length = _encode(kind, contents)
        self._structs.append(bytes((info,)) + place + encoded)
        self.clock += length
        return self.client, self.clock - 1

    def delete(self, client: int, clock: int, length: int) -> None:
        self._deleted.add(client, clock, clock + length, True)

    def update(self) -> bytes:
        parts = [b"\x00"]
        if self._structs:
            parts = [b"\x01", write_var_uint(len(self._structs)), write_var_uint(self.client), b"\x00", *self._structs]
        ranges: dict[int, list[tuple[int, int]]] = {}
        for client, start, end, _ in self._deleted:
            ranges.setdefault(client, []).append((start, end))
        parts.append(write_var_uint(len(ranges)))
        for client, found in ranges.items():
            parts.append(write_var_uint(client) + write_var_uint(len(found)))
            parts += (write_var_uint(start) + write_var_uint(end - start) for start, end in found)
        return b"".join(parts)


def _encode(kind: int, contents: list[str | bytes]) -> tuple[bytes, int]:
    if kind == STRING:
        units = "".join(_texts(contents))
        return write_var_string(from_units(units)), len(units)
    encoded = b"".join(_bytes(contents))
    return (write_var_uint(len(contents)) + encoded, len(contents)) if kind == ANY else (encoded, 1)


def _texts(contents: list[str | bytes]) -> Iterable[str]:
    for content in contents:
        assert isinstance(content, str)
        yield content


def _bytes(contents: list[str | bytes]) -> Iterable[bytes]:
    for content in contents:
        assert isinstance(content, bytes)
        yield content


def _id(of: Id) -> bytes:
    return write_var_uint(of[0]) + write_var_uint(of[1])
