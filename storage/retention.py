"""Takes the past away: rows that were thinned out, whole documents, people. Nothing else in `storage` deletes those.

Rule X1: what goes, goes in one transaction with the entry of the audit log that says so.
Rule X2: rows are replaced only by what was made of exactly these rows (`Extent.epoch`).
Rule X3: a document is purged only from the bin.
Rule X4: after `Database.wipe`, nothing that was deleted before can be read from the files of an SQLite database.
"""

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, Table, delete, func, or_, select, update
from sqlalchemy import insert as insert_rows

from collab.companions import comments_of
from collab.errors import DocumentNotFound
from collab.history.thinning import Keep, Thinning
from collab.types import DocumentId
from storage.accounts import delete_account
from storage.audit_log import Actor, Event, record
from storage.errors import NotInBin, PersonNotFound
from storage.history import binding_row, lineage, span_row
from storage.people import People
from storage.rows import find_document, fold, lock_heads
from storage.tables import (
    accounts,
    audit,
    checkpoints,
    documents,
    files,
    general_access,
    grants,
    history_checkpoints,
    history_clients,
    history_events,
    history_spans,
    invitations,
    link_holders,
    people,
    quarantines,
    search_texts,
    search_words,
    share_links,
    sign_ins,
    stars,
    thinned_checksum,
    tickets,
    tokens,
    updates,
    versions,
)
from storage.transactions import Transactions

ERASED = "erased"
_NAME_CHARACTERS_MIN = 4
"""Shorter names are replaced only where they stand alone: they are part of too many words."""
_OF_DOCUMENT: tuple[Table, ...] = (
    updates,
    checkpoints,
    quarantines,
    history_checkpoints,
    history_spans,
    history_clients,
    history_events,
    versions,
    files,
    grants,
    general_access,
    search_texts,
    search_words,
    stars,
)


@dataclass(frozen=True, slots=True)
class Purged:
    """What is stored of a document."""

    rows: int
    bytes: int
    """Of their payloads, and of states made from them."""
    versions: int


@dataclass(frozen=True, slots=True)
class Erased:
    """What is known of a person."""

    id: str
    name: str | None
    alias: str
    """What stands in place of the id, wherever they wrote or did something."""
    documents: int
    """In which they have written."""
    sign_ins: int
    tokens: int
    audit_entries: int


class SqlRetention:
    def __init__(self, transactions: Transactions, *, now_ms: Callable[[], int]) -> None:
        self._transactions = transactions
        self._people = People(transactions)
        self._now_ms = now_ms

    async def due(self, before_ms: int) -> Sequence[DocumentId]:
        """Documents whose first row that was not thinned out is older than a time."""
        following = documents.c.thinned_through + 1
        first = (updates.c.document_pk == documents.c.pk) & (updates.c.seq == following)
        chosen = select(documents.c.name).join(updates, first).where(updates.c.at_ms < before_ms)
        chosen = chosen.where(documents.c.pk.not_in(select(quarantines.c.document_pk))).order_by(documents.c.name)
        found = await self._transactions.read(lambda connection: connection.execute(chosen).all())
        return [DocumentId(name) for (name,) in found]

    async def thin(self, document: DocumentId, thinning: Thinning, by: Actor) -> bool:
        """Put thinned rows in place of those they stand for. False: the log is not what they were made from any more.

        Raises:
            DocumentNotFound, StoreUnavailable.
        """
        authors = {span.user_id for span in thinning.spans} | {binding.user_id for binding in thinning.bindings}
        person_pks = await self._people.intern({user_id for user_id in authors if user_id is not None})
        now_ms = self._now_ms()
        return await self._transactions.write_once(
            lambda connection: _thin(connection, document, thinning, by, person_pks, now_ms)
        )

    async def stored(self, document: DocumentId) -> Purged:
        """What purging a document would delete.

        Raises:
            DocumentNotFound, NotInBin.
        """
        return await self._transactions.read(lambda connection: _stored(connection, _in_bin(connection, document)))

    async def purge(self, document: DocumentId, by: Actor) -> Purged:
        """Delete a document that lies in the bin, with everything that was stored of it. Its name is free again.

        Raises:
            DocumentNotFound, NotInBin.
        """
        now_ms = self._now_ms()
        return await self._transactions.write_once(lambda connection: _purge(connection, document, by, now_ms))

    async def known(self, person: str) -> Erased:
        """What erasing a person would replace and delete.

        Args:
            person: an account's id, or the id of an author without one.

        Raises:
            PersonNotFound.
        """
        return await self._transactions.read(lambda connection: _known(connection, person, ERASED))

    async def erase(self, person: str, by: Actor) -> Erased:
        """Delete a person's account, and put an alias in place of their id, name and address wherever they stand. What
        they wrote stays, by the alias.

        Raises:
            PersonNotFound, LastAdministrator.
        """
        alias = f"{ERASED}-{secrets.token_hex(8)}"
        now_ms = self._now_ms()
        erased = await self._transactions.write_once(partial(_erase, person, alias, by, now_ms))
        self._people.forget(person)
        return erased


def _thin(
    connection: Connection,
    document: DocumentId,
    thinning: Thinning,
    by: Actor,
    person_pks: dict[str, int],
    now_ms: int,
) -> bool:
    lock_heads(connection, [document])
    found = find_document(connection, document)
    if found is None:
        raise DocumentNotFound(f"there is no document {document}")
    if lineage(found) != thinning.epoch or found.head_seq < thinning.through:
        return False
    pk, through = found.pk, thinning.through
    connection.execute(delete(updates).where(updates.c.document_pk == pk, updates.c.seq <= through))
    rows = [
        {
            "document_pk": pk,
            "seq": row.seq,
            "at_ms": row.at_ms,
            "person_pk": None,
            "checksum": thinned_checksum(
                row.payload, document_pk=pk, seq=row.seq, first=row.first or 1, at_ms=row.at_ms
            ),
            "payload": row.payload,
        }
        for row in thinning.rows
    ]
    connection.execute(insert_rows(updates), rows)
    # Whatever was made of the rows may hold what they do not hold any more.
    connection.execute(delete(history_checkpoints).where(history_checkpoints.c.document_pk == pk))
    connection.execute(delete(checkpoints).where(checkpoints.c.document_pk == pk, checkpoints.c.through_seq < through))
    _index_anew(connection, pk, thinning, person_pks)
    if thinning.keep is Keep.NONE:
        connection.execute(delete(versions).where(versions.c.document_pk == pk, versions.c.seq < through))
    values = {"thinned_through": through, "thinnings": documents.c.thinnings + 1}
    connection.execute(update(documents).where(documents.c.pk == pk).values(**values))
    details = {"to": thinning.keep.value, "through": through, "rows": thinning.rows_before, "kept": len(rows)}
    record(connection, now_ms, Event(by, "history-pruned", document, details))
    return True


def _index_anew(connection: Connection, pk: int, thinning: Thinning, person_pks: dict[str, int]) -> None:
    """Spans and bindings of what was thinned out are kept, because no row tells them any more; those of later rows are
    found again."""
    spans, clients = history_spans, history_clients
    connection.execute(delete(spans).where(spans.c.document_pk == pk, spans.c.last_seq > thinning.after))
    connection.execute(delete(clients).where(clients.c.document_pk == pk, clients.c.first_seq > thinning.after))
    if thinning.keep is Keep.NONE:
        connection.execute(delete(spans).where(spans.c.document_pk == pk))
    elif thinning.spans:
        connection.execute(insert_rows(spans), [span_row(pk, span, person_pks) for span in thinning.spans])
    if thinning.bindings:
        rows = [binding_row(pk, binding, person_pks) for binding in thinning.bindings]
        connection.execute(insert_rows(clients), rows)


def _in_bin(connection: Connection, document: DocumentId) -> int:
    """The primary key of a document that lies there."""
    found = find_document(connection, document)
    if found is None:
        raise DocumentNotFound(f"there is no document {document}")
    if found.deleted_at_ms is None:
        raise NotInBin(f"{document} is not in the bin; only what lies there can be purged")
    pk: int = found.pk
    return pk


def _stored(connection: Connection, pk: int) -> Purged:
    rows, size = connection.execute(
        select(func.count(), func.sum(func.length(updates.c.payload))).where(updates.c.document_pk == pk)
    ).one()
    for table, column in ((checkpoints, "state"), (quarantines, "state"), (history_checkpoints, "packed")):
        made = select(func.sum(func.length(table.c[column]))).where(table.c.document_pk == pk)
        size = (size or 0) + (connection.scalar(made) or 0)
    named = connection.scalar(select(func.count()).where(versions.c.document_pk == pk)) or 0
    return Purged(rows, int(size or 0), named)


def _purge(connection: Connection, document: DocumentId, by: Actor, now_ms: int) -> Purged:
    lock_heads(connection, [document, comments_of(document)])
    pk = _in_bin(connection, document)
    stored = _stored(connection, pk)
    remove_document(connection, document, pk)
    record(connection, now_ms, Event(by, "document-purged", document, {"rows": stored.rows, "bytes": stored.bytes}))
    return stored


def remove_document(connection: Connection, document: DocumentId, pk: int) -> None:
    """Delete a document and everything that hangs on it."""
    links = select(share_links.c.pk).where(share_links.c.document_pk == pk)
    connection.execute(delete(link_holders).where(link_holders.c.link_pk.in_(links)))
    _delete(connection, pk, document)
    comments = comments_of(document)
    companion = find_document(connection, comments)
    if companion is not None:
        _delete(connection, companion.pk, comments)


def _delete(connection: Connection, pk: int, document: DocumentId) -> None:
    for table in (*_OF_DOCUMENT, share_links):
        connection.execute(delete(table).where(table.c.document_pk == pk))
    connection.execute(delete(tickets).where(tickets.c.document == document))
    connection.execute(delete(documents).where(documents.c.pk == pk))


# -- people


def _account_row(connection: Connection, person: str) -> Any:
    return connection.execute(select(accounts).where(accounts.c.id == person)).one_or_none()


def _known(connection: Connection, person: str, alias: str) -> Erased:
    account = _account_row(connection, person)
    author = connection.scalar(select(people.c.pk).where(people.c.external_id == person))
    if account is None and author is None:
        raise PersonNotFound("there is nobody with this id, neither with an account nor among the authors")

    def count(table: Table, *conditions: Any) -> int:
        return connection.scalar(select(func.count()).select_from(table).where(*conditions)) or 0

    written = select(func.count(history_clients.c.document_pk.distinct())).where(history_clients.c.person_pk == author)
    return Erased(
        person,
        None if account is None else account.name,
        alias,
        documents=connection.scalar(written) or 0,
        sign_ins=0 if account is None else count(sign_ins, sign_ins.c.account_pk == account.pk),
        tokens=count(tokens, _tokens_of(person, account)),
        audit_entries=len(_entries(connection, _words(person, account))),
    )


def _tokens_of(person: str, account: Any) -> Any:
    mine = tokens.c.user_name == person
    if account is None:
        return mine
    return or_(mine, tokens.c.account_pk == account.pk, tokens.c.user_name == account.name)


def _erase(person: str, alias: str, by: Actor, now_ms: int, connection: Connection) -> Erased:
    account = _account_row(connection, person)
    erased = _known(connection, person, alias)
    words = _words(person, account)
    connection.execute(delete(tokens).where(_tokens_of(person, account)))
    connection.execute(delete(tickets).where(_holds(connection, tickets.c.visitor, words)))
    if account is not None:
        mine = or_(invitations.c.name == account.name, invitations.c.email == account.email)
        connection.execute(delete(invitations).where(mine, invitations.c.account_pk.is_(None)))
        delete_account(connection, account.pk, administrator=account.administrator)
    author = select(people.c.pk).where(people.c.external_id == person)
    connection.execute(delete(stars).where(stars.c.person_pk.in_(author)))
    connection.execute(update(people).where(people.c.external_id == person).values(external_id=alias, name=None))
    for pk, user_id, user_name, address, details in _entries(connection, words):
        theirs = user_id == person or (user_id is None and user_name in words)
        values = {
            "user_id": alias if user_id == person else user_id,
            "user_name": None if theirs else _without(user_name, words, alias),
            "address": None if theirs else address,
            "details": json.dumps(_without(json.loads(details), words, alias)),
        }
        connection.execute(update(audit).where(audit.c.pk == pk).values(**values))
    who = Actor(alias, None, None) if by.user_id == person else by
    record(connection, now_ms, Event(who, "person-erased", details={"person": alias}))
    return erased


def _words(person: str, account: Any) -> list[str]:
    """What names a person."""
    return [word for word in (person, *(() if account is None else (account.email, account.name))) if word]


def _entries(connection: Connection, words: list[str]) -> Sequence[Any]:
    """Entries of the audit log that name a person."""
    chosen = select(audit.c.pk, audit.c.user_id, audit.c.user_name, audit.c.address, audit.c.details)
    named = _holds(connection, audit.c.details, [json.dumps(word)[1:-1] for word in words])
    mine = or_(audit.c.user_id == words[0], audit.c.user_name.in_(words), named)
    return connection.execute(chosen.where(mine)).all()


def _holds(connection: Connection, column: Any, words: list[str]) -> Any:
    position = func.instr if connection.dialect.name == "sqlite" else func.strpos
    return or_(*(position(column, word) > 0 for word in words))


def _without(value: Any, words: list[str], alias: str) -> Any:
    """The same with an alias in place of a person."""
    if isinstance(value, dict):
        return {_without(key, words, alias): _without(item, words, alias) for key, item in value.items()}
    if isinstance(value, list):
        return [_without(item, words, alias) for item in value]
    if isinstance(value, str):
        for word in words:
            if fold(value) == fold(word):
                return alias
            if len(word) >= _NAME_CHARACTERS_MIN:
                value = value.replace(word, alias)
    return value
