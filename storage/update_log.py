"""The update log on SQL: implements `collab.ports.UpdateLog` for SQLite and PostgreSQL alike.

Rules L1 to L5 are the port's. Here they hold because the inserting transaction takes each document's row lock first,
and its seqs from the row it has locked (L1, L5), commits all rows together (L3) and durably (L2), and because nothing
here changes or deletes a row (L4). Further:

Rule L6: see `storage.in_doubt`.
Rule L7: no row or checkpoint is handed out that does not match its checksum, and no run of rows with a hole.
Rule L8: however many callers create a document at once, there is one, with one epoch.
Rule L9: a checkpoint is never replaced by an older one, and never claims more than the log holds.
"""

import asyncio
import logging
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, cast

from sqlalchemy import Connection, Insert, Select, bindparam, func, or_, select
from sqlalchemy import insert as insert_rows

from collab.errors import CorruptUpdate, DocumentNotFound
from collab.loading import quarantined
from collab.ports import Append, Checkpoint, LoadedDocument, StoredUpdate, UpdatePage
from collab.types import DocumentId, Seq
from storage.in_doubt import InDoubt, Plan, Row
from storage.people import People
from storage.rows import Head, create_document, find_document, insert, move_heads, new_epoch
from storage.tables import (
    checkpoint_checksum,
    checkpoints,
    documents,
    people,
    quarantines,
    thinned_checksum,
    update_checksum,
    updates,
)
from storage.transactions import Transactions, retry

_log = logging.getLogger(__name__)

PAGE_ROWS = 1000
PAGE_BYTES = 4 * 1024 * 1024
"""How much is fetched and checked before the event loop gets its turn: some milliseconds."""

# The hot path. The driver gets it as text, with rows as tuples in the order of the columns, which takes half the time
# for each row.
_INSERT_UPDATES = insert_rows(updates)
_driver_texts: dict[tuple[str, Insert], str] = {}

_FIND_WITH_CHECKPOINT = (
    select(
        documents,
        checkpoints.c.through_seq,
        checkpoints.c.checksum,
        checkpoints.c.state,
        quarantines.c.reason.label("quarantine_reason"),
    )
    .outerjoin(checkpoints, checkpoints.c.document_pk == documents.c.pk)
    .outerjoin(quarantines, quarantines.c.document_pk == documents.c.pk)
    .where(documents.c.name == bindparam("name"))
)


class SqlUpdateLog:
    """See `collab.ports.UpdateLog` for the contract of each method."""

    def __init__(self, transactions: Transactions, *, now_ms: Callable[[], int]) -> None:
        self._transactions = transactions
        self._people = People(transactions)
        self._in_doubt = InDoubt()
        self._now_ms = now_ms

    async def load(self, document: DocumentId, *, create: bool) -> LoadedDocument:
        found = await self._transactions.read(partial(_load, document))
        if found is None and create:
            found = await self._create(document)
        if found is None:
            raise DocumentNotFound(f"there is no document {document}")
        if await found.checkpoint_is_intact():
            return found.document
        _log.error("%s: its checkpoint is damaged; it is loaded from its rows, all of which are there", document)
        found = await self._transactions.read(partial(_load, document, with_checkpoint=False))
        if found is None:
            raise DocumentNotFound(f"there is no document {document}")
        return found.document

    async def append(self, appends: Sequence[Append]) -> list[Seq]:
        """
        Raises:
            ValueError: a user id cannot be stored (see `storage.people.check_user_id`); nothing was written.
        """
        return await retry(lambda: self._append(appends))

    async def read(self, document: DocumentId, *, after: Seq, limit: int, bytes_max: int) -> UpdatePage:
        """
        Raises:
            ValueError: `limit` is not positive, or `after` negative.
        """
        if limit < 1 or after < 0:
            raise ValueError("limit must be positive, after must not be negative")
        return await self._transactions.read(
            lambda connection: _read(connection, document, after=after, limit=limit, bytes_max=bytes_max)
        )

    async def write_checkpoint(self, document: DocumentId, checkpoint: Checkpoint) -> None:
        """
        Raises:
            ValueError: the checkpoint reaches beyond the last row.
        """
        state_crc = await asyncio.to_thread(zlib.crc32, checkpoint.state)
        now_ms = self._now_ms()
        await self._transactions.write(
            lambda connection: _write_checkpoint(connection, document, checkpoint, state_crc, now_ms)
        )

    async def _create(self, document: DocumentId) -> "_Loaded | None":
        """Create the document, unless somebody else just did, and load it in the same transaction."""
        epoch, now_ms = new_epoch(), self._now_ms()

        def write(connection: Connection) -> _Loaded | None:
            create_document(connection, document, title="", epoch=epoch, now_ms=now_ms)
            return _load(document, connection)

        return await self._transactions.write(write)

    async def _append(self, appends: Sequence[Append]) -> list[Seq]:
        await self._in_doubt.settle(self._transactions)
        known = self._in_doubt.answers(appends)
        missing = [append for append, seq in zip(appends, known, strict=True) if seq is None]
        stored = iter(await self._commit(missing)) if missing else iter(())
        answers = [next(stored) if seq is None else seq for seq in known]
        self._in_doubt.claim(appends, known)
        return answers

    async def _commit(self, appends: Sequence[Append]) -> list[Seq]:
        user_ids = {update.user_id for append in appends for update in append.updates if update.user_id is not None}
        person_pks = await self._people.intern(user_ids)
        now_ms = self._now_ms()
        plan: Plan | None = None

        def write(connection: Connection) -> list[Seq]:
            nonlocal plan
            heads = _move_heads(connection, appends, now_ms)
            plan = _plan(appends, heads, person_pks, now_ms)
            _insert(connection, plan)
            return plan.answers

        try:
            return await self._transactions.write_once(write)
        except BaseException:
            # Whether COMMIT was sent is not worth knowing: a look at the rows answers for every case.
            if plan is not None:
                self._in_doubt.add(plan)
            raise


def _move_heads(connection: Connection, appends: Sequence[Append], now_ms: int) -> Mapping[str, Head]:
    rows: dict[DocumentId, int] = {}
    for append in appends:
        rows[append.document] = rows.get(append.document, 0) + len(append.updates)
    heads = move_heads(connection, rows, now_ms)
    if len(heads) < len(rows):
        raise DocumentNotFound(f"there is no document {min(rows.keys() - heads.keys())}")
    return heads


def _plan(appends: Sequence[Append], heads: Mapping[str, Head], person_pks: Mapping[str, int], now_ms: int) -> Plan:
    """Give every row its place after its document's last one."""
    last = {name: head.seq for name, head in heads.items()}
    rows: list[Row] = []
    answers: list[Seq] = []
    for append in appends:
        document_pk = heads[append.document].pk
        seq = last[append.document]
        for new in append.updates:
            seq += 1
            person_pk = None if new.user_id is None else person_pks[new.user_id]
            checksum = update_checksum(new.payload, document_pk=document_pk, seq=seq, person_pk=person_pk, at_ms=now_ms)
            rows.append(Row(seq, now_ms, document_pk, person_pk, checksum, new.payload))
        last[append.document] = seq
        answers.append(Seq(seq))
    return Plan(appends, answers, rows)


def _insert(connection: Connection, plan: Plan) -> None:
    connection.exec_driver_sql(_driver_sql(connection, _INSERT_UPDATES), cast(Any, plan.rows))


def _driver_sql(connection: Connection, statement: Insert) -> str:
    key = (connection.dialect.name, statement)
    if key not in _driver_texts:
        _driver_texts[key] = str(statement.compile(dialect=connection.dialect))
    return _driver_texts[key]


class _Loaded(NamedTuple):
    """A document as read, its checkpoint still unverified."""

    document: LoadedDocument
    document_pk: int
    checkpoint_checksum: int | None

    async def checkpoint_is_intact(self) -> bool:
        checkpoint = self.document.checkpoint
        if checkpoint is None:
            return True
        state_crc = await asyncio.to_thread(zlib.crc32, checkpoint.state)
        expected = checkpoint_checksum(state_crc, document_pk=self.document_pk, through=checkpoint.through)
        return expected == self.checkpoint_checksum


def _load(document: DocumentId, connection: Connection, *, with_checkpoint: bool = True) -> _Loaded | None:
    found = connection.execute(_FIND_WITH_CHECKPOINT, {"name": document}).one_or_none()
    if found is None:
        return None
    if found.deleted_at_ms is not None:
        raise DocumentNotFound(f"the document {document} is in the bin")
    if found.quarantine_reason is not None:
        raise quarantined(found.quarantine_reason)
    checkpoint = None
    if with_checkpoint and found.through_seq is not None:
        checkpoint = Checkpoint(Seq(found.through_seq), found.state)
    after = Seq(0) if checkpoint is None else checkpoint.through
    rows = rows_after(connection, found.pk, after=after, through=found.head_seq, thinned=found.thinned_through)
    loaded = LoadedDocument(found.epoch, checkpoint, list(rows), Seq(found.head_seq), found.schema_version)
    return _Loaded(loaded, found.pk, found.checksum)


def _read(connection: Connection, document: DocumentId, *, after: Seq, limit: int, bytes_max: int) -> UpdatePage:
    found = find_document(connection, document)
    if found is None:
        raise DocumentNotFound(f"there is no document {document}")
    page: list[StoredUpdate] = []
    through = min(found.head_seq, after + limit)
    for row in rows_after(
        connection,
        found.pk,
        after=after,
        through=through,
        thinned=found.thinned_through,
        page_bytes=min(bytes_max, PAGE_BYTES),
    ):
        bytes_max -= len(row.payload)
        if page and bytes_max < 0:
            break
        page.append(row)
    return UpdatePage(page, Seq(found.head_seq))


def rows_after(
    connection: Connection,
    document_pk: int,
    *,
    after: int,
    through: int,
    thinned: int,
    page_bytes: int = PAGE_BYTES,
) -> Iterator[StoredUpdate]:
    """The rows after `after` through `through`, fetched a page at a time, each checked.

    Args:
        thinned: Rows through this one stand for others, too. One that stands for `through` may end beyond it.

    Raises:
        CorruptUpdate: a row is missing or does not match its checksum.
    """
    page = {"document_pk": document_pk, "bytes_max": page_bytes}
    while after < through:
        rows = connection.execute(_PAGE, page | {"after": after, "rows_max": min(PAGE_ROWS, through - after)}).all()
        if not rows:
            raise CorruptUpdate(f"row {after + 1} is missing")
        for seq, at_ms, person_pk, checksum, payload, user_id in rows:
            if seq <= thinned:
                first = 1 + _last_before(connection, document_pk, seq)
                if checksum != thinned_checksum(payload, document_pk=document_pk, seq=seq, first=first, at_ms=at_ms):
                    raise CorruptUpdate(f"row {seq} does not match its checksum, or the one before it is missing")
                yield StoredUpdate(Seq(seq), None, at_ms, payload, Seq(first))
                after = seq
                continue
            after += 1
            if seq != after:
                raise CorruptUpdate(f"row {after} is missing")
            if checksum != update_checksum(payload, document_pk=document_pk, seq=seq, person_pk=person_pk, at_ms=at_ms):
                raise CorruptUpdate(f"row {seq} does not match its checksum")
            yield StoredUpdate(Seq(seq), user_id, at_ms, payload)


def _last_before(connection: Connection, document_pk: int, seq: int) -> int:
    before = select(func.max(updates.c.seq)).where(updates.c.document_pk == document_pk, updates.c.seq < seq)
    return connection.scalar(before) or 0


def _page_statement() -> Select[Any]:
    """Rows after `after`: at most `rows_max`, with at most `bytes_max` of payload, but at least one.

    Sizes first, then the rows: payloads that do not belong to the page are never read.
    """
    of_document = updates.c.document_pk == bindparam("document_pk")
    after = updates.c.seq > bindparam("after")
    sizes = (
        select(updates.c.seq, func.length(updates.c.payload).label("size"))
        .where(of_document, after)
        .order_by(updates.c.seq)
        .limit(bindparam("rows_max"))
        .subquery()
    )
    sums = select(sizes.c.seq, sizes.c.size, func.sum(sizes.c.size).over(order_by=sizes.c.seq).label("sum")).subquery()
    last = select(func.max(sums.c.seq)).where(or_(sums.c.sum <= bindparam("bytes_max"), sums.c.sum == sums.c.size))
    return (
        select(
            updates.c.seq,
            updates.c.at_ms,
            updates.c.person_pk,
            updates.c.checksum,
            updates.c.payload,
            people.c.external_id,
        )
        .outerjoin(people)
        .where(of_document, after, updates.c.seq <= last.scalar_subquery())
        .order_by(updates.c.seq)
    )


_PAGE = _page_statement()


def _write_checkpoint(
    connection: Connection, document: DocumentId, checkpoint: Checkpoint, state_crc: int, now_ms: int
) -> None:
    found = find_document(connection, document)
    if found is None:
        raise DocumentNotFound(f"there is no document {document}")
    if checkpoint.through < found.thinned_through:
        return  # It may hold what was thinned out since it was made.
    if checkpoint.through > found.head_seq:
        raise ValueError(f"a checkpoint through row {checkpoint.through} of a log that ends at row {found.head_seq}")
    statement = insert(connection, checkpoints)
    new = statement.excluded
    statement = statement.on_conflict_do_update(
        index_elements=["document_pk"],
        set_={name: new[name] for name in ("through_seq", "created_at_ms", "checksum", "state")},
        where=checkpoints.c.through_seq <= new.through_seq,
    )
    values = {
        "document_pk": found.pk,
        "through_seq": checkpoint.through,
        "created_at_ms": now_ms,
        "checksum": checkpoint_checksum(state_crc, document_pk=found.pk, through=checkpoint.through),
        "state": checkpoint.state,
    }
    connection.execute(statement, values)
