"""A LevelDB database, read without LevelDB.

Opening one with the library writes to it: it takes what is in the log into a new table. This only reads. The formats
are those of LevelDB's doc/log_format.md, doc/table_format.md and db/version_edit.cc, which have not changed since 2011.

What is damaged is left out, as LevelDB itself does it, and told to `on_damage`.
"""

import fcntl
import heapq
import os
import struct
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self

from collab.errors import BadFile, CollabError, LimitExceeded
from storage.foreign.crc32c import crc32c
from storage.foreign.snappy import unpack

OnDamage = Callable[[str], None]

_BLOCK = 32 * 1024
_RECORD = struct.Struct("<IHB")
"""Checksum, length and kind of a piece of a record in a log."""
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_BATCH = struct.Struct("<QI")
"""Sequence number of the first write in a batch, and how many there are."""
_DELETED, _PUT = 0, 1
_TRAILER = 5
"""How a block is compressed, and its checksum."""
_FOOTER = 48
_MAGIC = bytes.fromhex("57fb808b247547db")
_PLAIN, _SNAPPY = 0, 1
_MASK = 0xA282EAD8
_BLOCK_BYTES_MAX = 256 * 1024 * 1024
_COMPARATOR, _LOG, _NEXT, _LAST_SEQUENCE, _POINTER, _DELETED_FILE, _NEW_FILE, _PREVIOUS_LOG = 1, 2, 3, 4, 5, 6, 7, 9
_BYTEWISE = b"leveldb.BytewiseComparator"


class _Entry(NamedTuple):
    """In the order in which tables have them: by key, the newest first."""

    key: bytes
    age: int
    """The sequence number, negated."""
    kind: int
    value: bytes


@dataclass(slots=True)
class _Table:
    path: Path
    smallest: bytes
    largest: bytes
    index: list[tuple[bytes, int, int]] | None = None
    """Of each block: a key that none in it is beyond, where it begins, and its length."""


@dataclass(slots=True)
class _Version:
    """The files that make up the database."""

    files: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)
    """Smallest and largest key of each table."""
    log: int = 0
    previous_log: int = 0


class LevelDb:
    """
    Raises:
        BadFile: there is no database in `directory`, or a process has it open.
    """

    def __init__(self, directory: Path, on_damage: OnDamage) -> None:
        if not (directory / "CURRENT").is_file():
            raise BadFile(f"{directory} is no LevelDB database: it has no file CURRENT")
        self._lock = _lock(directory)
        try:
            version = _read_version(directory, on_damage)
            self._tables = [
                _Table(_table_path(directory, number), *keys) for number, keys in sorted(version.files.items())
            ]
            self._recent = _read_logs(directory, version, on_damage)
        except BaseException:
            self.close()
            raise
        self._recent_keys = sorted(self._recent)

    def close(self) -> None:
        """Let others open it again. Idempotent."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def entries(self, start: bytes, end: bytes, on_damage: OnDamage) -> Iterator[tuple[bytes, bytes]]:
        """Keys from `start` to before `end` with their values, in order."""
        sources = [self._from_logs(start, end)]
        sources += [
            _from_table(table, start, end, on_damage)
            for table in self._tables
            if table.smallest < end and table.largest >= start
        ]
        last: bytes | None = None
        for entry in heapq.merge(*sources):
            if entry.key != last:
                last = entry.key
                if entry.kind == _PUT:
                    yield entry.key, entry.value

    def _from_logs(self, start: bytes, end: bytes) -> Iterator[_Entry]:
        keys = self._recent_keys
        for key in keys[bisect_left(keys, start) : bisect_left(keys, end)]:
            yield self._recent[key]


def _lock(directory: Path) -> int | None:
    """Keep others from opening the database: who does may remove files that are still to be read."""
    try:
        descriptor = os.open(directory / "LOCK", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None  # A copy.
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise BadFile(f"{directory} is open in another process: stop the old server, or import a copy") from None
    return descriptor


# -- which files there are


def _read_version(directory: Path, on_damage: OnDamage) -> _Version:
    name = (directory / "CURRENT").read_bytes().strip()
    manifest = directory / os.fsdecode(name)
    if not name.startswith(b"MANIFEST-") or b"/" in name or not manifest.is_file():
        raise BadFile(f"{directory}: CURRENT names no manifest")
    version = _Version()
    for record in _records(manifest, on_damage):
        try:
            _apply_edit(_Fields(record), version)
        except (IndexError, struct.error):
            raise BadFile(f"{manifest.name} is damaged") from None
    return version


def _apply_edit(fields: "_Fields", version: _Version) -> None:
    while fields.left:
        tag = fields.number()
        if tag == _COMPARATOR:
            if fields.bytes() != _BYTEWISE:
                raise BadFile("the database sorts its keys in a way of its own")
        elif tag == _LOG:
            version.log = fields.number()
        elif tag == _PREVIOUS_LOG:
            version.previous_log = fields.number()
        elif tag in (_NEXT, _LAST_SEQUENCE):
            fields.number()
        elif tag == _POINTER:
            fields.number(), fields.bytes()
        elif tag == _DELETED_FILE:
            fields.number()
            version.files.pop(fields.number(), None)
        elif tag == _NEW_FILE:
            fields.number()
            number = fields.number()
            fields.number()
            version.files[number] = (_user_key(fields.bytes()), _user_key(fields.bytes()))
        else:
            raise BadFile(f"the manifest has an entry of the unknown kind {tag}")


def _user_key(internal: bytes) -> bytes:
    if len(internal) < 8:
        raise IndexError
    return internal[:-8]


def _table_path(directory: Path, number: int) -> Path:
    path = directory / f"{number:06}.ldb"
    older = path.with_suffix(".sst")
    return older if older.exists() and not path.exists() else path


# -- logs


def _read_logs(directory: Path, version: _Version, on_damage: OnDamage) -> dict[bytes, _Entry]:
    """What is in no table yet: the newest entry of each key."""
    numbers = sorted(int(path.stem) for path in directory.glob("*.log") if path.stem.isdecimal())
    found: dict[bytes, _Entry] = {}
    for number in numbers:
        if number < version.log and number != version.previous_log:
            continue
        path = directory / f"{number:06}.log"
        for batch in _records(path, on_damage):
            try:
                for entry in _batch(batch):
                    found[entry.key] = entry
            except (IndexError, struct.error):
                on_damage(f"{path.name}: a batch of writes is damaged")
    return found


def _batch(data: bytes) -> list[_Entry]:
    sequence, count = _BATCH.unpack_from(data)
    fields = _Fields(data, _BATCH.size)
    entries: list[_Entry] = []
    while fields.left:
        kind = fields.byte()
        key = fields.bytes()
        value = fields.bytes() if kind == _PUT else b""
        if kind not in (_DELETED, _PUT):
            raise IndexError
        entries.append(_Entry(key, -(sequence + len(entries)), kind, value))
    if len(entries) != count:
        raise IndexError
    return entries


def _records(path: Path, on_damage: OnDamage) -> Iterator[bytes]:
    """Whole records. One that is cut off at the end was never finished: its writer died."""
    parts: list[bytes] = []
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            at = 0
            while at + _RECORD.size <= len(block):
                checksum, length, kind = _RECORD.unpack_from(block, at)
                end = at + _RECORD.size + length
                if kind == 0 and length == 0:
                    break  # Space that was set aside.
                if end > len(block):
                    if len(block) == _BLOCK:
                        on_damage(f"{path.name}: a record is damaged")
                    break
                piece = block[at + _RECORD.size : end]
                if not _holds(checksum, block[at + 6 : end]):
                    on_damage(f"{path.name}: a record is damaged")
                    parts = []
                    break
                at = end
                if kind in (_FULL, _FIRST):
                    if parts:
                        on_damage(f"{path.name}: a record has no end")
                    parts = []
                elif not parts:
                    on_damage(f"{path.name}: a record has no beginning")
                    continue
                parts.append(piece)
                if kind in (_FULL, _LAST):
                    yield b"".join(parts)
                    parts = []


def _holds(checksum: int, data: bytes) -> bool:
    crc = crc32c(data)
    return checksum == ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF


# -- tables


def _from_table(table: _Table, start: bytes, end: bytes, on_damage: OnDamage) -> Iterator[_Entry]:
    try:
        if table.index is None:
            table.index = _read_index(table.path)
        index = table.index
    except (BadFile, OSError, IndexError) as error:
        on_damage(f"{table.path.name}: {_why(error)}")
        return
    first = bisect_left(index, (start, 0, 0))
    for _, offset, size in index[first:]:
        try:
            with table.path.open("rb") as file:
                entries = _entries(_read_block(file.fileno(), offset, size))
        except LimitExceeded:
            raise
        except (CollabError, OSError, IndexError) as error:
            on_damage(f"{table.path.name}: {_why(error)}")
            continue
        for entry in entries:
            if entry.key >= end:
                return
            if entry.key >= start:
                yield entry


def _why(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "the file is missing"
    return str(error) if isinstance(error, CollabError) else "a block is damaged"


def _read_index(path: Path) -> list[tuple[bytes, int, int]]:
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - _FOOTER))
        footer = file.read()
        if len(footer) != _FOOTER or not footer.endswith(_MAGIC):
            raise BadFile("it is no table")
        fields = _Fields(footer)
        fields.number(), fields.number()
        index = []
        for key, value in _pairs(_read_block(file.fileno(), fields.number(), fields.number())):
            handle = _Fields(value)
            index.append((_user_key(key), handle.number(), handle.number()))
    return index


def _read_block(file: int, offset: int, size: int) -> bytes:
    if size > _BLOCK_BYTES_MAX:
        raise BadFile("a block is larger than any")
    raw = os.pread(file, size + _TRAILER, offset)
    if len(raw) != size + _TRAILER:
        raise BadFile("the file is cut off")
    if not _holds(int.from_bytes(raw[-4:], "little"), raw[:-4]):
        raise BadFile("a block does not match its checksum")
    kind = raw[size]
    if kind == _PLAIN:
        return raw[:size]
    if kind == _SNAPPY:
        return unpack(raw[:size], _BLOCK_BYTES_MAX)
    raise BadFile("a block is compressed in a way that this version does not read")


def _entries(block: bytes) -> list[_Entry]:
    found = []
    for key, value in _pairs(block):
        tail = int.from_bytes(key[-8:], "little")
        found.append(_Entry(_user_key(key), -(tail >> 8), tail & 0xFF, value))
    return found


def _pairs(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    restarts = int.from_bytes(block[-4:], "little")
    fields = _Fields(block, 0, len(block) - 4 - 4 * restarts)
    key = b""
    while fields.left:
        shared, rest, size = fields.number(), fields.number(), fields.number()
        if shared > len(key):
            raise IndexError
        key = key[:shared] + fields.take(rest)
        yield key, fields.take(size)


class _Fields:
    """Numbers and bytes as LevelDB writes them. Raises IndexError where they end too early."""

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        self._data = data
        self._at = at
        self._end = len(data) if end is None else end
        if not 0 <= at <= self._end:
            raise IndexError

    @property
    def left(self) -> bool:
        return self._at < self._end

    def byte(self) -> int:
        return self.take(1)[0]

    def take(self, count: int) -> bytes:
        at, self._at = self._at, self._at + count
        if self._at > self._end:
            raise IndexError
        return self._data[at : self._at]

    def bytes(self) -> bytes:
        return self.take(self.number())

    def number(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise IndexError
