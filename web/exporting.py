"""What `coscribe export` and `coscribe import` do, beside their words."""

import asyncio
import os
import secrets
import string
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from collab.history.historian import Historian
from collab.imports.formats import format_of
from collab.ports import Append, NewUpdate
from collab.types import DocumentId, Seq, parse_document_id
from storage.audit_log import Actor, Event
from storage.backup import Progress
from storage.documents import DocumentInfo
from storage.engine import Database
from web.archiving import export_archive, import_archive, present_state
from web.settings import Settings
from web.workers import Workers

ARCHIVE = "archive"
_EMPTY = b"\x00\x00"
_ID_LENGTH = 20


def environment_of(settings: Settings) -> dict[str, str]:
    """What a worker needs in its environment to read the database, and the store of files."""
    keys = {name: value for name, value in os.environ.items() if name.startswith("AWS_") and settings.files_url}
    return keys | {
        "COSCRIBE_DATABASE_URL": settings.database_url,
        "COSCRIBE_FILES_URL": settings.files_url,
        "COSCRIBE_DATA_DIR": str(settings.data_dir),
    }


async def export_file(
    settings: Settings, document: DocumentId, file: Path, format: str, at: Seq | None, progress: Progress
) -> int:
    """Write one document in `format` to `file`; returns how many bytes that took."""
    async with await Database.open(settings.database_url, exclusive=False, connections=1) as database:
        info = await database.documents.get(document)
        state = await present_state(database, document) if at is None else await _past(database, document, at)
    progress("documents", 0, 1)
    workers = Workers(settings.worker_limits)
    content = await workers.run("render", state, format=format, title=info.title or document)
    await asyncio.to_thread(write_whole, file, content)
    progress("documents", 1, 1)
    return len(content)


async def _past(database: Database, document: DocumentId, at: Seq) -> bytes:
    return await Historian(database.log, database.history).content(document, at)


async def export_documents(
    settings: Settings, chosen: Sequence[str] | None, file: Path, *, content: bool, progress: Progress
) -> dict[str, Any]:
    """Write an archive to `file`, which has its name only when all of it is there."""
    partial = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        done = await export_archive(
            settings.database_url, partial, settings.open_blobs(), chosen=chosen, content=content, progress=progress
        )
        os.replace(partial, file)
        return done
    finally:
        await asyncio.to_thread(partial.unlink, missing_ok=True)


def write_whole(file: Path, content: bytes) -> None:
    partial = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        partial.write_bytes(content)
        os.replace(partial, file)
    finally:
        partial.unlink(missing_ok=True)


async def import_file(
    settings: Settings, file: Path, format: str, name: str | None, title: str, progress: Progress
) -> DocumentInfo:
    """Make a new document of a file; nobody is its author."""
    data = await asyncio.to_thread(file.read_bytes)
    workers = Workers(settings.worker_limits)
    progress("documents", 0, 1)
    update = await workers.run("read", data, format=format, document_bytes_max=settings.document_bytes_max)
    alphabet = string.ascii_letters + string.digits
    document = parse_document_id(name or "".join(secrets.choice(alphabet) for _ in range(_ID_LENGTH)))
    async with await Database.open(settings.database_url) as database:
        await database.documents.create(document, title)
        if update != _EMPTY:
            await database.log.append([Append(document, (NewUpdate(None, update),))])
        details = {"format": format, "with": "command line"}
        await database.audit.write([Event(Actor(), "document-imported", document, details)])
        progress("documents", 1, 1)
        return await database.documents.get(document)


async def import_documents(settings: Settings, file: Path, prefix: str, progress: Progress) -> dict[str, Any]:
    """Bring in an archive."""
    workers = Workers(settings.archive_limits)
    with tempfile.TemporaryDirectory() as directory:
        async with await Database.open(settings.database_url) as database:
            spool = Path(directory) / "spool"
            found = await import_archive(
                database, workers, file, spool, settings, settings.open_blobs(), prefix=prefix, progress=progress
            )
            counts = {name: found[name] for name in ("documents", "updates", "present")}
            details = {"prefix": prefix, "state": "done", "with": "command line", **counts}
            await database.audit.write([Event(Actor(), "import-ended", None, details)])
            return found


def format_for(file: Path) -> str | None:
    """What a file's name tells of its format."""
    return ARCHIVE if file.suffix.lower() == ".zip" else format_of(file.name)
