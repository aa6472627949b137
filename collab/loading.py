"""Reads documents for rooms, and puts those into quarantine that must not be loaded.

Q1  A document that was being loaded when an earlier process died is loaded in a process of its own first.
Q2  A document in which a row is missing, does not match its checksum or cannot be applied is not served as if nothing
    were wrong: it goes into quarantine, with the newest state that can still be loaded.
Q3  Whatever is wrong with one document, others are loaded and served.
Q4  A document leaves quarantine only after all of it was loaded in a process of its own.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from collab.errors import CorruptUpdate, DocumentQuarantined, DocumentUnreadable, StoreError
from collab.examination import Examination, examine, salvage
from collab.guard import Panicked
from collab.load_watch import LoadWatch
from collab.ports import Checkpoint, LoadedDocument, Quarantine, Reporter, UpdateLog
from collab.types import DocumentId, Seq

_NOT_APPLIED = "what is stored of it cannot be applied"


class Loader:
    def __init__(
        self, log: UpdateLog, quarantine: Quarantine | None, watch: LoadWatch | None, reporter: Reporter
    ) -> None:
        self._log = log
        self._quarantine = quarantine
        self._watch = watch
        self._reporter = reporter

    async def load(self, document: DocumentId, *, create: bool) -> LoadedDocument:
        """As `UpdateLog.load`, of a document that can be loaded.

        Raises:
            DocumentQuarantined: it cannot.
            CorruptUpdate: it cannot, and there is no quarantine.
            DocumentNotFound, StoreUnavailable.
        """
        try:
            loaded = await self._log.load(document, create=create)
        except DocumentUnreadable:
            raise
        except CorruptUpdate as error:
            raise await self.condemn(document, str(error)) from error
        if self._watch is not None and self._watch.is_suspect(document):
            await self._examine(document, loaded)
        return loaded

    @contextmanager
    def applying(self, document: DocumentId) -> Iterator[None]:
        """Round everything that makes a Doc of what was loaded.

        Raises:
            CorruptUpdate: it cannot be applied; `condemn` the document.
        """
        watched: AbstractContextManager[None] = nullcontext() if self._watch is None else self._watch.loading(document)
        try:
            with watched:
                yield
        except Panicked as panic:
            raise CorruptUpdate(_NOT_APPLIED) from panic

    async def condemn(self, document: DocumentId, reason: str) -> StoreError:
        """Put a document into quarantine, if that is possible. Returns the error for whoever wanted to open it."""
        if self._quarantine is None:
            return CorruptUpdate(reason)
        try:
            intact = await self._quarantine.salvage(document)
            return await self._put_away(self._quarantine, document, reason, intact, await examine(_parts(intact)))
        except StoreError as error:
            return error

    async def release(self, document: DocumentId) -> None:
        """Let a document be loaded again, if it can be (rule Q4).

        Raises:
            DocumentQuarantined: it cannot; the text says why.
            DocumentNotFound, StoreUnavailable.
        """
        if self._quarantine is not None:
            await release(self._quarantine, document)

    async def _examine(self, document: DocumentId, loaded: LoadedDocument) -> None:
        assert self._watch is not None
        examined = await examine(_parts(loaded))
        if examined.state is None and self._quarantine is not None:
            error = await self._put_away(self._quarantine, document, examined.fault, loaded, examined)
            self._watch.acquit(document)
            raise error
        self._watch.acquit(document)

    async def _put_away(
        self,
        quarantine: Quarantine,
        document: DocumentId,
        reason: str,
        intact: LoadedDocument,
        examined: Examination,
    ) -> DocumentQuarantined:
        parts = _parts(intact)
        if examined.state is None:
            good, state = await salvage(parts, examined)
        else:
            good, state = len(parts), examined.state
        await quarantine.admit(document, reason, Checkpoint(_through(intact, good), state) if good else None)
        self._reporter.quarantined(document, reason)
        return quarantined(reason)


async def release(quarantine: Quarantine, document: DocumentId) -> None:
    """See `Loader.release`."""
    intact = await quarantine.salvage(document)
    parts = _parts(intact)
    if _through(intact, len(parts)) != intact.head:
        raise DocumentQuarantined(f"it stays in quarantine: only rows 1 to {_through(intact, len(parts))} are intact")
    examined = await examine(parts)
    if examined.state is None:
        raise DocumentQuarantined(f"it stays in quarantine: {examined.fault}")
    await quarantine.release(document)


def quarantined(reason: str) -> DocumentQuarantined:
    return DocumentQuarantined(f"this document is in quarantine: {reason}")


def _parts(loaded: LoadedDocument) -> list[bytes]:
    first = [] if loaded.checkpoint is None else [loaded.checkpoint.state]
    return first + [update.payload for update in loaded.updates]


def _through(loaded: LoadedDocument, parts: int) -> Seq:
    """The last row that the first `parts` parts hold."""
    start = Seq(0) if loaded.checkpoint is None else loaded.checkpoint.through
    rows = parts - (loaded.checkpoint is not None)
    return Seq(start + max(rows, 0))
