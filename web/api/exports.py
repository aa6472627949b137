"""`/api/documents/{id}/export`: one document as a file, with its whole history or as it was at a seq."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from typing import IO, Annotated

from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from collab.errors import CorruptUpdate, PermissionDenied
from collab.export.formats import EXPORT_FORMATS
from collab.history.ports import EventKind, NewEvent
from collab.types import Grant
from web.api.actors import actor_of, note_event
from web.api.bodies import Schema, read_query
from web.api.content import SEQ_MAX, give
from web.api.jobs import ZIP
from web.downloads import SANDBOX, content_disposition
from web.exporting import ARCHIVE, environment_of
from web.security import Action
from web.state import AppRequest

_CHUNK = 256 * 1024


class ExportQuery(Schema):
    format: str = ARCHIVE
    seq: Annotated[int, Field(ge=0, le=SEQ_MAX)] | None = None
    """A past state, by the seq of its last edit; not for archives, which hold all of them."""


async def export_document(request: AppRequest, grant: Grant) -> Response:
    query = read_query(request, ExportQuery)
    if query.format not in (ARCHIVE, *EXPORT_FORMATS):
        raise HTTPException(400, f"format is one of: {ARCHIVE}, {', '.join(EXPORT_FORMATS)}")
    if query.format != ARCHIVE:
        return await give(request, grant, query.format, query.seq, attachment=True)
    if query.seq is not None:
        raise HTTPException(400, "an archive holds the whole history; seq is for the other formats")
    return await _archive(request, grant)


async def _archive(request: AppRequest, grant: Grant) -> Response:
    if not request.state["door"].may(grant, Action.READ_HISTORY):
        raise PermissionDenied("an archive holds the whole history, which you may not see; ask for another format")
    info = await request.state["database"].documents.get(grant.document)
    source = await _written(request, grant)
    request.state["recorder"].note(actor_of(request, grant), "document-exported", grant.document, format=ARCHIVE)
    await note_event(request, grant, NewEvent(EventKind.EXPORT, grant.user_id, info.head, ARCHIVE))
    headers = {
        "Content-Disposition": content_disposition(grant.document, "zip"),
        "Content-Length": str(os.fstat(source.fileno()).st_size),
        "Content-Security-Policy": SANDBOX,
    }
    return StreamingResponse(_chunks(source), media_type=ZIP, headers=headers)


async def _written(request: AppRequest, grant: Grant) -> IO[bytes]:
    """The archive, in a file that has no name any more: it goes with the last who reads it."""
    file = await request.state["jobs"].new_file()
    try:
        done = await request.state["workers"].run(
            "write_archive",
            json.dumps([grant.document]).encode(),
            environment=environment_of(request.state["settings"]),
            file=str(file),
            content=True,
        )
        for missing in json.loads(done)["left_out"]:
            raise CorruptUpdate(missing["reason"])
        return await asyncio.to_thread(file.open, "rb")
    finally:
        await asyncio.to_thread(file.unlink, missing_ok=True)


async def _chunks(source: IO[bytes]) -> AsyncIterator[bytes]:
    with source:
        while chunk := await asyncio.to_thread(source.read, _CHUNK):
            yield chunk
