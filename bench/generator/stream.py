"""What the receivers of a room get, decoded and checked once for all of them.

A server sends the receivers of a room the same frames. So the first receiver to get one adds it to the room's `Stream`,
and for all others one comparison of memory shows that they got exactly the same. Each receiver knows which frames of
the stream it has not got: some servers do not send authors their own edits. A receiver that gets something else leaves
with a stream of its own and is checked alone: slower, never less strict.
"""

from bisect import bisect_right
from collections.abc import Collection
from typing import Final

from bench.generator.codec import EMPTY_UPDATE, Range, ranges

_LOOK_AHEAD: Final = 64
"""Frames that a receiver may have missed in a row before it counts as one that gets something else."""


class Clocks:
    """Which edits have come: every one has to come exactly once."""

    __slots__ = ("_holes", "duplicates", "next")

    def __init__(self) -> None:
        self.next: dict[int, int] = {}
        """For each Yjs client id the clock after the highest that came."""
        self.duplicates = 0
        """Characters that came again."""
        self._holes: dict[int, list[tuple[int, int]]] = {}

    def add(self, client: int, first: int, end: int) -> None:
        expected = self.next.get(client, 0)
        if first == expected:
            self.next[client] = end
            return
        if first > expected:
            self._holes.setdefault(client, []).append((expected, first))
        else:
            self._fill(client, first, min(end, expected))
        self.next[client] = max(end, expected)

    def _fill(self, client: int, first: int, end: int) -> None:
        """Late characters close holes; what closes none came twice."""
        left: list[tuple[int, int]] = []
        filled = 0
        for start, stop in self._holes.get(client, ()):
            low, high = max(start, first), min(stop, end)
            if low >= high:
                left.append((start, stop))
                continue
            filled += high - low
            left.extend(piece for piece in ((start, low), (high, stop)) if piece[0] < piece[1])
        self._holes[client] = left
        self.duplicates += end - first - filled

    @property
    def gaps(self) -> int:
        """Characters that are missing although later ones of the same client came."""
        return sum(stop - start for holes in self._holes.values() for start, stop in holes)

    def lacking(self, client: int, count: int) -> int:
        """How many of the first `count` characters of a client have not come."""
        holes = sum(min(stop, count) - start for start, stop in self._holes.get(client, ()) if start < count)
        return max(0, count - self.next.get(client, 0)) + holes


class Stream:
    """Frames, as bytes and decoded, in the order in which the first receiver of each got them.

    Args:
        private: for one receiver, whatever it gets.
    """

    __slots__ = ("authors", "clocks", "data", "ends", "private", "ranges", "received", "updates")

    def __init__(self, *, private: bool = False) -> None:
        self.private = private
        self.data = bytearray()
        """The frames that carry edits, as they came, one after the other."""
        self.ends: list[int] = []
        """Where in `data` each frame ends."""
        self.updates: list[bytes] = []
        """The update in each frame."""
        self.ranges: list[list[Range]] = []
        """What each of them carries."""
        self.authors: list[int | None] = []
        """Whose edits each of them carries, when they are all of one client."""
        self.clocks = Clocks()
        self.received = 0
        """Characters in all frames, those that came twice included."""

    def append(self, frame: bytes, update: bytes) -> bool:
        """Add what somebody received. False, and nothing is added, when it repeats what is there already."""
        found = ranges(update)
        if not self.private and any(first < self.clocks.next.get(client, 0) for client, first, _ in found):
            return False
        self.data += frame
        self.ends.append(len(self.data))
        self.updates.append(update)
        self.ranges.append(found)
        self._count(found)
        return True

    def _count(self, found: list[Range]) -> None:
        authors = {client for client, _, _ in found}
        self.authors.append(authors.pop() if len(authors) == 1 else None)
        for client, first, end in found:
            self.clocks.add(client, first, end)
            self.received += end - first

    def index(self, position: int) -> int:
        """Number of the frame in which `position` lies or that begins there."""
        return bisect_right(self.ends, position)

    def start(self, index: int) -> int:
        """Where in `data` a frame begins."""
        return self.ends[index - 1] if index else 0

    def frame(self, index: int) -> bytes:
        return bytes(self.data[self.start(index) : self.ends[index]])

    def find(self, frame: bytes, index: int) -> int | None:
        """Number of the frame with these bytes among the next few from number `index` on."""
        for candidate in range(index, min(len(self.ends), index + _LOOK_AHEAD)):
            if self.data.startswith(frame, self.start(candidate)):
                return candidate
        return None

    def branch(self, position: int, without: Collection[int]) -> "Stream":
        """A private stream with the same frames up to `position`, which is where one ends.

        Args:
            without: numbers of frames that its receiver did not get. They stay as bytes, so that positions hold.
        """
        count = self.index(position)
        other = Stream(private=True)
        other.data = self.data[:position]
        other.ends = self.ends[:count]
        for index in range(count):
            got = index not in without
            other.updates.append(self.updates[index] if got else EMPTY_UPDATE)
            other.ranges.append(self.ranges[index] if got else [])
            other._count(other.ranges[index])
        return other
