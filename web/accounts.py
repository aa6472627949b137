"""AUTH=accounts: people of this server, signed in by cookie; their API tokens; guests who came by a link."""

from typing import Any

from starlette.requests import HTTPConnection

from collab.errors import NotAuthenticated
from collab.types import DocumentId, Role
from storage.access import Claim, Finding
from storage.engine import Database
from web.bearer import OVER, OurTokens, is_over, sign_in_visitor, standing_of, token_of
from web.cookies import read_cookie
from web.minting import Kind, Mint
from web.recorder import Recorder
from web.visitor import Found, Standing, Visitor, address_of

_ENDED = "you are not signed in any more"


class Accounts:
    """The `Authority` of AUTH=accounts."""

    waits = True

    def __init__(self, database: Database, mint: Mint, recorder: Recorder, tokens: OurTokens) -> None:
        self._database = database
        self._mint = mint
        self._recorder = recorder
        self._tokens = tokens

    async def identify(self, connection: HTTPConnection[Any]) -> Visitor:
        token = token_of(connection)
        if token is not None:
            visitor = await self._tokens.visitor(token, connection)
            if visitor is None:
                raise NotAuthenticated("this is no token of this server")
            return visitor
        return await self._by_cookie(connection) or Visitor(None, None, address=address_of(connection))

    async def _by_cookie(self, connection: HTTPConnection[Any]) -> Visitor | None:
        secret = read_cookie(connection)
        digest = None if secret is None else self._mint.digest(Kind.SIGN_IN, secret)
        found = None if digest is None else await self._database.accounts.signed_in(digest)
        if digest is None or found is None:
            return None
        self._recorder.used_sign_in(found[1].id)
        return sign_in_visitor(*found, digest, address_of(connection))

    async def standing(self, visitor: Visitor, document: DocumentId) -> Standing:
        (found,) = await self.again([(visitor, document)])
        if not isinstance(found, Standing):
            raise found
        return found

    async def may_create(self, visitor: Visitor, document: DocumentId) -> bool:
        if visitor.guest or not visitor.known:
            return False
        if visitor.scope is None or (visitor.administrator and not visitor.bounded):
            return True
        return (visitor.scope_role(document) or 0) >= Role.EDITOR

    async def again(self, seats: list[tuple[Visitor, DocumentId]]) -> list[Found]:
        claims = [Claim(document, visitor.sign_in_digest, visitor.token_digest) for visitor, document in seats]
        findings = await self._database.access.look(claims)
        return [_verdict(*seat, finding) for seat, finding in zip(seats, findings, strict=True)]


def _verdict(visitor: Visitor, document: DocumentId, finding: Finding | None) -> Standing | NotAuthenticated:
    if visitor.by == "pass" and is_over(visitor):
        return NotAuthenticated(OVER)
    return NotAuthenticated(_ENDED) if finding is None else standing_of(visitor, document, finding)
