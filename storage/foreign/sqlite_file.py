"""SQLite databases of others, opened to be read."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from collab.errors import BadFile


def open_foreign(file: Path, table: str, columns: set[str], value_bytes_max: int) -> sqlite3.Connection:
    """
    Raises:
        BadFile: it is no SQLite database, or has no such table.
    """
    if not file.is_file():
        raise BadFile(f"there is no file {file}")
    with reading():
        connection = sqlite3.connect(f"file:{quote(str(file.absolute()))}?mode=ro", uri=True)
        try:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, value_bytes_max)
            # What stands in the file must not run functions.
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA cell_size_check = ON")
            connection.text_factory = bytes
            kind = connection.execute("SELECT type FROM sqlite_master WHERE name = ?", (table,)).fetchone()
            found = {row[1].decode() for row in connection.execute(f"PRAGMA table_info({table})")}
            if kind != (b"table",) or not columns <= found:
                raise BadFile(f"{file} has no table {table} with {', '.join(sorted(columns))}")
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def reading() -> Iterator[None]:
    """
    Raises:
        BadFile: SQLite could not read it.
    """
    try:
        yield
    except sqlite3.DataError:
        raise BadFile("it is larger than it may be") from None
    except sqlite3.Error as error:
        raise BadFile(f"the database cannot be read: {error}") from None


def text_of(value: object) -> str:
    """
    Raises:
        BadFile: it is no text.
    """
    if not isinstance(value, bytes):
        raise BadFile("a name is no text")
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise BadFile("a name is not UTF-8") from None
