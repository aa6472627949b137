"""The structs of a scanned update and what each of them hangs from.

For the questions that need the whole picture: which shared type a root is (`collab.roots`), how deep types are nested
(`collab.scanner`, for large updates). About 3 us a struct: not for the path of an edit.
"""

from bisect import bisect_right
from collections.abc import Iterator
from typing import Final, NamedTuple

from collab.codec import read_long_var_uint
from collab.contents import DELETED, TYPE, Allowance, skip_content, span
from collab.errors import MalformedMessage

GC: Final = 0
SKIP: Final = 10

Id = tuple[int, int]
"""Client and clock."""


class Struct(NamedTuple):
    """One struct as it is written: its parent only where neither origin says it."""

    kind: int
    """A kind of `collab.contents`, GC or SKIP."""
    client: int
    clock: int
    length: int
    origin: Id | None
    right_origin: Id | None
    parent: Id | str | None
    """Id of the item that holds the parent type, or name of the root."""
    key: str | None
    """The key it is the value of; None for an element of the sequence. Only known together with `parent`."""
    type_number: int
    """A TYPE_ number of `collab.contents`; -1 unless `kind` is TYPE."""
    content: int
    """Where in the update its content is written."""

    @property
    def keyed(self) -> bool:
        return self.key is not None


def allowance_of(update: bytes) -> Allowance:
    """As much as its bytes allow: the scan has held it to its limits already."""
    return Allowance(depth=len(update), name_bytes=len(update), values=len(update))


class StructTable:
    """All structs of an update that passed `scan_update`, in order of appearance."""

    def __init__(self, update: bytes) -> None:
        self.structs: list[Struct] = []
        self._starts: dict[int, list[int]] = {}
        self._first: dict[int, int] = {}
        self.update = update
        count, position = read_var_uint(update, 0)
        for _ in range(count):
            position = self._read_section(update, position)
        self._deletions = position

    def _read_section(self, data: bytes, position: int) -> int:
        count, position = read_var_uint(data, position)
        client, position = read_var_uint(data, position)
        clock, position = read_var_uint(data, position)
        allowance = allowance_of(data)
        starts = self._starts[client] = []
        self._first[client] = len(self.structs)
        for _ in range(count):
            struct, position = read_struct(data, position, client, clock, allowance)
            if struct.length:
                starts.append(clock)
                self.structs.append(struct)
                clock += struct.length
        return position

    def find(self, of: Id) -> int | None:
        """Index of the struct that holds this clock; None when it is not in the update."""
        starts = self._starts.get(of[0])
        if not starts:
            return None
        nth = bisect_right(starts, of[1]) - 1
        if nth < 0:
            return None
        index = self._first[of[0]] + nth
        struct = self.structs[index]
        return index if of[1] < struct.clock + struct.length else None

    def text(self, struct: Struct) -> bytes:
        """UTF-8 of a STRING."""
        start, end = span(self.update, struct.content)
        return self.update[start:end]

    def end_of(self, struct: Struct) -> int:
        """Where in the update the content of a struct ends."""
        return skip_content(self.update, struct.content, struct.kind, allowance_of(self.update))[0]

    def deletions(self) -> Iterator[tuple[int, int, int]]:
        """Client, first clock and end of everything it deletes."""
        return read_deletions(self.update, self._deletions)

    def anchors(self) -> list[int | None]:
        """For each struct the index of the one that says its parent: itself, or one it came to stand beside.

        None where that is not in the update or was garbage collected.
        """
        known: dict[int, int | None] = {}
        return [self._anchor(index, known) for index in range(len(self.structs))]

    def _anchor(self, index: int, known: dict[int, int | None]) -> int | None:
        """The anchor of one struct; `known` keeps what was found on the way."""
        path: list[int] = []
        at: int | None = index
        while at is not None and at not in known:
            struct = self.structs[at]
            path.append(at)
            known[at] = None  # an update that passed the scan has no circles; this ends one all the same
            if struct.parent is not None:
                known[at] = at
                break
            at = self._neighbour(struct)
        anchor = None if at is None else known[at]
        for passed in path:
            known[passed] = anchor
        return anchor

    def _neighbour(self, struct: Struct) -> int | None:
        for origin in (struct.origin, struct.right_origin):
            if origin is not None:
                index = self.find(origin)
                if index is not None and self.structs[index].kind not in (GC, SKIP):
                    return index
        return None

    def type_levels(self) -> int:
        """Length of the longest chain of shared types nested in one another, counted within the update."""
        anchors: dict[int, int | None] = {}
        levels: dict[int, int] = {}
        for index, struct in enumerate(self.structs):
            if struct.kind != TYPE:
                continue
            path: list[int] = []
            at: int | None = index
            while at is not None and at not in levels:
                path.append(at)
                levels[at] = 0
                at = self._parent_type(self._anchor(at, anchors))
            level = 0 if at is None else levels[at]
            for passed in reversed(path):
                level += 1
                levels[passed] = level
        return max(levels.values(), default=0)

    def _parent_type(self, anchor: int | None) -> int | None:
        if anchor is None:
            return None
        parent = self.structs[anchor].parent
        index = self.find(parent) if isinstance(parent, tuple) else None
        return index if index is not None and self.structs[index].kind == TYPE else None

    def check_parents(self) -> None:
        """Raises:
        MalformedMessage: an item hangs from something that is not a shared type. yrs finds out half-way through
            applying it.
        """
        for struct in self.structs:
            index = self.find(struct.parent) if isinstance(struct.parent, tuple) else None
            if index is not None and self.structs[index].kind not in (TYPE, DELETED, GC, SKIP):
                raise MalformedMessage("an item's parent is not a shared type")


def read_deletions(update: bytes, position: int) -> Iterator[tuple[int, int, int]]:
    """Client, first clock and end of everything deleted by the delete set at `position`."""
    count, position = read_var_uint(update, position)
    for _ in range(count):
        client, position = read_var_uint(update, position)
        ranges, position = read_var_uint(update, position)
        for _ in range(ranges):
            start, position = read_var_uint(update, position)
            length, position = read_var_uint(update, position)
            yield client, start, start + length


def read_var_uint(data: bytes, position: int) -> tuple[int, int]:
    """An integer of an update that passed the scan, and the position after it."""
    value = data[position]
    position += 1
    return read_long_var_uint(data, position) if value > 127 else (value, position)


def _read_id(data: bytes, position: int) -> tuple[Id, int]:
    client, position = read_var_uint(data, position)
    clock, position = read_var_uint(data, position)
    return (client, clock), position


def read_struct(data: bytes, position: int, client: int, clock: int, allowance: Allowance) -> tuple[Struct, int]:
    """The struct at `position`, and the position after it."""
    info = data[position]
    position += 1
    if info in (GC, SKIP):
        length, position = read_var_uint(data, position)
        return Struct(info, client, clock, length, None, None, None, None, -1, position), position
    origin = right_origin = None
    parent: Id | str | None = None
    key: str | None = None
    if info & 0x80:
        origin, position = _read_id(data, position)
    if info & 0x40:
        right_origin, position = _read_id(data, position)
    if not info & 0xC0:
        if data[position]:
            start, end = span(data, position + 1)
            parent, position = data[start:end].decode(), end
        else:
            parent, position = _read_id(data, position + 1)
        if info & 0x20:
            start, end = span(data, position)
            key, position = data[start:end].decode(), end
    kind = info & 31
    type_number = data[position] if kind == TYPE else -1
    end, length = skip_content(data, position, kind, allowance)
    return Struct(kind, client, clock, length, origin, right_origin, parent, key, type_number, position), end
