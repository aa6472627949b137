"""Checks an archive. Nothing of it is believed before all of it is checked:

K1  The file is the one that was written (its seal), and so is each entry (the manifest's SHA-256). What does not match
    is named.
K2  The manifest names every file there is, and no other; seqs have no gaps; names, times and people are such as could
    be stored.
K3  Every update is what a room takes of everybody (`collab.replay`). The result is the document whose state lies beside
    them.
K4  An image is what its name says, the SHA-256 of its content, and of the kind that its content says.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, TypeVar

from collab.archive.model import (
    CLIENTS,
    CONTENT,
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
    milliseconds,
)
from collab.archive.spool import write_document
from collab.errors import BadFile, LimitExceeded, MalformedMessage, ProtocolError
from collab.guard import Panicked
from collab.history.copies import decode_copies
from collab.history.ports import Binding, EventKind, Span
from collab.images import image_type
from collab.live import LiveDocument
from collab.ports import StoredUpdate
from collab.replay import Replay
from collab.scanner import STATE_LIMITS, scan_update
from collab.types import Seq, parse_document_id
from collab.zips import SafeZip, ZipLimits

T = TypeVar("T")

_CHUNK = 1024 * 1024
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_USER_ID_BYTES_MAX = 1024
_TITLE_CHARACTERS_MAX = 1000
_NAME_CHARACTERS_MAX = 200
_DETAIL_CHARACTERS_MAX = 10_000
_CLIENT_END = 2**53

Report = Callable[[str, int, int], None]


def check_archive(path: Path, spool: IO[bytes], limits: ZipLimits, document_bytes_max: int, report: Report) -> Any:
    """Check everything, and write what was checked to `spool`.

    Returns:
        How many documents, updates and images there are, and which documents the archive was made without.

    Raises:
        BadFile: it is damaged, or not what it should be; the text names the file in it.
        LimitExceeded: it is larger than it may be.
    """
    archive = SafeZip(path, limits)
    sealed = _seal_holds(path, archive.comment)
    manifest = _manifest(archive)
    files = _checked_files(archive, manifest, report)
    if not sealed:
        raise BadFile(
            "the archive's directory is damaged: its files are whole, but the archive is not as it was written"
        )
    documents = _list(manifest, "documents", MANIFEST)
    _check_layout({*files}, documents)
    seen: set[str] = set()
    updates = images = 0
    for done, entry in enumerate(documents):
        report("checking documents", done, len(documents))
        document, rows = _document(archive, entry, document_bytes_max)
        if document.id in seen:
            raise BadFile(f"{MANIFEST}: the document {document.id} is in it twice")
        seen.add(document.id)
        folder = f"{entry['folder']}/{IMAGES}"
        write_document(spool, document, rows, (archive.read(f"{folder}/{it.digest}") for it in document.images))
        updates += len(rows)
        images += len(document.images)
    report("checking documents", len(documents), len(documents))
    left_out = [str(it.get("id")) for it in manifest.get("left_out", []) if isinstance(it, dict)]
    return {"documents": len(documents), "updates": updates, "images": images, "left_out": left_out}


def _seal_holds(path: Path, comment: bytes) -> bool:
    """Archives that somebody has packed anew have no seal; the manifest still vouches for their files."""
    if not comment:
        return True
    digits = comment.removeprefix(SEAL_PREFIX)
    digest = hashlib.sha256()
    left = path.stat().st_size - len(digits)
    with path.open("rb") as file:
        while left > 0 and (chunk := file.read(min(_CHUNK, left))):
            digest.update(chunk)
            left -= len(chunk)
    return digits == digest.hexdigest().encode()


# -- the manifest


def _manifest(archive: SafeZip) -> dict[str, Any]:
    if MANIFEST not in archive.names:
        raise BadFile(f"this is no Coscribe archive: {MANIFEST} is missing")
    manifest = _json(archive.read(MANIFEST), MANIFEST)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise BadFile(f"this is no Coscribe archive: {MANIFEST} says something else")
    if manifest.get("version") not in (VERSION, THINNED_VERSION, IMAGES_VERSION):
        raise BadFile(
            f"{MANIFEST}: this version of Coscribe reads archives of version {VERSION} to {IMAGES_VERSION}, and this "
            "is another"
        )
    return manifest


def _checked_files(archive: SafeZip, manifest: dict[str, Any], report: Report) -> dict[str, Any]:
    files = manifest.get("files")
    if not isinstance(files, dict):
        raise BadFile(f"{MANIFEST}: files is no object")
    names = {*archive.names} - {MANIFEST}
    if missing := sorted(files.keys() - names):
        raise BadFile(f"{missing[0]} is missing")
    if surplus := sorted(names - files.keys()):
        raise BadFile(f"{surplus[0]} is not in {MANIFEST}")
    for done, (name, said) in enumerate(files.items()):
        if done % 100 == 0:
            report("checking files", done, len(files))
        content = archive.read(name)
        found = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        if said != found:
            raise BadFile(f"{name} does not match its checksum")
    report("checking files", len(files), len(files))
    return files


def _check_layout(names: set[str], documents: list[Any]) -> None:
    """Nothing may lie in an archive that nobody would look at."""
    known = {UPDATES, VERSIONS, EVENTS, CLIENTS, SESSIONS, STATE, *CONTENT}
    folders = {entry.get("folder") for entry in documents if isinstance(entry, dict)}
    images = {
        f"{entry.get('folder')}/{IMAGES}/{line.get('sha256')}"
        for entry in documents
        if isinstance(entry, dict) and isinstance(entry.get(IMAGES), list)
        for line in entry[IMAGES]
        if isinstance(line, dict)
    }
    for name in names - images:
        folder, _, file = name.rpartition("/")
        if folder not in folders or file not in known:
            raise BadFile(f"{name} belongs to no document of the archive")


# -- one document


def _document(archive: SafeZip, entry: Any, document_bytes_max: int) -> tuple[ArchivedDocument, list[StoredUpdate]]:
    where = f"{MANIFEST}: {entry.get('id') if isinstance(entry, dict) else entry!r}"
    folder = _field(entry, "folder", str, where)
    rows = [*_updates(archive, f"{folder}/{UPDATES}")]
    document = ArchivedDocument(
        id=_checked(lambda: parse_document_id(_field(entry, "id", str, where)), where),
        title=_text(entry, "title", where, _TITLE_CHARACTERS_MAX),
        epoch=_epoch(entry, where),
        head=Seq(_field(entry, "head", int, where)),
        created_at_ms=_time(entry, "created_at", where),
        updated_at_ms=_time(entry, "updated_at", where),
        deleted_at_ms=None if entry.get("deleted_at") is None else _time(entry, "deleted_at", where),
        versions=tuple(_version(it, at) for it, at in _lines(archive, f"{folder}/{VERSIONS}")),
        events=tuple(_event(it, at) for it, at in _lines(archive, f"{folder}/{EVENTS}")),
        clients=tuple(_client(it, at) for it, at in _lines(archive, f"{folder}/{CLIENTS}")),
        sessions=tuple(_session(it, at) for it, at in _lines(archive, f"{folder}/{SESSIONS}")),
        images=tuple(_images(archive, entry, where)),
    )
    _check_copies(document.events, f"{folder}/{EVENTS}")
    last = rows[-1].seq if rows else 0
    if document.head != last:
        raise BadFile(f"{where}: its updates should end with seq {document.head} and end with {last}")
    _check_thinned(document, rows, folder)
    for named in document.versions:
        if not 0 <= named.seq <= document.head:
            raise BadFile(f"{folder}/{VERSIONS}: there is no seq {named.seq}")
    _replay(archive, folder, rows, document_bytes_max)
    return document, rows


def _images(archive: SafeZip, entry: dict[str, Any], where: str) -> Iterator[ArchivedImage]:
    """Rule K4."""
    seen: set[str] = set()
    for line in _list(entry, IMAGES, where) if IMAGES in entry else ():
        digest = _field(line, "sha256", str, where)
        if _DIGEST.fullmatch(digest) is None or digest in seen:
            raise BadFile(f"{where}: an image has no name, or is in it twice")
        seen.add(digest)
        name = f"{entry['folder']}/{IMAGES}/{digest}"
        content = archive.read(name)
        media_type = image_type(content)
        if hashlib.sha256(content).hexdigest() != digest or media_type is None:
            raise BadFile(f"{name} is not the image that it should be")
        yield ArchivedImage(digest, media_type, len(content), _user(line, where), _time(line, "at", where))


def _check_copies(events: tuple[ArchivedEvent, ...], where: str) -> None:
    """What a restore brought back is older than it: who follows copies to their originals must get there."""
    later = {event.client for event in events if event.client is not None}
    for event in events:
        try:
            copied = {run.client for run in decode_copies(event.copies)}
        except MalformedMessage:
            raise BadFile(f"{where}: copies are none") from None
        if copied & later:
            raise BadFile(f"{where}: a restore copies itself or a later one")
        later.discard(event.client)


def _check_thinned(document: ArchivedDocument, rows: list[StoredUpdate], folder: str) -> None:
    """What is said of thinned rows concerns them alone, and each thing once."""
    through = max((row.seq for row in rows if row.first is not None), default=0)
    clients = [binding.client for binding in document.clients]
    if len({*clients}) < len(clients) or any(not 0 < it.first <= through for it in document.clients):
        raise BadFile(f"{folder}/{CLIENTS}: a client is in it twice, or was first used in no row that was thinned out")
    ends = [span.last for span in document.sessions]
    if len({*ends}) < len(ends) or any(not 0 < it.first <= it.last <= through for it in document.sessions):
        raise BadFile(f"{folder}/{SESSIONS}: two end with the same seq, or one reaches beyond what was thinned out")


def _updates(archive: SafeZip, name: str) -> Iterator[StoredUpdate]:
    last, thinned = 0, True
    for line, where in _lines(archive, name):
        first = None
        if "first" in line:
            # Rows that were thinned out are the oldest; each stands for all since the one before it.
            first = _field(line, "first", int, where)
            if not thinned or first != last + 1 or _field(line, "seq", int, where) < first or _user(line, where):
                raise BadFile(f"{where}: it cannot stand for the rows from {first} on")
            last = _field(line, "seq", int, where)
        else:
            thinned = False
            last += 1
        if line.get("seq") != last or not _is_count(last):
            raise BadFile(f"{where}: its seq should be {last}")
        payload = _bytes(line, "payload", where)
        place = None if first is None else Seq(first)
        yield StoredUpdate(Seq(last), _user(line, where), _time(line, "at", where), payload, place)


def _replay(archive: SafeZip, folder: str, rows: list[StoredUpdate], document_bytes_max: int) -> None:
    """Rule K3."""
    if not rows:
        return
    name = f"{folder}/{UPDATES}"
    where = name
    try:
        replay = Replay()
        for row in rows:
            where = f"{name}: seq {row.seq}"
            replay.add(row.payload)
        where = name
        replay.state(document_bytes_max)
    except ProtocolError as error:
        raise (LimitExceeded if isinstance(error, LimitExceeded) else BadFile)(f"{where}: {error}") from None
    except Panicked as panic:
        raise BadFile(f"{name}: an update up to {where.rpartition(': ')[2]} cannot be applied") from panic
    _check_state(archive, f"{folder}/{STATE}", replay.live)


def _check_state(archive: SafeZip, name: str, live: LiveDocument) -> None:
    stored = archive.read(name)
    try:
        scan_update(stored, STATE_LIMITS)
        clocks = LiveDocument([stored]).clocks
    except (ProtocolError, Panicked):
        clocks = None
    if clocks != live.clocks:
        raise BadFile(f"{name} is not the document that its updates make")


def _version(line: dict[str, Any], where: str) -> ArchivedVersion:
    name = _text(line, "name", where, _NAME_CHARACTERS_MAX)
    if not name:
        raise BadFile(f"{where}: name is empty")
    return ArchivedVersion(Seq(_field(line, "seq", int, where)), name, _user(line, where), _time(line, "at", where))


def _event(line: dict[str, Any], where: str) -> ArchivedEvent:
    row, client = line.get("row"), line.get("client")
    if not (row is None or _is_count(row)) or not (client is None or _is_count(client)):
        raise BadFile(f"{where}: row and client are numbers or null")
    return ArchivedEvent(
        kind=_checked(lambda: EventKind(_field(line, "kind", str, where)), where),
        user_id=_user(line, where),
        at_ms=_time(line, "at", where),
        seq=Seq(_field(line, "seq", int, where)),
        detail=_text(line, "detail", where, _DETAIL_CHARACTERS_MAX),
        row=None if row is None else Seq(row),
        client=client,
        copies=_bytes(line, "copies", where),
    )


def _client(line: dict[str, Any], where: str) -> Binding:
    client, first = _count(line, "client", where), _count(line, "first", where)
    return Binding(client, _user(line, where), Seq(first))


def _session(line: dict[str, Any], where: str) -> Span:
    return Span(
        _user(line, where),
        first=Seq(_count(line, "first", where)),
        last=Seq(_count(line, "last", where)),
        started_ms=_time(line, "started_at", where),
        ended_ms=_time(line, "ended_at", where),
        updates=_count(line, "updates", where),
        added=_count(line, "added", where),
        removed=_count(line, "removed", where),
    )


# -- values


def _json(data: bytes, where: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise BadFile(f"{where} is not JSON") from None


def _lines(archive: SafeZip, name: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Each line with its place; none when there is no such file."""
    if name not in archive.names:
        return
    for number, line in enumerate(archive.read(name).splitlines(), start=1):
        where = f"{name}: line {number}"
        value = _json(line, where)
        if not isinstance(value, dict):
            raise BadFile(f"{where} is no object")
        yield value, where


def _list(value: dict[str, Any], name: str, where: str) -> list[Any]:
    found = value.get(name)
    if not isinstance(found, list):
        raise BadFile(f"{where}: {name} is no list")
    return found


def _field(value: Any, name: str, kind: type[T], where: str) -> T:
    found = value.get(name) if isinstance(value, dict) else None
    if type(found) is not kind:
        raise BadFile(f"{where}: {name} is missing or of the wrong kind")
    return found


def _count(value: Any, name: str, where: str) -> int:
    found = _field(value, name, int, where)
    if not _is_count(found):
        raise BadFile(f"{where}: {name} is no count")
    return found


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < _CLIENT_END


def _checked(read: Callable[[], T], where: str) -> T:
    try:
        return read()
    except ValueError as error:
        raise BadFile(f"{where}: {error}") from None


def _time(value: dict[str, Any], name: str, where: str) -> int:
    return _checked(lambda: milliseconds(_field(value, name, str, where)), where)


def _bytes(value: dict[str, Any], name: str, where: str) -> bytes:
    try:
        return base64.b64decode(_field(value, name, str, where), validate=True)
    except binascii.Error:
        raise BadFile(f"{where}: {name} is not base64") from None


def _text(value: dict[str, Any], name: str, where: str, characters_max: int) -> str:
    text = _field(value, name, str, where)
    if len(text) > characters_max or any(
        character < " " or "\x7f" <= character < "\xa0" or "\ud800" <= character <= "\udfff" for character in text
    ):
        raise BadFile(f"{where}: {name} is too long, or has control characters")
    return text


def _epoch(value: dict[str, Any], where: str) -> str:
    epoch = _field(value, "epoch", str, where)
    if not 0 < len(epoch) <= 64 or not epoch.isascii() or not epoch.isalnum():
        raise BadFile(f"{where}: epoch is none")
    return epoch


def _user(value: dict[str, Any], where: str) -> str | None:
    if value.get("user") is None:
        return None
    user_id = _field(value, "user", str, where)
    try:
        encoded = user_id.encode()
    except UnicodeEncodeError:
        encoded = b""
    if b"\0" in encoded or not 0 < len(encoded) <= _USER_ID_BYTES_MAX:
        raise BadFile(f"{where}: user is no name that can be stored")
    return user_id
