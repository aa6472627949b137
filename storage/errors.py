"""Errors of the SQL adapters, and the one place where driver errors become ours.

    StoreError (collab)
    ├ DocumentNotFound, CorruptUpdate, DocumentUnreadable, SchemaTooNew (collab)
    ├ StoreUnavailable (collab)   busy, full, locked, unreachable: the same call may succeed later
    │ └ TransactionLost             the connection or the transaction died: worth another try at once
    ├ StoreBroken                 the disk failed under a write: acknowledge nothing more
    ├ DocumentExists              the name is taken, if only in the bin
    ├ NameTaken                   somebody has this name or e-mail address
    ├ PersonNotFound              no account has this id
    ├ LinkNotValid                an invitation or share link that is unknown, used up, expired or revoked
    ├ EntryNotFound               a sign-in, token, link or invitation that is not there, or not yours
    ├ LastAdministrator           somebody has to be able to administrate
    ├ OwnerStays                  ownership is transferred, never taken away
    ├ SchemaBehind                the database waits for `coscribe db upgrade`
    └ UnsupportedDatabase         the URL names no database that Coscribe can use

What a client may see (`str(error)`) is a fixed phrase. Where it happened and what the driver said is in the note
(PEP 678) and in `__cause__`; only while a database is being opened, when no client is there yet, is it in the text.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from collab.errors import DocumentUnreadable, StoreError, StoreUnavailable


class TransactionLost(StoreUnavailable):
    """The connection broke, or the database chose this transaction as the victim of a deadlock.

    Unless COMMIT had not been sent yet, nobody knows whether it was committed.
    """


class StoreBroken(StoreError):
    """The disk failed under a write. What was acknowledged before is safe; nothing more may be acknowledged.

    After a failed fsync the kernel forgets the unwritten pages, so trying again would report a success that is none:
    the process has to end and to read the file anew.
    """


class DocumentExists(StoreError):
    """A document of this name exists already, perhaps in the bin."""


class NameTaken(StoreError):
    """Somebody else has this name or e-mail address. `field` says which: `name` or `email`."""

    def __init__(self, text: str, field: str = "name") -> None:
        super().__init__(text)
        self.field = field


class PersonNotFound(StoreError):
    """No account has this id."""


class LinkNotValid(StoreError):
    """The link is unknown, used up, expired or revoked: which one is nobody's business."""


class NotInBin(StoreError):
    """The document is in use; only one that lies in the bin can be purged."""


class EntryNotFound(StoreError):
    """There is no such sign-in, token, link or invitation, or it is somebody else's."""


class LastAdministrator(StoreError):
    """The server would be left without an administrator who can sign in."""


class OwnerStays(StoreError):
    """A document's owner changes by transfer alone."""


class SchemaBehind(StoreError):
    """The database lacks migrations that this version needs."""


class UnsupportedDatabase(StoreError):
    """The database URL names nothing that Coscribe can keep documents in."""


BUSY = "the database is busy"
FULL = "the database is full"
REFUSED = "the database takes no writes just now"
UNREACHABLE = "the database cannot be reached"
LOST = "the connection to the database was lost"
BROKEN = "the database's disk failed"
UNREADABLE = "the stored document cannot be read"
UPGRADE_NEEDED = "the database needs `coscribe db upgrade`"
UNEXPECTED = "the database answered with an error"

_SQLITE_UNAVAILABLE = {
    sqlite3.SQLITE_BUSY: BUSY,
    sqlite3.SQLITE_LOCKED: BUSY,
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_NOMEM: REFUSED,
    sqlite3.SQLITE_PERM: REFUSED,
    sqlite3.SQLITE_READONLY: REFUSED,
    sqlite3.SQLITE_CANTOPEN: UNREACHABLE,
    # The shared memory beside a WAL is no durable data: it fails when the disk is full, or memory is.
    sqlite3.SQLITE_IOERR_SHMOPEN: FULL,
    sqlite3.SQLITE_IOERR_SHMSIZE: FULL,
    sqlite3.SQLITE_IOERR_SHMMAP: FULL,
    sqlite3.SQLITE_IOERR_SHMLOCK: BUSY,
    sqlite3.SQLITE_IOERR_LOCK: BUSY,
    sqlite3.SQLITE_IOERR_BLOCKED: BUSY,
    sqlite3.SQLITE_IOERR_NOMEM: REFUSED,
}
_SQLITE_BROKEN = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

# SQLSTATE, whole or its first two characters (PostgreSQL manual, appendix A).
_POSTGRES_LOST = {"08", "40001", "40P01", "57P01", "57P02", "57P05", "25P03"}
_POSTGRES_UNAVAILABLE = {
    "53": FULL,
    "55P03": BUSY,
    "57": REFUSED,
    "25006": REFUSED,
    "42501": REFUSED,
    "28": UNREACHABLE,
    "3D000": UNREACHABLE,
}
_POSTGRES_BROKEN = {"58030", "XX001", "XX002"}
_POSTGRES_UNDEFINED_TABLE = "42P01"


@contextmanager
def wrap_db_errors(place: str | None = None, *, writing: bool = False) -> Iterator[None]:
    """Turn errors of SQLAlchemy, the drivers and the network into errors of ours.

    Args:
        place: What is being opened, for errors that no client will see; they name it and give the driver's reason.
        writing: A failing disk is `StoreBroken` when writing; when reading, the one document is `DocumentUnreadable`.

    Raises:
        StoreError: in place of whatever the block raised, which becomes its cause.
    """
    try:
        yield
    except (DBAPIError, sqlite3.Error, PoolTimeoutError, OSError) as error:
        kind, phrase = _classify(error, writing)
        reason = _reason(error)
        translated = kind(phrase if place is None else f"{place}: {reason}")
        translated.add_note(reason)
        raise translated from error


def disk_failed(error: sqlite3.Error) -> bool:
    """Whether nothing may be acknowledged after this error of a write."""
    return _classify(error, writing=True)[0] is StoreBroken


_Foreign = DBAPIError | sqlite3.Error | PoolTimeoutError | OSError


def _classify(error: _Foreign, writing: bool) -> tuple[type[StoreError], str]:
    if isinstance(error, PoolTimeoutError):
        return StoreUnavailable, BUSY
    if isinstance(error, OSError):  # refused, unknown host, reset, and every TimeoutError
        return StoreUnavailable, UNREACHABLE
    source = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(source, sqlite3.Error):
        # Python's own errors ("Cannot operate on a closed database") carry no code.
        return _classify_sqlite(getattr(source, "sqlite_errorcode", 0), writing)
    assert isinstance(error, DBAPIError)
    if error.connection_invalidated:
        return TransactionLost, LOST
    if isinstance(source, AsyncAdapt_asyncpg_dbapi.InvalidCachedStatementError):
        return TransactionLost, LOST  # another node has migrated the schema; the next try prepares its statements anew
    return _classify_postgres(getattr(source, "sqlstate", None) or "", writing)


def _classify_sqlite(code: int, writing: bool) -> tuple[type[StoreError], str]:
    primary = code & 0xFF
    for known in (code, primary):
        if known in _SQLITE_UNAVAILABLE:
            return StoreUnavailable, _SQLITE_UNAVAILABLE[known]
    if primary in _SQLITE_BROKEN:
        return (StoreBroken, BROKEN) if writing else (DocumentUnreadable, UNREADABLE)
    return StoreError, UNEXPECTED


def _classify_postgres(sqlstate: str, writing: bool) -> tuple[type[StoreError], str]:
    for known in (sqlstate, sqlstate[:2]):
        if known in _POSTGRES_LOST:
            return TransactionLost, LOST
        if known in _POSTGRES_UNAVAILABLE:
            return StoreUnavailable, _POSTGRES_UNAVAILABLE[known]
    if sqlstate in _POSTGRES_BROKEN:
        return (StoreBroken, BROKEN) if writing else (DocumentUnreadable, UNREADABLE)
    if sqlstate == _POSTGRES_UNDEFINED_TABLE:
        return SchemaBehind, UPGRADE_NEEDED
    return StoreError, UNEXPECTED


def _reason(error: _Foreign) -> str:
    """The driver's first line: the lines after it may quote stored values."""
    if isinstance(error, PoolTimeoutError):
        return "every connection is in use"
    if isinstance(error, OSError):
        # asyncio puts the address into strerror; error codes of the resolver are negative and unknown to os.strerror.
        code = error.errno or 0
        return os.strerror(code) if code > 0 else error.strerror or "no answer in time"
    text = str(error.orig if isinstance(error, DBAPIError) else error).strip()
    return text.splitlines()[0] if text else type(error).__name__
