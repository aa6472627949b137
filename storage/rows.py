"""Statements on `documents` that several adapters share. Each works inside the transaction of its caller."""

import json
import secrets
import unicodedata
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Table, any_, bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY

from collab.types import DocumentId
from storage.tables import BYTEWISE_TEXT, documents


class Head(NamedTuple):
    """A document's key and the seq of its last row."""

    pk: int
    seq: int


def _lock_statement(is_one_of: ColumnElement[bool]) -> Any:
    return (
        select(documents.c.name, documents.c.pk, documents.c.head_seq)
        .where(is_one_of)
        .order_by(documents.c.name)
        .with_for_update(key_share=True)
    )


_names_in_json = func.json_each(bindparam("names")).table_valued("value")
_LOCK = {
    "sqlite": _lock_statement(documents.c.name.in_(select(_names_in_json.c.value))),
    "postgresql": _lock_statement(documents.c.name == any_(bindparam("names", type_=ARRAY(BYTEWISE_TEXT)))),
}
_FIND = select(documents).where(documents.c.name == bindparam("name"))


def lock_heads(connection: Connection, names: Collection[DocumentId]) -> dict[str, Head]:
    """Lock documents until the transaction ends; those that do not exist are missing in the answer.

    The locks are taken in the order of the names, so two transactions never wait for each other. On SQLite, where the
    transaction itself is the lock, this only reads.
    """
    dialect = connection.dialect.name
    wanted = sorted(names)
    rows = connection.execute(_LOCK[dialect], {"names": json.dumps(wanted) if dialect == "sqlite" else wanted})
    return {name: Head(pk, head_seq) for name, pk, head_seq in rows}


_MOVE_ON_SQLITE = """
    UPDATE documents SET head_seq = head_seq + counts.value, updated_at_ms = ?
    FROM json_each(?) AS counts WHERE documents.name = counts.key RETURNING name, pk, head_seq
"""
_MOVE = (
    update(documents)
    .values(head_seq=documents.c.head_seq + bindparam("rows"), updated_at_ms=bindparam("now"))
    .where(documents.c.pk == bindparam("document_pk"))
)


def move_heads(connection: Connection, rows: Mapping[DocumentId, int], now_ms: int) -> dict[str, Head]:
    """Move each document's head by so many rows, and lock the documents until the transaction ends.

    Returns:
        The heads as they were before; documents that do not exist are missing.
    """
    if connection.dialect.name == "sqlite":
        # One statement does it all. The transaction itself is the lock.
        moved = connection.exec_driver_sql(_MOVE_ON_SQLITE, (now_ms, json.dumps(rows)))
        return {name: Head(pk, seq - rows[name]) for name, pk, seq in moved}
    heads = lock_heads(connection, rows.keys())
    changes = [{"document_pk": head.pk, "rows": rows[DocumentId(name)], "now": now_ms} for name, head in heads.items()]
    if changes:
        connection.execute(_MOVE, changes)
    return heads


def new_epoch() -> str:
    return secrets.token_hex(16)


def find_document(connection: Connection, document: DocumentId) -> Row[Any] | None:
    return connection.execute(_FIND, {"name": document}).one_or_none()


def create_document(connection: Connection, document: DocumentId, *, title: str, epoch: str, now_ms: int) -> None:
    """Insert a document unless its name is taken."""
    statement = insert(connection, documents).on_conflict_do_nothing(index_elements=["name"])
    connection.execute(
        statement,
        {
            "name": document,
            "title": title,
            "title_folded": fold(title),
            "epoch": epoch,
            "head_seq": 0,
            "created_at_ms": now_ms,
            "updated_at_ms": now_ms,
        },
    )


def insert(connection: Connection, target: Table) -> Any:
    """The dialect's own INSERT, which knows ON CONFLICT."""
    return sqlite.insert(target) if connection.dialect.name == "sqlite" else postgresql.insert(target)


def fold(text: str) -> str:
    """What of a text matters when it is searched for: neither case nor the way its characters are composed."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
