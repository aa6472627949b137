"""What `@y-sweet/sdk` asks a y-sweet server for: documents, and the tokens with which clients get to them.

The token of a client is a pass (`web.bearer`): for one document, in the role that was asked for, as long as that was
asked for. What the SDK itself comes with is any credential of this server, in the place of y-sweet's server token.
"""

import re
from typing import Annotated, Literal
from urllib.parse import quote, unquote

from pydantic import AfterValidator, ConfigDict, Field
from starlette.responses import Response

from collab.errors import PermissionDenied, StoreError
from collab.types import DocumentId, Grant, Role
from storage.errors import DocumentExists
from storage.people import check_user_id
from web.api.bodies import Reply, Schema, json_response, read_json
from web.api.documents import create
from web.api.fields import Line
from web.api.health import ready as find_ready
from web.api.invitations import base_url
from web.api.updates import UPDATE_MEDIA_TYPE
from web.security import Action
from web.state import AppRequest
from web.visitor import Visitor

SECONDS = 3600
SECONDS_MAX = 30 * 24 * 3600
Authorization = Literal["full", "read-only"]


def _user_id(text: str) -> str:
    check_user_id(text)
    return text


class Asked(Schema):
    # As y-sweet, which passes over what it does not know.
    model_config = ConfigDict(extra="ignore", frozen=True)


class New(Asked):
    document: Annotated[str | None, Field(alias="docId")] = None


class Created(Reply):
    docId: str


class Authorizing(Asked):
    authorization: Authorization | None = None
    """None: as much as whoever asks may give."""
    user: Annotated[Annotated[Line, AfterValidator(_user_id)] | None, Field(alias="userId")] = None
    seconds: Annotated[int, Field(alias="validForSeconds", ge=1, le=SECONDS_MAX)] = SECONDS


class ClientToken(Reply):
    url: str
    baseUrl: str
    docId: str
    token: str | None = None
    authorization: Authorization


class Store(Reply):
    ok: bool
    error: str | None = None


def _respond(reply: Reply) -> Response:
    """Without what there is not."""
    return Response(reply.model_dump_json(exclude_none=True).encode(), media_type="application/json")


async def new(request: AppRequest, visitor: Visitor) -> Response:
    """A document of the name that is asked for, unless whoever asks has it already; or of a new name."""
    asked = await read_json(request, New)
    try:
        document = (await create(request, visitor, asked.document, "")).document
    except DocumentExists:
        if asked.document is None:
            raise
        document = (await request.state["door"].grant(visitor, asked.document, Action.CONNECT)).document
    return _respond(Created(docId=document))


async def authorize(request: AppRequest, visitor: Visitor) -> Response:
    """Where and with what a client connects to the document."""
    document = unquote(request.path_params["document"])
    grant = await request.state["door"].grant(visitor, document, Action.CONNECT)
    asked = await read_json(request, Authorizing)
    authorization: Authorization = asked.authorization or ("full" if grant.may_write else "read-only")
    if authorization == "full" and not grant.may_write:
        raise PermissionDenied("you may read this document, and nobody gets more than that from you")
    role = Role.EDITOR if authorization == "full" else Role.READER
    token = None
    if request.state["settings"].auth != "none":
        person = await _person(request, visitor, grant.document, asked.user)
        token = request.state["tokens"].make_pass(visitor, grant.document, role, asked.seconds, person)
    return _respond(_client_token(request, grant.document, token, authorization))


def _client_token(
    request: AppRequest, document: DocumentId, token: str | None, authorization: Authorization
) -> ClientToken:
    base = f"{base_url(request)}/d/{quote(document, safe='')}"
    url = re.sub("^http", "ws", base) + "/ws"
    return ClientToken(url=url, baseUrl=base, docId=document, token=token, authorization=authorization)


async def _person(
    request: AppRequest, visitor: Visitor, document: DocumentId, user: str | None
) -> tuple[str, str | None] | None:
    """Whom a token is for; None for whoever asks."""
    if user is None or user == visitor.user_id:
        return None
    if not visitor.administrator:
        raise PermissionDenied("only administrators say who somebody else is")
    request.state["recorder"].note(visitor.actor, "token-made", document, **{"for": user})
    if request.state["settings"].auth == "jwt":
        return user, None
    found = await request.state["database"].accounts.find_by_login(user)
    return (user, user) if found is None else (found[0].id, found[0].name)


async def as_update(request: AppRequest, grant: Grant) -> Response:
    """The document as one Yjs v1 update."""
    return Response(await request.state["hub"].state(grant), media_type=UPDATE_MEDIA_TYPE)


async def check_store(request: AppRequest, _visitor: Visitor) -> Response:
    try:
        await request.state["database"].ping()
    except StoreError as error:
        return _respond(Store(ok=False, error=str(error)))
    return _respond(Store(ok=True))


async def ready(request: AppRequest) -> Response:
    found = await find_ready(request)
    return found if found.status_code != 200 else json_response({"ok": True})
