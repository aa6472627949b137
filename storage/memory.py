"""Everything in memory: the reference implementation of the ports, which tests use and run their contracts on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from collab.errors import DocumentNotFound, StoreUnavailable
from collab.loading import quarantined
from collab.ports import Append, Checkpoint, LoadedDocument, StoredUpdate, UpdatePage
from collab.types import DocumentId, Seq
from storage.documents import DocumentInfo, DocumentList, QuarantineInfo, check_limit, check_title, is_findable
from storage.engine import wall_clock_ms
from storage.errors import DocumentExists
from storage.people import check_user_id
from storage.rows import fold, new_epoch


@dataclass(slots=True)
class _Record:
    info: DocumentInfo
    rows: list[StoredUpdate] = field(default_factory=list)
    checkpoint: Checkpoint | None = None
    good: Checkpoint | None = None
    """What can be shown while it is in quarantine."""


class _Records:
    """What the log and the catalogue share."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self.now_ms = now_ms
        self.closed = False
        self._by_name: dict[DocumentId, _Record] = {}

    @property
    def by_name(self) -> dict[DocumentId, _Record]:
        if self.closed:
            raise StoreUnavailable("the database is closed")
        return self._by_name

    def get(self, document: DocumentId) -> _Record:
        record = self.by_name.get(document)
        if record is None:
            raise DocumentNotFound(f"there is no document {document}")
        return record

    def create(self, document: DocumentId, title: str) -> _Record:
        now_ms = self.now_ms()
        info = DocumentInfo(document, title, new_epoch(), Seq(0), now_ms, now_ms, None)
        record = self.by_name[document] = _Record(info)
        return record


class MemoryUpdateLog:
    """See `collab.ports.UpdateLog` for the contract of each method."""

    def __init__(self, records: _Records | None = None) -> None:
        self._records = _Records(wall_clock_ms) if records is None else records

    async def load(self, document: DocumentId, *, create: bool) -> LoadedDocument:
        if create and document not in self._records.by_name:
            self._records.create(document, title="")
        record = self._records.get(document)
        if record.info.deleted_at_ms is not None:
            raise DocumentNotFound(f"the document {document} is in the bin")
        if record.info.quarantine is not None:
            raise quarantined(record.info.quarantine.reason)
        after = 0 if record.checkpoint is None else record.checkpoint.through
        return LoadedDocument(record.info.epoch, record.checkpoint, record.rows[after:], record.info.head)

    async def append(self, appends: Sequence[Append]) -> list[Seq]:
        for append in appends:
            self._records.get(append.document)
            for update in append.updates:
                if update.user_id is not None:
                    check_user_id(update.user_id)
        return [self._append(append) for append in appends]

    async def read(self, document: DocumentId, *, after: Seq, limit: int, bytes_max: int) -> UpdatePage:
        if limit < 1 or after < 0:
            raise ValueError("limit must be positive, after must not be negative")
        record = self._records.get(document)
        page: list[StoredUpdate] = []
        for row in record.rows[after : after + limit]:
            bytes_max -= len(row.payload)
            if page and bytes_max < 0:
                break
            page.append(row)
        return UpdatePage(page, record.info.head)

    async def write_checkpoint(self, document: DocumentId, checkpoint: Checkpoint) -> None:
        record = self._records.get(document)
        if checkpoint.through > record.info.head:
            raise ValueError(
                f"a checkpoint through row {checkpoint.through} of a log that ends at row {record.info.head}"
            )
        if record.checkpoint is None or record.checkpoint.through <= checkpoint.through:
            record.checkpoint = checkpoint

    def _append(self, append: Append) -> Seq:
        record = self._records.get(append.document)
        now_ms = self._records.now_ms()
        for update in append.updates:
            record.rows.append(StoredUpdate(Seq(len(record.rows) + 1), update.user_id, now_ms, update.payload))
        head = Seq(len(record.rows))
        record.info = replace(record.info, head=head, updated_at_ms=now_ms)
        return head


class MemoryDocuments:
    """See `storage.documents.Documents` for the contract of each method."""

    def __init__(self, records: _Records | None = None) -> None:
        self._records = _Records(wall_clock_ms) if records is None else records

    async def create(self, document: DocumentId, title: str) -> DocumentInfo:
        check_title(title)
        if document in self._records.by_name:
            raise DocumentExists(f"a document {document} exists already")
        return self._records.create(document, title).info

    async def adopt(self, document: DocumentId, epoch: str) -> None:
        if document not in self._records.by_name and len(epoch) == len(new_epoch()):
            record = self._records.create(document, title="")
            record.info = replace(record.info, epoch=epoch)

    async def get(self, document: DocumentId) -> DocumentInfo:
        return self._records.get(document).info

    async def list(
        self,
        *,
        after: DocumentId | None = None,
        limit: int,
        query: str | None = None,
        deleted: bool = False,
        quarantined: bool = False,
    ) -> DocumentList:
        check_limit(limit)
        if query and not is_findable(query):
            return []
        found = [
            record.info
            for name, record in sorted(self._records.by_name.items())
            if (after is None or name > after)
            and deleted == (record.info.deleted_at_ms is not None)
            and not (quarantined and record.info.quarantine is None)
            and (not query or fold(query) in name.lower() or fold(query) in fold(record.info.title))
        ]
        return found[:limit]

    async def rename(self, document: DocumentId, title: str) -> DocumentInfo:
        check_title(title)
        record = self._records.get(document)
        record.info = replace(record.info, title=title, updated_at_ms=self._records.now_ms())
        return record.info

    async def delete(self, document: DocumentId) -> DocumentInfo:
        record = self._records.get(document)
        if record.info.deleted_at_ms is None:
            record.info = replace(record.info, deleted_at_ms=self._records.now_ms())
        return record.info

    async def restore(self, document: DocumentId) -> DocumentInfo:
        record = self._records.get(document)
        record.info = replace(record.info, deleted_at_ms=None)
        return record.info


class MemoryQuarantine:
    """See `collab.ports.Quarantine` for the contract of each method."""

    def __init__(self, records: _Records) -> None:
        self._records = records

    async def salvage(self, document: DocumentId) -> LoadedDocument:
        record = self._records.get(document)
        after = 0 if record.checkpoint is None else record.checkpoint.through
        return LoadedDocument(record.info.epoch, record.checkpoint, record.rows[after:], record.info.head)

    async def admit(self, document: DocumentId, reason: str, good: Checkpoint | None) -> None:
        record = self._records.get(document)
        record.good = good
        record.info = replace(record.info, quarantine=QuarantineInfo(reason, self._records.now_ms(), good is not None))

    async def release(self, document: DocumentId) -> None:
        record = self._records.get(document)
        record.good = None
        record.info = replace(record.info, quarantine=None)

    async def last_good(self, document: DocumentId) -> Checkpoint | None:
        return self._records.get(document).good


class MemoryDatabase:
    """A `storage.engine.Database` without a database."""

    def __init__(self, *, now_ms: Callable[[], int] = wall_clock_ms) -> None:
        self._records = _Records(now_ms)
        self.log = MemoryUpdateLog(self._records)
        self.documents = MemoryDocuments(self._records)
        self.quarantine = MemoryQuarantine(self._records)

    async def ping(self) -> None:
        _ = self._records.by_name  # raises when closed

    async def close(self) -> None:
        self._records.closed = True
