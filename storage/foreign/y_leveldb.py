"""What y-leveldb keeps, the store of y-websocket's server: https://github.com/yjs/y-leveldb.

    ["v1", name, "update", number]   one update; the numbers tell the order
    ["v1", name, "meta", key]        what the application keeps beside it: not ours
    ["v1_sv", name]                  a state vector, so that documents can be listed

A key is a list of texts (0, its length, UTF-8) and numbers (1, four bytes, most significant first).
"""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from collab.codec import Reader, write_var_string
from collab.errors import BadFile, ProtocolError
from collab.takeover import ForeignUpdate
from storage.foreign.leveldb import LevelDb
from storage.foreign.port import ForeignDocument, Listed

_TEXT, _NUMBER = 0, 1
_DOCUMENTS = b"\x00\x02v1"
_END = b"\xff"
_ESCAPED = re.compile(r"%[0-9A-Fa-f]{2}")


class YLevelDb:
    def __init__(self, directory: Path) -> None:
        self._damages: list[str] = []
        self._database = LevelDb(directory, self._damages.append)

    def documents(self) -> Iterator[Listed | str]:
        damages = self._damages
        sizes: dict[str, int] = {}
        for key, value in self._database.entries(_DOCUMENTS, _DOCUMENTS + _END, damages.append):
            try:
                parts = _parts(key)
            except ProtocolError:
                damages.append("a key is damaged")
                continue
            if len(parts) == 4 and parts[2] == "update" and isinstance(parts[1], str):
                sizes[parts[1]] = sizes.get(parts[1], 0) + len(value)
        yield from dict.fromkeys(damages)
        for name, size in sizes.items():
            yield Listed(name, _spoken(name), size)

    def read(self, key: str) -> ForeignDocument:
        faults: list[str] = []
        start = _DOCUMENTS + _text(key) + _text("update")
        found = self._database.entries(start, start + _END, faults.append)
        updates = [ForeignUpdate(value) for _, value in found]
        if not updates:
            raise BadFile(faults[0] if faults else "it is not there any more")
        return ForeignDocument(updates, [*dict.fromkeys(faults)])


def _spoken(name: str) -> str:
    """Its server takes the name out of the address as it is, escapes and all; ours reads them."""
    return unquote(name) if _ESCAPED.search(name) else name


def _text(text: str) -> bytes:
    return bytes((_TEXT,)) + write_var_string(text)


def _parts(key: bytes) -> list[str | int]:
    reader, parts = Reader(key), list[str | int]()
    while not reader.at_end:
        kind = reader.var_uint()
        if kind == _TEXT:
            parts.append(reader.var_string())
        elif kind == _NUMBER:
            parts.append(int.from_bytes(key[reader.position : reader.position + 4], "big"))
            reader.position += 4
        else:
            raise BadFile("a key is damaged")
    return parts
