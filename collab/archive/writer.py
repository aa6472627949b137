"""Writes an archive (`docs/archive.md`): a folder for each document, the manifest last, and a seal over all of it.

Entries that pack extremely well are stored as they are: a reader that refuses bombs must not refuse our own archives.
"""

import base64
import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from collab.archive.model import (
    CLIENTS,
    EVENTS,
    FORMAT,
    IMAGES,
    IMAGES_VERSION,
    MANIFEST,
    SEAL_PREFIX,
    SESSIONS,
    STATE,
    THINNED_VERSION,
    UPDATES,
    VERSION,
    VERSIONS,
    ArchivedDocument,
    ArchivedEvent,
    ArchivedImage,
    ArchivedVersion,
    iso_time,
)
from collab.errors import CollabError, CorruptUpdate, LimitExceeded
from collab.export.markdown import document_markdown
from collab.export.text import document_text
from collab.export.tree import read_content
from collab.guard import Panicked, document_from, guarded
from collab.history.ports import Binding, Span
from collab.ports import StoredUpdate
from collab.scanner import STATE_LIMITS, scan_update

_RATIO_MAX = 50
_CHUNK = 1024 * 1024
_DATE = (1980, 1, 1, 0, 0, 0)
"""ZIP's own beginning of time: the same documents give the same entries."""


class ArchiveWriter:
    """Call `add` for each document, then `finish`. The file is worth nothing before."""

    def __init__(self, path: Path, *, now_ms: int, content: bool = True) -> None:
        """
        Args:
            content: Put what the documents hold beside their history, for people to read.
        """
        self._path = path
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED)
        self._now_ms = now_ms
        self._content = content
        self._documents: list[dict[str, Any]] = []
        self._files: dict[str, dict[str, Any]] = {}
        self._left_out: list[dict[str, str]] = []
        self._missing: list[dict[str, str]] = []
        self._version = VERSION
        self.updates = 0
        self.images = 0

    @property
    def documents(self) -> int:
        return len(self._documents)

    @property
    def left_out(self) -> list[dict[str, str]]:
        """Documents that cannot be exported: id and reason."""
        return self._left_out

    @property
    def images_missing(self) -> list[dict[str, str]]:
        """Images that cannot be exported: id of their document and reason."""
        return self._missing

    def add(self, document: ArchivedDocument, updates: list[StoredUpdate]) -> None:
        """
        Args:
            updates: all of it, from seq 1 to its head.

        Raises:
            CorruptUpdate: the document cannot be made from its updates; nothing of it is written.
        """
        state = _state(updates)
        folder = f"documents/{len(self._documents) + 1:06d}"
        if updates:
            self._write(f"{folder}/{UPDATES}", _lines(map(_update_line, updates)))
            self._write(f"{folder}/{STATE}", state)
        if document.versions:
            self._write(f"{folder}/{VERSIONS}", _lines(_version_line(it) for it in document.versions))
        if document.events:
            self._write(f"{folder}/{EVENTS}", _lines(_event_line(it) for it in document.events))
        if document.clients:
            self._write(f"{folder}/{CLIENTS}", _lines(_client_line(it) for it in document.clients))
        if document.sessions:
            self._write(f"{folder}/{SESSIONS}", _lines(_session_line(it) for it in document.sessions))
        if updates and updates[0].first is not None:
            self._version = max(self._version, THINNED_VERSION)
        if self._content and updates:
            for name, content in _readable(state):
                self._write(f"{folder}/{name}", content)
        self._documents.append(
            {
                "folder": folder,
                "id": document.id,
                "title": document.title,
                "epoch": document.epoch,
                "head": document.head,
                "created_at": iso_time(document.created_at_ms),
                "updated_at": iso_time(document.updated_at_ms),
                "deleted_at": None if document.deleted_at_ms is None else iso_time(document.deleted_at_ms),
            }
        )
        self.updates += len(updates)

    def add_image(self, image: ArchivedImage, content: bytes) -> None:
        """One of the document that was added last.

        Raises:
            CorruptUpdate: it is not what it should be; nothing of it is written.
        """
        if hashlib.sha256(content).hexdigest() != image.digest:
            raise CorruptUpdate(f"the image {image.digest} is damaged")
        entry = self._documents[-1]
        name = f"{entry['folder']}/{IMAGES}/{image.digest}"
        self._files[name] = {"bytes": len(content), "sha256": image.digest}
        self._store(name, content, packed=True)
        line = {"sha256": image.digest, "type": image.media_type, "user": image.user_id, "at": iso_time(image.at_ms)}
        entry.setdefault(IMAGES, []).append(line)
        self._version = IMAGES_VERSION
        self.images += 1

    def leave_out(self, document: str, reason: str) -> None:
        self._left_out.append({"id": document, "reason": reason})

    def miss_image(self, document: str, reason: str) -> None:
        self._missing.append({"id": document, "reason": reason})

    def finish(self) -> None:
        manifest = {
            "format": FORMAT,
            "version": self._version,
            "made_at": iso_time(self._now_ms),
            "made_by": f"coscribe {version('coscribe')}",
            "documents": self._documents,
            "left_out": self._left_out,
            "images_missing": self._missing,
            "files": self._files,
        }
        self._store(MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1).encode())
        self._zip.comment = SEAL_PREFIX + b"0" * 64
        self._zip.close()
        _seal(self._path)

    def abandon(self) -> None:
        self._zip.close()
        self._path.unlink(missing_ok=True)

    def _write(self, name: str, content: bytes) -> None:
        self._files[name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        self._store(name, content)

    def _store(self, name: str, content: bytes, *, packed: bool = False) -> None:
        """
        Args:
            packed: packing it once more is not worth the time.
        """
        entry = zipfile.ZipInfo(name, _DATE)
        entry.external_attr = 0o644 << 16
        packs_well = packed or len(content) > _RATIO_MAX * len(zlib.compress(content, 1))
        self._zip.writestr(entry, content, zipfile.ZIP_STORED if packs_well else zipfile.ZIP_DEFLATED)


def _seal(path: Path) -> None:
    with path.open("r+b") as file:
        end = file.seek(-64, 2)
        file.seek(0)
        digest = hashlib.sha256()
        while end > 0:
            chunk = file.read(min(_CHUNK, end))
            digest.update(chunk)
            end -= len(chunk)
        file.write(digest.hexdigest().encode())


def _state(updates: list[StoredUpdate]) -> bytes:
    try:
        for update in updates:
            scan_update(update.payload, STATE_LIMITS)
        doc = document_from([update.payload for update in updates])
        state: bytes = guarded(doc.get_update)
    except (Panicked, CollabError) as error:
        raise CorruptUpdate(f"its updates cannot be applied: {error}") from error
    return state


def _readable(state: bytes) -> Iterator[tuple[str, bytes]]:
    """What a document holds in formats for people; just its text when it is nested too deep for the others."""
    try:
        content = read_content(state)
        yield "content.md", document_markdown(content).encode()
        yield "content.json", json.dumps(content, ensure_ascii=False).encode()
    except LimitExceeded:
        yield "content.txt", document_text(state).encode()


def _lines(lines: Iterable[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)


def _update_line(update: StoredUpdate) -> dict[str, Any]:
    line = {
        "seq": update.seq,
        "user": update.user_id,
        "at": iso_time(update.at_ms),
        "payload": base64.b64encode(update.payload).decode(),
    }
    return line if update.first is None else line | {"first": update.first}


def _client_line(binding: Binding) -> dict[str, Any]:
    return {"client": binding.client, "user": binding.user_id, "first": binding.first}


def _session_line(span: Span) -> dict[str, Any]:
    return {
        "user": span.user_id,
        "first": span.first,
        "last": span.last,
        "started_at": iso_time(span.started_ms),
        "ended_at": iso_time(span.ended_ms),
        "updates": span.updates,
        "added": span.added,
        "removed": span.removed,
    }


def _version_line(named: ArchivedVersion) -> dict[str, Any]:
    return {"seq": named.seq, "name": named.name, "user": named.user_id, "at": iso_time(named.at_ms)}


def _event_line(event: ArchivedEvent) -> dict[str, Any]:
    return {
        "kind": event.kind.value,
        "user": event.user_id,
        "at": iso_time(event.at_ms),
        "seq": event.seq,
        "detail": event.detail,
        "row": event.row,
        "client": event.client,
        "copies": base64.b64encode(event.copies).decode(),
    }
