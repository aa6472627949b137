"""Documents that are not loaded until somebody has looked at them. SQL implementation of `collab.ports.Quarantine`."""

import zlib
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Row, delete, select

from collab.errors import CorruptUpdate, DocumentNotFound
from collab.ports import Checkpoint, LoadedDocument, StoredUpdate
from collab.types import DocumentId, Seq
from storage.rows import find_document, insert
from storage.tables import checkpoint_checksum, checkpoints, quarantines
from storage.transactions import Transactions
from storage.update_log import rows_after


class SqlQuarantine:
    """See `collab.ports.Quarantine` for the contract of each method."""

    def __init__(self, transactions: Transactions, *, now_ms: Callable[[], int]) -> None:
        self._transactions = transactions
        self._now_ms = now_ms

    async def salvage(self, document: DocumentId) -> LoadedDocument:
        return await self._transactions.read(lambda connection: _salvage(connection, document))

    async def admit(self, document: DocumentId, reason: str, good: Checkpoint | None) -> None:
        values = {"at_ms": self._now_ms(), "reason": reason, "through_seq": None, "state": None, "checksum": None}
        if good is not None:
            values |= {"through_seq": good.through, "state": good.state}

        def work(connection: Connection) -> None:
            pk = _find(connection, document).pk
            if good is not None:
                values["checksum"] = _checksum(pk, good)
            statement = insert(connection, quarantines).values(document_pk=pk, **values)
            connection.execute(statement.on_conflict_do_update(index_elements=["document_pk"], set_=values))

        await self._transactions.write(work)

    async def release(self, document: DocumentId) -> None:
        def work(connection: Connection) -> None:
            pk = _find(connection, document).pk
            connection.execute(delete(quarantines).where(quarantines.c.document_pk == pk))

        await self._transactions.write(work)

    async def last_good(self, document: DocumentId) -> Checkpoint | None:
        return await self._transactions.read(lambda connection: _last_good(connection, document))


def _find(connection: Connection, document: DocumentId) -> Row[Any]:
    found = find_document(connection, document)
    if found is None:
        raise DocumentNotFound(f"there is no document {document}")
    return found


def _last_good(connection: Connection, document: DocumentId) -> Checkpoint | None:
    return _state_in(connection, quarantines, _find(connection, document).pk)


def _salvage(connection: Connection, document: DocumentId) -> LoadedDocument:
    found = _find(connection, document)
    checkpoint = _state_in(connection, checkpoints, found.pk)
    if checkpoint is not None and checkpoint.through > found.head_seq:
        checkpoint = None
    rows: list[StoredUpdate] = []
    after = 0 if checkpoint is None else checkpoint.through
    try:
        for row in rows_after(connection, found.pk, after=after, through=found.head_seq, thinned=found.thinned_through):
            rows.append(row)
    except CorruptUpdate:
        pass
    return LoadedDocument(found.epoch, checkpoint, rows, Seq(found.head_seq))


def _state_in(connection: Connection, table: Any, document_pk: int) -> Checkpoint | None:
    row = connection.execute(select(table).where(table.c.document_pk == document_pk)).one_or_none()
    if row is None or row.state is None:
        return None
    state = Checkpoint(Seq(row.through_seq), row.state)
    return state if row.checksum == _checksum(document_pk, state) else None


def _checksum(document_pk: int, state: Checkpoint) -> int:
    return checkpoint_checksum(zlib.crc32(state.state), document_pk=document_pk, through=state.through)
