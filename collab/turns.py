"""Held sync steps 2 that build on one another: which can be taken together, and in which order.

After a crash of the server, edits that were relayed and not yet committed live on in the clients. Each brings back its
own and everybody else's, and somebody's edits are taken from nobody but him while he is connected (rule R2). So of each
sync step 2 there is a part that may be taken: the sections of client ids that no other connection owns. Two authors'
parts build on each other in turns, as they wrote them.

T1  A part is taken as a whole or not at all: what its author did in one transaction is not torn.
T2  Every piece attaches to what was there and to the pieces before it, and holds edits of one part alone: rows of two
    people stay two rows, and can be replayed in order.
T3  Time is proportional to the bytes of the parts; what people hold back is walked through once when it comes.
"""

import heapq
from collections import deque
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from collab.codec import write_var_uint
from collab.structs import SKIP, Struct, allowance_of, read_deletions, read_struct, read_var_uint

SPLIT_STRUCTS_MAX = 50_000
"""An update of more structs waits as a whole. About 3 us each, twice."""


@dataclass(frozen=True, slots=True)
class Section:
    """The structs of one client in an update."""

    client: int
    start: int
    """First clock."""
    end: int
    needs: dict[int, int]
    """By other client, the clock that must have been reached."""
    has_gap: bool
    """Some of its edits in between are missing: whoever sent it lacks them, too."""
    count: int
    """Number of structs."""
    begin: int
    """Where in the update the section begins, its first struct begins, and it ends."""
    first: int
    close: int


@dataclass(frozen=True, slots=True)
class Sections:
    """An update that passed `scan_update`, by client."""

    update: bytes
    sections: tuple[Section, ...]
    deletes: dict[int, int]
    """By client, the end of what it deletes."""
    deletions: bytes
    """Its delete set, encoded."""

    def only(self, clients: Container[int]) -> bytes:
        """The edits of `clients`, as an update without deletions."""
        chosen = [self.update[one.begin : one.close] for one in self.sections if one.client in clients]
        return write_var_uint(len(chosen)) + b"".join(chosen) + b"\x00"


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What may be taken of one update."""

    whole: Sections
    sections: tuple[Section, ...]


def split(update: bytes) -> Sections:
    """Take an update apart."""
    count, position = read_var_uint(update, 0)
    sections = []
    for _ in range(count):
        begin = position
        structs, position = read_var_uint(update, position)
        client, position = read_var_uint(update, position)
        start, position = read_var_uint(update, position)
        first, clock = position, start
        needs: dict[int, int] = {}
        has_gap = False
        allowance = allowance_of(update)
        for _ in range(structs):
            struct, position = read_struct(update, position, client, clock, allowance)
            has_gap |= struct.kind == SKIP
            for other, at in _builds_on(struct):
                if at >= needs.get(other, 0):
                    needs[other] = at + 1
            clock += struct.length
        sections.append(Section(client, start, clock, needs, has_gap, structs, begin, first, position))
    deletes: dict[int, int] = {}
    for client, _, end in read_deletions(update, position):
        deletes[client] = max(end, deletes.get(client, 0))
    return Sections(update, tuple(sections), deletes, update[position:])


def takable(clocks: Mapping[int, int], parts: Sequence[Part]) -> list[Part]:
    """The largest set of parts that together bring whatever each of them builds on, as far as clocks tell."""
    left = list(parts)
    while True:
        reach: dict[int, int] = {}
        for part in left:
            for section in part.sections:
                reach[section.client] = max(section.end, reach.get(section.client, 0))
        kept = [part for part in left if _is_within(part, clocks, reach)]
        if len(kept) == len(left):
            return kept
        left = kept


def in_turns(clocks: Mapping[int, int], parts: Sequence[Part]) -> tuple[list[tuple[Part, bytes]], list[Part]]:
    """Put `parts` in order, piece by piece.

    Returns:
        Updates in an order in which each attaches, with the part each is of. At the end come the deletions of every
        part, if only to say that there are none, and those of parts that bring no edit after all others. And the parts
        that build on one another in a circle, which no client writes; if there are any, the pieces are of no use.
    """
    reached: dict[int, int] = {}
    pieces: list[tuple[Part, bytes]] = []
    ready = deque(_Cursor(part, section) for part in parts for section in part.sections)
    asleep: dict[int, list[tuple[int, int, _Cursor]]] = {}
    naps = 0
    while ready:
        cursor = ready.popleft()
        piece = cursor.advance(clocks, reached)
        if piece is not None:
            pieces.append((cursor.part, piece))
            waiting = asleep.get(cursor.section.client, [])
            while waiting and waiting[0][0] < reached[cursor.section.client]:
                ready.append(heapq.heappop(waiting)[2])
        if cursor.waits_for is not None:
            naps += 1
            client, at = cursor.waits_for
            heapq.heappush(asleep.setdefault(client, []), (at, naps, cursor))
    stuck = [cursor.part for sleepers in asleep.values() for _, _, cursor in sleepers]
    bringing = {part for part, _ in pieces}
    deletions = [
        (part, b"\x00" + part.whole.deletions) for part in sorted(parts, key=lambda part: part not in bringing)
    ]
    return pieces + deletions, stuck


class _Cursor:
    """How far the edits of one section are taken."""

    __slots__ = ("_allowance", "_clock", "_left", "_position", "part", "section", "waits_for")

    def __init__(self, part: Part, section: Section) -> None:
        self.part = part
        self.section = section
        self.waits_for: tuple[int, int] | None = None
        """Client and clock of what the next struct builds on, after `advance`."""
        self._position = section.first
        self._clock = section.start
        self._left = section.count
        self._allowance = allowance_of(part.whole.update)

    def advance(self, clocks: Mapping[int, int], reached: dict[int, int]) -> bytes | None:
        """What can be taken from here on, as one update. `reached` is where the clients have come to beyond `clocks`,
        and is brought up to date."""
        update, client = self.part.whole.update, self.section.client
        self.waits_for = None
        taken = 0
        begin = start = end = 0
        while self._left:
            struct, after = read_struct(update, self._position, client, self._clock, self._allowance)
            clock = self._clock + struct.length
            if taken or clock > (reached.get(client) or clocks.get(client, 0)):
                self.waits_for = next(
                    (on for on in _builds_on(struct) if on[1] >= (reached.get(on[0]) or clocks.get(on[0], 0))), None
                )
                if self.waits_for is not None:
                    break
                if not taken:
                    begin, start = self._position, self._clock
                taken += 1
                end = after
                reached[client] = clock
            self._position, self._clock = after, clock
            self._left -= 1
        if not taken:
            return None
        head = b"\x01" + write_var_uint(taken) + write_var_uint(client) + write_var_uint(start)
        return head + update[begin:end] + b"\x00"


def _is_within(part: Part, clocks: Mapping[int, int], reach: Mapping[int, int]) -> bool:
    return all(
        section.start <= clocks.get(section.client, 0) and _has(section.needs, clocks, reach)
        for section in part.sections
    ) and _has(part.whole.deletes, clocks, reach)


def _has(needs: Mapping[int, int], clocks: Mapping[int, int], reach: Mapping[int, int]) -> bool:
    return all(clock <= clocks.get(client, 0) or clock <= reach.get(client, 0) for client, clock in needs.items())


def _builds_on(struct: Struct) -> list[tuple[int, int]]:
    """Structs of other clients that it needs."""
    named = (struct.origin, struct.right_origin, struct.parent)
    return [on for on in named if isinstance(on, tuple) and on[0] != struct.client]
