"""`/api/documents/{id}/updates`: the committed log of one document, and one way to add to it."""

import base64
from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from collab.history.thinning import check_kept
from collab.ports import StoredUpdate
from collab.types import Grant, Seq
from web.api.bodies import Reply, Schema, iso_time, json_response, read_body, read_query, require_media_type
from web.security import Action
from web.state import AppRequest

UPDATE_MEDIA_TYPE = "application/octet-stream"
_SEQ_MAX = 2**63 - 1


class UpdatesQuery(Schema):
    after: Annotated[int, Field(ge=0, le=_SEQ_MAX)] = 0
    limit: Annotated[int, Field(ge=1)] | None = None


class UpdateReply(Reply):
    seq: int
    user: str | None
    at: str
    payload: Annotated[str, Field(description="the Yjs v1 update, in base64")]
    first: Annotated[int, Field(description="only of a row that stands for all from this one on")] | None = None


class UpdatesReply(Reply):
    updates: list[UpdateReply]
    head: int


class AppendedReply(Reply):
    seq: int


async def read_updates(request: AppRequest, grant: Grant) -> Response:
    """What was committed after seq `after`, oldest first; an empty page means up to date."""
    query = read_query(request, UpdatesQuery)
    settings = request.state["settings"]
    if not request.state["door"].may(grant, Action.READ_HISTORY):
        return await _present(request, grant, query)
    if query.after:
        check_kept(await request.state["database"].history.kept(grant.document), Seq(query.after))
    page = await request.state["database"].log.read(
        grant.document,
        after=Seq(query.after),
        limit=min(query.limit or settings.updates_page_max, settings.updates_page_max),
        bytes_max=settings.updates_page_bytes_max,
    )
    return json_response({"updates": [_row(update) for update in page.updates], "head": page.head})


async def _present(request: AppRequest, grant: Grant, query: UpdatesQuery) -> Response:
    """For who may not see the past: one update that holds what the document is now, and nothing that was deleted."""
    info = await request.state["database"].documents.get(grant.document)
    found: list[StoredUpdate] = []
    if query.after < info.head:
        state = await request.state["history"].content(grant.document, info.head)
        found.append(StoredUpdate(info.head, None, info.updated_at_ms, state, Seq(1)))
    return json_response({"updates": [_row(update) for update in found], "head": info.head})


async def append_update(request: AppRequest, grant: Grant) -> Response:
    """Take one Yjs v1 update; answers with the seq under which it is committed."""
    require_media_type(request, UPDATE_MEDIA_TYPE)
    update = await read_body(request, request.state["settings"].sync_bytes_max)
    return json_response({"seq": await request.state["hub"].apply(grant, update)})


def _row(update: StoredUpdate) -> dict[str, int | str | None]:
    row: dict[str, int | str | None] = {
        "seq": update.seq,
        "user": update.user_id,
        "at": iso_time(update.at_ms),
        "payload": base64.b64encode(update.payload).decode(),
    }
    return row if update.first is None else row | {"first": update.first}
