"""A store that commits and loses as real ones do, for any number of nodes. Rows and checkpoints outlive every crash.

A call takes time before and after the moment at which it takes effect. It can fail on either side of that moment: then
nobody knows whether it was committed, and the adapter has to find out (rule L6), as `storage.in_doubt` does.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from random import Random

from collab.errors import StoreUnavailable
from collab.ports import Append, Checkpoint, LoadedDocument, UpdatePage
from collab.types import DocumentId, Seq
from storage.memory import MemoryUpdateLog
from tests.checker.rows import TAG


class Store:
    """What is durable, and how it behaves just now."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.log = MemoryUpdateLog()
        self.failing = 0.0
        """Probability with which a call fails."""
        self.latency_max = 0.005
        self.tags: set[bytes] = set()
        """Every tag that stands in a committed row."""

    def dice(self) -> bool:
        return self.failing > 0 and self.rng.random() < self.failing

    async def delay(self) -> None:
        await asyncio.sleep(self.rng.uniform(0, self.latency_max))


class NodeLog:
    """The `UpdateLog` of one process. After `die` nothing it was asked for takes effect any more, or is answered."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._dead = False
        self._unclaimed: dict[Append, list[Seq]] = defaultdict(list)
        """Stored by a call that failed afterwards: the next try is told the same."""

    def die(self) -> None:
        self._dead = True

    async def load(self, document: DocumentId, *, create: bool) -> LoadedDocument:
        await self._go()
        loaded = await self._store.log.load(document, create=create)
        await self._come_back()
        return loaded

    async def append(self, appends: Sequence[Append]) -> list[Seq]:
        await self._go()
        seqs = [await self._append(append) for append in appends]
        if self._store.dice():
            for append, seq in zip(appends, seqs, strict=True):
                self._unclaimed[append].append(seq)
            raise StoreUnavailable("the connection to the database was lost")
        await self._come_back()
        return seqs

    async def _append(self, append: Append) -> Seq:
        unclaimed = self._unclaimed.get(append)
        if unclaimed:
            return unclaimed.pop(0)
        (seq,) = await self._store.log.append([append])
        for update in append.updates:
            self._store.tags.update(TAG.findall(update.payload))
        return seq

    async def read(self, document: DocumentId, *, after: Seq, limit: int, bytes_max: int) -> UpdatePage:
        await self._go()
        page = await self._store.log.read(document, after=after, limit=limit, bytes_max=bytes_max)
        await self._come_back()
        return page

    async def write_checkpoint(self, document: DocumentId, checkpoint: Checkpoint) -> None:
        await self._go()
        await self._store.log.write_checkpoint(document, checkpoint)
        await self._come_back()

    async def _go(self) -> None:
        await self._store.delay()
        await self._stop_if_dead()
        if self._store.dice():
            raise StoreUnavailable("the database is busy")

    async def _come_back(self) -> None:
        await self._store.delay()
        await self._stop_if_dead()

    async def _stop_if_dead(self) -> None:
        if self._dead:
            await asyncio.Event().wait()
