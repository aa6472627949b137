"""Characters that take two clocks, and updates that cut one in half.

Yjs counts UTF-16 units, so half of an emoji can be deleted, or be what an edit is attached to: careless bindings do it.
Yjs then shows U+FFFD in place of each half. yrs cannot hold half a character: it moves the cut behind the character but
not the clocks, so that what stands next to it is lost, and the states it encodes afterwards have other clocks than the
document. A room that remembers where such characters are can refuse the update instead.
"""

import re
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping

from collab.contents import STRING
from collab.structs import Id, StructTable

_MAYBE_PAIR = re.compile(rb"[\xf0-\xf4][\x80-\xbf]{3}")
"""Every character beyond U+FFFF in UTF-8; other bytes that match cost a closer look."""
_PAIR = re.compile("[\U00010000-\U0010ffff]")


class SurrogatePairs:
    """Where the characters of two clocks are in one document: four bytes of memory for each."""

    def __init__(self) -> None:
        self._middles: dict[int, array[int]] = {}
        """By client the clocks of all second halves, ascending."""

    def learn(self, update: bytes) -> None:
        """Remember the characters of an update that passed `scan_update` and is applied."""
        if _MAYBE_PAIR.search(update) is None:
            return
        for client, clock in _middles(StructTable(update)):
            known = self._middles.setdefault(client, array("i"))
            place = len(known) if not known or clock > known[-1] else bisect_left(known, clock)
            if place == len(known) or known[place] != clock:
                known.insert(place, clock)

    def cut_by(self, update: bytes, clocks: Mapping[int, int]) -> bool:
        """Whether applying an update would cut a character of the document or of the update itself.

        Args:
            update: passed `scan_update`.
            clocks: the document's state vector.
        """
        brings_pairs = _MAYBE_PAIR.search(update) is not None
        if not brings_pairs and not self._middles:
            return False
        table = StructTable(update)
        own = set(_middles(table)) if brings_pairs else set()
        if any(clocks.get(client, 0) == clock for client, clock in own):
            return True
        return any(cut in own or self._holds(cut) for cut in _cuts(table))

    def _holds(self, cut: Id) -> bool:
        known = self._middles.get(cut[0])
        if known is None:
            return False
        place = bisect_left(known, cut[1])
        return place < len(known) and known[place] == cut[1]


def _middles(table: StructTable) -> Iterator[Id]:
    for struct in table.structs:
        if struct.kind == STRING:
            text = table.text(struct)
            if not text.isascii():
                for nth, pair in enumerate(_PAIR.finditer(text.decode()), start=1):
                    yield struct.client, struct.clock + pair.start() + nth


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
