"""Keeps the history index up to date in the background, a chunk at a time, so that nobody has to wait for it.

A document's turn comes when a checkpoint of it was written, which happens about every thousand rows, and once when the
server starts. Whatever goes wrong here only makes later answers slower: questions find out for themselves what is not
indexed.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence

import structlog

from collab.errors import CollabError, StoreError
from collab.history.index import CHUNK_ROWS
from collab.history.ports import HistoryStore
from collab.ports import Append, Checkpoint, LoadedDocument, UpdateLog, UpdatePage
from collab.types import DocumentId, Seq
from web.history.process import HistoryFailed, HistoryProcess

log = structlog.get_logger(__name__)

_CALM_SECONDS = 2.0
"""Between the first sign that there is something to index and the beginning: it is never urgent."""
_PAUSE_SECONDS = 0.05
"""Between two chunks, so that writing them does not crowd out the log."""


class HistoryKeeper:
    def __init__(self, process: HistoryProcess, store: HistoryStore) -> None:
        self._process = process
        self._store = store
        self._due: OrderedDict[DocumentId, None] = OrderedDict()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def note(self, document: DocumentId) -> None:
        """There may be enough of a document to index."""
        self._due[document] = None
        self._wake.set()

    async def _run(self) -> None:
        try:
            for document in await self._store.behind(CHUNK_ROWS):
                self.note(document)
        except StoreError as error:
            log.warning("cannot look for documents to index", error=str(error))
        while True:
            await self._wake.wait()
            await asyncio.sleep(_CALM_SECONDS)
            self._wake.clear()
            while self._due:
                document, _ = self._due.popitem(last=False)
                await self._index(document)

    async def _index(self, document: DocumentId) -> None:
        try:
            while (chunk := await self._process.next_chunk(document)) is not None:
                if not await self._store.add_chunk(document, chunk):
                    return  # Another node was faster.
                await asyncio.sleep(_PAUSE_SECONDS)
        except (CollabError, HistoryFailed) as error:
            log.warning("a document's history cannot be indexed", document=document, error=str(error))


class WatchedLog:
    """An update log that says when a document was appended to, and when a checkpoint of it was written."""

    def __init__(
        self,
        inner: UpdateLog,
        *,
        appended: Callable[[DocumentId], None],
        checkpointed: Callable[[DocumentId], None],
    ) -> None:
        self._inner = inner
        self._appended = appended
        self._checkpointed = checkpointed

    async def load(self, document: DocumentId, *, create: bool) -> LoadedDocument:
        return await self._inner.load(document, create=create)

    async def append(self, appends: Sequence[Append]) -> list[Seq]:
        seqs = await self._inner.append(appends)
        for append in appends:
            self._appended(append.document)
        return seqs

    async def read(self, document: DocumentId, *, after: Seq, limit: int, bytes_max: int) -> UpdatePage:
        return await self._inner.read(document, after=after, limit=limit, bytes_max=bytes_max)

    async def write_checkpoint(self, document: DocumentId, checkpoint: Checkpoint) -> None:
        await self._inner.write_checkpoint(document, checkpoint)
        self._checkpointed(document)
