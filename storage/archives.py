"""Documents as a whole, for archives: what stands beside their updates, and how those of another Coscribe come in.

Rule I1: an imported document is seen once all of it is there. Until then it lies in the bin, with a time that no
         document has been deleted at, so that an import that was broken off goes on where it ended.
Rule I2: whatever was imported is imported again without effect; a name that belongs to another document is left alone.
Rule I3: no transaction holds more than a chunk, so that live edits never wait for an import.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from sqlalchemy import Connection, select, update
from sqlalchemy import insert as insert_rows

from collab.archive.model import ArchivedDocument, ArchivedEvent, ArchivedImage, ArchivedVersion
from collab.errors import CorruptUpdate
from collab.history.ports import EventKind
from collab.ports import StoredUpdate
from collab.types import DocumentId, Seq
from storage.documents import check_title
from storage.errors import DocumentExists
from storage.history import binding_row, span_row
from storage.people import People
from storage.retention import remove_document
from storage.rows import create_document, find_document, insert, lock_heads
from storage.tables import (
    documents,
    files,
    history_clients,
    history_events,
    history_spans,
    people,
    thinned_checksum,
    update_checksum,
    updates,
    versions,
)
from storage.transactions import Transactions

ARRIVING = 0
"""`deleted_at_ms` of a document whose import has not ended."""


class Archives:
    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._people = People(transactions)

    async def annotations(self, document: DocumentId) -> tuple[tuple[ArchivedVersion, ...], tuple[ArchivedEvent, ...]]:
        """Named versions and events of a document."""
        return await self._transactions.read(partial(_annotations, document))

    async def images(self, document: DocumentId) -> tuple[ArchivedImage, ...]:
        """Those that are listed for a document."""
        chosen = select(files, people.c.external_id).select_from(files).outerjoin(people)
        chosen = chosen.join(documents, documents.c.pk == files.c.document_pk).where(documents.c.name == document)

        def work(connection: Connection) -> tuple[ArchivedImage, ...]:
            return tuple(
                ArchivedImage(row.digest, row.media_type, row.bytes, row.external_id, row.at_ms)
                for row in connection.execute(chosen.order_by(files.c.at_ms, files.c.digest))
            )

        return await self._transactions.read(work)

    async def standing(self, wanted: Sequence[ArchivedDocument]) -> None:
        """Find out whether all of `wanted` can come in, before the first does.

        Raises:
            DocumentExists: names belong to other documents; the text names some.
            ValueError: a title cannot be stored.
        """
        for document in wanted:
            check_title(document.title)

        def work(connection: Connection) -> list[str]:
            return [document.id for document in wanted if _is_taken(connection, document)]

        taken = await self._transactions.read(work)
        if taken:
            more = f" and {len(taken) - 5} more" if len(taken) > 5 else ""
            raise DocumentExists(f"these names belong to other documents here: {', '.join(taken[:5])}{more}")

    async def forget_arriving(self, document: DocumentId) -> None:
        """Remove what an import that was broken off has left of a document."""

        def work(connection: Connection) -> None:
            lock_heads(connection, [document])
            found = find_document(connection, document)
            if found is not None and found.deleted_at_ms == ARRIVING:
                remove_document(connection, document, found.pk)

        await self._transactions.write(work)

    async def store(self, document: ArchivedDocument, chunks: Iterator[list[StoredUpdate]]) -> bool:
        """Bring in a document that was checked, with the authors and times that its rows have.

        Returns:
            False if all of it was here already.

        Raises:
            DocumentExists: its name belongs to another document.
            StoreUnavailable, StoreBroken.
        """
        after = Seq(0)
        chunk = next(chunks, [])
        while True:
            following = next(chunks, None)
            known = await self._people.intern(_people_of(document, chunk, last=following is None))
            last = following is None
            step = partial(_store, document, chunk, after=after, last=last, person_pks=known)
            stored = await self._transactions.write(step)
            if not stored or following is None:
                return stored
            after = chunk[-1].seq
            chunk = following

    async def store_images(self, document: ArchivedDocument) -> None:
        """List images of a document that was here already: it may have come without them.

        Raises:
            StoreUnavailable, StoreBroken.
        """
        known = await self._people.intern({it.user_id for it in document.images if it.user_id is not None})

        def work(connection: Connection) -> None:
            lock_heads(connection, [document.id])
            found = find_document(connection, document.id)
            if found is not None and found.epoch == document.epoch:
                add_images(connection, found.pk, document.images, known)

        await self._transactions.write(work)


def add_images(
    connection: Connection, document_pk: int, images: Sequence[ArchivedImage], person_pks: dict[str, int]
) -> None:
    """List those that are not yet. What is in them is durable (rule F2 of `storage.files`)."""
    for image in images:
        values = {
            "at_ms": image.at_ms,
            "bytes": image.bytes,
            "document_pk": document_pk,
            "person_pk": None if image.user_id is None else person_pks[image.user_id],
            "digest": image.digest,
            "media_type": image.media_type,
        }
        connection.execute(insert(connection, files).values(**values).on_conflict_do_nothing())


def _people_of(document: ArchivedDocument, chunk: list[StoredUpdate], *, last: bool) -> set[str]:
    authors = {row.user_id for row in chunk}
    if last:
        authors |= {named.user_id for named in document.versions} | {event.user_id for event in document.events}
        authors |= {binding.user_id for binding in document.clients} | {span.user_id for span in document.sessions}
        authors |= {image.user_id for image in document.images}
    return {user_id for user_id in authors if user_id is not None}


def _annotations(
    document: DocumentId, connection: Connection
) -> tuple[tuple[ArchivedVersion, ...], tuple[ArchivedEvent, ...]]:
    pk = select(documents.c.pk).where(documents.c.name == document).scalar_subquery()
    named = select(versions, people.c.external_id).outerjoin(people).where(versions.c.document_pk == pk)
    happened = select(history_events, people.c.external_id).outerjoin(people)
    happened = happened.where(history_events.c.document_pk == pk)
    return (
        tuple(
            ArchivedVersion(Seq(row.seq), row.name, row.external_id, row.at_ms)
            for row in connection.execute(named.order_by(versions.c.seq, versions.c.pk))
        ),
        tuple(
            ArchivedEvent(
                kind=EventKind(row.kind),
                user_id=row.external_id,
                at_ms=row.at_ms,
                seq=Seq(row.seq),
                detail=row.detail,
                row=None if row.row_seq is None else Seq(row.row_seq),
                client=row.client,
                copies=row.copies,
            )
            for row in connection.execute(happened.order_by(history_events.c.pk))
        ),
    )


def _is_taken(connection: Connection, document: ArchivedDocument) -> bool:
    found = find_document(connection, document.id)
    return found is not None and not (
        found.epoch == document.epoch and (found.deleted_at_ms == ARRIVING or found.head_seq >= document.head)
    )


def _store(
    document: ArchivedDocument,
    chunk: list[StoredUpdate],
    connection: Connection,
    *,
    after: Seq,
    last: bool,
    person_pks: dict[str, int],
) -> bool:
    found = find_document(connection, document.id)
    if found is None and after == 0:
        created = document.created_at_ms
        create_document(connection, document.id, title=document.title, epoch=document.epoch, now_ms=created)
        connection.execute(update(documents).where(documents.c.name == document.id).values(deleted_at_ms=ARRIVING))
        found = find_document(connection, document.id)
    if found is None or _is_taken(connection, document):
        raise DocumentExists(f"the name {document.id} belongs to another document here")
    if found.deleted_at_ms != ARRIVING:
        return False
    rows = [_row(found.pk, row, person_pks) for row in chunk if row.seq > found.head_seq]
    if rows:
        first = next(row for row in chunk if row.seq > found.head_seq)
        if (first.first or first.seq) != found.head_seq + 1:
            raise CorruptUpdate(f"the import of {document.id} has a hole before seq {first.seq}")
        connection.execute(insert_rows(updates), rows)
        thinned = [row.seq for row in chunk if row.first is not None]
        values = {"head_seq": chunk[-1].seq} | ({"thinned_through": thinned[-1], "thinnings": 1} if thinned else {})
        connection.execute(update(documents).where(documents.c.pk == found.pk).values(**values))
    if last:
        _finish(connection, found.pk, document, person_pks)
    return True


def _row(document_pk: int, row: StoredUpdate, person_pks: dict[str, int]) -> dict[str, object]:
    person_pk = None if row.user_id is None else person_pks[row.user_id]
    if row.first is not None:
        place = {"document_pk": document_pk, "seq": row.seq, "first": row.first, "at_ms": row.at_ms}
        checksum = thinned_checksum(row.payload, **place)
    else:
        checksum = update_checksum(
            row.payload, document_pk=document_pk, seq=row.seq, person_pk=person_pk, at_ms=row.at_ms
        )
    return {
        "seq": row.seq,
        "at_ms": row.at_ms,
        "document_pk": document_pk,
        "person_pk": person_pk,
        "checksum": checksum,
        "payload": row.payload,
    }


def _finish(connection: Connection, document_pk: int, document: ArchivedDocument, person_pks: dict[str, int]) -> None:
    def person_of(user_id: str | None) -> int | None:
        return None if user_id is None else person_pks[user_id]

    if document.versions:
        named = [
            {
                "at_ms": it.at_ms,
                "seq": it.seq,
                "document_pk": document_pk,
                "person_pk": person_of(it.user_id),
                "name": it.name,
            }
            for it in document.versions
        ]
        connection.execute(insert_rows(versions), named)
    if document.events:
        happened = [
            {
                "at_ms": it.at_ms,
                "seq": it.seq,
                "row_seq": it.row,
                "client": it.client,
                "document_pk": document_pk,
                "person_pk": person_of(it.user_id),
                "kind": it.kind.value,
                "detail": it.detail,
                "copies": it.copies,
            }
            for it in document.events
        ]
        connection.execute(insert_rows(history_events), happened)
    if document.clients:
        bound = [binding_row(document_pk, binding, person_pks) for binding in document.clients]
        connection.execute(insert_rows(history_clients), bound)
    add_images(connection, document_pk, document.images, person_pks)
    if document.sessions:
        written = [span_row(document_pk, span, person_pks) for span in document.sessions]
        connection.execute(insert_rows(history_spans), written)
    values = {"deleted_at_ms": document.deleted_at_ms, "updated_at_ms": document.updated_at_ms}
    connection.execute(update(documents).where(documents.c.pk == document_pk).values(**values))
