"""Which files belong to a document: their digests, kinds and sizes. `storage.blobs` has what is in them.

Rule F1: a file is named by the SHA-256 of its content; what is there under a name never changes.
Rule F2: it is listed only once its content is durable: whoever finds it here can read it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select

from collab.errors import DocumentNotFound, LimitExceeded
from collab.types import DocumentId
from storage.people import People
from storage.rows import find_document, insert, lock_heads
from storage.tables import documents, files
from storage.transactions import Transactions


@dataclass(frozen=True, slots=True)
class File:
    digest: str
    media_type: str
    bytes: int


class SqlFiles:
    def __init__(self, transactions: Transactions, *, now_ms: Callable[[], int]) -> None:
        self._transactions = transactions
        self._people = People(transactions)
        self._now_ms = now_ms

    async def find(self, document: DocumentId, digest: str) -> tuple[File, str] | None:
        """A file of a document, and the epoch under which its content is kept; None where there is none."""
        chosen = _LISTED.where(documents.c.name == document, files.c.digest == digest)
        row = await self._transactions.read(lambda connection: connection.execute(chosen).one_or_none())
        return None if row is None else _listed(row)

    async def all(self, document: DocumentId) -> list[tuple[File, str]]:
        """All files of a document, each as `find` gives it."""
        chosen = _LISTED.where(documents.c.name == document)
        rows = await self._transactions.read(lambda connection: connection.execute(chosen).all())
        return [_listed(row) for row in rows]

    async def alone(self, document: DocumentId) -> bool:
        """Whether no other document has its epoch, and so its files: an archive may come in under several names."""
        chosen = select(documents.c.name).where(
            documents.c.epoch == select(documents.c.epoch).where(documents.c.name == document).scalar_subquery(),
            documents.c.name != document,
        )
        return await self._transactions.read(lambda connection: connection.execute(chosen).first()) is None

    async def check_room(self, document: DocumentId, file: File, bytes_max: int) -> None:
        """
        Raises:
            DocumentNotFound.
            LimitExceeded: with this one, the files of the document would be larger than `bytes_max` together.
        """
        await self._transactions.read(lambda connection: _check_room(connection, document, file, bytes_max))

    async def add(self, document: DocumentId, file: File, user_id: str | None, bytes_max: int) -> None:
        """List a file whose content is durable (rule F2). Adding it again changes nothing.

        Raises:
            DocumentNotFound, LimitExceeded: as `check_room`; StoreUnavailable.
        """
        person_pks = await self._people.intern(set() if user_id is None else {user_id})
        now_ms = self._now_ms()

        def work(connection: Connection) -> None:
            lock_heads(connection, [document])
            pk = _check_room(connection, document, file, bytes_max)
            values = {
                "document_pk": pk,
                "digest": file.digest,
                "media_type": file.media_type,
                "bytes": file.bytes,
                "at_ms": now_ms,
                "person_pk": None if user_id is None else person_pks[user_id],
            }
            connection.execute(insert(connection, files).values(**values).on_conflict_do_nothing())

        await self._transactions.write(work)


_LISTED = select(files.c.digest, files.c.media_type, files.c.bytes, documents.c.epoch).join(
    documents, documents.c.pk == files.c.document_pk
)


def _listed(row: Row[Any, Any, Any, Any]) -> tuple[File, str]:
    return File(row.digest, row.media_type, row.bytes), row.epoch


def _check_room(connection: Connection, document: DocumentId, file: File, bytes_max: int) -> int:
    found = find_document(connection, document)
    if found is None or found.deleted_at_ms is not None:
        raise DocumentNotFound(f"there is no document {document}")
    others = select(func.sum(files.c.bytes)).where(files.c.document_pk == found.pk, files.c.digest != file.digest)
    if (connection.scalar(others) or 0) + file.bytes > bytes_max:
        raise LimitExceeded(f"the files of one document may have {bytes_max} bytes together")
    pk: int = found.pk
    return pk
