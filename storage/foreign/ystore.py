"""What pycrdt-store keeps (and ypy-websocket before it): SQLiteYStore and FileYStore, in version 2 of either format."""

import bz2
import lzma
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from collab.codec import Reader
from collab.errors import BadFile, MalformedMessage, ProtocolError
from collab.scanner import STATE_LIMITS, scan_update
from collab.takeover import ForeignUpdate
from storage.foreign.port import ForeignDocument, Listed
from storage.foreign.sqlite_file import open_foreign, reading, text_of
from storage.foreign.tree import files_below, open_below

_VERSION = 2
_HEADER = b"VERSION:"
_HEADER_BYTES_MAX = 20
_SUFFIX = ".y"
_END_OF_TIME = 253_402_300_800
_TIME = struct.Struct("<d")
_ANY_OF_THEM = 32 + zlib.MAX_WBITS
"""zlib's format, or gzip's."""


class SqliteYStore:
    """The table `yupdates` has every update. `ycheckpoints`, in newer ones, has merged states. They say nothing new but
    where a bug of pycrdt-store 0.1.5 has dropped updates: so they come last."""

    def __init__(self, file: Path, document_bytes_max: int) -> None:
        self._bytes_max = document_bytes_max
        self._database = open_foreign(file, "yupdates", {"path", "yupdate", "timestamp"}, document_bytes_max)
        with reading():
            version = self._database.execute("PRAGMA user_version").fetchone()[0]
            table = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'ycheckpoints'"
            self._has_checkpoints = bool(self._database.execute(table).fetchone()[0])
        if version != _VERSION:
            raise BadFile(f"it has version {version} of the format; this reads version {_VERSION}")

    def documents(self) -> Iterator[Listed | str]:
        with reading():
            listed = "SELECT path, sum(length(yupdate)) FROM yupdates GROUP BY path ORDER BY min(rowid)"
            for path, size in self._database.execute(listed):
                try:
                    name = text_of(path)
                    yield Listed(name, name, size or 0)
                except BadFile as error:
                    yield str(error)

    def read(self, key: str) -> ForeignDocument:
        faults: list[str] = []
        updates: list[ForeignUpdate] = []
        for number, (value, timestamp) in enumerate(self._rows(key), start=1):
            try:
                updates.append(ForeignUpdate(_unpacked(value, self._bytes_max), _milliseconds(timestamp)))
            except BadFile as error:
                faults.append(f"update {number}: {error}")
        return ForeignDocument(updates, faults)

    def _rows(self, key: str) -> list[tuple[Any, Any]]:
        with reading():
            chosen = "WHERE path = CAST(? AS TEXT)"
            updates = f"SELECT yupdate, timestamp FROM yupdates {chosen} ORDER BY timestamp, rowid"
            rows = self._database.execute(updates, (key.encode(),)).fetchall()
            if self._has_checkpoints:
                checkpoints = f"SELECT checkpoint, timestamp FROM ycheckpoints {chosen}"
                rows += self._database.execute(checkpoints, (key.encode(),)).fetchall()
            return rows


class FileYStore:
    """A file for each document, or one: a line with the version, then update, metadata and time, again and again."""

    def __init__(self, path: Path, file_bytes_max: int) -> None:
        self._path = path
        self._file_bytes_max = file_bytes_max

    def documents(self) -> Iterator[Listed | str]:
        found = False
        for path, size in files_below(self._path):
            try:
                begun = _head(self._path / path)
            except OSError as error:
                yield f"{path}: {error.strerror}"
                continue
            if begun:
                found = True
                name = self._path.name if str(path) == "." else str(path)
                yield Listed(str(path), name.removesuffix(_SUFFIX), size)
        if not found:
            raise BadFile(f"{self._path} has no file of FileYStore in it")

    def read(self, key: str) -> ForeignDocument:
        data = open_below(self._path, key, self._file_bytes_max)
        line, separator, _ = data[:_HEADER_BYTES_MAX].partition(b"\n")
        if not separator or line != _HEADER + b"%d" % _VERSION:
            raise BadFile(f"it has {line.decode(errors='replace').lower()}; this reads version {_VERSION}")
        reader = Reader(data, len(line) + 1)
        document = ForeignDocument([], [])
        try:
            while not reader.at_end:
                update, _, timestamp = reader.var_bytes(), reader.var_bytes(), reader.var_bytes()
                at_ms = _milliseconds(_TIME.unpack(timestamp)[0]) if len(timestamp) == _TIME.size else None
                document.updates.append(ForeignUpdate(update, at_ms))
        except MalformedMessage:
            document.faults.append("the file ends inside an update")
        return document


def _head(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_HEADER)) == _HEADER


def _milliseconds(seconds: object) -> int | None:
    return int(seconds * 1000) if isinstance(seconds, int | float) and 0 < seconds < _END_OF_TIME else None


_UNPACKERS: tuple[Callable[[], Any], ...] = (
    lambda: zlib.decompressobj(_ANY_OF_THEM),
    bz2.BZ2Decompressor,
    lzma.LZMADecompressor,
)


def _unpacked(value: object, bytes_max: int) -> bytes:
    """An update, which the application may have compressed: what the standard library unpacks is tried.

    Raises:
        BadFile: none of them gives an update.
    """
    if not isinstance(value, bytes):
        raise BadFile("there is no data in its row")
    tried = [value]
    for make in _UNPACKERS:
        with suppress(zlib.error, lzma.LZMAError, OSError, ValueError, EOFError):
            unpacker = make()
            unpacked = unpacker.decompress(value, bytes_max + 1)
            if unpacker.eof and len(unpacked) <= bytes_max:
                tried.append(unpacked)
    for data in tried:
        with suppress(ProtocolError):
            scan_update(data, STATE_LIMITS)
            return data
    raise BadFile("it is no Yjs update, or is compressed in a way of its own")
