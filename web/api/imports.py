"""`/api/import`: a new document from a file. Whoever sends it is its author; who may see it is not in any file."""

from typing import Annotated

from pydantic import AfterValidator
from starlette.responses import Response

from collab.history.ports import EventKind, NewEvent
from collab.imports.formats import IMPORT_FORMATS
from web.api.actors import note_event
from web.api.bodies import Schema, read_body, read_query
from web.api.documents import Title, create, created
from web.state import AppRequest
from web.visitor import Visitor


def _format(name: str) -> str:
    if name not in IMPORT_FORMATS:
        raise ValueError(f"format is one of: {', '.join(IMPORT_FORMATS)}")
    return name


class ImportQuery(Schema):
    format: Annotated[str, AfterValidator(_format)]
    id: str | None = None
    title: Title = ""


async def import_document(request: AppRequest, visitor: Visitor) -> Response:
    """Read the file in the body, then create the document with all of it. A file that cannot be read leaves nothing."""
    query = read_query(request, ImportQuery)
    settings = request.state["settings"]
    data = await read_body(request, settings.import_bytes_max)
    update = await request.state["workers"].run(
        "read", data, format=query.format, document_bytes_max=settings.document_bytes_max
    )
    grant = await create(request, visitor, query.id, query.title)
    try:
        seq = await request.state["hub"].apply(grant, update)
    except BaseException:
        await request.state["database"].documents.delete(grant.document)
        raise
    request.state["recorder"].note(visitor.actor, "document-imported", grant.document, format=query.format)
    await note_event(request, grant, NewEvent(EventKind.IMPORT, grant.user_id, seq, query.format))
    return await created(request, grant)
