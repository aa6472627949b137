"""Every kind of store that documents can be brought in from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from storage.foreign.files import Files
from storage.foreign.hocuspocus import HocuspocusSqlite
from storage.foreign.port import ForeignStore
from storage.foreign.y_leveldb import YLevelDb
from storage.foreign.y_sweet import YSweet
from storage.foreign.ystore import FileYStore, SqliteYStore


@dataclass(frozen=True, slots=True)
class StoreLimits:
    document_bytes_max: int
    file_bytes_max: int
    """Of a file that holds one document, with its history or in another format."""


@dataclass(frozen=True, slots=True)
class Kind:
    title: str
    """For people: where a document came from."""
    open: Callable[[Path, StoreLimits], ForeignStore]


KINDS: Mapping[str, Kind] = {
    "hocuspocus-sqlite": Kind("Hocuspocus", lambda path, limits: HocuspocusSqlite(path, limits.document_bytes_max)),
    "y-leveldb": Kind("y-leveldb", lambda path, _: YLevelDb(path)),
    "y-sweet": Kind("y-sweet", lambda path, limits: YSweet(path, limits.file_bytes_max)),
    "ystore-sqlite": Kind("SQLiteYStore", lambda path, limits: SqliteYStore(path, limits.document_bytes_max)),
    "ystore-file": Kind("FileYStore", lambda path, limits: FileYStore(path, limits.file_bytes_max)),
    "files": Kind("files", lambda path, limits: Files(path, limits.file_bytes_max, limits.document_bytes_max)),
}
