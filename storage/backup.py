"""Backups: one file that holds everything of a database, and restores into either kind of database.

A backup is an SQLite file with the schema of this version of Coscribe and the same rows, keys included; so the
checksums that stand beside rows hold in it, too. `coscribe_backup` in it says what it is, and has a digest of every
table. Restoring keeps names, keys and epochs: clients find their document again and push back what it lacks.

Rule B1: a backup is one snapshot. Whatever was acknowledged before it began is in it; of a document, what is in it is a
         beginning of its log.
Rule B2: making one takes no lock and writes nothing to the database, so a server may run meanwhile.
Rule B3: a file has the name it was asked for only when all of it is durable; a backup that fails leaves nothing behind.
Rule B4: nothing is restored before the whole file is verified, and a restore is one transaction: all of it or none.
Rule B5: a database that holds anything is left alone unless the caller says otherwise.
Rule B6: images stand in a table of their own, which no database of ours has; each matches the SHA-256 that is its name
         before it is written anywhere. They are restored before the rows that list them.
"""

import asyncio
import hashlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

from sqlalchemy import Connection, Table, event, func, select, text
from sqlalchemy import insert as insert_rows
from sqlalchemy.engine import URL, Engine, create_engine
from sqlalchemy.pool import NullPool

from collab.errors import StoreError
from storage.audit import Audit, Damage
from storage.blobs import Blobs
from storage.errors import wrap_db_errors
from storage.postgresql import single_connection_engine
from storage.schema import SchemaState, require_current, schema_state, too_new, upgrade
from storage.sqlite import FileLock, writer_engine
from storage.tables import metadata
from storage.url import describe, is_sqlite, parse_database_url, sqlite_path

T = TypeVar("T")

FORMAT = "1"
_BATCH_ROWS = 1000
_BATCH_BYTES = 4 * 1024 * 1024
_INFO = "coscribe_backup"
_IMAGES = "coscribe_files"
_LISTED = """SELECT DISTINCT documents.epoch, files.digest FROM files JOIN documents ON documents.pk = files.document_pk
    ORDER BY 1, 2"""
_IN_USE = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'coscribe'"
)
_PRIVATE = 0o600


class BackupError(StoreError):
    """A backup cannot be made, read or restored; the text says why."""


class Progress(Protocol):
    def __call__(self, what: str, done: int, total: int) -> None:
        """`done` of `total` rows of a step, which `what` names, are finished."""
        ...


def no_progress(what: str, done: int, total: int) -> None:
    pass


class Summary:
    """What a backup holds."""

    def __init__(self, audit: Audit) -> None:
        self.documents = len(audit.names)
        self.updates = audit.updates
        self.damages: list[Damage] = audit.damages
        self.images = 0
        self.images_missing = 0
        """Those that are listed, and are not in it, or not whole."""


async def back_up(
    url: str, file: Path, blobs: Blobs | None = None, *, overwrite: bool = False, progress: Progress = no_progress
) -> Summary:
    """Write everything the database at `url` holds to `file`, and what is in its images unless `blobs` is None. What is
    damaged there is damaged in the backup, too, and is named in the summary.

    Raises:
        BackupError: the file exists already, or cannot be written.
        StoreError: the database cannot be read, or its schema is not this version's.
    """
    parsed = parse_database_url(url)
    require_current(await schema_state(url), describe(parsed))
    try:
        _check_free(file, overwrite)
        with tempfile.TemporaryDirectory(dir=file.parent, prefix=f".{file.name}.") as directory:
            part = Path(directory) / "backup.db"
            await upgrade(_url(part))
            os.chmod(part, _PRIVATE)
            with wrap_db_errors(str(file), writing=True), _writing(part) as target:
                audit = await _with_snapshot(parsed, lambda source: _fill(source, target, str(file), progress))
            summary = Summary(audit)
            await _add_images(part, blobs, summary, progress)
            _seal(part, progress)
            os.replace(part, file)
            _sync_directory(file.parent)
    except OSError as error:
        raise BackupError(f"{file} cannot be written: {error.strerror}") from error
    except sqlite3.Error as error:
        raise BackupError(f"{file} cannot be written: {error}") from error
    return summary


def _check_free(file: Path, overwrite: bool) -> None:
    if file.exists() and not (overwrite and file.is_file()):
        raise BackupError(f"{file} exists already")


async def verify(file: Path, progress: Progress = no_progress) -> Summary:
    """Check every byte of a backup.

    Raises:
        BackupError: it is none, or it is not as it was written.
        SchemaTooNew: a newer version of Coscribe has made it.
    """
    _check_seal(file, progress)
    async with _current_copy(file) as copy:
        summary = Summary(_audit_of(copy, progress))
    await _go_through_images(file, summary)
    return summary


async def restore(
    file: Path,
    url: str,
    blobs: Blobs | None = None,
    *,
    replace: bool = False,
    with_damaged: bool = False,
    progress: Progress = no_progress,
) -> Summary:
    """Put everything a backup holds into the database at `url`, whose schema is made or brought up to date first, and
    its images into `blobs`, unless that is None.

    Args:
        replace: a database that holds something loses all of that.
        with_damaged: rows that were damaged already when the backup was made are restored all the same.

    Raises:
        BackupError: the backup is none, was changed, or holds damaged rows; or the database is in use or not empty.
        StoreError: the database or the images cannot be written.
    """
    _check_seal(file, progress)
    async with _current_copy(file) as copy:
        audit = _audit_of(copy, progress)
        if audit.damages and not with_damaged:
            raise BackupError(f"{file} holds damaged data: {_list(audit.damages)}")
        await upgrade(url)
        parsed = parse_database_url(url)
        summary = Summary(audit)
        with _reading(copy) as source:
            await _with_target(parsed, lambda target: _check_target(target, replace))
            await _go_through_images(file, summary, blobs, progress)
            await _with_target(parsed, lambda target: _replace_all(source, target, replace, progress))
    return summary


async def audit(url: str, progress: Progress = no_progress) -> Summary:
    """Check every stored row of a database, beside a running server.

    Raises:
        StoreError: the database cannot be read, or its schema is not this version's.
    """
    parsed = parse_database_url(url)
    require_current(await schema_state(url), describe(parsed))
    return Summary(await _with_snapshot(parsed, lambda connection: _audit(connection, progress)))


# -- rows ----------------------------------------------------------------------------------------------------------


def _fill(source: Connection, target: Connection, place: str, progress: Progress) -> Audit:
    audit = Audit()
    _copy(source, target, "copying", progress, audit.see, place)
    audit.finish()
    return audit


def _check_target(target: Connection, replace: bool) -> bool:
    """
    Returns:
        Whether the database holds anything.

    Raises:
        BackupError: nothing may be restored into it.
    """
    if target.dialect.name == "postgresql" and target.scalar(_IN_USE):
        raise BackupError("the database is in use: stop every Coscribe server on it first")
    holds_something = any(target.scalar(select(func.count()).select_from(table)) for table in metadata.sorted_tables)
    if holds_something and not replace:
        raise BackupError("the database is not empty")
    return holds_something


def _replace_all(source: Connection, target: Connection, replace: bool, progress: Progress) -> None:
    if _check_target(target, replace):
        for table in reversed(metadata.sorted_tables):
            target.execute(table.delete())
    written = _Digests()
    _copy(source, target, "restoring", progress, written.see, "the database")
    if target.dialect.name == "postgresql":
        for table in metadata.sorted_tables:
            _move_sequences(target, table)
    found = _Digests()
    _each_row(target, "comparing", progress, found.see)
    if found != written:
        raise BackupError("the database does not hold what was written to it")


def _copy(
    source: Connection,
    target: Connection,
    what: str,
    progress: Progress,
    see: Callable[[Table, Any], None],
    place: str,
) -> None:
    batch: list[dict[str, Any]] = []
    size = 0
    current: Table | None = None

    def write() -> None:
        if batch and current is not None:
            # A full disk is on this side: the wrapper round the whole would name the other.
            with wrap_db_errors(place, writing=True):
                target.execute(insert_rows(current), batch)

    def take(table: Table, row: Any) -> None:
        nonlocal batch, size, current
        if table is not current or len(batch) >= _BATCH_ROWS or size >= _BATCH_BYTES:
            write()
            batch, size, current = [], 0, table
        see(table, row)
        batch.append(dict(row._mapping))
        size += sum(len(value) for value in row if isinstance(value, bytes))

    _each_row(source, what, progress, take)
    write()


def _audit(connection: Connection, progress: Progress) -> Audit:
    audit = Audit()
    _each_row(connection, "checking", progress, audit.see)
    audit.finish()
    return audit


def _each_row(connection: Connection, what: str, progress: Progress, see: Callable[[Table, Any], None]) -> None:
    """Every row of every table, in an order in which rows refer only to earlier tables, and by key within a table."""
    tables = metadata.sorted_tables
    total = sum(connection.scalar(select(func.count()).select_from(table)) or 0 for table in tables)
    done = 0
    progress(what, done, total)
    for table in tables:
        # Large rows come one by one, or a few of them would fill the memory.
        statement = select(table).order_by(*table.primary_key.columns).execution_options(yield_per=100)
        for row in connection.execute(statement):
            see(table, row)
            done += 1
            if done % _BATCH_ROWS == 0:
                progress(what, done, total)
    progress(what, total, total)


class _Digests:
    """A number for each table that depends on every row, but not on their order, in which databases may differ."""

    def __init__(self) -> None:
        self.of_tables: dict[str, int] = {}

    def see(self, table: Table, row: Iterable[Any]) -> None:
        self.add(table.name, row)

    def add(self, table: str, row: Iterable[Any]) -> None:
        number = int.from_bytes(hashlib.sha256(repr(tuple(row)).encode("utf-8", "surrogatepass")).digest(), "big")
        self.of_tables[table] = (self.of_tables.get(table, 0) + number) % (1 << 256)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Digests) and self.of_tables == other.of_tables

    __hash__ = None  # type: ignore[assignment]


def _move_sequences(target: Connection, table: Table) -> None:
    for column in table.primary_key.columns:
        sequence = target.scalar(select(func.pg_get_serial_sequence(table.name, column.name)))
        if sequence is not None:
            last = target.scalar(select(func.max(column)))
            target.execute(select(func.setval(sequence, last or 1, last is not None)))


# -- images --------------------------------------------------------------------------------------------------------
# One after the other: together they may be larger than the memory.


async def _add_images(part: Path, blobs: Blobs | None, summary: Summary, progress: Progress) -> None:
    """Rule F2 of `storage.files`: what the rows in the file list was durable before."""
    with closing(sqlite3.connect(part, isolation_level=None)) as connection:
        columns = "epoch TEXT NOT NULL, digest TEXT NOT NULL, content BLOB NOT NULL, PRIMARY KEY (epoch, digest)"
        connection.execute(f"CREATE TABLE {_IMAGES} ({columns})")
        listed = connection.execute(_LISTED).fetchall()
        for done, (epoch, digest) in enumerate(listed if blobs is not None else ()):
            progress("images", done, len(listed))
            content = await blobs.get(epoch, digest) if blobs is not None else None
            if content is not None and hashlib.sha256(content).hexdigest() == digest:
                connection.execute(f"INSERT INTO {_IMAGES} VALUES (?, ?, ?)", (epoch, digest, content))
                summary.images += 1
        progress("images", len(listed), len(listed))
        summary.images_missing = len(listed) - summary.images


async def _go_through_images(
    file: Path, summary: Summary, blobs: Blobs | None = None, progress: Progress = no_progress
) -> None:
    """Count the images of a backup, and put each into `blobs`, unless that is None.

    Raises:
        BackupError: one of them is not what it should be.
    """
    with closing(_opened(file)) as connection:
        try:
            listed = {*connection.execute(_LISTED)}
        except sqlite3.OperationalError:
            return  # Of before there were any.
        if _has_images(connection):
            (total,) = connection.execute(f"SELECT count(*) FROM {_IMAGES}").fetchone()
            for epoch, digest, content in connection.execute(f"SELECT epoch, digest, content FROM {_IMAGES}"):
                progress("images", summary.images, total)
                if hashlib.sha256(content).hexdigest() != digest:
                    raise BackupError(f"{file} is damaged: the image {digest} is not what it should be")
                if blobs is not None:
                    await blobs.put(epoch, digest, content)
                listed.discard((epoch, digest))
                summary.images += 1
            progress("images", total, total)
        summary.images_missing = len(listed)


def _has_images(connection: sqlite3.Connection) -> bool:
    """Backups of earlier versions have none."""
    known = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = ?", (_IMAGES,))
    return bool(known.fetchone()[0])


def _opened(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(file.absolute()))}?mode=ro&immutable=1", uri=True)


# -- the file ------------------------------------------------------------------------------------------------------


def _seal(file: Path, progress: Progress) -> None:
    """Say in the file what is in it, leave no files beside it, and make it durable."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        digests = _file_digests(connection, "verifying", progress)
        connection.execute(f"CREATE TABLE {_INFO} (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
        rows = {"format": FORMAT} | {f"digest of {name}": f"{digest:x}" for name, digest in digests.of_tables.items()}
        connection.executemany(f"INSERT INTO {_INFO} VALUES (?, ?)", rows.items())
        connection.execute("PRAGMA journal_mode=DELETE")
    with file.open("rb") as opened:
        os.fsync(opened.fileno())


def _check_seal(file: Path, progress: Progress) -> None:
    if not file.is_file():
        raise BackupError(f"{file} does not exist")
    try:
        with closing(_opened(file)) as connection:
            problems = [problem for (problem,) in connection.execute("PRAGMA integrity_check(1)")]
            known = dict(connection.execute(f"SELECT key, value FROM {_INFO}"))
            digests = _file_digests(connection, "verifying", progress)
    except sqlite3.Error as error:
        raise BackupError(f"{file} is no backup of Coscribe, or it is damaged: {error}") from error
    if problems != ["ok"]:
        raise BackupError(f"{file} is damaged: {problems[0].splitlines()[0]}")
    if known.get("format") != FORMAT:
        raise BackupError(f"{file} has format {known.get('format')}; this version reads format {FORMAT}")
    expected = {f"digest of {name}": f"{digest:x}" for name, digest in digests.of_tables.items()}
    if {key: value for key, value in known.items() if key != "format"} != expected:
        raise BackupError(f"{file} is damaged: it is not what was written")


def _file_digests(connection: sqlite3.Connection, what: str, progress: Progress) -> _Digests:
    """Of every table in the file, as SQLite stores it: also of a schema that this version does not know any more."""
    names = [
        name
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        if not name.startswith("sqlite_") and name != _INFO
    ]
    total = sum(connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names)
    digests, done = _Digests(), 0
    progress(what, done, total)
    for name in names:
        digests.of_tables[name] = 0
        for row in connection.execute(f'SELECT * FROM "{name}"'):
            digests.add(name, row)
            done += 1
            if done % _BATCH_ROWS == 0:
                progress(what, done, total)
    progress(what, total, total)
    return digests


@asynccontextmanager
async def _current_copy(file: Path) -> AsyncIterator[Path]:
    """The backup at this version's schema: itself, or an upgraded copy for as long as the block runs.

    Raises:
        SchemaTooNew: a newer version of Coscribe has made it.
    """
    state = await schema_state(_url(file))
    if state is SchemaState.TOO_NEW:
        raise too_new(str(file))
    if state is SchemaState.CURRENT:
        yield file
        return
    with tempfile.TemporaryDirectory(prefix="coscribe-restore-") as directory:
        copy = Path(directory) / "backup.db"
        await asyncio.to_thread(shutil.copyfile, file, copy)
        await upgrade(_url(copy))
        yield copy


def _url(file: Path) -> str:
    return f"sqlite+aiosqlite:///{file.absolute()}"


def _audit_of(file: Path, progress: Progress) -> Audit:
    with _reading(file) as connection:
        return _audit(connection, progress)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# -- connections ---------------------------------------------------------------------------------------------------
# The file's side is always SQLite and synchronous, so a whole copy is one synchronous function; towards PostgreSQL it
# runs in a greenlet. A command has no event loop to keep free.


@contextmanager
def _reading(file: Path) -> Iterator[Connection]:
    """One snapshot of an SQLite file, read-only: beside a server, which stays the only one that writes."""
    engine = create_engine(
        URL.create("sqlite", database="file:" + quote(str(file)), query={"mode": "ro", "uri": "true"}),
        poolclass=NullPool,
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def prepare(driver: sqlite3.Connection, _record: object) -> None:
        driver.isolation_level = None
        driver.execute("PRAGMA busy_timeout=5000")
        driver.execute("PRAGMA query_only=ON")

    with _transaction(engine, "BEGIN") as connection:
        yield connection


@contextmanager
def _writing(file: Path) -> Iterator[Connection]:
    engine = writer_engine(file)
    with engine.begin() as connection:
        yield connection


@contextmanager
def _transaction(engine: Engine, begin: str) -> Iterator[Connection]:
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    with engine.begin() as connection:
        yield connection


async def _with_snapshot(url: URL, work: Callable[[Connection], T]) -> T:
    with wrap_db_errors(describe(url)):
        if is_sqlite(url):
            with _reading(sqlite_path(url)) as connection:
                return work(connection)
        engine = single_connection_engine(url)
        try:
            snapshot = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            async with snapshot.begin() as opened:
                return await opened.run_sync(work)
        finally:
            await engine.dispose()


async def _with_target(url: URL, work: Callable[[Connection], T]) -> T:
    with wrap_db_errors(describe(url), writing=True):
        if is_sqlite(url):
            lock = FileLock.acquire(sqlite_path(url))
            try:
                with _writing(sqlite_path(url)) as connection:
                    return work(connection)
            finally:
                lock.release()
        engine = single_connection_engine(url)
        try:
            async with engine.begin() as opened:
                return await opened.run_sync(work)
        finally:
            await engine.dispose()


def _list(damages: list[Damage]) -> str:
    first = "; ".join(f"{damage.document}: {damage.what}" for damage in damages[:3])
    return first if len(damages) <= 3 else f"{first}; and {len(damages) - 3} more"
