"""A directory of files that become documents: Yjs updates as they are, Markdown, HTML and so on by their endings."""

import hashlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from collab.errors import BadFile, CollabError, ProtocolError
from collab.imports.formats import format_of, new_document
from collab.imports.yjs_v2 import to_version_1
from collab.scanner import STATE_LIMITS, scan_update
from collab.takeover import ForeignUpdate
from storage.foreign.port import ForeignDocument, Listed
from storage.foreign.tree import files_below, open_below

_UPDATES = frozenset({".bin", ".update", ".yupdate", ".ydoc"})
"""What people call files with Yjs updates, besides `.yjs`."""


class Files:
    def __init__(self, directory: Path, file_bytes_max: int, document_bytes_max: int) -> None:
        self._directory = directory
        self._file_bytes_max = file_bytes_max
        self._document_bytes_max = document_bytes_max

    def documents(self) -> Iterator[Listed | str]:
        for path, size in files_below(self._directory):
            if _format_of(self._named(path)) is None:
                yield f"{self._named(path)}: its ending tells of no format that can be read"
            else:
                yield Listed(str(path), str(self._named(path).with_suffix("")), size)

    def read(self, key: str) -> ForeignDocument:
        path = self._named(PurePosixPath(key))
        data = open_below(self._directory, key, self._file_bytes_max)
        format = _format_of(path)
        if format is None:
            raise BadFile("its ending tells of no format that can be read")
        try:
            if format == "yjs":
                data = _version_1(data, self._document_bytes_max)
            update = new_document(data, format, self._document_bytes_max, client_id=_client_id(path, data))
        except CollabError as error:
            raise BadFile(str(error)) from error
        return ForeignDocument([ForeignUpdate(update)], [])

    def _named(self, path: PurePosixPath) -> PurePosixPath:
        return PurePosixPath(self._directory.name) if str(path) == "." else path


def _format_of(path: PurePosixPath) -> str | None:
    return "yjs" if path.suffix.lower() in _UPDATES else format_of(path.name)


def _version_1(data: bytes, bytes_max: int) -> bytes:
    """Version 2 begins with a byte for features, of which there are none, where version 1 has the number of clients."""
    if data[:1] != b"\0":
        return data
    try:
        scan_update(data, STATE_LIMITS)  # It may only delete.
    except ProtocolError:
        return to_version_1(data, bytes_max)
    return data


def _client_id(path: PurePosixPath, data: bytes) -> int:
    """The same for the same file: then a second import finds that everything of it is there."""
    digest = hashlib.sha256(str(path).encode(errors="surrogateescape") + b"\0" + data).digest()
    return int.from_bytes(digest[:4], "big")
