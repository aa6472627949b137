"""Keeps what searches look through up to date, in the background: nobody who writes waits for it.

A document's turn comes once nobody has written to it for a moment. What this server did not hear of (archives that
were imported, edits before it started, or on other servers that ended first) is found by looking for it now and then.
Whatever goes wrong here makes a search miss something new, and no more.

I1  It takes a twentieth of the time at most, of the server and of each document: one that is long and written to all
    day is read seldom.
I2  It ends nothing: what cannot be read is left out.
"""

import asyncio
import contextlib
import time
from collections.abc import Collection
from dataclasses import dataclass

import structlog

from collab.companions import commented_by
from collab.errors import CorruptUpdate, DocumentNotFound, RoomClosed, SlowConsumer, StoreError, StoreUnavailable
from collab.export.text import document_text
from collab.guard import Panicked, document_from, guarded
from collab.ports import UpdateLog
from collab.types import DocumentId, Seq
from storage.errors import StoreBroken
from storage.search import SqlSearch, index_of
from web.history.process import HistoryProcess

log = structlog.get_logger(__name__)

_CALM_SECONDS = 3.0
"""People search for what they wrote a while ago; what they are typing just now changes again."""
_LATEST_SECONDS = 60.0
"""From the first edit on, however long somebody goes on."""
_REST = 19
"""Times what the work took, before there is more of it."""
_PAUSE_SECONDS_MAX = 1.0
_REST_SECONDS_MAX = 600.0
"""Of one document."""
_LOOK_SECONDS = 60.0
_FIRST_LOOK_SECONDS = 5.0
"""After a start everybody comes back at once, and goes first."""
_LOOK_MAX = 200
_INLINE_ROWS = 200
_INLINE_BYTES = 8 * 1024
"""What is larger is read in the history process: a document of this size takes some milliseconds."""
_LATER = (StoreUnavailable, StoreBroken, DocumentNotFound, RoomClosed, SlowConsumer)


@dataclass(slots=True)
class _Turn:
    """When a document is to be read: not before `at`, which moves with each edit, but not beyond `latest`."""

    at: float
    latest: float


class Indexer:
    """`note` returns at once; `run` works."""

    def __init__(self, update_log: UpdateLog, search: SqlSearch, history: HistoryProcess) -> None:
        self._log = update_log
        self._search = search
        self._history = history
        self._turns: dict[DocumentId, _Turn] = {}
        self._rests: dict[DocumentId, float] = {}
        """Until when documents that took long are left alone."""
        self._failed: set[DocumentId] = set()
        """Not looked at again before somebody writes to them, or the server starts anew."""
        self._wake = asyncio.Event()

    def note(self, document: DocumentId) -> None:
        """Something was written to a document."""
        now = time.monotonic()
        turn = self._turns.get(document)
        if turn is None:
            self._failed.discard(document)
            self._turns[document] = _Turn(now + _CALM_SECONDS, now + _LATEST_SECONDS)
            self._wake.set()
        else:
            turn.at = min(now + _CALM_SECONDS, turn.latest)

    async def run(self) -> None:
        """Until cancelled."""
        looked_at = time.monotonic() - _LOOK_SECONDS + _FIRST_LOOK_SECONDS
        while True:
            now = time.monotonic()
            if now - looked_at >= _LOOK_SECONDS:
                looked_at = now
                await self._look()
            for document in self._ready(now):
                del self._turns[document]
                await self._index(document)
            await self._sleep(looked_at + _LOOK_SECONDS)

    def _ready(self, now: float) -> list[DocumentId]:
        self._rests = {document: until for document, until in self._rests.items() if until > now}
        return [document for document, turn in self._turns.items() if turn.at <= now and document not in self._rests]

    async def _sleep(self, until: float) -> None:
        """Until the next turn; a new document may have an earlier one."""
        self._wake.clear()
        due = min((max(turn.at, self._rests.get(each, 0.0)) for each, turn in self._turns.items()), default=until)
        with contextlib.suppress(TimeoutError):
            # Not wait_for; see `web.recorder`.
            async with asyncio.timeout(max(0.01, min(due, until) - time.monotonic())):
                await self._wake.wait()

    async def _look(self) -> None:
        try:
            behind = await self._search.behind(_LOOK_MAX + len(self._failed))
        except StoreError as error:
            log.debug("cannot look for documents that no search finds yet", error=str(error))
            return
        for document in behind:
            if document not in self._failed and document not in self._turns:
                self._turns[document] = _Turn(0.0, 0.0)

    async def _index(self, document: DocumentId) -> None:
        started = time.monotonic()
        await self._keep(document)
        spent = time.monotonic() - started
        self._rests[document] = time.monotonic() + min(_REST * spent, _REST_SECONDS_MAX)
        await asyncio.sleep(min(_REST * spent, _PAUSE_SECONDS_MAX))

    async def _keep(self, document: DocumentId) -> None:
        try:
            through, text, words = await self._read(document)
            await self._search.keep(document, through, text, words)
        except _LATER as error:
            log.debug("a document cannot be indexed just now", document=document, error=str(error))
        except Exception as error:  # A search that misses something is no reason to end the server.
            self._failed.add(document)
            log.warning("searches do not find what a document says", document=document, error=str(error))

    async def _read(self, document: DocumentId) -> tuple[Seq, str, Collection[str]]:
        if commented_by(document) is not None:
            # No list shows it, so there is nothing to find.
            page = await self._log.read(document, after=Seq(0), limit=1, bytes_max=1)
            return page.head, "", ()
        found = await self._small(document)
        if found is None:
            return await self._history.words(document)
        through, written = found
        return through, *index_of(written)

    async def _small(self, document: DocumentId) -> tuple[Seq, str] | None:
        """The text of a document of which little is stored."""
        page = await self._log.read(document, after=Seq(0), limit=_INLINE_ROWS, bytes_max=_INLINE_BYTES)
        if not page.updates or page.updates[-1].seq < page.head:
            return None
        parts = [row.payload for row in page.updates]
        if sum(map(len, parts)) > 2 * _INLINE_BYTES:
            return None
        try:
            return page.head, guarded(lambda: document_text(document_from(parts).get_update()))
        except Panicked as panic:
            raise CorruptUpdate("this document cannot be read") from panic
