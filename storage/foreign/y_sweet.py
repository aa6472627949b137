"""What y-sweet keeps in a directory, or in a copy of its bucket: `data.ysweet` in a folder for each document.

A file is a sorted map of byte strings as bincode writes it (counts and lengths in eight bytes, least significant
first). In it are the keys of yrs-kvstore:

    00 name 00                     four bytes: the number of the document; y-sweet calls the only one "doc"
    01 number 00                   its state
    01 number 02 clock 00          an update that is not in the state yet
    01 number 01, 01 number 03 …   its state vector, and what an application keeps beside it: not ours
"""

from collections.abc import Iterator
from pathlib import Path

from collab.errors import BadFile
from collab.takeover import ForeignUpdate
from storage.foreign.port import ForeignDocument, Listed
from storage.foreign.tree import files_below, open_below

_FILE = "data.ysweet"
_NAMES, _DOCUMENTS = b"\x00\x00", b"\x00\x01"
_STATE_OR_UPDATE = (b"\x00", b"\x02")
_LENGTH = 8


class YSweet:
    def __init__(self, directory: Path, file_bytes_max: int) -> None:
        self._directory = directory
        self._file_bytes_max = file_bytes_max

    def documents(self) -> Iterator[Listed | str]:
        for path, size in files_below(self._directory):
            if path.name == _FILE:
                name = path.parent.as_posix()
                yield Listed(str(path), self._directory.name if name == "." else name, size)

    def read(self, key: str) -> ForeignDocument:
        entries = _entries(open_below(self._directory, key, self._file_bytes_max))
        numbers = [value for name, value in entries.items() if name.startswith(_NAMES)]
        if len(numbers) != 1 or len(numbers[0]) != 4:
            raise BadFile("it should hold one document")
        start = _DOCUMENTS + numbers[0]
        kept = sorted(name for name in entries if name.startswith(start) and name[6:7] in _STATE_OR_UPDATE)
        return ForeignDocument([ForeignUpdate(entries[name]) for name in kept], [])


def _entries(data: bytes) -> dict[bytes, bytes]:
    at = 0

    def number() -> int:
        nonlocal at
        at += _LENGTH
        if at > len(data):
            raise BadFile("it is cut off")
        return int.from_bytes(data[at - _LENGTH : at], "little")

    def text() -> bytes:
        nonlocal at
        length = number()
        at += length
        if at > len(data):
            raise BadFile("it is cut off, or no file of y-sweet")
        return data[at - length : at]

    entries = {}
    for _ in range(number()):
        key = text()
        entries[key] = text()
    if at != len(data):
        raise BadFile("something follows after its end")
    return entries
