"""Thins the past out: rows that are old become one row for each state that is kept, or a single one.

T1  What the document is does not change, and neither does any kept state: the rows that stand in for others make them.
T2  A row that stands in for others holds nothing that was deleted by then; only where it stood in a kept state does a
    text that was deleted later remain. With `Keep.NONE` nothing remains that was deleted before the horizon.
T3  Who first used which client id stays known, so that every character that is left keeps its author.
T4  The state that everything after the horizon builds on is always kept: nothing that came later, and nobody who comes
    back, notices.
"""

from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pycrdt import Doc

from collab.codec import decode_state_vector
from collab.errors import CorruptUpdate, HistoryGone
from collab.guard import document_from, guarded
from collab.history.id_map import IdMap
from collab.history.index import SpanBuilder, Tally, apply_all
from collab.history.ports import Binding, Span
from collab.ports import StoredUpdate
from collab.structs import StructTable
from collab.types import Seq

_DAY_MS = 24 * 60 * 60 * 1000


class Keep(Enum):
    """What is kept of the time before the horizon."""

    DAILY = "daily"
    """The last state of each day, in UTC, and every state that has a name."""
    NONE = "none"
    """The state at the horizon."""


@dataclass(frozen=True, slots=True)
class Thinning:
    """What replaces all rows through `through`."""

    epoch: str
    """The lineage of the log that it was made from."""
    keep: Keep
    through: Seq
    rows: tuple[StoredUpdate, ...]
    """Their `first` is set."""
    after: Seq
    """Spans and bindings of rows through this one are known already."""
    spans: tuple[Span, ...]
    bindings: tuple[Binding, ...]
    """Of the rows after `after` through `through`."""
    rows_before: int
    bytes_before: int

    @property
    def bytes_after(self) -> int:
        return sum(len(row.payload) for row in self.rows)


class Thinner:
    """Takes all rows of a document in order; `finish` gives what is to replace those before the horizon.

    The horizon lies before the first row that is not older than `before_ms`.
    """

    def __init__(self, epoch: str, kept: Sequence[Seq], keep: Keep, named: Collection[Seq], before_ms: int) -> None:
        self._epoch = epoch
        self._kept = kept
        self._keep = keep
        self._named = named
        self._before_ms = before_ms
        self._doc: Doc[Any] = Doc()
        self._vector = self._doc.get_state()
        self._last: StoredUpdate | None = None
        self._pending: list[bytes] = []
        self._rows: list[StoredUpdate] = []
        self._tally = Tally()
        self._spans = SpanBuilder()
        self._bindings: list[Binding] = []
        self._rows_before = self._bytes_before = 0

    def take(self, rows: Sequence[StoredUpdate]) -> bool:
        """False when the horizon is reached.

        Raises:
            Panicked: a row cannot be applied.
        """
        for row in rows:
            if row.at_ms >= self._before_ms:
                return False
            if self._last is not None and self._is_kept(self._last, row):
                self._cut()
            self._count(row)
            self._pending.append(row.payload)
            self._last = row
        apply_all(self._doc, self._pending)
        self._pending = []
        return True

    def _is_kept(self, row: StoredUpdate, following: StoredUpdate) -> bool:
        if self._keep is Keep.NONE:
            return False
        return row.seq in self._named or row.at_ms // _DAY_MS != following.at_ms // _DAY_MS

    def _count(self, row: StoredUpdate) -> None:
        self._rows_before += 1
        self._bytes_before += len(row.payload)
        if row.first is not None:
            self._tally.learn(row.payload)
            return
        span, bindings = self._tally.count(row)
        self._spans.add(span)
        self._bindings += bindings

    def _cut(self) -> None:
        """Everything since the last cut becomes one row."""
        assert self._last is not None
        apply_all(self._doc, self._pending)
        self._pending = []
        payload = guarded(lambda: self._doc.get_update(self._vector))
        self._vector = self._doc.get_state()
        first = Seq(self._rows[-1].seq + 1 if self._rows else 1)
        self._rows.append(StoredUpdate(self._last.seq, None, self._last.at_ms, payload, first))

    def finish(self) -> Thinning | None:
        """None if nothing would change.

        Raises:
            Panicked: a row cannot be applied.
            CorruptUpdate: the new rows would not make the same document.
        """
        if self._last is None:
            return None
        self._cut()
        if [row.seq for row in self._rows] == [*self._kept]:
            return None
        self._verify()
        return Thinning(
            self._epoch,
            self._keep,
            self._last.seq,
            tuple(self._rows),
            self._kept[-1] if self._kept else Seq(0),
            tuple(self._spans.spans()),
            tuple(self._bindings),
            self._rows_before,
            self._bytes_before,
        )

    def _verify(self) -> None:
        """Rule T1, before anybody relies on it."""
        again = document_from([row.payload for row in self._rows])
        if _shape(again) != _shape(self._doc):
            raise CorruptUpdate("the thinned rows would not make the same document; nothing was changed")


def _shape(doc: Doc[Any]) -> tuple[dict[int, int], list[tuple[int, int, int, bool]]]:
    """Which edits a document knows, and which of them are deleted."""
    deleted: IdMap[bool] = IdMap()
    for client, start, end in StructTable(guarded(doc.get_update)).deletions():
        deleted.add(client, start, end, True)
    return decode_state_vector(doc.get_state()), sorted(deleted)


def check_kept(kept: Sequence[Seq], at: Seq) -> None:
    """
    Args:
        kept: as `HistoryStore.kept` gives it.

    Raises:
        HistoryGone: the state at `at` was thinned out; the text names the ones next to it.
    """
    if at == 0 or not kept or at > kept[-1]:
        return
    place = bisect_left(kept, at)
    if kept[place] != at:
        before = kept[place - 1] if place else 0
        raise HistoryGone(f"the state at seq {at} was thinned out; next to it are those at {before} and {kept[place]}")
