"""`/api/admin/audit`: who did what, when and from where; never content."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response, StreamingResponse

from storage.audit_log import Entry, Filter
from web.api.bodies import Reply, Schema, iso_time, read_json, read_query, respond
from web.api.documents import PersonReply
from web.api.fields import Line
from web.state import AppRequest
from web.visitor import Visitor

PAGE_MAX = 200
_NAMES_MAX = 100
"""Documents of one export that have an entry each; the others are counted."""
NDJSON = "application/x-ndjson"
_NUMBER_MAX = 2**31 - 1


class EntryReply(Reply):
    id: int
    at: str
    person: PersonReply | None
    address: str | None
    action: str
    document: str | None
    details: dict[str, Any]


class Entries(Reply):
    entries: list[EntryReply]
    next: int | None


class ExportQuery(Schema):
    person: Line | None = None
    document: Line | None = None
    action: Line | None = None

    @property
    def filter(self) -> Filter:
        return Filter(self.person, self.document, self.action)


class AuditQuery(ExportQuery):
    before: Annotated[int, Field(ge=0, le=_NUMBER_MAX)] | None = None
    limit: Annotated[int, Field(ge=1)] = PAGE_MAX


async def read_audit(request: AppRequest, visitor: Visitor) -> Response:
    query = read_query(request, AuditQuery)
    limit = min(query.limit, PAGE_MAX)
    # What was gathered until now belongs into what is read now.
    await request.state["recorder"].flush(uses=False)
    found = await request.state["database"].audit.page(query.filter, before=query.before, limit=limit + 1)
    page = found[:limit]
    return respond(Entries(entries=[_reply(entry) for entry in page], next=page[-1].id if len(found) > limit else None))


class ExportNote(Schema):
    """An export that the command line makes, which only reads the database itself."""

    documents: Annotated[list[Line], Field(max_length=10_000)] | None = None
    """All, if there are none."""
    format: Line
    at: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = None


async def note_export(request: AppRequest, visitor: Visitor) -> Response:
    note = await read_json(request, ExportNote)
    recorder, names = request.state["recorder"], note.documents
    for name in [None] if names is None else names[:_NAMES_MAX]:
        recorder.note(visitor.actor, "document-exported", name, format=note.format, at=note.at, by="command line")
    if names is not None and len(names) > _NAMES_MAX:
        more = len(names) - _NAMES_MAX
        recorder.note(visitor.actor, "document-exported", None, format=note.format, more=more, by="command line")
    await recorder.flush(uses=False)
    return Response(status_code=204)


async def export_audit(request: AppRequest, visitor: Visitor) -> Response:
    query = read_query(request, ExportQuery)
    request.state["recorder"].note(visitor.actor, "audit-exported")
    await request.state["recorder"].flush(uses=False)
    lines = _lines(request.state["database"].audit.export(query.filter))
    headers = {"Content-Disposition": 'attachment; filename="audit.ndjson"'}
    return StreamingResponse(lines, media_type=NDJSON, headers=headers)


async def _lines(entries: AsyncIterator[Entry]) -> AsyncIterator[bytes]:
    async for entry in entries:
        yield json.dumps(_reply(entry).model_dump()).encode() + b"\n"


def _reply(entry: Entry) -> EntryReply:
    return EntryReply(
        id=entry.id,
        at=iso_time(entry.at_ms),
        person=None if entry.user_id is None else PersonReply(id=entry.user_id, name=entry.user_name or entry.user_id),
        address=entry.address,
        action=entry.action,
        document=entry.document,
        details=entry.details,
    )
