"""Every error of a driver becomes one of ours, which says what to do (rule E4) and tells no secrets (E8)."""

import sqlite3

import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from collab.errors import DocumentUnreadable, StoreError, StoreUnavailable
from storage.errors import SchemaBehind, StoreBroken, TransactionLost, wrap_db_errors

pytestmark = pytest.mark.rule("E4")

PAYLOAD = "the text of a document"


class PostgresError(Exception):
    def __init__(self, text: str, sqlstate: str) -> None:
        super().__init__(text)
        self.sqlstate = sqlstate


def of_sqlite(code: int) -> DBAPIError:
    error = sqlite3.OperationalError("what the driver says")
    error.sqlite_errorcode = code
    return DBAPIError("INSERT", (PAYLOAD,), error, hide_parameters=True)


def of_postgresql(sqlstate: str) -> DBAPIError:
    error = PostgresError(f"what the driver says\nDETAIL: row ({PAYLOAD})", sqlstate)
    return DBAPIError("INSERT", (PAYLOAD,), error, hide_parameters=True)


def translated(error: Exception, *, place: str | None = None, writing: bool = True) -> StoreError:
    with pytest.raises(StoreError) as caught, wrap_db_errors(place, writing=writing):
        raise error
    return caught.value


@pytest.mark.parametrize(
    ("code", "kind", "kind_when_reading"),
    [
        (sqlite3.SQLITE_BUSY, StoreUnavailable, StoreUnavailable),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, StoreUnavailable, StoreUnavailable),
        (sqlite3.SQLITE_LOCKED, StoreUnavailable, StoreUnavailable),
        (sqlite3.SQLITE_FULL, StoreUnavailable, StoreUnavailable),
        (sqlite3.SQLITE_READONLY, StoreUnavailable, StoreUnavailable),
        (sqlite3.SQLITE_READONLY_DBMOVED, StoreUnavailable, StoreUnavailable),
        (sqlite3.SQLITE_CANTOPEN, StoreUnavailable, StoreUnavailable),
        (sqlite3.SQLITE_IOERR_SHMSIZE, StoreUnavailable, StoreUnavailable),  # a full disk shows as this, too
        (sqlite3.SQLITE_IOERR_NOMEM, StoreUnavailable, StoreUnavailable),
        (sqlite3.SQLITE_IOERR, StoreBroken, DocumentUnreadable),
        (sqlite3.SQLITE_IOERR_FSYNC, StoreBroken, DocumentUnreadable),
        (sqlite3.SQLITE_IOERR_WRITE, StoreBroken, DocumentUnreadable),
        (sqlite3.SQLITE_IOERR_READ, StoreBroken, DocumentUnreadable),
        (sqlite3.SQLITE_CORRUPT, StoreBroken, DocumentUnreadable),
        (sqlite3.SQLITE_NOTADB, StoreBroken, DocumentUnreadable),
        (sqlite3.SQLITE_CONSTRAINT_UNIQUE, StoreError, StoreError),
    ],
)
def test_errors_of_sqlite(code: int, kind: type[StoreError], kind_when_reading: type[StoreError]) -> None:
    assert type(translated(of_sqlite(code))) is kind
    assert type(translated(of_sqlite(code), writing=False)) is kind_when_reading


@pytest.mark.parametrize(
    ("sqlstate", "kind"),
    [
        ("08006", TransactionLost),  # connection failure
        ("57P01", TransactionLost),  # terminated by an administrator
        ("57P02", TransactionLost),  # another backend crashed
        ("40001", TransactionLost),  # could not serialize
        ("40P01", TransactionLost),  # deadlock
        ("53100", StoreUnavailable),  # disk full
        ("53300", StoreUnavailable),  # too many connections
        ("55P03", StoreUnavailable),  # lock_timeout
        ("57P03", StoreUnavailable),  # starting up
        ("57014", StoreUnavailable),  # statement_timeout
        ("25006", StoreUnavailable),  # a standby takes no writes
        ("28P01", StoreUnavailable),  # wrong password
        ("3D000", StoreUnavailable),  # no such database
        ("58030", StoreBroken),  # I/O error
        ("XX001", StoreBroken),  # corrupted data
        ("42P01", SchemaBehind),  # no such table
        ("23505", StoreError),  # not unique
        ("", StoreError),
    ],
)
def test_errors_of_postgresql(sqlstate: str, kind: type[StoreError]) -> None:
    assert type(translated(of_postgresql(sqlstate))) is kind


@pytest.mark.parametrize("sqlstate", ["58030", "XX001", "XX002"])
def test_data_of_postgresql_that_cannot_be_read_is_the_documents_own_trouble(sqlstate: str) -> None:
    assert type(translated(of_postgresql(sqlstate), writing=False)) is DocumentUnreadable


@pytest.mark.parametrize(
    "error", [ConnectionRefusedError(111, "Connect call failed"), TimeoutError(), OSError("?"), PoolTimeoutError()]
)
def test_errors_of_the_network_and_of_the_pool(error: Exception) -> None:
    assert type(translated(error)) is StoreUnavailable


@pytest.mark.parametrize(
    ("kind", "retryable"),
    [(StoreUnavailable, True), (TransactionLost, True), (StoreBroken, False), (SchemaBehind, False)],
)
def test_only_what_may_pass_is_retryable(kind: type[StoreError], retryable: bool) -> None:
    assert kind.retryable is retryable


@pytest.mark.rule("E8")
@pytest.mark.parametrize("error", [of_sqlite(sqlite3.SQLITE_FULL), of_postgresql("53100"), of_postgresql("23505")])
def test_a_client_reads_a_phrase_and_the_log_the_reason(error: DBAPIError) -> None:
    caught = translated(error)
    assert "driver" not in str(caught)
    assert caught.__notes__ == ["what the driver says"]
    assert str(translated(error, place="SQLite file x")) == "SQLite file x: what the driver says"


def test_errors_that_are_ours_already_pass() -> None:
    ours = StoreUnavailable("as it was")
    with pytest.raises(StoreUnavailable) as caught, wrap_db_errors(writing=True):
        raise ours
    assert caught.value is ours
