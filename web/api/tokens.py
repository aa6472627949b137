"""API tokens of people and programs, and single-use tickets for clients that can only put a token into a URL."""

from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from storage.credentials import NewToken, Token
from web.api.bodies import Reply, Schema, iso_time, optional_time, read_json, respond, to_milliseconds
from web.api.documents import PersonReply
from web.api.fields import DocumentName, Line, Moment, Pattern, RoleName
from web.api.me import id_in_path
from web.bearer import TICKET_SECONDS
from web.minting import Kind
from web.security import Action
from web.state import AppRequest
from web.visitor import Visitor

PATTERNS_MAX = 100
Documents = Annotated[dict[Pattern, RoleName], Field(min_length=1, max_length=PATTERNS_MAX)]


class NewTokenBody(Schema):
    label: Annotated[Line, Field(min_length=1)]
    documents: Documents
    expires_at: Moment | None = None


class OperatorTokenBody(Schema):
    user: Annotated[Line, Field(min_length=1)]
    documents: Documents
    administrator: bool = False
    expires_at: Moment | None = None


class TokenReply(Reply):
    id: str
    label: str
    documents: dict[str, str]
    created_at: str
    expires_at: str | None
    used_at: str | None
    person: PersonReply
    administrator: bool
    by_operator: bool


class MadeToken(TokenReply):
    token: str


class Tokens(Reply):
    tokens: list[TokenReply]


class TicketBody(Schema):
    document: DocumentName


class Ticket(Reply):
    ticket: str
    expires_in: int


async def list_own_tokens(request: AppRequest, visitor: Visitor) -> Response:
    assert visitor.account is not None
    return await _list(request, visitor.account.pk)


async def list_all_tokens(request: AppRequest, visitor: Visitor) -> Response:
    return await _list(request, None)


async def create_token(request: AppRequest, visitor: Visitor) -> Response:
    """A token of one's own: it never does more than its person may at that moment."""
    body = await read_json(request, NewTokenBody)
    account = visitor.account
    assert account is not None
    secret, digest = request.state["mint"].make(Kind.TOKEN)
    expires_ms = to_milliseconds(body.expires_at)
    new = NewToken(digest, body.label, body.documents, expires_ms, account.pk, account.name)
    return _made(await request.state["database"].credentials.create_token(new, visitor.actor), secret)


async def issue_token(request: AppRequest, visitor: Visitor) -> Response:
    """A token from the operator: for the account of this name, or for a program of this name, with just these roles."""
    body = await read_json(request, OperatorTokenBody)
    database = request.state["database"]
    found = await database.accounts.find_by_login(body.user)
    account_pk, name = (None, body.user) if found is None else (found[0].pk, found[0].name)
    secret, digest = request.state["mint"].make(Kind.TOKEN)
    new = NewToken(
        digest,
        "made by an administrator",
        body.documents,
        to_milliseconds(body.expires_at),
        account_pk,
        name,
        by_operator=True,
        administrator=body.administrator,
    )
    return _made(await database.credentials.create_token(new, visitor.actor), secret)


async def revoke_own_token(request: AppRequest, visitor: Visitor) -> Response:
    assert visitor.account is not None
    return await _revoke(request, visitor, visitor.account.pk)


async def revoke_any_token(request: AppRequest, visitor: Visitor) -> Response:
    return await _revoke(request, visitor, None)


async def create_ticket(request: AppRequest, visitor: Visitor) -> Response:
    """For whoever may read the document."""
    body = await read_json(request, TicketBody)
    grant = await request.state["door"].grant(visitor, body.document, Action.CONNECT)
    ticket = await request.state["tokens"].make_ticket(visitor, grant.document, grant.role)
    return respond(Ticket(ticket=ticket, expires_in=TICKET_SECONDS), 201)


async def _list(request: AppRequest, account_pk: int | None) -> Response:
    found = await request.state["database"].credentials.tokens(account_pk)
    return respond(Tokens(tokens=[TokenReply(**_fields(token)) for token in found]))


async def _revoke(request: AppRequest, visitor: Visitor, account_pk: int | None) -> Response:
    token_id = id_in_path(request, "token")
    await request.state["database"].credentials.revoke_token(token_id, account_pk, visitor.actor)
    request.state["watch"].news(token=True)
    return Response(status_code=204)


def _made(token: Token, secret: str) -> Response:
    return respond(MadeToken(**_fields(token), token=secret), 201)


def _fields(token: Token) -> dict[str, Any]:
    return {
        "id": str(token.id),
        "label": token.label,
        "documents": {pattern: role.name.lower() for pattern, role in token.documents.items()},
        "created_at": iso_time(token.created_at_ms),
        "expires_at": optional_time(token.expires_at_ms),
        "used_at": optional_time(token.used_at_ms),
        "person": PersonReply(id=token.person.id, name=token.person.name),
        "administrator": token.administrator,
        "by_operator": token.by_operator,
    }
