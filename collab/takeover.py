"""Takes over documents that other servers have stored: update by update, byte for byte, so that clients that have a
copy go on with it.

Yjs bears updates in any order, and keeps what cannot be integrated yet. A log here holds only what integrates at once
(`collab.replay`), so updates are put into an order in which they do. Those that never do are named.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from collab.errors import BadFile, ProtocolError
from collab.guard import Panicked, document_from, guarded, merge
from collab.live import LiveDocument
from collab.replay import Replay
from collab.scanner import STATE_LIMITS, ScannedUpdate, scan_update

_NOTHING = b"\x00\x00"
_REPEATS_BYTES = 512
"""A deletion of this size, and nothing else, may well be one that the document has."""
_CANNOT = "it cannot be applied"


class ForeignUpdate(NamedTuple):
    """What another server stored at once."""

    payload: bytes
    at_ms: int | None = None
    """When, if it says so."""


class _Waiting(NamedTuple):
    number: int
    update: ForeignUpdate
    scanned: ScannedUpdate


@dataclass(slots=True)
class Takeover:
    """What comes of one document."""

    rows: list[ForeignUpdate] = field(default_factory=list)
    """Each integrates into what those before it make, and brings something."""
    faults: list[str] = field(default_factory=list)
    """What of the document is not in `rows`, and why."""


def take_over(updates: Sequence[ForeignUpdate], document_bytes_max: int) -> Takeover:
    """Check updates of one document, and find an order for them.

    Raises:
        LimitExceeded: the document is larger than it may be.
    """
    growing = _Growing()
    waiting: list[_Waiting] = []
    for number, update in enumerate(updates, start=1):
        try:
            if update.payload != _NOTHING:
                waiting.append(_Waiting(number, update, scan_update(update.payload, STATE_LIMITS)))
        except ProtocolError as error:
            growing.refuse(number, _hint(update.payload) or str(error))
    while waiting:
        left = [entry for entry in waiting if not growing.take(entry)]
        growing.settle()
        if len(left) == len(waiting):
            break
        waiting = left
    else:
        left = []
    if left:
        growing.mend(left)
    growing.replay.state(document_bytes_max)
    return growing.found


def news_of(state: bytes, rows: Sequence[ForeignUpdate]) -> bytes | None:
    """What `rows`, as `take_over` gives them, bring to a document that is here already.

    Returns:
        One update; None when all of it is here.

    Raises:
        BadFile: they are another document's; merged, both texts would stand side by side.
    """
    theirs, ours = Replay(), Replay([state])
    try:
        for row in rows:
            theirs.add(row.payload)
        clocks = theirs.live.clocks
        if clocks and ours.live.clocks and clocks.keys().isdisjoint(ours.live.clocks):
            raise BadFile("another document has its name here")
        for row in rows:
            ours.add(row.payload)
        ours.settle()
        return LiveDocument([state]).apply_news([row.payload for row in rows]) if rows else None
    except Panicked:
        raise BadFile("it does not go together with what is here") from None


def _hint(payload: bytes) -> str | None:
    """v2 begins with a byte for features, of which there are none, where v1 has the number of clients."""
    if len(payload) > len(_NOTHING) and payload[0] == 0:
        return "it is no Yjs update of version 1; if it is one of version 2, Y.convertUpdateFormatV2ToV1 converts it"
    return None


class _Growing:
    """The document so far."""

    def __init__(self) -> None:
        self.found = Takeover()
        self.replay = Replay()
        self._pending: list[_Waiting] = []

    def refuse(self, number: int, why: str) -> None:
        self.found.faults.append(f"update {number}: {why}")

    def take(self, entry: _Waiting) -> bool:
        """False: it has to wait for others."""
        if not self.replay.live.attaches(entry.scanned):
            return False
        try:
            if not self._brings_something(entry):
                return True
            self.replay.add(entry.update.payload, entry.scanned)
        except ProtocolError as error:
            self.refuse(entry.number, str(error))
        except Panicked:
            self._pending.append(entry)
            self._one_by_one()
        else:
            self._pending.append(entry)
        return True

    def _brings_something(self, entry: _Waiting) -> bool:
        """Also when it is not sure."""
        payload, scanned = entry.update.payload, entry.scanned
        if self.replay.live.brings_news(scanned):
            return True
        if not scanned.deletes:
            return False
        if not scanned.ranges and len(payload) < _REPEATS_BYTES:
            return True
        self.settle()
        return self.replay.live.deletes_more(payload)

    def settle(self) -> None:
        try:
            self.replay.settle()
        except Panicked:
            self._one_by_one()
        else:
            self.found.rows += (entry.update for entry in self._pending)
            self._pending = []

    def _one_by_one(self) -> None:
        """Find out which of the pending ones cannot be applied, and go on without them and what builds on them."""
        pending, self._pending = self._pending, []
        self._again()
        for entry in pending:
            try:
                self.replay.add(entry.update.payload, entry.scanned)
                self.replay.settle()
            except ProtocolError as error:
                self.refuse(entry.number, str(error))
            except Panicked:
                self.refuse(entry.number, _CANNOT)
                self._again()
            else:
                self.found.rows.append(entry.update)

    def _again(self) -> None:
        self.replay = Replay([row.payload for row in self.found.rows])

    def mend(self, entries: list[_Waiting]) -> None:
        """Take what can be integrated of updates that build on others that are missing."""
        for entry in entries:
            self.refuse(entry.number, "it builds on edits that are not there")
        live = self.replay.live
        try:
            together = guarded(lambda: merge([entry.update.payload for entry in entries]))
            whole = document_from([live.state(), together])
            part = guarded(lambda: whole.get_update(live.vector()))
            scanned = scan_update(part, STATE_LIMITS)
        except (Panicked, ProtocolError):
            return
        last = entries[-1]
        if self.take(_Waiting(last.number, ForeignUpdate(part, last.update.at_ms), scanned)):
            self.settle()
