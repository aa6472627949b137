"""Moving in: documents out of another server's store, which is read and checked in processes of its own."""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from collab.archive.spool import Spooled, read_documents
from collab.errors import CollabError, DocumentNotFound, LimitExceeded
from collab.ports import Append, NewUpdate
from collab.types import DocumentId
from storage.archives import ARRIVING
from storage.audit_log import Actor, Event
from storage.backup import Progress
from storage.documents import IN_BIN, TITLE_CHARACTERS_MAX, check_title
from storage.engine import Database
from storage.errors import StoreBroken
from storage.foreign.names import document_id
from storage.foreign.stores import StoreLimits
from web.archiving import present_state
from web.settings import Settings
from web.workers import WorkerFailed, Workers

_BATCH_DOCUMENTS = 256
_BATCH_BYTES = 16 * 1024 * 1024
"""So many documents, or so much of them, are one process's work."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    key: str
    name: str
    id: DocumentId
    size: int

    @property
    def title(self) -> str:
        """What it was called, where it cannot be called that here."""
        if self.id.endswith(self.name):
            return ""
        try:
            title = self.name[:TITLE_CHARACTERS_MAX]
            check_title(title)
        except ValueError:
            return ""
        return title


@dataclass(slots=True)
class Moved:
    """What an import did, or would do."""

    documents: int = 0
    """New ones."""
    updates: int = 0
    """In those."""
    grown: int = 0
    """Were here, and lacked something."""
    present: int = 0
    """Were here, all of them."""
    renamed: list[tuple[str, DocumentId]] = field(default_factory=list)
    faults: list[tuple[str | None, str]] = field(default_factory=list)
    """What could not be read or taken: of which document, and why."""


@dataclass(frozen=True, slots=True)
class Source:
    kind: str
    path: Path
    prefix: str = ""
    """Stands before every name."""
    with_damaged: bool = False
    """Also documents of which something cannot be read: what can be."""


async def move_in(settings: Settings, source: Source, progress: Progress, *, dry_run: bool = False) -> Moved:
    """Bring documents in that are not here, and into those that are here what is new in them.

    Raises:
        BadFile: `source` is no such store, or is in use.
        StoreUnavailable, StoreBroken: what was done until then stays; it may be repeated.
    """
    listing = Workers(settings.archive_limits)
    limits = StoreLimits(document_bytes_max=settings.document_bytes_max, file_bytes_max=settings.archive_bytes_max)
    options: dict[str, Any] = {"kind": source.kind, "path": str(source.path.absolute()), "limits": asdict(limits)}
    progress("looking", 0, 1)
    listed = json.loads(await listing.run("list_store", b"", **options))
    progress("looking", 1, 1)
    moved = Moved(faults=[(None, fault) for fault in listed["faults"]])
    wanted = _named(listed["documents"], source.prefix, moved)
    with tempfile.TemporaryDirectory() as directory:
        async with await Database.open(settings.database_url, exclusive=not dry_run) as database:
            mover = _Mover(settings, source, database, Path(directory), moved, progress, options, dry_run=dry_run)
            await mover.move_all(wanted)
            if not dry_run:
                await database.audit.write([Event(Actor(), "import-ended", None, _details(source, moved))])
    return moved


def _details(source: Source, moved: Moved) -> dict[str, Any]:
    return {
        "from": source.kind,
        "prefix": source.prefix,
        "state": "done",
        "with": "command line",
        "documents": moved.documents,
        "updates": moved.updates,
        "present": moved.grown + moved.present,
        "faults": len(moved.faults),
    }


def _named(listed: list[tuple[str, str, int]], prefix: str, moved: Moved) -> list[_Wanted]:
    """Names as they are here; of two that would be the same the first has it."""
    found: dict[DocumentId, _Wanted] = {}
    for key, name, size in listed:
        here = document_id(prefix + name)
        if here in found:
            moved.faults.append((name, f"it would be called {here} here, as {found[here].name}"))
            continue
        found[here] = _Wanted(key, name, here, size)
        if here != prefix + name:
            moved.renamed.append((name, here))
    return [*found.values()]


def _batches(wanted: list[_Wanted]) -> Iterator[list[_Wanted]]:
    batch: list[_Wanted] = []
    size = 0
    for each in wanted:
        if batch and (len(batch) == _BATCH_DOCUMENTS or size + each.size > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += each.size
    if batch:
        yield batch


class _Mover:
    def __init__(
        self,
        settings: Settings,
        source: Source,
        database: Database,
        directory: Path,
        moved: Moved,
        progress: Progress,
        options: dict[str, Any],
        *,
        dry_run: bool,
    ) -> None:
        self._source = source
        self._database = database
        self._spool = directory / "spool"
        self._states = directory / "states"
        self._moved = moved
        self._progress = progress
        self._options = options
        self._dry_run = dry_run
        self._workers = Workers(settings.worker_limits)
        self._done = 0
        self._total = 0

    async def move_all(self, wanted: list[_Wanted]) -> None:
        self._total = len(wanted)
        for batch in _batches(wanted):
            await self._move(batch)
        self._progress("documents", self._total, self._total)

    async def _move(self, batch: list[_Wanted]) -> None:
        known = await self._known(batch)
        batch = [each for each in batch if each.id in known]
        try:
            faults = await self._read(batch, known)
        except (LimitExceeded, WorkerFailed) as error:
            # One of them took the process along: each on its own, in the end, and that one is named.
            if len(batch) > 1:
                middle = len(batch) // 2
                await self._move(batch[:middle])
                await self._move(batch[middle:])
                return
            faults = {batch[0].id: [str(error)]} if batch else {}
        else:
            await self._store({each.id for each in batch if known[each.id] is not None})
        self._done += len(batch)
        for each in batch:
            self._moved.faults += ((each.name, fault) for fault in faults.get(each.id, ()))

    async def _known(self, batch: list[_Wanted]) -> dict[DocumentId, int | None]:
        """The lengths of the states of those that are here, which are written to a file; None for the others. Those
        that cannot be brought in are left out."""
        found: dict[DocumentId, int | None] = {}
        with _created(self._states) as file:
            for each in batch:
                try:
                    state = await self._state(each.id)
                except CollabError as error:
                    if isinstance(error, StoreBroken) or error.retryable:
                        raise
                    self._moved.faults.append((each.name, f"as {each.id}: {error}"))
                    self._done += 1
                    continue
                found[each.id] = None if state is None else file.write(state)
        return found

    async def _state(self, document: DocumentId) -> bytes | None:
        try:
            info = await self._database.documents.get(document)
        except DocumentNotFound:
            return None
        if info.deleted_at_ms == ARRIVING:
            if not self._dry_run:
                await self._database.archives.forget_arriving(document)
            return None
        if info.deleted_at_ms is not None:
            raise DocumentNotFound(IN_BIN)
        return await present_state(self._database, document)

    async def _read(self, batch: list[_Wanted], known: dict[DocumentId, int | None]) -> dict[str, list[str]]:
        wanted = [{"key": it.key, "id": it.id, "title": it.title, "state": known[it.id]} for it in batch]
        result = await self._workers.run(
            "read_store",
            json.dumps(wanted).encode(),
            self._progress,
            **self._options,
            states=str(self._states),
            spool=str(self._spool),
            now_ms=self._database.now_ms(),
            with_damaged=self._source.with_damaged,
            before=self._done,
            total=self._total,
        )
        faults: dict[str, list[str]] = json.loads(result)
        return faults

    async def _store(self, present: set[DocumentId]) -> None:
        with _opened(self._spool) as source:
            for spooled in read_documents(source):
                if spooled.document.id in present:
                    await self._grow(spooled)
                else:
                    self._moved.documents += 1
                    self._moved.updates += spooled.document.head
                    if not self._dry_run:
                        await self._database.archives.store(spooled.document, spooled.chunks)

    async def _grow(self, spooled: Spooled) -> None:
        rows = tuple(NewUpdate(None, row.payload) for chunk in spooled.chunks for row in chunk)
        if not rows:
            self._moved.present += 1
            return
        self._moved.grown += 1
        if not self._dry_run:
            await self._database.log.append([Append(spooled.document.id, rows)])


def _created(path: Path) -> IO[bytes]:
    return path.open("wb")


def _opened(path: Path) -> IO[bytes]:
    return path.open("rb")
