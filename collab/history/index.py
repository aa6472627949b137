"""Goes through the log once, in pieces, and keeps what would take long to find out again: checkpoints from which any
past state is quickly made, who first used which client id, and who wrote and removed how much when.
"""

import zlib
from collections.abc import Iterable
from typing import Any

from pycrdt import Doc

from collab.contents import STRING
from collab.guard import document_from, guarded
from collab.history.id_map import IdMap
from collab.history.ports import Binding, Chunk, HistoryCheckpoint, Span
from collab.ports import StoredUpdate
from collab.structs import StructTable
from collab.types import Seq

CHUNK_ROWS = 2_000
"""Rows from one checkpoint to the next: what a past state costs at most to make."""
CHUNK_BYTES = 256 * 1024
"""A checkpoint is also due after so many bytes, if they are as many as the document has."""
SPAN_PAUSE_MS = 60_000
"""A pause that ends a span. Sessions are made of spans when they are asked for, with pauses no shorter than this."""
_COMPRESSION = 6


def pack_state(state: bytes) -> bytes:
    return zlib.compress(state, _COMPRESSION)


def unpack_state(packed: bytes) -> bytes:
    return zlib.decompress(packed)


class SpanBuilder:
    """Cuts rows into spans of one person each. Those of several people may overlap."""

    def __init__(self, pause_ms: int = SPAN_PAUSE_MS) -> None:
        self._pause_ms = pause_ms
        self._open: dict[str | None, Span] = {}
        self._closed: list[Span] = []

    def add(self, span: Span) -> None:
        last = self._open.get(span.user_id)
        if last is not None and span.started_ms - last.ended_ms < self._pause_ms:
            self._open[span.user_id] = joined(last, span)
            return
        if last is not None:
            self._closed.append(last)
        self._open[span.user_id] = span

    def spans(self) -> list[Span]:
        """In the order of their last rows."""
        return sorted([*self._closed, *self._open.values()], key=lambda span: span.last)


def joined(one: Span, other: Span) -> Span:
    return Span(
        one.user_id,
        first=min(one.first, other.first),
        last=max(one.last, other.last),
        started_ms=min(one.started_ms, other.started_ms),
        ended_ms=max(one.ended_ms, other.ended_ms),
        updates=one.updates + other.updates,
        added=one.added + other.added,
        removed=one.removed + other.removed,
    )


class Tally:
    """Counts the characters that rows add and remove, one row after another."""

    def __init__(self) -> None:
        self._characters: IdMap[bool] = IdMap()
        self._deleted: IdMap[bool] = IdMap()
        self._clients: set[int] = set()

    def learn(self, state: bytes) -> None:
        """Take up a state in which nothing was collected, without counting it."""
        table = StructTable(state)
        self._take(table)
        self._remove(table)

    def count(self, row: StoredUpdate) -> tuple[Span, list[Binding]]:
        """What one row does, and the client ids that it is the first to use."""
        table = StructTable(row.payload)
        bindings = [Binding(client, row.user_id, row.seq) for client in self._take_clients(table)]
        added = self._take(table)
        removed = self._remove(table)
        span = Span(row.user_id, row.seq, row.seq, row.at_ms, row.at_ms, 1, added, removed)
        return span, bindings

    def _take_clients(self, table: StructTable) -> list[int]:
        found = {struct.client for struct in table.structs} - self._clients
        return sorted(found)

    def _take(self, table: StructTable) -> int:
        added = 0
        for struct in table.structs:
            self._clients.add(struct.client)
            if struct.kind == STRING:
                end = struct.clock + struct.length
                news = self._characters.add(struct.client, struct.clock, end, True)
                added += sum(last - first for first, last in news)
        return added

    def _remove(self, table: StructTable) -> int:
        removed = 0
        for client, start, end in table.deletions():
            for first, last in self._deleted.add(client, start, end, True):
                slices = self._characters.slices(client, first, last)
                removed += sum(stop - begin for begin, stop, is_text in slices if is_text)
        return removed


class Indexer:
    """Goes on from one checkpoint, row by row."""

    def __init__(self, through: Seq, state: bytes | None) -> None:
        """
        Args:
            through: the seq of the checkpoint to go on from; 0 for none.
            state: what `unpack_state` gives for it.

        Raises:
            Panicked: it cannot be applied.
        """
        self.through = through
        self._doc: Doc[Any] = document_from([] if state is None else [state], skip_gc=True)
        self._tally = Tally()
        if state is not None:
            self._tally.learn(state)
        self._state_bytes = len(state or b"")
        self._begin()

    def _begin(self) -> None:
        self._after = self.through
        self._rows = self._bytes = 0
        self._spans = SpanBuilder()
        self._bindings: list[Binding] = []

    @property
    def due(self) -> bool:
        """Whether there is enough for a chunk."""
        return self._rows >= CHUNK_ROWS or self._bytes >= max(CHUNK_BYTES, self._state_bytes)

    @property
    def wanted(self) -> int:
        """How many rows still fit into the chunk."""
        return CHUNK_ROWS - self._rows

    def add(self, rows: Iterable[StoredUpdate]) -> None:
        """Take up the next rows, until a chunk is due.

        Raises:
            Panicked: one of them cannot be applied.
        """
        taken = []
        for row in rows:
            if self.due:
                break
            if row.first is not None:
                # What was thinned out has been counted before, and by whom it was is known.
                self._tally.learn(row.payload)
            else:
                span, bindings = self._tally.count(row)
                self._spans.add(span)
                self._bindings += bindings
            self._rows += 1
            self._bytes += len(row.payload)
            self.through = row.seq
            taken.append(row.payload)
        apply_all(self._doc, taken)

    def chunk(self) -> Chunk:
        """What was gone through since the last chunk; the next one begins here."""
        state = guarded(self._doc.get_update)
        self._state_bytes = len(state)
        checkpoint = HistoryCheckpoint(self.through, pack_state(state))
        chunk = Chunk(self._after, checkpoint, tuple(self._spans.spans()), tuple(self._bindings))
        self._begin()
        return chunk

    def rest(self) -> tuple[list[Span], list[Binding]]:
        """What was gone through since the last chunk, while it is not enough for one."""
        return self._spans.spans(), self._bindings


def apply_all(doc: Doc[Any], updates: list[bytes]) -> None:
    """Apply updates in one transaction.

    Raises:
        Panicked: one of them could not be applied.
    """

    def work() -> None:
        with doc.transaction():
            for update in updates:
                doc.apply_update(update)

    guarded(work)
