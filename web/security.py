"""The one door: who is asking, for which document, in which role. Every route passes through it.

    D1  Nothing is answered unless `Door` returned a `Visitor` or a `Grant` for it, or the route is on the list of
        public ones; an authority that nobody chose lets nobody in.
    D2  A document's name is checked once, here; everything behind takes only the `DocumentId` in the grant.
    D3  A request is judged by Host, then Origin, then credentials, then role. Each refusal is final.

A page of another site can make a browser send requests and open WebSockets to us with whatever the browser would send
anyway; it cannot forge `Origin`. So that header decides, compared as a whole and exactly. Programs that are no browsers
send none, and need none. A page whose host name was re-pointed to this machine *is* same-origin to its browser; only
`Host` gives it away, which is why a server without sign-in answers to no other name than this machine's own.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from collab.errors import NotAuthenticated, PermissionDenied
from collab.types import DocumentId, Grant, Role, parse_document_id
from web.settings import Settings, is_loopback

_AUTHORITY = re.compile(r"(?:\[(?P<address>[0-9a-fA-F:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::[0-9]{1,5})?", re.ASCII)
_LOOPBACK_ORIGIN = re.compile(r"https?://(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?", re.ASCII)
_PAGE_SCHEMES = {"ws": "http", "wss": "https"}
_SAFE_METHODS = frozenset({"GET", "HEAD"})


class Action(Enum):
    """What a request wants to do."""

    LIST = auto()
    CREATE = auto()
    CONNECT = auto()
    READ = auto()
    APPEND = auto()
    RENAME = auto()
    DELETE = auto()
    RESTORE = auto()
    RELEASE = auto()


_LEAST_ROLE = {
    Action.CREATE: Role.EDITOR,
    Action.CONNECT: Role.READER,
    Action.READ: Role.READER,
    Action.APPEND: Role.EDITOR,
    Action.RENAME: Role.EDITOR,
    Action.DELETE: Role.OWNER,
    Action.RESTORE: Role.OWNER,
    Action.RELEASE: Role.OWNER,
}
_CREATES = frozenset({Action.CREATE, Action.CONNECT, Action.APPEND})


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is asking, before any document is involved."""

    user_id: str | None
    user_name: str | None


class Authority(Protocol):
    """Knows people and their roles; one for each way of signing in."""

    async def identify(self, connection: HTTPConnection[Any]) -> Visitor:
        """
        Raises:
            NotAuthenticated: the request does not prove who sends it.
        """
        ...

    async def role(self, visitor: Visitor, document: DocumentId) -> Role | None:
        """What `visitor` may do with `document`; None when that is nothing."""
        ...


class Nobody:
    """Lets nobody in."""

    async def identify(self, connection: HTTPConnection[Any]) -> Visitor:
        raise NotAuthenticated("sign-in is required, and this server has no way to sign in")

    async def role(self, visitor: Visitor, document: DocumentId) -> Role | None:
        return None


class Everybody:
    """AUTH=none: nobody has a name, and everybody may do everything."""

    async def identify(self, connection: HTTPConnection[Any]) -> Visitor:
        return Visitor(user_id=None, user_name=None)

    async def role(self, visitor: Visitor, document: DocumentId) -> Role | None:
        return Role.OWNER


class Door:
    def __init__(self, settings: Settings) -> None:
        self._authority: Authority = Everybody() if settings.auth == "none" else Nobody()
        self._local_only = settings.local_only
        self._allowed_origins = frozenset(settings.allowed_origins)

    async def admit(self, connection: HTTPConnection[Any], document_text: str, action: Action) -> Grant:
        """Resolve person, document and role of one request.

        Raises:
            HTTPException: 400 for a name that no document can have, or for a wrong Host header.
            NotAuthenticated, PermissionDenied.
        """
        return await self.grant(await self.welcome(connection), document_text, action)

    async def welcome(self, connection: HTTPConnection[Any]) -> Visitor:
        """The part of `admit` before a document is known.

        Raises:
            HTTPException, NotAuthenticated, PermissionDenied: as `admit`.
        """
        host = self.check_host(connection)
        if connection.scope["type"] == "websocket" or connection.scope["method"] not in _SAFE_METHODS:
            self._check_origin(connection, host)
        return await self._authority.identify(connection)

    async def grant(self, visitor: Visitor, document_text: str, action: Action) -> Grant:
        """The part of `admit` after the person is known.

        Raises:
            HTTPException, PermissionDenied: as `admit`.
        """
        try:
            document = parse_document_id(document_text)
        except ValueError as error:
            raise HTTPException(400, str(error)) from None
        role = await self._authority.role(visitor, document)
        if role is None or role < _LEAST_ROLE[action]:
            raise PermissionDenied("you may not do this with this document")
        may_create = action in _CREATES and role >= Role.EDITOR
        return Grant(document, role, visitor.user_id, visitor.user_name, may_create=may_create)

    def check_host(self, connection: HTTPConnection[Any]) -> str:
        """The Host header.

        Raises:
            HTTPException: 400 when there is not exactly one, or it is none.
            PermissionDenied: it is not a name of this machine, and the server is for this machine only.
        """
        hosts = connection.headers.getlist("host")
        authority = _AUTHORITY.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if authority is None:
            raise HTTPException(400, "a request needs exactly one Host header, with the server's name in it")
        if self._local_only and not is_loopback(authority["address"] or authority["name"].lower()):
            raise PermissionDenied(
                "this server is for this machine only and answers to localhost, 127.0.0.1 and [::1], not to other names"
            )
        return hosts[0]

    def _check_origin(self, connection: HTTPConnection[Any], host: str) -> None:
        origins = connection.headers.getlist("origin")
        if not origins:
            return
        scheme = connection.scope["scheme"]
        own = f"{_PAGE_SCHEMES.get(scheme, scheme)}://{host}"
        if len(origins) == 1 and (origins[0] == own or origins[0] in self._allowed_origins):
            return
        if len(origins) == 1 and self._local_only and _LOOPBACK_ORIGIN.fullmatch(origins[0]):
            return
        raise PermissionDenied("pages of this origin may not connect; ALLOWED_ORIGINS lists those that may")
