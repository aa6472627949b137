"""`/api/documents`: the documents there are, and their names, titles and bin."""

import secrets
import string
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import AfterValidator, Field
from starlette.responses import Response

from collab.errors import DocumentNotFound
from collab.types import DocumentId, Grant, parse_document_id
from storage.documents import DocumentInfo, QuarantineInfo, check_title
from web.api.bodies import Schema, iso_time, json_response, read_json, read_query
from web.security import Action, Visitor
from web.state import AppRequest

_ID_ALPHABET = string.ascii_letters + string.digits
_ID_LENGTH = 20
"""119 bits: nobody finds a document by guessing."""
PAGE_MAX = 100


def _title(text: str) -> str:
    check_title(text)
    return text.strip()


Title = Annotated[str, AfterValidator(_title)]
Name = Annotated[DocumentId, AfterValidator(parse_document_id)]


class NewDocument(Schema):
    id: str | None = None
    title: Title = ""


class Renaming(Schema):
    title: Title


class ListQuery(Schema):
    after: Name | None = None
    limit: Annotated[int, Field(ge=1)] = PAGE_MAX
    q: str | None = None
    deleted: bool = False
    quarantined: bool = False


async def list_documents(request: AppRequest, _visitor: Visitor) -> Response:
    """A page of documents; `next` is what to give as `after` for the one that follows, null on the last."""
    query = read_query(request, ListQuery)
    limit = min(query.limit, PAGE_MAX)
    found = await request.state["database"].documents.list(
        after=query.after, limit=limit + 1, query=query.q, deleted=query.deleted, quarantined=query.quarantined
    )
    page = found[:limit]
    return json_response(
        {"documents": [document_json(info) for info in page], "next": page[-1].id if len(found) > limit else None}
    )


async def create_document(request: AppRequest, visitor: Visitor) -> Response:
    new = await read_json(request, NewDocument)
    name = "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_LENGTH)) if new.id is None else new.id
    grant = await request.state["door"].grant(visitor, name, Action.CREATE)
    info = await request.state["database"].documents.create(grant.document, new.title)
    return json_response(document_json(info), 201, {"Location": f"/api/documents/{quote(grant.document, safe='')}"})


async def read_document(request: AppRequest, grant: Grant) -> Response:
    return json_response(document_json(await request.state["database"].documents.get(grant.document)))


async def rename_document(request: AppRequest, grant: Grant) -> Response:
    renaming = await read_json(request, Renaming)
    return json_response(
        document_json(await request.state["database"].documents.rename(grant.document, renaming.title))
    )


async def delete_document(request: AppRequest, grant: Grant) -> Response:
    """Into the bin; whoever has the document open is sent away and does not come back by itself."""
    await request.state["database"].documents.delete(grant.document)
    request.state["hub"].close_document(grant.document, DocumentNotFound("this document was moved to the bin"))
    return Response(status_code=204)


async def restore_document(request: AppRequest, grant: Grant) -> Response:
    return json_response(document_json(await request.state["database"].documents.restore(grant.document)))


async def release_document(request: AppRequest, grant: Grant) -> Response:
    """Out of quarantine, if all of it can be loaded."""
    await request.state["hub"].release(grant.document)
    return json_response(document_json(await request.state["database"].documents.get(grant.document)))


def document_json(info: DocumentInfo) -> dict[str, Any]:
    return {
        "id": info.id,
        "title": info.title,
        "epoch": info.epoch,
        "head": info.head,
        "created_at": iso_time(info.created_at_ms),
        "updated_at": iso_time(info.updated_at_ms),
        "deleted_at": None if info.deleted_at_ms is None else iso_time(info.deleted_at_ms),
        "quarantine": None if info.quarantine is None else _quarantine_json(info.quarantine),
    }


def _quarantine_json(quarantine: QuarantineInfo) -> dict[str, Any]:
    return {"reason": quarantine.reason, "at": iso_time(quarantine.at_ms), "readable": quarantine.readable}
