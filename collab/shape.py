"""What an update must respect in the document it is applied to, beyond what `scan_update` sees in the update alone.

Some items of more than one clock must stay whole, because yrs does not survive the cut:

- A character beyond U+FFFF has two clocks, since Yjs counts UTF-16 units, and careless bindings do delete half an
  emoji. Yjs then shows U+FFFD. yrs cannot hold half a character: it moves the cut behind the character but not the
  clocks, so that what stands next to it is lost, and the states it encodes afterwards have other clocks than the
  document.
- A value under a key has one clock with every Yjs client. One with more can be cut in two, of which yrs, when it later
  deletes the map around them, frees one and keeps the other with a pointer into freed memory: a handful of updates of
  20 bytes, and the process ends at some later time.

A room remembers where such items are, and refuses the update that would cut one.
"""

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping

from collab.contents import DELETED, STRING
from collab.keystroke import typed_between
from collab.structs import GC, SKIP, Id, Struct, StructTable

_MAYBE_PAIR = re.compile(rb"[\xf0-\xf4][\x80-\xbf]{3}")
"""Every character beyond U+FFFF in UTF-8; other bytes that match cost a closer look."""
_MAYBE_KEY = re.compile(rb"[\x21-\x29]")
"""First byte of every item that names its key."""
_PAIR = re.compile("[\U00010000-\U0010ffff]")


class DocumentShape:
    """Where the items of one document are that must not be cut, and which items are values of keys."""

    def __init__(self) -> None:
        self._inside = _Ranges()
        """Clocks of such items except their first: nothing may begin at one."""
        self._keyed = _Ranges()
        """Clocks of all values of keys, to know the values that take their place."""

    def admit(self, update: bytes, clocks: Mapping[int, int]) -> bool:
        """Check one update, and take it up if it may be applied.

        Args:
            update: passed `scan_update`, and attaches.
            clocks: the document's state vector. Everything before it was admitted or learnt.

        Returns:
            False if it would cut an item of the document or of its own. Nothing has changed then.
        """
        if not self._matters(update) or self._is_plain_typing(update):
            return True
        table = StructTable(update)
        keyed, inside = self._survey(table)
        if any((client, clocks.get(client, 0)) in inside for client in inside.clients()):
            return False
        if any(cut in self._inside or cut in inside for cut in _cuts(table)):
            return False
        self._inside.update(inside)
        self._keyed.update(keyed)
        return True

    def learn(self, update: bytes) -> None:
        """Take up an update that is applied already, for instance the state a room starts from."""
        if self._matters(update):
            keyed, inside = self._survey(StructTable(update))
            self._inside.update(inside)
            self._keyed.update(keyed)

    def _matters(self, update: bytes) -> bool:
        if self._inside or self._keyed:
            return True
        return _MAYBE_PAIR.search(update) is not None or _MAYBE_KEY.search(update) is not None

    def _is_plain_typing(self, update: bytes) -> bool:
        """Whether it is text that cuts nothing and belongs to no key, by the quick way."""
        typed = typed_between(update)
        if typed is None:
            return False
        origin, right_origin = typed
        if origin in self._keyed or (origin[0], origin[1] + 1) in self._inside:
            return False
        return right_origin is None or (right_origin not in self._keyed and right_origin not in self._inside)

    def _survey(self, table: StructTable) -> tuple["_Ranges", "_Ranges"]:
        keyed, inside = _Ranges(), _Ranges()
        long_values = []
        for struct, is_keyed in zip(table.structs, self._are_keyed(table), strict=True):
            end = struct.clock + struct.length
            if is_keyed:
                keyed.add(struct.client, struct.clock, end)
                if struct.length > 1 and struct.kind != DELETED:
                    long_values.append(struct)
                    continue
            if struct.kind == STRING:
                for middle in _middles(table, struct):
                    inside.add(struct.client, middle, middle + 1)
        if long_values:
            deleted = _Ranges()
            for client, start, end in table.deletions():
                deleted.add(client, start, end)
            for struct in long_values:
                # Yjs merges values that were replaced one after another; cutting those is harmless.
                if not deleted.covers(struct.client, struct.clock, struct.clock + struct.length):
                    inside.add(struct.client, struct.clock + 1, struct.clock + struct.length)
        return keyed, inside

    def _are_keyed(self, table: StructTable) -> list[bool]:
        """For each struct whether yrs takes it for the value of a key: it says so, or one of its neighbours is."""
        structs = table.structs
        known: list[bool | None] = [struct.keyed if struct.parent is not None else None for struct in structs]
        for index in range(len(structs)):
            pending = [index]
            while pending:
                at = pending[-1]
                verdict = known[at]
                if verdict is None:
                    verdict = self._inherits(table, structs[at], known, pending)
                if verdict is not None:
                    known[at] = verdict
                    pending.pop()
        return [bool(verdict) for verdict in known]

    def _inherits(
        self, table: StructTable, struct: Struct, known: list[bool | None], pending: list[int]
    ) -> bool | None:
        """None after adding to `pending` what has to be known first."""
        verdict = False
        waits = False
        for origin in (struct.origin, struct.right_origin):
            if origin is None:
                continue
            index = table.find(origin)
            if index is None or table.structs[index].kind in (GC, SKIP):
                verdict = verdict or origin in self._keyed
            elif known[index] is None:
                pending.append(index)
                waits = True
            else:
                verdict = verdict or bool(known[index])
        return None if waits else verdict


class _Ranges:
    """A set of clocks by client: runs of them, eight bytes each."""

    __slots__ = ("_runs",)

    def __init__(self) -> None:
        self._runs: dict[int, tuple[array[int], array[int]]] = {}

    def __bool__(self) -> bool:
        return bool(self._runs)

    def __contains__(self, of: Id) -> bool:
        return self.covers(of[0], of[1], of[1] + 1)

    def clients(self) -> Iterator[int]:
        return iter(self._runs)

    def covers(self, client: int, start: int, end: int) -> bool:
        runs = self._runs.get(client)
        if runs is None:
            return False
        starts, ends = runs
        nth = bisect_right(starts, start) - 1
        return nth >= 0 and end <= ends[nth]

    def add(self, client: int, start: int, end: int) -> None:
        """Runs come in ascending order but for the odd one; what is there already is not added again."""
        runs = self._runs.get(client)
        if runs is None:
            self._runs[client] = array("i", (start,)), array("i", (end,))
            return
        starts, ends = runs
        if start > ends[-1]:
            starts.append(start)
            ends.append(end)
        elif start == ends[-1]:
            ends[-1] = end
        elif not self.covers(client, start, end):
            self._insert(starts, ends, start, end)

    @staticmethod
    def _insert(starts: "array[int]", ends: "array[int]", start: int, end: int) -> None:
        first = bisect_left(ends, start)
        last = bisect_right(starts, end)
        if first < last:
            start, end = min(start, starts[first]), max(end, ends[last - 1])
        starts[first:last] = array("i", (start,))
        ends[first:last] = array("i", (end,))

    def update(self, other: "_Ranges") -> None:
        for client, (starts, ends) in other._runs.items():
            for start, end in zip(starts, ends, strict=True):
                self.add(client, start, end)


def _middles(table: StructTable, struct: Struct) -> Iterator[int]:
    """Clocks of the second halves of surrogate pairs."""
    text = table.text(struct)
    if not text.isascii():
        for nth, pair in enumerate(_PAIR.finditer(text.decode()), start=1):
            yield struct.clock + pair.start() + nth


def _cuts(table: StructTable) -> Iterator[Id]:
    """Clocks that something begins at or ends before."""
    for struct in table.structs:
        if struct.origin is not None:
            yield struct.origin[0], struct.origin[1] + 1
        if struct.right_origin is not None:
            yield struct.right_origin
    for client, start, end in table.deletions():
        yield client, start
        yield client, end
