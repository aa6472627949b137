"""A value for the clocks of clients, kept as ranges: which edits are deleted, who deleted them, which are text."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Generic, TypeVar

V = TypeVar("V")


class IdMap(Generic[V]):
    """Ranges of clocks by client. What was set first stays; neighbours of equal value become one range."""

    def __init__(self) -> None:
        self._clients: dict[int, tuple[list[int], list[int], list[V]]] = {}

    def add(self, client: int, start: int, end: int, value: V) -> list[tuple[int, int]]:
        """Set `value` where there is none yet.

        Returns:
            The ranges that had none.
        """
        added = [(first, last) for first, last, found in self.slices(client, start, end) if found is None]
        for first, last in added:
            self._insert(client, first, last, value)
        return added

    def _insert(self, client: int, start: int, end: int, value: V) -> None:
        starts, ends, values = self._clients.setdefault(client, ([], [], []))
        at = bisect_left(starts, start)
        joins_left = at > 0 and ends[at - 1] == start and values[at - 1] == value
        joins_right = at < len(starts) and starts[at] == end and values[at] == value
        if joins_left and joins_right:
            ends[at - 1] = ends[at]
            del starts[at], ends[at], values[at]
        elif joins_left:
            ends[at - 1] = end
        elif joins_right:
            starts[at] = start
        else:
            starts.insert(at, start)
            ends.insert(at, end)
            values.insert(at, value)

    def get(self, client: int, clock: int) -> V | None:
        found = self._clients.get(client)
        if found is None:
            return None
        starts, ends, values = found
        at = bisect_right(starts, clock) - 1
        return values[at] if at >= 0 and clock < ends[at] else None

    def slices(self, client: int, start: int, end: int) -> Iterator[tuple[int, int, V | None]]:
        """The range cut where values change, in order; None where there is no value."""
        found = self._clients.get(client)
        if found is None:
            if start < end:
                yield start, end, None
            return
        starts, ends, values = found
        at = max(bisect_right(starts, start) - 1, 0)
        while start < end and at < len(starts) and starts[at] < end:
            if ends[at] > start:
                if starts[at] > start:
                    yield start, starts[at], None
                    start = starts[at]
                stop = min(ends[at], end)
                yield start, stop, values[at]
                start = stop
            at += 1
        if start < end:
            yield start, end, None

    def __iter__(self) -> Iterator[tuple[int, int, int, V]]:
        """Client, first clock, end and value of every range."""
        for client, (starts, ends, values) in self._clients.items():
            for start, end, value in zip(starts, ends, values, strict=True):
                yield client, start, end, value
