"""`/api/admin/exports`, `imports` and `jobs`: many documents at once, for administrators."""

import asyncio
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from starlette.responses import FileResponse, Response

from collab.types import DocumentId, parse_document_id
from storage.errors import EntryNotFound
from web.api.bodies import (
    Reply,
    Schema,
    iso_time,
    optional_time,
    read_json,
    read_query,
    require_media_type,
    respond,
    save_body,
)
from web.api.documents import PersonReply
from web.downloads import SANDBOX, content_disposition
from web.jobs import Job, Kind
from web.state import AppRequest
from web.visitor import Visitor

ZIP = "application/zip"
_DOCUMENTS_MAX = 10_000

DocumentName = Annotated[str, AfterValidator(parse_document_id)]


class NewExport(Schema):
    documents: Annotated[list[DocumentName], Field(min_length=1, max_length=_DOCUMENTS_MAX)] | None = None
    """Their names; all documents, those in the bin too, when there are none."""
    format: Literal["archive", "text", "markdown", "html", "json", "docx", "yjs"] = "archive"
    content: bool = True
    """In an archive: also what each document holds, as Markdown and JSON."""


class ImportQuery(Schema):
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:~/-]{0,200}$")] = ""
    """Stands before every name of the archive."""


class ProgressReply(Reply):
    what: str
    done: int
    total: int


class LeftOut(Reply):
    id: str
    reason: str


class ResultReply(Reply):
    documents: int
    updates: int
    images: int
    present: int
    """Of an import: how many documents were here already."""
    bytes: int
    left_out: list[LeftOut]
    images_missing: list[LeftOut]
    """By the document that they belong to."""


class ProblemReply(Reply):
    code: str
    detail: str


class JobReply(Reply):
    id: str
    kind: Literal["export", "import"]
    state: Literal["running", "done", "failed", "cancelled"]
    by: PersonReply | None
    format: str | None
    documents: list[str] | None
    prefix: str
    created_at: str
    ended_at: str | None
    progress: ProgressReply | None
    result: ResultReply | None
    problem: ProblemReply | None
    download: str | None
    expires_at: str | None


class JobList(Reply):
    jobs: list[JobReply]
    running_max: int


async def start_export(request: AppRequest, visitor: Visitor) -> Response:
    wanted = await read_json(request, NewExport)
    names = None if wanted.documents is None else [*dict.fromkeys(wanted.documents)]
    for name in names or ():
        await request.state["database"].documents.get(DocumentId(name))
    job = await request.state["jobs"].export(
        visitor.actor, documents=names, format=wanted.format, content=wanted.content
    )
    return _begun(job)


async def start_import(request: AppRequest, visitor: Visitor) -> Response:
    """The archive is written to disk as it comes, and checked by the job before anything of it is stored."""
    query = read_query(request, ImportQuery)
    require_media_type(request, ZIP)
    settings, jobs = request.state["settings"], request.state["jobs"]
    job = await jobs.upload(visitor.actor, query.prefix)
    try:
        await save_body(request, job.file, settings.archive_bytes_max, settings.archive_seconds)
        jobs.receive(job)
    finally:
        await jobs.give_up(job)
    return _begun(job)


async def list_jobs(request: AppRequest, visitor: Visitor) -> Response:
    jobs = request.state["jobs"]
    return respond(JobList(jobs=[_reply(job) for job in jobs.list()], running_max=jobs.running_max))


async def read_job(request: AppRequest, visitor: Visitor) -> Response:
    return respond(_reply(_job(request)))


async def remove_job(request: AppRequest, visitor: Visitor) -> Response:
    """Cancel it if it is running; forget it, and its file."""
    job = _job(request)
    await request.state["jobs"].remove(job.id)
    request.state["recorder"].note(visitor.actor, f"{job.kind.value}-removed", job=job.id)
    return Response(status_code=204)


async def download(request: AppRequest, visitor: Visitor) -> Response:
    job = _job(request)
    if not job.has_file or not await asyncio.to_thread(job.file.exists):
        raise EntryNotFound("this job has no file")
    request.state["recorder"].note(visitor.actor, "export-downloaded", job=job.id)
    name = f"coscribe {iso_time(job.created_at_ms)[:10]} {job.format}"
    headers = {"Content-Disposition": content_disposition(name, "zip"), "Content-Security-Policy": SANDBOX}
    return FileResponse(job.file, media_type=ZIP, headers=headers)


def _job(request: AppRequest) -> Job:
    job: Job = request.state["jobs"].get(request.path_params["job"])
    return job


def _begun(job: Job) -> Response:
    return respond(_reply(job), 202, {"Location": f"/api/admin/jobs/{job.id}"})


def _reply(job: Job) -> JobReply:
    by = job.by.user_id
    return JobReply(
        id=job.id,
        kind="export" if job.kind is Kind.EXPORT else "import",
        state=job.state.value,
        by=None if by is None else PersonReply(id=by, name=job.by.user_name or by),
        format=job.format,
        documents=None if job.documents is None else [*job.documents],
        prefix=job.prefix,
        created_at=iso_time(job.created_at_ms),
        ended_at=optional_time(job.ended_at_ms),
        progress=None if job.progress is None else _progress(*job.progress),
        result=None if job.result is None else ResultReply.model_validate(_known(job.result)),
        problem=None if job.problem is None else ProblemReply(code=job.problem[0], detail=job.problem[1]),
        download=f"/api/admin/jobs/{job.id}/file" if job.has_file else None,
        expires_at=optional_time(job.expires_at_ms),
    )


def _progress(what: str, done: int, total: int) -> ProgressReply:
    return ProgressReply(what=what, done=done, total=total)


def _known(result: dict[str, Any]) -> dict[str, Any]:
    return {name: result[name] for name in ResultReply.model_fields}
