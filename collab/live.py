"""The Doc of one room, with the questions a room asks it. Every call into pycrdt here goes through the guard.

`clocks` is the Doc's state vector plus what the room has accepted and not applied yet, so that whether an update
attaches is a matter of dictionary look-ups.
"""

from collections.abc import Iterable
from typing import Any

from pycrdt import Doc

from collab.codec import decode_state_vector
from collab.deletions import Deletions
from collab.guard import NOT_PANICS, Panicked, document_from, guarded, merge
from collab.scanner import ScannedUpdate
from collab.shape import DocumentShape
from collab.structs import StructTable

LEVELS_MAX = 2_000
"""Shared types nested in one another in one document. yrs overflows the stack when it deletes about 33,000."""
_TYPE_BYTES_MIN = 6
"""The shortest encoding of a nested shared type; what is loaded nests no deeper than its bytes allow."""
_ANSWERS_MAX = 16
_NOTHING = b"\x00"
_KNOWN_MAX = 8
_KNOWN_BYTES_MAX = 128 * 1024


class LiveDocument:
    """A Doc made from `parts`, scanned updates in an order in which they attach.

    Raises:
        Panicked: from every method that touches the Doc; the LiveDocument must then be thrown away.
    """

    def __init__(self, parts: list[bytes]) -> None:
        self._doc: Doc[Any] = document_from(parts)
        self._raw = self._doc._doc
        self._vector: bytes | None = None
        # A document opened from its checkpoint need not be encoded for the first who has nothing of it.
        self._answers: dict[bytes, bytes] = {_NOTHING: parts[0]} if len(parts) == 1 else {}
        self._deletions: Deletions | None = None
        self._sharing: set[bytes] = set()
        self.clocks: dict[int, int] = decode_state_vector(self.vector())
        self._known: dict[bytes, None] = {}
        self._shape: DocumentShape | None = None
        self._levels = sum(map(len, parts)) // _TYPE_BYTES_MIN
        """No fewer than there are."""

    def apply(self, updates: list[bytes]) -> bytes:
        """Apply `updates` as one, and return them merged: what to relay and to store."""
        merged = updates[0] if len(updates) == 1 else guarded(lambda: merge(updates))
        self._vector = self._deletions = None
        self._answers.clear()
        # The transaction by hand: `Doc.apply_update` takes twice as long, and this runs for every edit.
        transaction = None
        try:
            transaction = self._raw.create_transaction()
            self._raw.apply_update(transaction, merged)
            transaction.commit()
        except NOT_PANICS:
            raise
        except BaseException as panic:
            raise Panicked(f"{type(panic).__name__}: {panic}") from panic
        finally:
            if transaction is not None:
                transaction.drop()
        return merged

    def apply_news(self, updates: list[bytes]) -> bytes | None:
        """Apply `updates` as one, and return just what was new in them; None when the document had all of it.

        An observer makes applying three times as dear, so this is for updates that carry much more than they bring.
        """
        news: list[bytes] = []
        subscription = self._doc.observe(lambda event: news.append(event.update))
        try:
            self.apply(updates)
        finally:
            self._doc.unobserve(subscription)
        if news:
            return news[0]
        if len(updates) == 1 and len(updates[0]) <= _KNOWN_BYTES_MAX:
            if len(self._known) == _KNOWN_MAX:
                del self._known[next(iter(self._known))]
            self._known[updates[0]] = None
        return None

    def knows(self, update: bytes) -> bool:
        """Whether exactly these bytes were found to bring nothing new, which then holds for ever.

        When a server restarts, everybody in a room comes back with the same sync step 2: all deletions there are.
        """
        return update in self._known

    def attaches(self, scanned: ScannedUpdate) -> bool:
        """Whether all of it integrates now. pycrdt must never see an update that does not: it can lose what it holds
        back, where Yjs does not."""
        clocks = self.clocks
        for client, clock in scanned.needs.items():
            if clocks.get(client, 0) < clock:
                return False
        if len(scanned.ranges) == 1:
            client, start, _ = scanned.ranges[0]
            return start <= clocks.get(client, 0)
        reached: dict[int, int] = {}
        for client, start, end in scanned.ranges:
            known = reached.get(client, clocks.get(client, 0))
            if start > known:
                return False
            reached[client] = max(end, known)
        return True

    def admit(self, update: bytes) -> bool:
        """Whether a scanned update that attaches leaves whole what must stay whole (`collab.shape`). Call it before
        `clocks` takes the update up, and apply what it admits."""
        if self._shape is None:
            # Not when the document is loaded: most rooms are opened to be read first, and this takes a whole pass.
            self._shape = DocumentShape()
            self._shape.learn(self.state())
        return self._shape.admit(update, self.clocks)

    def nest(self, levels: int) -> bool:
        """Take note that `levels` levels of shared types may be added. False: too deep, if they all hang together."""
        self._levels += levels
        return self._levels <= LEVELS_MAX

    def measure_levels(self) -> None:
        """Replace what `nest` added up by how deep the types of everything applied really are."""
        self._levels = StructTable(self.state()).type_levels()

    def brings_news(self, scanned: ScannedUpdate) -> bool:
        """Whether it adds edits that the document does not have (deletions aside)."""
        clocks = self.clocks
        return any(end > clocks.get(client, 0) for client, _, end in scanned.ranges)

    def deletes_more(self, update: bytes) -> bool:
        """Whether a scanned update deletes something that is not deleted yet."""
        everything = self.since(self.vector())  # All deletions there are, and no edit.
        if update == everything:
            return False
        if self._deletions is None:
            self._deletions = Deletions(everything)
        return not self._deletions.cover(update)

    def refresh_clocks(self) -> None:
        """Take up what was applied without being admitted."""
        self._shape = None
        for client, clock in decode_state_vector(self.vector()).items():
            if clock > self.clocks.get(client, 0):
                self.clocks[client] = clock

    def vector(self) -> bytes:
        """The encoded state vector of what is applied."""
        if self._vector is None:
            self._vector = guarded(self._doc.get_state)
        return self._vector

    def since(self, state_vector: bytes) -> bytes:
        """What somebody at `state_vector` lacks. Answers repeat while nothing changes: many clients ask the same.

        Raises:
            MalformedMessage: not a state vector.
        """
        answer = self._answers.get(state_vector)
        if answer is None:
            decode_state_vector(state_vector)
            answer = guarded(lambda: self._doc.get_update(state_vector))
            if len(self._answers) < _ANSWERS_MAX:
                self._answers[state_vector] = answer
        return answer

    def shares(self, state_vector: bytes) -> bool:
        """Whether somebody at `state_vector` has edits of this document; so has everybody where one side is empty.

        Raises:
            MalformedMessage: not a state vector.
        """
        if state_vector in self._sharing or state_vector == _NOTHING or not self.clocks:
            return True
        if self.clocks.keys().isdisjoint(decode_state_vector(state_vector)):
            return False
        if len(self._sharing) < _ANSWERS_MAX:
            self._sharing.add(state_vector)  # It stays true, and after a restart many ask the same.
        return True

    def state(self) -> bytes:
        """All of it, as one update."""
        return guarded(self._doc.get_update)


def sift(base: bytes, updates: Iterable[tuple[Any, bytes]]) -> tuple[list[Any], list[Any]]:
    """Find which of `updates` make pycrdt panic on top of `base`, by trying each on a scratch document.

    Args:
        updates: pairs of a key and an update.

    Returns:
        The keys that are fine, and the keys that are not.
    """
    good: list[tuple[Any, bytes]] = []
    bad: list[Any] = []
    scratch = LiveDocument([base])
    for key, update in updates:
        try:
            scratch.apply([update])
        except Panicked:
            bad.append(key)
            scratch = LiveDocument([base, *(payload for _, payload in good)])
        else:
            good.append((key, update))
    return [key for key, _ in good], bad
