"""`/api/documents/{id}/files`: images in documents. Who may edit a document adds them, who may read it sees them.

Rule I1: what a file is, its first bytes say (`collab.images`); neither its name nor what the sender calls it counts.
    What a camera wrote beside the picture, such as where it was taken, goes before anything is kept.
Rule I2: a file is given as the kind that it was found to be, and can do nothing: sandboxed, never sniffed, no page of
    this server's origin even when it is opened by itself.
Rule I3: each look at a file asks the door; browsers keep it, but ask again whether they may show it.
"""

import asyncio
import hashlib
import re

from starlette.exceptions import HTTPException
from starlette.responses import Response

from collab.images import image_type, picture_alone
from collab.types import Grant
from storage.files import File
from web.api.actors import actor_of
from web.api.bodies import Reply, read_body, respond
from web.state import AppRequest

SANDBOX = "sandbox; default-src 'none'"
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


class FileReply(Reply):
    id: str
    """The SHA-256 of its content, in hex."""
    type: str
    bytes: int


async def add_file(request: AppRequest, grant: Grant) -> Response:
    settings, files = request.state["settings"], request.state["database"].files
    content = await read_body(request, settings.file_bytes_max)
    media_type = image_type(content)
    if media_type is None:
        raise HTTPException(415, "this is no image of a kind that documents can have: PNG, JPEG, GIF, WebP, AVIF")
    content = await asyncio.to_thread(picture_alone, content)
    digest = hashlib.sha256(content).hexdigest()
    file = File(digest, media_type, len(content))
    # Before anything is kept; `add` makes sure.
    await files.check_room(grant.document, file, settings.files_bytes_max)
    epoch = (await request.state["database"].documents.get(grant.document)).epoch
    await request.state["blobs"].put(epoch, digest, content)
    await files.add(grant.document, file, grant.user_id, settings.files_bytes_max)
    request.state["recorder"].note(actor_of(request, grant), "file-added", grant.document, file=digest)
    return respond(FileReply(id=digest, type=media_type, bytes=len(content)), 201)


async def read_file(request: AppRequest, grant: Grant) -> Response:
    digest = request.path_params["file"]
    found = await request.state["database"].files.find(grant.document, digest) if _DIGEST.fullmatch(digest) else None
    if found is None:
        raise HTTPException(404, "this document has no such file")
    file, epoch = found
    headers = {
        "Content-Security-Policy": SANDBOX,
        "Cache-Control": "private, no-cache",
        "ETag": f'"{digest}"',
        "Content-Disposition": f'inline; filename="{digest[:12]}.{file.media_type.partition("/")[2]}"',
    }
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    content = await request.state["blobs"].get(epoch, digest)
    if content is None:
        raise HTTPException(404, "the content of this file is not here any more")
    return Response(content, headers=headers, media_type=file.media_type)
