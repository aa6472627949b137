"""What Hocuspocus' SQLite extension keeps: a row for each document, with all of it as one Yjs update."""

from collections.abc import Iterator
from pathlib import Path

from collab.errors import BadFile
from collab.takeover import ForeignUpdate
from storage.foreign.port import ForeignDocument, Listed
from storage.foreign.sqlite_file import open_foreign, reading, text_of

_TABLE = "documents"


class HocuspocusSqlite:
    def __init__(self, file: Path, document_bytes_max: int) -> None:
        self._database = open_foreign(file, _TABLE, {"name", "data"}, document_bytes_max)

    def documents(self) -> Iterator[Listed | str]:
        with reading():
            # The name as bytes, so that one that is no text ends nothing.
            for key, name, size in self._database.execute("SELECT rowid, name, length(data) FROM documents ORDER BY 1"):
                try:
                    yield Listed(str(key), text_of(name), size or 0)
                except BadFile as error:
                    yield f"row {key}: {error}"

    def read(self, key: str) -> ForeignDocument:
        with reading():
            row = self._database.execute("SELECT data FROM documents WHERE rowid = ?", (int(key),)).fetchone()
        if row is None or not isinstance(row[0], bytes):
            raise BadFile("there is no data in its row")
        return ForeignDocument([ForeignUpdate(row[0])], [])
