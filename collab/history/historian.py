"""Answers every question about a document's past from its log and index. Reads only, and takes its time: see `web`'s
history process for how that is kept away from live rooms.

Rule H7: what is said about a seq depends on the rows through it and on nothing after.
"""

import secrets
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from collab.errors import CorruptUpdate, HistoryNotFound
from collab.guard import Panicked, document_from, guarded
from collab.history.authors import Author, Authors, Deleters
from collab.history.compare import Comparison, Node
from collab.history.copies import Copies
from collab.history.id_map import IdMap
from collab.history.index import Indexer, unpack_state
from collab.history.items import ItemTree, View
from collab.history.ports import Binding, Chunk, HistoryStore, Span
from collab.history.restore import Restoration, Restorer
from collab.history.thinning import Keep, Thinner, Thinning, check_kept
from collab.history.timeline import Entry, TimelineQuery, timeline
from collab.ports import StoredUpdate, UpdateLog
from collab.structs import Id, StructTable
from collab.types import DocumentId, Seq

_PAGE_ROWS = 2_000
_PAGE_BYTES = 4 * 1024 * 1024
_TREES_MAX = 4
"""Documents whose items are kept, so that the next question about them is answered sooner."""
_TREE_ROWS_MAX = 4_000
"""Rows that are added to kept items; beyond, they are made anew from a checkpoint."""


@dataclass(slots=True)
class _Kept:
    """The items of a document through `seq`, and what of them is visible there."""

    epoch: str
    seq: Seq
    tree: ItemTree
    view: View


class Historian:
    def __init__(self, log: UpdateLog, store: HistoryStore) -> None:
        self._log = log
        self._store = store
        self._kept: OrderedDict[DocumentId, _Kept] = OrderedDict()
        self._indexing: dict[DocumentId, tuple[str, Indexer]] = {}
        """The document that is just being indexed, its epoch, and where that stands."""

    # -- past states --------------------

    async def content(self, document: DocumentId, at: Seq) -> bytes:
        """The state at a seq as one Yjs v1 update, as a room had it then: without the text of what was deleted.

        Raises:
            HistoryNotFound: the log does not reach to `at`.
            CorruptUpdate, DocumentNotFound, StoreUnavailable.
        """
        # Collected as it is made, which is what rooms do, and half the work of doing so afterwards.
        return _state_of(await self._parts(document, await self._check(document, at)), skip_gc=False)

    async def newest(self, document: DocumentId) -> tuple[Seq, bytes]:
        """The seq of the newest row, and `content` at it."""
        at = await self._check(document, None)
        return at, await self.content(document, at)

    async def _check(self, document: DocumentId, at: Seq | None) -> Seq:
        head = (await self._store.extent(document)).head
        if at is None:
            return head
        if not 0 <= at <= head:
            raise HistoryNotFound(f"the document's history reaches from seq 0 to seq {head}")
        check_kept(await self._store.kept(document), at)
        return at

    async def _whole_state(self, document: DocumentId, at: Seq) -> bytes:
        """The state at a seq with everything that was ever deleted."""
        parts = await self._parts(document, at)
        return parts[0] if len(parts) == 1 else _state_of(parts, skip_gc=True)

    async def _parts(self, document: DocumentId, at: Seq) -> list[bytes]:
        """What makes the state at a seq, with everything that was ever deleted: the newest checkpoint, then rows."""
        checkpoint = await self._store.checkpoint(document, at)
        parts = [] if checkpoint is None else [unpack_state(checkpoint.packed)]
        after = Seq(0) if checkpoint is None else checkpoint.through
        async for rows in self._rows(document, after, at):
            parts += [row.payload for row in rows]
        return parts

    async def _rows(self, document: DocumentId, after: Seq, through: Seq) -> AsyncIterator[list[StoredUpdate]]:
        while after < through:
            limit = min(_PAGE_ROWS, through - after)
            page = await self._log.read(document, after=after, limit=limit, bytes_max=_PAGE_BYTES)
            rows = [row for row in page.updates if row.seq <= through]
            if not rows:
                raise CorruptUpdate(f"row {after + 1} is missing")
            after = rows[-1].seq
            yield rows

    # -- who and what --------------------

    async def blame(self, document: DocumentId, at: Seq | None = None) -> Node:
        """Who wrote what of the state at a seq, by default the last: see `collab.history.compare`."""
        at = await self._check(document, at)
        kept = await self._items(document, at)
        view = kept.view if kept.seq == at else await self._view(document, at)
        authors = await self._authors(document, at)
        comparison = Comparison(kept.tree, view, view, authors)
        return {"seq": at, **comparison.compare()}

    async def diff(self, document: DocumentId, before: Seq, after: Seq, *, words: bool = True) -> Node:
        """What became of the state at `before` until `after`; also backwards."""
        before, after = await self._check(document, before), await self._check(document, after)
        later = max(before, after)
        kept = await self._items(document, later)
        authors = await self._authors(document, later)
        deleters = await self._deleters(document, before, after)
        views = [kept.view if kept.seq == seq else await self._view(document, seq) for seq in (before, after)]
        comparison = Comparison(kept.tree, views[0], views[1], authors, deleters, words=words)
        return {"from": before, "to": after, **comparison.compare()}

    async def _items(self, document: DocumentId, at: Seq) -> _Kept:
        """The items of the state at a seq, or of a later one that is at hand."""
        epoch = (await self._store.extent(document)).epoch
        kept = self._kept.get(document)
        if kept is not None and kept.epoch == epoch and kept.seq < at <= kept.seq + _TREE_ROWS_MAX:
            await self._advance(document, kept, at)
        elif kept is None or kept.epoch != epoch or kept.seq < at:
            state = await self._whole_state(document, at)
            table = StructTable(state)
            kept = _Kept(epoch, at, ItemTree(state), View.of(table))
        self._kept[document] = kept
        self._kept.move_to_end(document)
        if len(self._kept) > _TREES_MAX:
            self._kept.popitem(last=False)
        return kept

    async def _advance(self, document: DocumentId, kept: _Kept, at: Seq) -> None:
        del self._kept[document]  # Should a row not fit, the next question starts anew.
        async for rows in self._rows(document, kept.seq, at):
            for row in rows:
                table = StructTable(row.payload)
                kept.tree.update(table)
                kept.view.take(table)
        kept.seq = at

    async def _view(self, document: DocumentId, at: Seq) -> View:
        return View.of(StructTable(await self._whole_state(document, at)))

    async def _authors(self, document: DocumentId, at: Seq) -> Authors:
        bindings = await self._bindings(document, at)
        copies = Copies(await self._store.copies(document))
        return Authors({binding.client: binding.user_id for binding in bindings}, copies)

    async def _bindings(self, document: DocumentId, at: Seq) -> list[Binding]:
        bindings = await self._store.bindings(document)
        indexed = (await self._store.extent(document)).indexed
        bound = {binding.client for binding in bindings}
        async for rows in self._rows(document, indexed, at):
            for row in rows:
                if row.first is not None:
                    continue  # Their authors were written down when they were thinned out.
                clients = {struct.client for struct in StructTable(row.payload).structs} - bound
                bound |= clients
                bindings += (Binding(client, row.user_id, row.seq) for client in clients)
        return bindings

    async def _deleters(self, document: DocumentId, before: Seq, after: Seq) -> Deleters:
        deleters: Deleters = IdMap()
        async for rows in self._rows(document, min(before, after), max(before, after)):
            for row in rows:
                table = StructTable(row.payload)
                if row.first is not None:
                    continue  # Nobody knows any more.
                # Without accounts, whoever deletes is known only by what else the row holds.
                client = table.structs[0].client if table.structs and row.user_id is None else None
                author = Author(row.user_id, client)
                for of, start, end in table.deletions():
                    deleters.add(of, start, end, author)
        return deleters

    # -- the timeline --------------------

    async def timeline(self, document: DocumentId, query: TimelineQuery) -> tuple[Seq, list[Entry], bool]:
        """The head, one page of entries, and whether there are more."""
        extent = await self._store.extent(document)
        spans, bindings = await self._tail(document)
        events = []
        for event in await self._store.events(document):
            if event.row is None and event.client is not None:
                # The server ended between the edit and the note that it is done.
                event = replace(event, row=next((its.first for its in bindings if its.client == event.client), None))
            events.append(event)
        entries, more = timeline(
            [*await self._store.spans(document), *spans], await self._store.versions(document), events, query
        )
        kept = await self._store.kept(document)
        return extent.head, [_reaching_to_kept(entry, kept) for entry in entries], more

    async def _tail(self, document: DocumentId) -> tuple[list[Span], list[Binding]]:
        """Spans of the rows that are not indexed yet, and all bindings."""
        spans: list[Span] = []
        bindings = await self._store.bindings(document)
        indexer = await self._indexer(document)
        while chunk := await self._go_on(document, indexer):
            spans += chunk.spans
            bindings += chunk.bindings
        last_spans, last_bindings = indexer.rest()
        return [*spans, *last_spans], [*bindings, *last_bindings]

    # -- the index --------------------

    async def next_chunk(self, document: DocumentId) -> Chunk | None:
        """The next piece of the index, if there are enough rows for one."""
        indexer = self._indexing.pop(document, None)
        extent = await self._store.extent(document)
        if indexer is None or indexer[0] != extent.epoch or indexer[1].through != extent.indexed:
            indexer = (extent.epoch, await self._indexer(document))
        chunk = await self._go_on(document, indexer[1])
        if chunk is None:
            return None
        self._indexing = {document: indexer}
        return replace(chunk, epoch=extent.epoch)

    async def _indexer(self, document: DocumentId) -> Indexer:
        """One that goes on where the index ends."""
        extent = await self._store.extent(document)
        checkpoint = await self._store.checkpoint(document, extent.indexed)
        with _readable():
            if checkpoint is None:
                return Indexer(Seq(0), None)
            return Indexer(checkpoint.through, unpack_state(checkpoint.packed))

    async def _go_on(self, document: DocumentId, indexer: Indexer) -> Chunk | None:
        """Read on until a chunk is full; None when the log ends before."""
        head = (await self._store.extent(document)).head
        with _readable():
            while indexer.through < head:
                limit = min(_PAGE_ROWS, indexer.wanted, head - indexer.through)
                page = await self._log.read(document, after=indexer.through, limit=limit, bytes_max=_PAGE_BYTES)
                indexer.add(page.updates)
                if indexer.due:
                    return indexer.chunk()
        return None

    # -- thinning out --------------------

    async def thinning(self, document: DocumentId, before_ms: int, keep: Keep) -> Thinning | None:
        """What is to be stored in place of all rows that are older than a time; None if there is nothing to gain.

        Raises:
            CorruptUpdate: the document cannot be made from its rows.
        """
        extent, kept = await self._store.extent(document), await self._store.kept(document)
        named = {version.seq for version in await self._store.versions(document)}
        with _readable():
            thinner = Thinner(extent.epoch, kept, keep, named, before_ms)
            async for rows in self._rows(document, Seq(0), extent.head):
                if not thinner.take(rows):
                    break
            return thinner.finish()

    # -- restoring --------------------

    async def restoration(
        self, document: DocumentId, at: Seq, *, block: Id | None = None, root: str | None = None
    ) -> Restoration:
        """The edit that brings back the state at a seq, or one block or root of it.

        Raises:
            HistoryNotFound: there was no such state or block.
        """
        await self._check(document, at)
        head = await self._check(document, None)
        kept = await self._items(document, head)
        if kept.seq != head:
            raise AssertionError("items beyond the head of the log")
        client = _new_client(kept.view)
        past = await self._view(document, at)
        restorer = Restorer(kept.tree, past, kept.view, await self._authors(document, head), client)
        if block is not None:
            return restorer.restore_block(block)
        return restorer.restore() if root is None else restorer.restore_root(root)


def _reaching_to_kept(entry: Entry, kept: Sequence[Seq]) -> Entry:
    """A session whose edits were thinned out, as from one state that is still there to the next."""
    last = entry.fields.get("to_seq", 0)
    if not kept or not 0 < last <= kept[-1]:
        return entry
    at, before = bisect_left(kept, last), bisect_left(kept, entry.fields["from_seq"])
    return replace(
        entry,
        fields=entry.fields | {"from_seq": kept[before - 1] + 1 if before else 1, "to_seq": kept[at], "thinned": True},
    )


def _new_client(view: View) -> int:
    while True:
        client = secrets.randbits(32)
        if client not in view.clocks:
            return client


def _state_of(parts: list[bytes], *, skip_gc: bool) -> bytes:
    with _readable():
        return guarded(document_from(parts, skip_gc=skip_gc).get_update)


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except Panicked as panic:
        raise CorruptUpdate("a past state of this document cannot be read") from panic
