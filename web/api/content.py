"""`/api/documents/{id}/content`: the document as it is now, not yet committed edits included.

Of a document in quarantine it is the newest state that can be shown, and a header says so.
"""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.responses import Response

from collab.errors import DocumentQuarantined
from collab.export.text import document_text
from collab.types import DocumentId, Grant
from web.api.bodies import Schema, read_query
from web.state import AppRequest


@dataclass(frozen=True, slots=True)
class Format:
    media_type: str
    suffix: str | None
    """File name ending of a download; None for what a browser may show in place."""
    render: Callable[[bytes], bytes]
    """From the whole document as one Yjs v1 update."""


FORMATS = {
    "text": Format("text/plain; charset=utf-8", None, lambda state: document_text(state).encode()),
    "yjs": Format("application/octet-stream", "yjs", lambda state: state),
}


class ContentQuery(Schema):
    format: str = "text"
    at: str | None = None


async def read_content(request: AppRequest, grant: Grant) -> Response:
    query = read_query(request, ContentQuery)
    chosen = FORMATS.get(query.format)
    if chosen is None:
        raise HTTPException(400, f"format is one of: {', '.join(FORMATS)}")
    if query.at is not None:
        raise HTTPException(400, "at=SEQ is not available in this version: only the document as it is now")
    headers = {} if chosen.suffix is None else {"Content-Disposition": _attachment(grant.document, chosen.suffix)}
    try:
        state = await request.state["hub"].state(grant)
    except DocumentQuarantined:
        good = await request.state["database"].quarantine.last_good(grant.document)
        if good is None:
            raise
        state = good.state
        headers["Coscribe-Quarantine"] = f"through={good.through}"
    return Response(chosen.render(state), media_type=chosen.media_type, headers=headers)


def _attachment(document: DocumentId, suffix: str) -> str:
    # A document's name is ASCII without quotes; only what file systems dislike has to go.
    name = document.replace("/", "_").replace(":", "_")
    return f'attachment; filename="{name}.{suffix}"'
