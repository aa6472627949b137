"""Reads database URLs: which database, how to name it to people without its password."""

from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from storage.errors import UnsupportedDatabase

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}
_EXPECTED = "expected sqlite+aiosqlite:///path/to/file.db or postgresql+asyncpg://user:password@host/database"


def parse_database_url(text: str) -> URL:
    """Check a database URL and name its driver.

    Raises:
        UnsupportedDatabase: it is not a URL, or of a database that Coscribe does not know. The text does not repeat
            the URL, which may hold a password.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise UnsupportedDatabase(f"the database URL cannot be read: {_EXPECTED}") from None
    if url.drivername not in _DRIVERS:
        raise UnsupportedDatabase(f"the database URL names an unsupported database: {_EXPECTED}")
    url = url.set(drivername=_DRIVERS[url.drivername])
    if is_sqlite(url):
        if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
            raise UnsupportedDatabase("SQLite needs a file: sqlite+aiosqlite:///path/to/file.db")
        if url.host or url.query:
            raise UnsupportedDatabase("a SQLite URL is sqlite+aiosqlite:/// and a path, without host or parameters")
    return url


def is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def sqlite_path(url: URL) -> Path:
    assert url.database is not None
    return Path(url.database).absolute()


def describe(url: URL) -> str:
    """Name the database in one line, without user or password."""
    if is_sqlite(url):
        return f"SQLite file {sqlite_path(url)}"
    host = url.host or url.query.get("host") or "localhost"
    return f"PostgreSQL database {url.database or ''} at {host}:{url.port or 5432}"
