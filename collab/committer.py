"""Group commit: what every room has flushed while the last commit ran goes into the next one.

C1  Batches of one room are committed in the order in which they were submitted.
C2  A batch is told `committed` only after the log says so, and every batch is told exactly once.
C3  Rows of one person that follow each other in a room become one row; rows of two people never do, and no row
    moves past another: an edit may build on the one before it.
C4  While the log cannot be written, batches wait here, in order, and the same appends are tried again.
"""

import asyncio
import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Protocol

from collab.errors import CollabError, DocumentNotFound, StoreError
from collab.guard import Panicked, guarded, merge
from collab.limits import RoomLimits
from collab.ports import Append, NewUpdate, Reporter, UpdateLog
from collab.stats import Stats
from collab.types import DocumentId, Seq

_RETRY_SECONDS = 0.1
_RETRY_SECONDS_MAX = 2.0
_STREAM_WINDOWS = 3


class BatchOwner(Protocol):
    """The room a batch comes from."""

    @property
    def document(self) -> DocumentId: ...

    def committed(self, batches: "list[Batch]", last_seq: Seq, rows: int) -> None: ...

    def lost(self, error: CollabError) -> None:
        """The document is gone from the store; nothing of the room can be saved any more."""
        ...


Outcome = Seq | CollabError
"""The seq of the last row that holds something of a batch, or why it will never have one."""


@dataclass(slots=True)
class Batch:
    """What one flush of one room puts into the log, and who waits for it."""

    updates: list[NewUpdate] = field(default_factory=list)
    outcome: Outcome | None = None
    when_done: list[Callable[[Outcome], None]] = field(default_factory=list)
    """Called once each, in order."""
    size: int = 0
    """Bytes of all payloads, from when it is submitted."""
    checkpoint: "MergedState | None" = None
    """The document right after this batch, when a checkpoint is due."""

    def finish(self, outcome: Outcome) -> None:
        """Tell everybody who waits."""
        self.outcome = outcome
        callbacks, self.when_done = self.when_done, []
        self.checkpoint = None
        for callback in callbacks:
            callback(outcome)


@dataclass(frozen=True, slots=True)
class MergedState:
    """A document's state with the state vector that it must have again after a reload."""

    state: bytes
    vector: bytes


class Committer:
    """Owns the only task that appends to the log."""

    def __init__(self, log: UpdateLog, limits: RoomLimits, stats: Stats, reporter: Reporter | None = None) -> None:
        self._log = log
        self._reporter = reporter or Reporter()
        self._window = limits.commit_window_seconds
        self._stats = stats
        self._queue: list[tuple[BatchOwner, Batch]] = []
        self._wake = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self.trouble: StoreError | None = None
        """Why the log cannot be written just now."""
        self._failed_at = 0.0

    def submit(self, owner: BatchOwner, batch: Batch) -> None:
        batch.size = sum([len(update.payload) for update in batch.updates])
        self._stats.unsaved_bytes += batch.size
        self._queue.append((owner, batch))
        if len(self._queue) == 1:
            self._wake.set()
            self._drained.clear()

    async def drained(self) -> None:
        """Return when everything submitted has been committed."""
        await self._drained.wait()

    async def run(self) -> None:
        """Commit until cancelled.

        Raises:
            StoreError: the log is broken for good (not retryable); nothing after its last commit is saved.
        """
        clock = asyncio.get_running_loop().time
        idle_since = -math.inf
        while True:
            await self._wake.wait()
            # Of what a commit costs most does not depend on what is in it: while they follow each other closely, more
            # goes together.
            follows = clock() - idle_since < self._window
            await asyncio.sleep(self._window * _STREAM_WINDOWS if follows else self._window)
            self._wake.clear()
            queue, self._queue = self._queue, []
            await self._commit(_by_owner(queue))
            idle_since = clock()
            if not self._queue:
                self._drained.set()

    async def _commit(self, groups: list[tuple[BatchOwner, list[Batch]]]) -> None:
        appends = [_append(owner, batches) for owner, batches in groups]
        try:
            seqs = await self._append(appends)
        except DocumentNotFound:
            # One purged document must not keep the others from being saved: find it by committing singly.
            if len(groups) > 1:
                for group in groups:
                    await self._commit([group])
                return
            owner, batches = groups[0]
            self._stats.unsaved_bytes -= sum(batch.size for batch in batches)
            owner.lost(DocumentNotFound("this document has been deleted"))
            return
        for (owner, batches), append, seq in zip(groups, appends, seqs, strict=True):
            self._stats.unsaved_bytes -= sum([batch.size for batch in batches])
            self._stats.rows_committed += len(append.updates)
            owner.committed(batches, seq, len(append.updates))

    async def _append(self, appends: Sequence[Append]) -> list[Seq]:
        clock = asyncio.get_running_loop().time
        delay = _RETRY_SECONDS
        while True:
            started = clock()
            try:
                seqs = await self._log.append(appends)
            except StoreError as error:
                if not error.retryable:
                    raise
                self._fail(error, started)
                await asyncio.sleep(random.uniform(delay / 2, delay))
                delay = min(2 * delay, _RETRY_SECONDS_MAX)
            else:
                self._stats.commits += 1
                self._stats.commit_seconds += clock() - started
                if self.trouble is not None:
                    self.trouble = None
                    self._reporter.saving_again(clock() - self._failed_at)
                return seqs

    def _fail(self, error: StoreError, at: float) -> None:
        self._stats.commit_failures += 1
        if self.trouble is None:
            self._failed_at = at
            self._reporter.saving_failed(error)
        self.trouble = error


def _by_owner(queue: list[tuple[BatchOwner, Batch]]) -> list[tuple[BatchOwner, list[Batch]]]:
    """Batches by room, in order. A batch with a checkpoint ends its group, so that a row ends where it does."""
    groups: list[tuple[BatchOwner, list[Batch]]] = []
    open_groups: dict[int, list[Batch]] = {}
    for owner, batch in queue:
        group = open_groups.get(id(owner))
        if group is None:
            group = open_groups[id(owner)] = []
            groups.append((owner, group))
        group.append(batch)
        if batch.checkpoint is not None:
            del open_groups[id(owner)]
    return groups


def _append(owner: BatchOwner, batches: list[Batch]) -> Append:
    if len(batches) == 1 and len(batches[0].updates) == 1:
        return Append(owner.document, (batches[0].updates[0],))
    updates = (update for batch in batches for update in batch.updates)
    return Append(owner.document, tuple(merge_runs(updates)))


def merge_runs(updates: Iterable[NewUpdate]) -> list[NewUpdate]:
    """Join neighbours of one person into one update each (rule C3)."""
    merged: list[NewUpdate] = []
    for user_id, group in groupby(updates, key=lambda update: update.user_id):
        run = list(group)
        if len(run) == 1:  # As most are where several people type.
            merged += run
            continue
        try:
            payload = guarded(lambda run=run: merge([update.payload for update in run]))  # type: ignore[misc]
        except Panicked:
            merged += run  # What cannot be joined is still a row each.
        else:
            merged.append(NewUpdate(user_id, payload))
    return merged
