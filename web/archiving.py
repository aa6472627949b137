"""Archives out of a database and into one. The format is `collab.archive`'s; this joins it with `storage`."""

import json
import zipfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from collab.archive.model import ArchivedDocument
from collab.archive.spool import read_documents
from collab.archive.writer import ArchiveWriter
from collab.errors import CollabError, CorruptUpdate, StoreUnavailable
from collab.export.formats import EXPORT_FORMATS
from collab.guard import Panicked, document_from, guarded
from collab.ports import StoredUpdate
from collab.scanner import STATE_LIMITS, scan_update
from collab.types import DocumentId, Seq, parse_document_id
from storage.archives import ARRIVING
from storage.backup import Progress, no_progress
from storage.blobs import Blobs
from storage.documents import DocumentInfo
from storage.engine import Database, wall_clock_ms
from storage.errors import StoreBroken
from web.downloads import file_name
from web.settings import Settings
from web.workers import Workers

_PAGE_ROWS = 1_000
_PAGE_BYTES = 4 * 1024 * 1024
_LIST = 500
_PRIVATE = 0o600


async def export_archive(
    url: str,
    file: Path,
    blobs: Blobs,
    *,
    chosen: Sequence[str] | None,
    content: bool = True,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Write documents with all of their history, and their images, to `file`, from a database that is only read.

    Args:
        chosen: their names; None for all, those in the bin too.
        content: Put what they hold beside it, for people to read.

    Returns:
        How many documents, updates and images are in it, and what could not be exported, with the reasons.

    Raises:
        DocumentNotFound: one of `chosen` does not exist.
    """
    _make_private(file)
    async with await Database.open(url, exclusive=False, connections=1) as database:
        infos = [info async for info in _selected(database, chosen)]
        writer = ArchiveWriter(file, now_ms=wall_clock_ms(), content=content)
        try:
            for done, info in enumerate(infos):
                progress("documents", done, len(infos))
                await _add(database, blobs, writer, info)
            writer.finish()
        except BaseException:
            writer.abandon()
            raise
        progress("documents", len(infos), len(infos))
    counts = {"documents": writer.documents, "updates": writer.updates, "images": writer.images}
    return counts | {"left_out": writer.left_out, "images_missing": writer.images_missing}


async def export_files(
    url: str, file: Path, *, chosen: Sequence[str] | None, format: str, progress: Progress = no_progress
) -> dict[str, Any]:
    """Write a ZIP file with a file in `format` for each document, as they are now, and `index.json`, which names them.

    Args:
        chosen: their names; None for all that are not in the bin.

    Returns, Raises: as `export_archive`.
    """
    _make_private(file)
    index: list[dict[str, str]] = []
    left_out: list[dict[str, str]] = []
    names = _Names(EXPORT_FORMATS[format].suffix)
    async with await Database.open(url, exclusive=False, connections=1) as database:
        infos = [info async for info in _selected(database, chosen)]
        if chosen is None:
            infos = [info for info in infos if info.deleted_at_ms is None]
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target:
            for done, info in enumerate(infos):
                progress("documents", done, len(infos))
                try:
                    state = await present_state(database, info.id)
                    content = EXPORT_FORMATS[format].render(state, info.title or info.id)
                except (StoreUnavailable, StoreBroken):
                    raise
                except CollabError as error:
                    left_out.append({"id": info.id, "reason": str(error)})
                    continue
                name = names.of(info.id)
                target.writestr(name, content)
                index.append({"file": name, "id": info.id, "title": info.title})
            target.writestr("index.json", json.dumps({"documents": index, "left_out": left_out}, ensure_ascii=False))
        progress("documents", len(infos), len(infos))
    return {"documents": len(index), "updates": 0, "images": 0, "left_out": left_out, "images_missing": []}


class _Names:
    """A path in the ZIP file for each document, after its name, that every system can unpack; none twice."""

    def __init__(self, suffix: str) -> None:
        self._suffix = suffix
        self._taken = {"index.json"}

    def of(self, document: DocumentId) -> str:
        path = "/".join(file_name(part) for part in document.split("/"))
        name, number = f"{path}.{self._suffix}", 1
        while name.casefold() in self._taken:
            number += 1
            name = f"{path} ({number}).{self._suffix}"
        self._taken.add(name.casefold())
        return name


async def present_state(database: Database, document: DocumentId) -> bytes:
    """A document as it is stored now, as one Yjs v1 update.

    Raises:
        CollabError: it is in the bin, in quarantine or damaged.
    """
    loaded = await database.log.load(document, create=False)
    parts = [] if loaded.checkpoint is None else [loaded.checkpoint.state]
    parts += [row.payload for row in loaded.updates]
    for part in parts:
        scan_update(part, STATE_LIMITS)
    try:
        state: bytes = guarded(document_from(parts).get_update)
    except Panicked as panic:
        raise CorruptUpdate("what is stored of it cannot be applied") from panic
    return state


def _make_private(file: Path) -> None:
    file.touch(mode=_PRIVATE)


def _opened(file: Path) -> IO[bytes]:
    return file.open("rb")


def _remove(file: Path) -> None:
    file.unlink(missing_ok=True)


async def _selected(database: Database, chosen: Sequence[str] | None) -> AsyncIterator[DocumentInfo]:
    if chosen is not None:
        for name in dict.fromkeys(chosen):
            yield await database.documents.get(parse_document_id(name))
        return
    for deleted in (False, True):
        after: DocumentId | None = None
        while page := await database.documents.list(after=after, limit=_LIST, deleted=deleted):
            for info in page:
                if info.deleted_at_ms != ARRIVING:
                    yield info
            after = page[-1].id


async def _add(database: Database, blobs: Blobs, writer: ArchiveWriter, info: DocumentInfo) -> None:
    try:
        versions, events = await database.archives.annotations(info.id)
        updates = await _updates(database, info.id, info.head)
        through = max((row.seq for row in updates if row.first is not None), default=0)
        clients = await database.history.bindings(info.id) if through else []
        sessions = await database.history.spans(info.id) if through else []
        document = ArchivedDocument(
            id=info.id,
            title=info.title,
            epoch=info.epoch,
            head=info.head,
            created_at_ms=info.created_at_ms,
            updated_at_ms=info.updated_at_ms,
            deleted_at_ms=info.deleted_at_ms,
            # What happened since the head was read belongs to the next archive.
            versions=tuple(named for named in versions if named.seq <= info.head),
            events=tuple(event for event in events if event.seq <= info.head and (event.row or 0) <= info.head),
            clients=tuple(binding for binding in clients if binding.first <= through),
            sessions=tuple(span for span in sessions if span.last <= through),
        )
        writer.add(document, updates)
    except CorruptUpdate as error:
        writer.leave_out(info.id, str(error))
        return
    # One after the other: together they may be larger than the memory.
    for image in await database.archives.images(info.id):
        found = await blobs.get(info.epoch, image.digest)
        try:
            if found is None:
                raise CorruptUpdate(f"the image {image.digest} is not where it should be")
            writer.add_image(image, found)
        except CorruptUpdate as error:
            writer.miss_image(info.id, str(error))


async def _updates(database: Database, document: DocumentId, head: Seq) -> list[StoredUpdate]:
    found: list[StoredUpdate] = []
    last = Seq(0)
    while last < head:
        limit = min(_PAGE_ROWS, head - last)
        page = await database.log.read(document, after=last, limit=limit, bytes_max=_PAGE_BYTES)
        found += (row for row in page.updates if row.seq <= head)
        last = page.updates[-1].seq
    return found


async def import_archive(
    database: Database,
    workers: Workers,
    file: Path,
    spool: Path,
    settings: Settings,
    blobs: Blobs,
    *,
    prefix: str = "",
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Check an archive in a worker, all of it, then store what is in it.

    Args:
        spool: a file for what was checked; removed afterwards.
        prefix: stands before every name.

    Returns:
        How many documents and updates it has, how many documents were here already, and which documents the archive
        was made without.

    Raises:
        BadFile, LimitExceeded: nothing of it was stored.
        DocumentExists: names belong to other documents; nothing of it was stored.
        ValueError: a name with the prefix is no name.
    """
    limits = {
        "bytes_max": settings.archive_bytes_max,
        "entries_max": settings.archive_entries_max,
        "ratio_max": settings.archive_ratio_max,
    }
    _make_private(spool)
    try:
        checked = await workers.run(
            "check_archive",
            b"",
            progress,
            file=str(file),
            spool=str(spool),
            limits=limits,
            document_bytes_max=settings.document_bytes_max,
        )
        found: dict[str, Any] = json.loads(checked)
        found["present"] = await _store(database, blobs, spool, prefix, found["documents"], progress)
        return found
    finally:
        _remove(spool)


async def _store(database: Database, blobs: Blobs, spool: Path, prefix: str, total: int, progress: Progress) -> int:
    present = 0
    with _opened(spool) as source:
        await database.archives.standing([_renamed(document, prefix) for document, _, _ in read_documents(source)])
        source.seek(0)
        for done, (document, chunks, images) in enumerate(read_documents(source)):
            progress("storing documents", done, total)
            # First what is in the images: a document is seen once all of it is there.
            for image, content in zip(document.images, images, strict=True):
                await blobs.put(document.epoch, image.digest, content)
            renamed = _renamed(document, prefix)
            if not await database.archives.store(renamed, chunks):
                present += 1
                await database.archives.store_images(renamed)
    progress("storing documents", total, total)
    return present


def _renamed(document: ArchivedDocument, prefix: str) -> ArchivedDocument:
    return replace(document, id=parse_document_id(prefix + document.id))
