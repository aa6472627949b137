"""What history keeps beside the log: implements `collab.history.ports.HistoryStore` for SQLite and PostgreSQL alike.

Rule L10: a chunk of the index is kept whole or not at all, once, and only where the index ends.
"""

import asyncio
import zlib
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Row, func, select, union, union_all, update
from sqlalchemy import delete as delete_rows
from sqlalchemy import insert as insert_rows

from collab.errors import CorruptUpdate, DocumentNotFound, HistoryNotFound
from collab.history.ports import (
    Binding,
    Chunk,
    Event,
    EventKind,
    Extent,
    HistoryCheckpoint,
    NewEvent,
    Span,
    Version,
)
from collab.types import DocumentId, Seq
from storage.people import CACHE_ENTRIES_MAX, People
from storage.rows import find_document, lock_heads
from storage.tables import (
    accounts,
    checkpoint_checksum,
    documents,
    history_checkpoints,
    history_clients,
    history_events,
    history_spans,
    people,
    updates,
    versions,
)
from storage.transactions import Transactions

T = TypeVar("T")

VERSION_NAME_CHARACTERS_MAX = 200
NAME_CHARACTERS_MAX = 200
"""Of what another product calls somebody; the rest is cut off."""


class Writer(NamedTuple):
    """Somebody who has written in a document."""

    user_id: str
    name: str
    guest: bool


class SqlHistory:
    """See `HistoryStore` for the contract of each method."""

    def __init__(self, transactions: Transactions, *, now_ms: Callable[[], int]) -> None:
        self._transactions = transactions
        self._people = People(transactions)
        self._names: dict[str, str] = {}
        """Those that are known to be stored."""
        self._now_ms = now_ms

    async def extent(self, document: DocumentId) -> Extent:
        def work(connection: Connection) -> Extent:
            found = _find(connection, document)
            return Extent(lineage(found), Seq(found.head_seq), _indexed(connection, found.pk))

        return await self._transactions.read(work)

    async def kept(self, document: DocumentId) -> Sequence[Seq]:
        def work(connection: Connection) -> list[Seq]:
            found = _find(connection, document)
            if not found.thinned_through:
                return []
            chosen = select(updates.c.seq).where(
                updates.c.document_pk == found.pk, updates.c.seq <= found.thinned_through
            )
            return [Seq(seq) for (seq,) in connection.execute(chosen.order_by(updates.c.seq))]

        return await self._transactions.read(work)

    async def checkpoint(self, document: DocumentId, at: Seq) -> HistoryCheckpoint | None:
        table = history_checkpoints

        def work(connection: Connection) -> Row[Any] | None:
            pk = _find(connection, document).pk
            newest = select(table).where(table.c.document_pk == pk, table.c.through_seq <= at)
            return connection.execute(newest.order_by(table.c.through_seq.desc()).limit(1)).one_or_none()

        row = await self._transactions.read(work)
        if row is None:
            return None
        crc = await asyncio.to_thread(zlib.crc32, row.packed)
        if row.checksum != checkpoint_checksum(crc, document_pk=row.document_pk, through=row.through_seq):
            raise CorruptUpdate(f"the history checkpoint through row {row.through_seq} does not match its checksum")
        return HistoryCheckpoint(Seq(row.through_seq), row.packed)

    async def add_chunk(self, document: DocumentId, chunk: Chunk) -> bool:
        by = {span.user_id for span in chunk.spans} | {binding.user_id for binding in chunk.bindings}
        person_pks = await self._people.intern({user_id for user_id in by if user_id is not None})
        through, packed = chunk.checkpoint.through, chunk.checkpoint.packed
        crc = await asyncio.to_thread(zlib.crc32, packed)
        now_ms = self._now_ms()

        def work(connection: Connection) -> bool:
            head = lock_heads(connection, [document]).get(document)
            if head is None:
                raise DocumentNotFound(f"there is no document {document}")
            if head.seq < through or _indexed(connection, head.pk) != chunk.after:
                return False
            if chunk.epoch and chunk.epoch != lineage(_find(connection, document)):
                return False
            values = {
                "document_pk": head.pk,
                "through_seq": through,
                "created_at_ms": now_ms,
                "checksum": checkpoint_checksum(crc, document_pk=head.pk, through=through),
                "packed": packed,
            }
            connection.execute(insert_rows(history_checkpoints), values)
            if chunk.spans:
                connection.execute(
                    insert_rows(history_spans), [span_row(head.pk, it, person_pks) for it in chunk.spans]
                )
            if chunk.bindings:
                rows = [binding_row(head.pk, binding, person_pks) for binding in chunk.bindings]
                connection.execute(insert_rows(history_clients), rows)
            return True

        return await self._transactions.write(work)

    async def spans(self, document: DocumentId) -> list[Span]:
        table = history_spans

        def work(connection: Connection) -> list[Span]:
            pk = _find(connection, document).pk
            rows = connection.execute(
                select(table, people.c.external_id)
                .outerjoin(people)
                .where(table.c.document_pk == pk)
                .order_by(table.c.last_seq)
            )
            return [
                Span(
                    row.external_id,
                    first=Seq(row.first_seq),
                    last=Seq(row.last_seq),
                    started_ms=row.started_at_ms,
                    ended_ms=row.ended_at_ms,
                    updates=row.updates,
                    added=row.added,
                    removed=row.removed,
                )
                for row in rows
            ]

        return await self._transactions.read(work)

    async def bindings(self, document: DocumentId) -> list[Binding]:
        table = history_clients

        def work(connection: Connection) -> list[Binding]:
            pk = _find(connection, document).pk
            chosen = select(table.c.client, people.c.external_id, table.c.first_seq).select_from(table)
            rows = connection.execute(chosen.outerjoin(people).where(table.c.document_pk == pk))
            return [Binding(client, user_id, Seq(first)) for client, user_id, first in rows]

        return await self._transactions.read(work)

    async def copies(self, document: DocumentId) -> list[tuple[int, bytes]]:
        table = history_events

        def work(connection: Connection) -> list[tuple[int, bytes]]:
            pk = _find(connection, document).pk
            chosen = select(table.c.client, table.c.copies).where(
                table.c.document_pk == pk, table.c.client.is_not(None)
            )
            return [(client, copies) for client, copies in connection.execute(chosen)]

        return await self._transactions.read(work)

    async def add_event(self, document: DocumentId, event: NewEvent) -> int:
        person_pk = await self._person(event.user_id)
        now_ms = self._now_ms()

        def work(connection: Connection) -> int:
            values = {
                "document_pk": _find(connection, document).pk,
                "at_ms": now_ms,
                "seq": event.seq,
                "client": event.client,
                "person_pk": person_pk,
                "kind": event.kind.value,
                "detail": event.detail,
                "copies": event.copies,
            }
            return _inserted(connection, history_events, values)

        return await self._transactions.write_once(work)

    async def finish_restore(self, document: DocumentId, event: int, row: Seq) -> None:
        table = history_events

        def work(connection: Connection) -> None:
            connection.execute(update(table).where(table.c.pk == event).values(row_seq=row))

        await self._transactions.write(work)

    async def events(self, document: DocumentId) -> list[Event]:
        table = history_events

        def work(connection: Connection) -> list[Event]:
            pk = _find(connection, document).pk
            chosen = select(table, people.c.external_id).outerjoin(people).where(table.c.document_pk == pk)
            return [_event(row) for row in connection.execute(chosen.order_by(table.c.pk))]

        return await self._transactions.read(work)

    async def add_version(self, document: DocumentId, *, seq: Seq, name: str, user_id: str | None) -> Version:
        """
        Raises:
            ValueError: the name breaks the rule of `check_version_name`.
        """
        check_version_name(name)
        person_pk = await self._person(user_id)
        now_ms = self._now_ms()

        def work(connection: Connection) -> Version:
            found = _find(connection, document)
            if not 0 <= seq <= found.head_seq:
                raise HistoryNotFound(f"the document's history reaches from seq 0 to seq {found.head_seq}")
            values = {
                "document_pk": found.pk,
                "seq": seq,
                "name": name,
                "person_pk": person_pk,
                "at_ms": now_ms,
            }
            return Version(_inserted(connection, versions, values), seq, name, user_id, now_ms)

        return await self._transactions.write_once(work)

    async def rename_version(self, document: DocumentId, version: int, name: str) -> Version:
        """
        Raises:
            ValueError: the name breaks the rule of `check_version_name`.
        """
        check_version_name(name)

        def work(connection: Connection) -> Version:
            chosen = _version_of(connection, document, version)
            connection.execute(update(versions).where(*chosen).values(name=name))
            row = connection.execute(select(versions, people.c.external_id).outerjoin(people).where(*chosen)).first()
            if row is None:
                raise HistoryNotFound("the document has no such version")
            return _version(row)

        return await self._transactions.write(work)

    async def remove_version(self, document: DocumentId, version: int) -> None:
        def work(connection: Connection) -> None:
            chosen = _version_of(connection, document, version)
            if connection.execute(delete_rows(versions).where(*chosen)).rowcount == 0:
                raise HistoryNotFound("the document has no such version")

        await self._transactions.write_once(work)

    async def versions(self, document: DocumentId) -> list[Version]:
        def work(connection: Connection) -> list[Version]:
            pk = _find(connection, document).pk
            chosen = select(versions, people.c.external_id).outerjoin(people).where(versions.c.document_pk == pk)
            return [_version(row) for row in connection.execute(chosen.order_by(versions.c.seq, versions.c.pk))]

        return await self._transactions.read(work)

    async def behind(self, rows: int) -> Sequence[DocumentId]:
        table = history_checkpoints
        reached = select(table.c.document_pk, func.max(table.c.through_seq).label("through"))
        ends = reached.group_by(table.c.document_pk).subquery()
        missing = documents.c.head_seq - func.coalesce(ends.c.through, 0)
        chosen = select(documents.c.name).outerjoin(ends, ends.c.document_pk == documents.c.pk).where(missing >= rows)

        def work(connection: Connection) -> list[DocumentId]:
            return [DocumentId(name) for (name,) in connection.execute(chosen)]

        return await self._transactions.read(work)

    async def names(self, user_ids: Collection[str]) -> dict[str, str]:
        """How people are called: those with an account, and those whom another product knows."""
        chosen = union_all(
            select(people.c.external_id, people.c.name).where(
                people.c.external_id.in_(user_ids), people.c.name.is_not(None)
            ),
            select(accounts.c.id, accounts.c.name).where(accounts.c.id.in_(user_ids)),
        )
        found = await self._transactions.read(lambda connection: connection.execute(chosen).all())
        return {row[0]: row[1] for row in found}

    async def remember_name(self, user_id: str, name: str) -> None:
        """What another product says that somebody is called.

        Raises:
            ValueError: the id cannot be stored.
        """
        name = name.encode(errors="replace").decode().replace("\0", "")[:NAME_CHARACTERS_MAX]
        # Who was erased since is somebody new.
        if self._names.get(user_id) == name and user_id in self._transactions.interned:
            return
        pk = await self._person(user_id)
        news = update(people).where(people.c.pk == pk, people.c.name.is_distinct_from(name)).values(name=name)
        await self._transactions.write(lambda connection: connection.execute(news))
        if len(self._names) >= CACHE_ENTRIES_MAX:
            self._names.clear()
        self._names[user_id] = name

    async def writers(self, document: DocumentId) -> list[Writer]:
        """Everybody who has written in a document and is still known."""

        def work(connection: Connection) -> Sequence[Any]:
            found = find_document(connection, document)
            if found is None:
                return []
            # Rows that were thinned out have no author any more; who used which client id is kept.
            wrote = union(
                *(
                    select(table.c.person_pk).where(table.c.document_pk == found.pk)
                    for table in (updates, history_clients)
                )
            )
            known = select(
                people.c.external_id, func.coalesce(accounts.c.name, people.c.name).label("name"), accounts.c.guest
            ).outerjoin(accounts, accounts.c.id == people.c.external_id)
            return connection.execute(known.where(people.c.pk.in_(wrote)).order_by(people.c.pk)).all()

        rows = await self._transactions.read(work)
        return [Writer(row.external_id, row.name, bool(row.guest)) for row in rows if row.name is not None]

    async def _person(self, user_id: str | None) -> int | None:
        return None if user_id is None else (await self._people.intern([user_id]))[user_id]


def check_version_name(name: str) -> None:
    """1 to VERSION_NAME_CHARACTERS_MAX characters, no control characters, nothing that UTF-8 cannot hold.

    Raises:
        ValueError: the name breaks the rule; the text says how.
    """
    if not 0 < len(name) <= VERSION_NAME_CHARACTERS_MAX:
        raise ValueError(f"a version's name has 1 to {VERSION_NAME_CHARACTERS_MAX} characters")
    if any(character < " " or "\x7f" <= character < "\xa0" or "\ud800" <= character <= "\udfff" for character in name):
        raise ValueError("a version's name has no control characters")


def _find(connection: Connection, document: DocumentId) -> Row[Any]:
    found = find_document(connection, document)
    if found is None:
        raise DocumentNotFound(f"there is no document {document}")
    return found


def lineage(document: Row[Any]) -> str:
    """See `Extent.epoch`."""
    return f"{document.epoch}+{document.thinnings}" if document.thinnings else str(document.epoch)


def _indexed(connection: Connection, document_pk: int) -> Seq:
    table = history_checkpoints
    newest = select(func.max(table.c.through_seq)).where(table.c.document_pk == document_pk)
    return Seq(connection.scalar(newest) or 0)


def _inserted(connection: Connection, table: Any, values: dict[str, Any]) -> int:
    key = connection.execute(insert_rows(table), values).inserted_primary_key
    assert key is not None
    number: int = key[0]
    return number


def span_row(document_pk: int, span: Span, person_pks: dict[str, int]) -> dict[str, Any]:
    return {
        "document_pk": document_pk,
        "person_pk": None if span.user_id is None else person_pks[span.user_id],
        "first_seq": span.first,
        "last_seq": span.last,
        "started_at_ms": span.started_ms,
        "ended_at_ms": span.ended_ms,
        "updates": span.updates,
        "added": span.added,
        "removed": span.removed,
    }


def binding_row(document_pk: int, binding: Binding, person_pks: dict[str, int]) -> dict[str, Any]:
    return {
        "document_pk": document_pk,
        "client": binding.client,
        "first_seq": binding.first,
        "person_pk": None if binding.user_id is None else person_pks[binding.user_id],
    }


def _event(row: Row[Any]) -> Event:
    return Event(
        id=row.pk,
        kind=EventKind(row.kind),
        user_id=row.external_id,
        at_ms=row.at_ms,
        seq=Seq(row.seq),
        detail=row.detail,
        row=None if row.row_seq is None else Seq(row.row_seq),
        client=row.client,
    )


def _version_of(connection: Connection, document: DocumentId, version: int) -> tuple[Any, ...]:
    return versions.c.pk == version, versions.c.document_pk == _find(connection, document).pk


def _version(row: Row[Any]) -> Version:
    return Version(row.pk, Seq(row.seq), row.name, row.external_id, row.at_ms)
