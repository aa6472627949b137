"""What a restore brought back is a copy, and a copy is by whoever wrote the original.

A restore's edits have a client id of their own. For each of them it is kept which edit it repeats, so that authorship
survives any number of restores without a person's name being written anywhere.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from collab.codec import Reader, write_var_uint
from collab.structs import Id


class Copy(NamedTuple):
    """A run of edits of a restore and the edits that it repeats."""

    clock: int
    length: int
    client: int
    source: int
    """First clock of what it repeats, by `client`."""


class Copies:
    """All that restores have copied in one document."""

    def __init__(self, restores: Iterable[tuple[int, bytes]] = ()) -> None:
        """
        Args:
            restores: the client id of each restore, and its copies as `encode_copies` writes them.
        """
        self._runs = {client: decode_copies(encoded) for client, encoded in restores}
        self._starts = {client: [run.clock for run in runs] for client, runs in self._runs.items()}

    def original(self, client: int, clock: int) -> Id:
        """The edit that this one repeats; itself if it is no copy."""
        runs = self._runs.get(client)
        if not runs:
            return client, clock
        at = bisect_right(self._starts[client], clock) - 1
        if at >= 0 and clock < runs[at].clock + runs[at].length:
            run = runs[at]
            return run.client, run.source + clock - run.clock
        return client, clock

    def copies_of(self, original: Id) -> Iterator[Id]:
        """Every copy of an edit."""
        for client, runs in self._runs.items():
            for run in runs:
                if run.client == original[0] and run.source <= original[1] < run.source + run.length:
                    yield client, run.clock + original[1] - run.source

    @property
    def clients(self) -> frozenset[int]:
        return frozenset(self._runs)


def encode_copies(copies: Iterable[Copy]) -> bytes:
    return b"".join(write_var_uint(number) for copy in _joined(copies) for number in copy)


def decode_copies(encoded: bytes) -> list[Copy]:
    """
    Raises:
        MalformedMessage: they are none.
    """
    reader = Reader(encoded)
    found = []
    while not reader.at_end:
        found.append(Copy(reader.var_uint(), reader.var_uint(), reader.var_uint(), reader.var_uint()))
    return found


def _joined(copies: Iterable[Copy]) -> list[Copy]:
    joined: list[Copy] = []
    for copy in copies:
        last = joined[-1] if joined else None
        if (
            last is not None
            and copy.client == last.client
            and copy.clock == last.clock + last.length
            and copy.source == last.source + last.length
        ):
            joined[-1] = last._replace(length=last.length + copy.length)
        else:
            joined.append(copy)
    return joined
