"""Tokens that a request carries: where they may stand, and those that this server has made itself.

A ticket and a pass stand for the credential with which they were made, in one document: they give what that gives at
the moment, and end with it. A ticket is used up by opening one WebSocket. A pass is for clients that come back with
what they were given, as y-sweet's do, until a moment that it names; it gives at most the role that it names, and
nothing beyond its document.
"""

import json
import time
from dataclasses import replace
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from collab.errors import NotAuthenticated
from collab.types import DocumentId, Role
from storage.access import Finding
from storage.accounts import Account, SignIn
from storage.credentials import Token
from storage.engine import Database
from web.minting import Kind, Mint
from web.recorder import Recorder
from web.visitor import By, Standing, Visitor, address_of

TICKET_SECONDS = 30
_TOKEN_CHARACTERS_MAX = 16 * 1024
OVER = "the token has expired"
_GONE = "the token is unknown, has expired or was revoked"


def token_of(connection: HTTPConnection[Any]) -> str | None:
    """The token of a request: from `Authorization: Bearer` (Jupyter's clients say `token`), or from `?token=` of a
    WebSocket, whose clients often can send nothing else. Of other requests the query is not looked at: they have
    headers.

    Raises:
        HTTPException: 400, there are two.
        NotAuthenticated: another scheme.
    """
    given = [_bearer(header) for header in connection.headers.getlist("authorization")]
    if connection.scope["type"] == "websocket" and connection.scope["query_string"]:
        given += connection.query_params.getlist("token")
    if len(given) > 1:
        raise HTTPException(400, "a request may carry one token")
    if given and not 0 < len(given[0]) <= _TOKEN_CHARACTERS_MAX:
        raise NotAuthenticated("the token is empty, or longer than any token")
    return given[0] if given else None


def _bearer(header: str) -> str:
    scheme, _, token = header.partition(" ")
    if scheme.lower() not in ("bearer", "token"):
        raise NotAuthenticated("only Bearer tokens are taken here")
    return token.strip()


class OurTokens:
    """API tokens, tickets and passes."""

    def __init__(self, database: Database, mint: Mint, recorder: Recorder) -> None:
        self._database = database
        self._mint = mint
        self._recorder = recorder

    async def visitor(self, token: str, connection: HTTPConnection[Any]) -> Visitor | None:
        """Whose token it is; None when it is none of ours.

        Raises:
            NotAuthenticated: it does not count any more.
        """
        digest = self._mint.digest(Kind.TOKEN, token)
        if digest is not None:
            return await self._by_token(digest, connection)
        digest = self._mint.digest(Kind.TICKET, token)
        if digest is not None and connection.scope["type"] == "websocket":
            return await self._by_ticket(digest, connection)
        content = self._mint.signed(Kind.PASS, token)
        return None if content is None else await self._by_pass(json.loads(content), connection)

    async def make_ticket(self, visitor: Visitor, document: DocumentId, role: Role) -> str:
        """A secret that opens one WebSocket to one document, once, as `visitor`."""
        secret, digest = self._mint.make(Kind.TICKET)
        expires_ms = self._database.now_ms() + TICKET_SECONDS * 1000
        await self._database.credentials.create_ticket(digest, document, _rests_on(visitor, role), expires_ms)
        return secret

    def make_pass(
        self,
        visitor: Visitor,
        document: DocumentId,
        role: Role,
        seconds: int,
        person: tuple[str, str | None] | None = None,
    ) -> str:
        """A secret that opens one document for `seconds`, in `role` at most, as `visitor`.

        Args:
            person: id and name of whom it stands for instead; for administrators alone.
        """
        content = {
            "document": document,
            "role": role.value,
            "expires_at": int(time.time()) + seconds,
            "person": person,
            "rests_on": _rests_on(visitor, role),
        }
        return self._mint.sign(Kind.PASS, json.dumps(content, separators=(",", ":")).encode())

    async def _by_token(self, digest: str, connection: HTTPConnection[Any]) -> Visitor:
        token = await self._database.credentials.find_token(digest)
        if token is None:
            raise NotAuthenticated(_GONE)
        self._recorder.used_token(token.id)
        return token_visitor(token, digest, address_of(connection))

    async def _by_ticket(self, digest: str, connection: HTTPConnection[Any]) -> Visitor:
        used = await self._database.credentials.use_ticket(digest)
        if used is None:
            raise NotAuthenticated("the ticket was used, or is older than 30 seconds")
        document, rests_on = used
        visitor = await self._holder(rests_on, connection)
        return _narrowed(visitor, document, Role.OWNER, by="token")

    async def _by_pass(self, content: dict[str, Any], connection: HTTPConnection[Any]) -> Visitor:
        end = content["expires_at"]
        if end <= time.time():
            raise NotAuthenticated(OVER)
        holder = await self._holder(content["rests_on"], connection)
        visitor = replace(
            _narrowed(holder, content["document"], Role(content["role"]), by="pass"),
            account=None,
            administrator=False,
            expires_at=end if holder.expires_at is None else min(end, holder.expires_at),
        )
        if content["person"] is not None:
            visitor = replace(visitor, user_id=content["person"][0], user_name=content["person"][1], guest=False)
        if is_over(visitor):
            raise NotAuthenticated(OVER)
        return visitor

    async def _holder(self, rests_on: dict[str, Any], connection: HTTPConnection[Any]) -> Visitor:
        address = address_of(connection)
        if rests_on["sign_in"] is not None:
            found = await self._database.accounts.signed_in(rests_on["sign_in"])
            if found is None:
                raise NotAuthenticated("whoever made this ticket has signed out since")
            return sign_in_visitor(*found, rests_on["sign_in"], address)
        if rests_on["token"] is not None:
            return await self._by_token(rests_on["token"], connection)
        user_id, user_name, role, expires_at = rests_on["jwt"]
        scope = (("*", Role(role)),)
        return Visitor(
            user_id, user_name, by="jwt", known=True, scope=scope, bounded=False, expires_at=expires_at, address=address
        )


def is_over(visitor: Visitor) -> bool:
    return visitor.expires_at is not None and visitor.expires_at <= time.time()


def _rests_on(visitor: Visitor, role: Role) -> dict[str, Any]:
    """By what `OurTokens._holder` finds the visitor again."""
    rests_on: dict[str, Any] = {"sign_in": visitor.sign_in_digest, "token": visitor.token_digest}
    if visitor.sign_in_digest is None and visitor.token_digest is None:
        rests_on["jwt"] = [visitor.user_id, visitor.user_name, role.value, visitor.expires_at]
    return rests_on


def _narrowed(visitor: Visitor, document: DocumentId, most: Role, *, by: By) -> Visitor:
    """The same, for one document and in a role of at most `most`."""
    if visitor.scope is None:
        return replace(visitor, by=by, scope=((document, most),), bounded=True)
    role = Role.OWNER if visitor.administrator and not visitor.bounded else visitor.scope_role(document)
    return replace(visitor, by=by, scope=() if role is None else ((document, min(role, most)),))


def sign_in_visitor(account: Account, sign_in: SignIn, digest: str, address: str | None) -> Visitor:
    return Visitor(
        account.id,
        account.name,
        by="cookie",
        known=True,
        guest=account.guest,
        administrator=account.administrator,
        account=account,
        sign_in=sign_in,
        sign_in_digest=digest,
        expires_at=sign_in.expires_at_ms / 1000,
        address=address,
    )


def token_visitor(token: Token, digest: str, address: str | None) -> Visitor:
    return Visitor(
        token.person.id,
        token.person.name,
        by="token",
        known=True,
        administrator=token.administrator,
        account=token.account,
        token_digest=digest,
        scope=tuple(token.documents.items()),
        bounded=not token.by_operator,
        expires_at=None if token.expires_at_ms is None else token.expires_at_ms / 1000,
        address=address,
    )


def standing_of(visitor: Visitor, document: DocumentId, finding: Finding) -> Standing:
    """What a credential of ours gives, from what the database says of its person."""
    until = [finding.standing.until_ms / 1000] if finding.standing.until_ms is not None else []
    until += [visitor.expires_at] if visitor.expires_at is not None else []
    due = min(until, default=None)
    if visitor.scope is None:
        return Standing(finding.standing.role, until=due)
    limit = visitor.scope_role(document)
    if not visitor.bounded:
        role = Role.OWNER if visitor.administrator else limit
        return Standing(role, may_create=role is not None and role >= Role.EDITOR, until=due)
    own = finding.standing.role
    return Standing(None if own is None or limit is None else min(own, limit), until=due)
