"""Reading ZIP files that strangers made: archives of ours, and DOCX.

Z1  What the directory declares is added up before anything is unpacked: entries, bytes, and the ratio of both sizes.
    No entry yields more bytes than it declares, whatever its compressed data would give.
Z2  A name is a plain relative path: no `..`, no drive, no backslash, no link, none twice. Nothing is ever written
    under such a name.
Z3  Entries do not overlap, are not encrypted, and are no archives themselves.
Z4  What is read matches its CRC; the error names the entry.
"""

import re
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from collab.errors import BadFile, LimitExceeded


@dataclass(frozen=True, slots=True)
class ZipLimits:
    bytes_max: int = 100 * 1024 * 1024
    """Of all entries, unpacked."""
    entries_max: int = 10_000
    ratio_max: int = 100
    """Unpacked to packed size, of all entries and of each that is not small."""


_SMALL_BYTES = 64 * 1024
"""Entries of this size may have any ratio: a page of XML has a high one, and ten thousand of them are bounded."""
_NAME = re.compile(r"(?!/)(?:(?!\.\.?(?:/|$))[^/\\:\x00-\x1f\x7f]{1,200}(?:/|$))+", re.ASCII)
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_LOCAL_HEADER_BYTES = 30
_END_RECORD = struct.Struct("<4sHHHHIIH")
_MANY = 0xFFFF
"""Then the number stands in a record of its own (ZIP64)."""
_ARCHIVES = re.compile(
    rb"PK\x03\x04|PK\x05\x06|\x1f\x8b|7z\xbc\xaf\x27\x1c|Rar!\x1a\x07|BZh[1-9]|\xfd7zXZ\x00|\x28\xb5\x2f\xfd"
)
_ARCHIVE_KINDS = "zip jar 7z rar gz tgz bz2 xz tar zst docx docm dotx xlsx xlsm pptx pptm odt ods odp epub"
_ARCHIVE_SUFFIXES = tuple(f".{kind}" for kind in _ARCHIVE_KINDS.split())
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)
_CHUNK = 256 * 1024


class SafeZip:
    """An opened ZIP file that has passed Z1 to Z3.

    Raises:
        BadFile: it is damaged or breaks a rule.
        LimitExceeded: it is larger than it may be.
    """

    def __init__(self, file: Path | IO[bytes], limits: ZipLimits) -> None:
        try:
            self._zip = zipfile.ZipFile(file)
        except _DAMAGED as error:
            raise BadFile(f"this is no ZIP file, or its directory is damaged: {error}") from None
        self.comment = self._zip.comment
        self._entries = _checked(self._zip, limits)

    @property
    def names(self) -> list[str]:
        """Of all files; directories are left out."""
        return [*self._entries]

    def size(self, name: str) -> int:
        return self._entries[name].file_size

    def read(self, name: str) -> bytes:
        """
        Raises:
            BadFile: there is no such entry, or it is damaged.
        """
        if name not in self._entries:
            raise BadFile(f"{name} is missing")
        found = bytearray()
        try:
            with self._zip.open(self._entries[name]) as entry:
                while chunk := entry.read(_CHUNK):
                    found += chunk
        except _DAMAGED as error:
            raise BadFile(f"{name} is damaged: {error}") from None
        if len(found) != self._entries[name].file_size:
            raise BadFile(f"{name} is damaged: it does not have the size it should have")
        if _ARCHIVES.match(found) or found[257:262] == b"ustar":
            raise BadFile(f"{name} is an archive inside this file")
        return bytes(found)

    def close(self) -> None:
        self._zip.close()


def _checked(opened: zipfile.ZipFile, limits: ZipLimits) -> dict[str, zipfile.ZipInfo]:
    entries = opened.infolist()
    if len(entries) > limits.entries_max:
        raise LimitExceeded(f"the file has {len(entries)} entries; {limits.entries_max} are allowed")
    if _declared_entries(opened) not in (len(entries), _MANY):
        raise BadFile("the file's directory is damaged: it does not have as many entries as it says")
    found: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        _check_entry(entry)
        if entry.filename in found:
            raise BadFile(f"{entry.filename!r} is in the file twice")
        found[entry.filename] = entry
    _check_places(opened, entries)
    _check_sizes(entries, limits)
    return {name: entry for name, entry in found.items() if not entry.is_dir()}


def _declared_entries(opened: zipfile.ZipFile) -> int:
    """What the record at the file's end says. Python takes a directory as it is, however long it should be."""
    assert opened.fp is not None
    opened.fp.seek(-(_END_RECORD.size + len(opened.comment)), 2)
    return int(_END_RECORD.unpack(opened.fp.read(_END_RECORD.size))[4])


def _check_sizes(entries: list[zipfile.ZipInfo], limits: ZipLimits) -> None:
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > limits.bytes_max:
        raise LimitExceeded(f"the file unpacks to {unpacked} bytes; {limits.bytes_max} are allowed")
    packed = sum(entry.compress_size for entry in entries)
    if unpacked > max(_SMALL_BYTES, packed * limits.ratio_max):
        raise LimitExceeded(f"the file unpacks to more than {limits.ratio_max} times its size")
    for entry in entries:
        if entry.file_size > max(_SMALL_BYTES, entry.compress_size * limits.ratio_max):
            raise LimitExceeded(f"{entry.filename!r} unpacks to more than {limits.ratio_max} times its size")


def _check_entry(entry: zipfile.ZipInfo) -> None:
    name = entry.filename
    # `orig_filename` is what the file says before Python tidied it up.
    if _NAME.fullmatch(name) is None or entry.orig_filename != name:
        raise BadFile(f"{entry.orig_filename[:200]!r} is no name for a file here")
    mode = entry.external_attr >> 16
    if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise BadFile(f"{name!r} is a link or a device")
    if entry.flag_bits & _ENCRYPTED:
        raise BadFile(f"{name!r} is encrypted")
    if entry.compress_type not in _METHODS:
        raise BadFile(f"{name!r} is packed in a way that is not read here")
    if name.lower().endswith(_ARCHIVE_SUFFIXES):
        raise BadFile(f"{name!r} is an archive inside this file")


def _check_places(opened: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> None:
    """Entries that share bytes unpack to many times what the file's size lets one expect."""
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < end:
            raise BadFile(f"{entry.filename!r} overlaps with another entry")
        end = entry.header_offset + _LOCAL_HEADER_BYTES + len(entry.filename.encode()) + entry.compress_size
    if end > opened.start_dir:
        raise BadFile("the last entry overlaps with the file's directory")
