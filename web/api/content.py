"""`/api/documents/{id}/content`: what a document holds, in any format; not yet committed edits included.

Of a document in quarantine it is the newest state that can be shown, and a header says so.
"""

import base64
import json
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from collab.errors import DocumentQuarantined, PermissionDenied
from collab.export.formats import EXPORT_FORMATS, NO_IMAGES, Format
from collab.export.images import images_in
from collab.history.ports import EventKind, NewEvent
from collab.types import Grant, Seq
from web.api.actors import actor_of, note_event
from web.api.bodies import Schema, read_query
from web.downloads import file_response
from web.security import Action
from web.state import AppRequest

SEQ_MAX = 2**63 - 1
INLINE_BYTES_MAX = 8 * 1024
"""Rendering a state of this size takes up to ten milliseconds; starting a worker takes a quarter of a second."""

IMAGES_BYTES_MAX = 64 * 1024 * 1024
"""Most that the images in one export may have together; what does not fit is left out."""


class ContentQuery(Schema):
    format: str = "text"
    at: Annotated[int, Field(ge=0, le=SEQ_MAX)] | None = None
    """A past state, by the seq of its last edit."""


async def read_content(request: AppRequest, grant: Grant) -> Response:
    query = read_query(request, ContentQuery)
    return await give(request, grant, query.format, query.at, attachment=False)


async def give(request: AppRequest, grant: Grant, format: str, at: int | None, *, attachment: bool) -> Response:
    """A document in a format, now or at a seq.

    Args:
        attachment: Always a download, whatever a browser could show in place.
    """
    chosen = chosen_format(format)
    if at is not None:
        await check_past(request, grant, Seq(at))
    attachment = attachment or not chosen.shown_in_place
    state, headers = await _state(request, grant, at)
    info = await request.state["database"].documents.get(grant.document)
    images = await _images(request, grant, state) if chosen.embeds else {}
    content = await render(request, format, state, info.title or grant.document, images)
    response = file_response(
        content, chosen.media_type, name=grant.document, suffix=chosen.suffix, attachment=attachment
    )
    response.headers.update(headers)
    request.state["recorder"].note(actor_of(request, grant), "document-exported", grant.document, format=format, at=at)
    # Programs read the state as Yjs to sync with it: that is no story to tell.
    if attachment and format != "yjs":
        seq = info.head if at is None else Seq(at)
        await note_event(request, grant, NewEvent(EventKind.EXPORT, grant.user_id, seq, format))
    return response


async def check_past(request: AppRequest, grant: Grant, at: Seq) -> None:
    """
    Raises:
        PermissionDenied: the state at `at` is no named version, nor the present, and others are not for this role.
    """
    if request.state["door"].may(grant, Action.READ_HISTORY):
        return
    database = request.state["database"]
    named = {version.seq for version in await database.history.versions(grant.document)}
    if at not in named and at != (await database.documents.get(grant.document)).head:
        raise PermissionDenied("of this document's past you may see the named versions")


async def _state(request: AppRequest, grant: Grant, at: int | None) -> tuple[bytes, dict[str, str]]:
    if at is not None:
        return await request.state["history"].content(grant.document, Seq(at)), {}
    try:
        return await request.state["hub"].state(grant), {}
    except DocumentQuarantined:
        good = await request.state["database"].quarantine.last_good(grant.document)
        if good is None:
            raise
        return good.state, {"Coscribe-Quarantine": f"through={good.through}"}


def chosen_format(name: str) -> Format:
    """
    Raises:
        HTTPException: 400, there is no such format.
    """
    chosen = EXPORT_FORMATS.get(name)
    if chosen is None:
        raise HTTPException(400, f"format is one of: {', '.join(EXPORT_FORMATS)}")
    return chosen


async def render(
    request: AppRequest, format: str, state: bytes, title: str, images: Mapping[str, str] = NO_IMAGES
) -> bytes:
    """A document's state in a format, in a worker unless that would take longer than the work.

    Raises:
        MalformedMessage, LimitExceeded, CorruptUpdate, SlowConsumer.
    """
    chosen = EXPORT_FORMATS[format]
    if format == "yjs" or (chosen.light and not images and len(state) <= INLINE_BYTES_MAX):
        return chosen.render(state, title, images)
    data = state + json.dumps(images).encode() if images else state
    return await request.state["workers"].run("render", data, format=format, title=title, state_bytes=len(state))


async def _images(request: AppRequest, grant: Grant, state: bytes) -> dict[str, str]:
    """The document's own images, as far as they fit; those of other documents are not its to give away."""
    images: dict[str, str] = {}
    room = IMAGES_BYTES_MAX
    for digest in images_in(state):
        found = await request.state["database"].files.find(grant.document, digest)
        if found is None or found[0].bytes > room:
            continue
        content = await request.state["blobs"].get(found[1], digest)
        if content is not None:
            room -= len(content)
            images[digest] = f"data:{found[0].media_type};base64,{base64.b64encode(content).decode()}"
    return images
