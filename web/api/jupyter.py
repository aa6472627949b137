"""What clients of jupyter-collaboration ask before they connect: under which name there is a file's document.

Jupyter's server has files, and rooms for them: FORMAT:TYPE:FILE, where FILE stays the same when the file is moved. Here
are documents, and no files: FILE is the path, written as names of documents are, and the document has the room's name.
"""

from typing import Annotated
from urllib.parse import unquote

from pydantic import ConfigDict, StringConstraints
from starlette.responses import Response

from storage.foreign.names import document_id
from web.api.bodies import Reply, Schema, read_body, respond
from web.security import Action
from web.state import AppRequest
from web.visitor import Visitor

_Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,32}$")]


class Opening(Schema):
    model_config = ConfigDict(extra="ignore", frozen=True)

    format: _Word
    type: _Word


class Opened(Reply):
    format: str
    type: str
    fileId: str
    sessionId: str = "coscribe"
    """Clients bring it back. Jupyter's server knows by it what its memory has lost since, and nothing is lost here."""


async def open_session(request: AppRequest, visitor: Visitor) -> Response:
    # Clients send it as `text/plain`, which is what `fetch` makes of text.
    body = await read_body(request, request.state["settings"].body_bytes_max)
    opening = Opening.model_validate_json(body)
    kind = f"{opening.format}:{opening.type}:"
    document = document_id(kind + unquote(request.path_params["path"]).strip("/"))
    await request.state["door"].grant(visitor, document, Action.CONNECT)
    return respond(Opened(format=opening.format, type=opening.type, fileId=document.removeprefix(kind)))
