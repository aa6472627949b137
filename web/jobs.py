"""Exports and imports of many documents: they go on after the request that began them, their heavy part in a worker.

J1  A bounded number runs at once; whoever wants one more is told to come back. The place is taken before an upload.
J2  No job outlives the server: at the end its worker is killed, and every file of it removed.
J3  The file of an export goes when its job is forgotten: by a request, after some hours, or with the server.
J4  That a job began, and how it ended, is in the audit log.
"""

import asyncio
import json
import secrets
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import structlog

from collab.errors import BadFile, RoomClosed, StoreUnavailable
from storage.audit_log import Actor
from storage.engine import Database
from storage.errors import EntryNotFound
from web.archiving import import_archive
from web.errors import described
from web.exporting import ARCHIVE, environment_of
from web.recorder import Recorder
from web.scratch import Scratch, remove_abandoned
from web.settings import Settings
from web.throttle import TooManyRequests
from web.workers import Workers

log = structlog.get_logger(__name__)

KEPT_MAX = 20
"""Ended jobs that are remembered; beyond, the oldest is forgotten."""
_RETRY_SECONDS = 10
_NAMES_MAX = 50
"""Names of documents that an entry of the audit log lists."""


class Kind(Enum):
    EXPORT = "export"
    IMPORT = "import"


class JobState(Enum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(slots=True)
class Job:
    id: str
    kind: Kind
    by: Actor
    created_at_ms: int
    file: Path
    """What is exported, or was uploaded."""
    format: str | None = None
    documents: Sequence[str] | None = None
    prefix: str = ""
    state: JobState = JobState.RUNNING
    progress: tuple[str, int, int] | None = None
    """What is counted, how many are done, of how many."""
    result: dict[str, Any] | None = None
    problem: tuple[str, str] | None = None
    """Why it failed: a code for programs, a text for people."""
    ended_at_ms: int | None = None
    expires_at_ms: int | None = None
    task: asyncio.Task[None] | None = field(default=None, repr=False)
    expiry: asyncio.TimerHandle | None = field(default=None, repr=False)

    @property
    def has_file(self) -> bool:
        return self.kind is Kind.EXPORT and self.state is JobState.DONE

    def report(self, what: str, done: int, total: int) -> None:
        self.progress = (what, done, total)


class Jobs:
    def __init__(
        self, settings: Settings, database: Database, recorder: Recorder, workers: Workers | None = None
    ) -> None:
        self.running_max = settings.jobs_max
        self._settings = settings
        self._database = database
        self._recorder = recorder
        self._workers = workers or Workers(settings.archive_limits)
        self._jobs: dict[str, Job] = {}
        self._uploading: set[str] = set()
        """Ids of imports whose archive is on its way: they have a place, and are no jobs yet."""
        self._scratch: Scratch | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    @property
    def _parent(self) -> Path:
        return self._settings.data_dir / "jobs"

    async def start(self) -> None:
        """Remove what a server that was killed has left."""
        await asyncio.to_thread(remove_abandoned, self._parent)

    async def close(self) -> None:
        """Rule J2. Idempotent."""
        self._closed = True
        self._workers.close()
        await asyncio.gather(*(self._stop(job) for job in [*self._jobs.values()]))
        if self._scratch is not None:
            await asyncio.to_thread(self._scratch.close)

    # -- looking --------------------

    def list(self) -> Sequence[Job]:
        """Newest first."""
        return [*self._jobs.values()][::-1]

    def get(self, job_id: str) -> Job:
        """
        Raises:
            EntryNotFound.
        """
        job = self._jobs.get(job_id)
        if job is None:
            raise EntryNotFound("there is no such job, or it is over and forgotten")
        return job

    async def new_file(self) -> Path:
        """A path for a file that whoever asks removes; at the end of the server it goes in any case.

        Raises:
            RoomClosed, StoreUnavailable.
        """
        return await self._directory() / secrets.token_hex(12)

    # -- beginning --------------------

    async def export(self, by: Actor, *, documents: Sequence[str] | None, format: str, content: bool) -> Job:
        """Begin to write documents to a file.

        Args:
            documents: their names; None for all.
            format: `archive`, or one of `EXPORT_FORMATS`, which gives a ZIP file with a file for each document.

        Raises:
            TooManyRequests: rule J1.
            RoomClosed, StoreUnavailable.
        """
        self._check_room()
        job = await self._new(Kind.EXPORT, by, format=format, documents=documents)
        self._begin(job, self._export(job, content))
        return job

    async def upload(self, by: Actor, prefix: str) -> Job:
        """Take a place for an import whose archive goes to `file`; then `receive` begins it, or `give_up` ends it.

        Raises:
            TooManyRequests: rule J1.
            RoomClosed, StoreUnavailable.
        """
        self._check_room()
        job = await self._new(Kind.IMPORT, by, prefix=prefix)
        self._uploading.add(job.id)
        return job

    def receive(self, job: Job) -> None:
        """The archive of an import is complete.

        Raises:
            RoomClosed.
        """
        if self._closed:
            raise RoomClosed("the server is restarting")
        self._uploading.discard(job.id)
        self._begin(job, self._import(job))

    async def give_up(self, job: Job) -> None:
        """The archive of an import did not come. Does nothing for one that has begun."""
        if job.id in self._uploading:
            self._uploading.discard(job.id)
            await asyncio.to_thread(_remove, job.file)

    def _check_room(self) -> None:
        if self._closed:
            raise RoomClosed("the server is restarting")
        running = sum(job.state is JobState.RUNNING for job in self._jobs.values())
        if running + len(self._uploading) >= self.running_max:
            raise TooManyRequests("other exports or imports are running; wait for them, or cancel one", _RETRY_SECONDS)

    async def _new(self, kind: Kind, by: Actor, **asked: Any) -> Job:
        job_id = secrets.token_urlsafe(12)
        self._uploading.add(job_id)  # Its place, while the directory is made.
        try:
            directory = await self._directory()
        finally:
            self._uploading.discard(job_id)
        return Job(job_id, kind, by, self._database.now_ms(), directory / f"{job_id}.zip", **asked)

    async def _directory(self) -> Path:
        async with self._opening:
            try:
                if self._scratch is None:
                    self._scratch = await asyncio.to_thread(Scratch.open, self._parent)
            except OSError as error:
                raise StoreUnavailable(f"DATA_DIR cannot be written: {error.strerror}") from error
            if self._closed:
                await asyncio.to_thread(self._scratch.close)
                raise RoomClosed("the server is restarting")
            return self._scratch.directory

    # -- doing --------------------

    def _begin(self, job: Job, work: Coroutine[Any, Any, dict[str, Any]]) -> None:
        self._jobs[job.id] = job
        self._note(job, f"{job.kind.value}-started", **_asked(job))
        job.task = asyncio.create_task(self._run(job, work))

    async def _run(self, job: Job, work: Coroutine[Any, Any, dict[str, Any]]) -> None:
        try:
            job.result = await work
            job.state = JobState.DONE
        except asyncio.CancelledError:
            job.state = JobState.CANCELLED
        except Exception as error:
            job.state = JobState.FAILED
            job.problem = described(error)
        job.ended_at_ms = self._database.now_ms()
        self._note(job, f"{job.kind.value}-ended", state=job.state.value, **_counts(job))
        if job.has_file:
            self._let_expire(job)
        else:
            await asyncio.to_thread(_remove, job.file)
        await self._forget_the_oldest(job)

    async def _export(self, job: Job, content: bool) -> dict[str, Any]:
        names = None if job.documents is None else [*job.documents]
        environment = environment_of(self._settings)
        how: dict[str, Any] = {"content": content} if job.format == ARCHIVE else {"format": job.format}
        task = "write_archive" if job.format == ARCHIVE else "write_files"
        data = json.dumps(names).encode()
        done = await self._workers.run(task, data, job.report, environment=environment, file=str(job.file), **how)
        size = (await asyncio.to_thread(job.file.stat)).st_size
        return {"present": 0, "bytes": size, **json.loads(done)}

    async def _import(self, job: Job) -> dict[str, Any]:
        spool = job.file.with_suffix(".spool")
        try:
            found = await import_archive(
                self._database,
                self._workers,
                job.file,
                spool,
                self._settings,
                self._settings.open_blobs(),
                prefix=job.prefix,
                progress=job.report,
            )
        except ValueError as error:
            raise BadFile(str(error)) from error
        found["images_missing"] = []
        found["left_out"] = [{"id": name, "reason": "the archive was made without it"} for name in found["left_out"]]
        return {"bytes": (await asyncio.to_thread(job.file.stat)).st_size, **found}

    # -- ending --------------------

    async def remove(self, job_id: str) -> None:
        """Cancel a job if it is running, and forget it with its file.

        Raises:
            EntryNotFound.
        """
        job = self.get(job_id)
        await self._stop(job)
        self._jobs.pop(job.id, None)
        await asyncio.to_thread(_remove, job.file)

    async def _stop(self, job: Job) -> None:
        if job.expiry is not None:
            job.expiry.cancel()
        if job.task is not None and not job.task.done():
            job.task.cancel()
            await asyncio.wait([job.task])

    def _let_expire(self, job: Job) -> None:
        seconds = self._settings.job_file_hours * 3600
        job.expires_at_ms = self._database.now_ms() + int(seconds * 1000)
        job.expiry = asyncio.get_running_loop().call_later(seconds, self._expire, job)

    def _expire(self, job: Job) -> None:
        self._jobs.pop(job.id, None)
        _remove(job.file)

    async def _forget_the_oldest(self, newest: Job) -> None:
        ended = [job for job in self._jobs.values() if job.state is not JobState.RUNNING and job is not newest]
        for job in ended[: max(0, len(ended) + 1 - KEPT_MAX)]:
            await self.remove(job.id)

    def _note(self, job: Job, action: str, **details: Any) -> None:
        self._recorder.note(job.by, action, None, job=job.id, **details)


def _asked(job: Job) -> dict[str, Any]:
    if job.kind is Kind.IMPORT:
        return {"prefix": job.prefix}
    names: Any = "all" if job.documents is None else [*job.documents[:_NAMES_MAX]]
    return {"format": job.format, "documents": names, "number": None if job.documents is None else len(job.documents)}


def _counts(job: Job) -> dict[str, Any]:
    if job.result is None:
        return {"problem": job.problem[0]} if job.problem else {}
    return {name: job.result[name] for name in ("documents", "updates", "images", "present", "bytes")}


def _remove(file: Path) -> None:
    file.unlink(missing_ok=True)
