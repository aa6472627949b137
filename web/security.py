"""The one door: who is asking, for which document, in which role. Every route passes through it.

    D1  Nothing is answered unless `Door` returned a `Visitor` or a `Grant` for it, or the route is on the list of
        public ones; an authority that nobody chose lets nobody in.
    D2  A document's name is checked once, here; everything behind takes only the `DocumentId` in the grant.
    D3  A request is judged by Host, then Origin, then credentials, then role. Each refusal is final.
    D4  Who has no role in a document gets the same answer whether it exists or not.
    D5  A cookie counts only together with an Origin that may send it, wherever something could change.

A page of another site can make a browser send requests and open WebSockets to us with whatever the browser would send
anyway; it cannot forge `Origin`. So that header decides, compared as a whole and exactly. Programs that are no browsers
send none, and need none, unless they come with a cookie. A page whose host name was re-pointed to this machine *is*
same-origin to its browser; only `Host` gives it away, which is why a server without sign-in answers to no other name
than this machine's own.
"""

import asyncio
import re
from collections.abc import Awaitable, Mapping, Sequence
from enum import Enum, IntEnum, auto
from typing import Any, TypeVar

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from collab.errors import NotAuthenticated, PermissionDenied, StoreUnavailable
from collab.types import DocumentId, Grant, Role, parse_document_id
from web.cookies import read_cookie
from web.quiet import Quiet
from web.recorder import Recorder
from web.settings import Settings, is_loopback
from web.throttle import Throttle
from web.visitor import Authority, Everybody, Nobody, Standing, Visitor, address_of

log = structlog.get_logger(__name__)

T = TypeVar("T")

_AUTHORITY = re.compile(r"(?:\[(?P<address>[0-9a-fA-F:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::[0-9]{1,5})?", re.ASCII)
_LOOPBACK_ORIGIN = re.compile(r"https?://(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?", re.ASCII)
_PAGE_SCHEMES = {"ws": "http", "wss": "https"}
_SAFE_METHODS = frozenset({"GET", "HEAD"})


class WrongOrigin(PermissionDenied):
    """The page that sent this may not."""


class HttpsRequired(PermissionDenied):
    """A cookie would travel over a line on which others may listen."""


class WrongCredentials(NotAuthenticated):
    """Name and password do not belong together; which of them is wrong stays unsaid."""


class Suspended(PermissionDenied):
    """The account may not be used at present."""


class Action(Enum):
    """What a request wants to do with one document."""

    CREATE = auto()
    CONNECT = auto()
    READ = auto()
    APPEND = auto()
    RENAME = auto()
    DELETE = auto()
    RESTORE = auto()
    RELEASE = auto()
    SHARE = auto()
    LEAVE = auto()
    READ_HISTORY = auto()
    """Any past state, and who did what. Named versions are for everybody who may read."""
    NAME_VERSION = auto()
    BRING_BACK = auto()
    """A past state becomes the present again."""


LEAST_ROLE: Mapping[Action, Role] = {
    Action.CREATE: Role.EDITOR,
    Action.CONNECT: Role.READER,
    Action.READ: Role.READER,
    Action.APPEND: Role.EDITOR,
    Action.RENAME: Role.EDITOR,
    Action.DELETE: Role.OWNER,
    Action.RESTORE: Role.OWNER,
    Action.RELEASE: Role.OWNER,
    Action.SHARE: Role.OWNER,
    Action.LEAVE: Role.READER,
    Action.READ_HISTORY: Role.EDITOR,
    Action.NAME_VERSION: Role.EDITOR,
    Action.BRING_BACK: Role.EDITOR,
}
"""For READ_HISTORY, HISTORY_ROLE says so."""
_CREATES = frozenset({Action.CREATE, Action.CONNECT, Action.APPEND})


class Rank(IntEnum):
    """Who somebody has to be where no single document is concerned."""

    ANYBODY = 0
    KNOWN = 1
    """Somebody in particular; a guest will do."""
    PERSON = 2
    """Somebody with an account, or a token."""
    SIGNED_IN = 3
    """Somebody with an account, in the browser in which they signed in: no token gives rights over the account."""
    ADMINISTRATOR = 4


class Door:
    def __init__(
        self,
        settings: Settings,
        authority: Authority | None = None,
        *,
        throttle: Throttle | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self._settings = settings
        self._authority = authority or (Everybody() if settings.auth == "none" else Nobody())
        self._throttle = throttle
        self._recorder = recorder
        self._quiet = Quiet()
        self.refusals = 0
        self._local_only = settings.local_only
        self._least_role = {**LEAST_ROLE, Action.READ_HISTORY: Role[settings.history_role.upper()]}
        self._allowed_origins = frozenset(settings.allowed_origins)
        if settings.public_url:
            self._allowed_origins |= {re.sub(r"(?<=[^:/])/.*", "", settings.public_url)}
        self._allowed_hosts = frozenset(host.lower() for host in settings.allowed_hosts)

    async def admit(self, connection: HTTPConnection[Any], document_text: str, action: Action) -> Grant:
        """Resolve person, document and role of one request.

        Raises:
            HTTPException: 400 for a name that no document can have, or for a wrong Host header.
            NotAuthenticated, PermissionDenied, StoreUnavailable.
        """
        grant, _, _ = await self.admit_visitor(connection, document_text, action)
        return grant

    async def admit_visitor(
        self, connection: HTTPConnection[Any], document_text: str, action: Action
    ) -> tuple[Grant, Visitor, Standing]:
        """As `admit`, with what a grant that is to last has to be looked at again by."""
        visitor = await self.welcome(connection, Rank.ANYBODY)
        grant, standing = await self.admit_known(visitor, document_text, action)
        return grant, visitor, standing

    async def admit_known(self, visitor: Visitor, document_text: str, action: Action) -> tuple[Grant, Standing]:
        """The part of `admit_visitor` after `welcome`.

        Raises:
            As `admit`.
        """
        try:
            return await self._grant(visitor, document_text, action)
        except (NotAuthenticated, PermissionDenied) as error:
            self._note(visitor, error, action.name.lower(), document_text)
            raise

    async def welcome(self, connection: HTTPConnection[Any], rank: Rank = Rank.KNOWN) -> Visitor:
        """The part of `admit` before a document is known.

        Raises:
            HTTPException, NotAuthenticated, PermissionDenied, StoreUnavailable: as `admit`.
        """
        visitor: Visitor | None = None
        try:
            host = self.check_host(connection)
            if connection.scope["type"] == "websocket" or connection.scope["method"] not in _SAFE_METHODS:
                self._check_origin(connection, host)
            visitor = await self._identify(connection)
            _check_rank(visitor, rank)
        except (NotAuthenticated, PermissionDenied) as error:
            visitor = visitor or Visitor(None, None, address=address_of(connection))
            self._note(visitor, error, rank.name.lower(), None)
            raise
        return visitor

    async def _identify(self, connection: HTTPConnection[Any]) -> Visitor:
        try:
            return await self._in_time(self._authority.identify(connection))
        except NotAuthenticated:
            if self._throttle is not None:
                await self._throttle.refused(address_of(connection))
            raise

    async def grant(self, visitor: Visitor, document_text: str, action: Action) -> Grant:
        """The part of `admit` after the person is known.

        Raises:
            HTTPException, NotAuthenticated, PermissionDenied, StoreUnavailable: as `admit`.
        """
        grant, _ = await self._grant(visitor, document_text, action)
        return grant

    async def _grant(self, visitor: Visitor, document_text: str, action: Action) -> tuple[Grant, Standing]:
        document = _parse(document_text)
        if action is Action.CREATE:
            may = await self._authority.may_create(visitor, document)
            standing = Standing(Role.OWNER if may else None, may_create=may)
        else:
            standing = await self._in_time(self._authority.standing(visitor, document))
        if standing.role is None or standing.role < self._least_role[action]:
            # Rule D4: nothing here depends on whether there is such a document.
            raise (PermissionDenied if visitor.known else NotAuthenticated)(
                "you may not do this with this document, or there is none of this name"
            )
        return grant_of(visitor, document, standing, action), standing

    async def roles(self, visitor: Visitor, documents: Sequence[DocumentId]) -> list[Role | None]:
        """What somebody who was welcomed may do with each of these documents."""
        found = await self._in_time(self._authority.again([(visitor, document) for document in documents]))
        return [standing.role if isinstance(standing, Standing) else None for standing in found]

    def may(self, grant: Grant, action: Action) -> bool:
        """Whether somebody whom the door let through for one action may do another one."""
        return grant.role >= self._least_role[action]

    def check_host(self, connection: HTTPConnection[Any]) -> str:
        """The Host header.

        Raises:
            HTTPException: 400 when there is not exactly one, or it is none, or not one of ours.
            PermissionDenied: it is not a name of this machine, and the server is for this machine only.
        """
        hosts = _values(connection, b"host")
        authority = _AUTHORITY.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if authority is None:
            raise HTTPException(400, "a request needs exactly one Host header, with the server's name in it")
        name = authority["address"] or authority["name"].lower()
        if self._local_only and not is_loopback(name):
            raise PermissionDenied(
                "this server is for this machine only and answers to localhost, 127.0.0.1 and [::1], not to other names"
            )
        if self._allowed_hosts and name not in self._allowed_hosts:
            raise HTTPException(400, "this server does not answer under this name; ALLOWED_HOSTS lists its names")
        return hosts[0]

    def _check_origin(self, connection: HTTPConnection[Any], host: str) -> None:
        origins = _values(connection, b"origin")
        if not origins:
            if self._comes_with_cookie(connection):
                raise WrongOrigin("a request that comes with a cookie needs an Origin header")  # Rule D5.
            return
        scheme = connection.scope["scheme"]
        own = f"{_PAGE_SCHEMES.get(scheme, scheme)}://{host}"
        if len(origins) == 1 and (origins[0] == own or origins[0] in self._allowed_origins):
            return
        if len(origins) == 1 and self._local_only and _LOOPBACK_ORIGIN.fullmatch(origins[0]):
            return
        raise WrongOrigin("pages of this origin may not connect; ALLOWED_ORIGINS lists those that may")

    def _comes_with_cookie(self, connection: HTTPConnection[Any]) -> bool:
        if self._settings.auth == "application":
            return bool(_values(connection, b"cookie"))  # Which of them counts there, only the application knows.
        return self._settings.auth != "none" and read_cookie(connection) is not None

    async def _in_time(self, answer: Awaitable[T]) -> T:
        if not self._authority.waits:
            return await answer  # A deadline costs as much as the rest of the door.
        try:
            async with asyncio.timeout(self._settings.authentication_seconds):
                return await answer
        except TimeoutError:
            raise StoreUnavailable("the server could not find out in time who you are") from None

    def _note(self, visitor: Visitor, error: Exception, wanted: str, document_text: str | None) -> None:
        self.refusals += 1
        if self._recorder is not None:
            self._recorder.refused(visitor.actor, document_text, str(error), wanted)
        if self._quiet.may_say(visitor.address, type(error).__name__):
            log.info("refused", reason=type(error).__name__, address=visitor.address, wanted=wanted)


def _values(connection: HTTPConnection[Any], name: bytes) -> list[str]:
    # As `Headers.getlist`, which decodes the names of all headers for each look at one.
    return [value.decode("latin-1") for key, value in connection.scope["headers"] if key == name]


def grant_of(visitor: Visitor, document: DocumentId, standing: Standing, action: Action) -> Grant:
    assert standing.role is not None
    may_create = action in _CREATES and standing.may_create and standing.role >= Role.EDITOR
    guest = visitor.guest or not visitor.known
    return Grant(document, standing.role, visitor.user_id, visitor.user_name, may_create=may_create, guest=guest)


def _parse(document_text: str) -> DocumentId:
    try:
        return parse_document_id(document_text)
    except ValueError as error:
        raise HTTPException(400, str(error)) from None


def _check_rank(visitor: Visitor, rank: Rank) -> None:
    if rank >= Rank.KNOWN and not visitor.known:
        raise NotAuthenticated("sign in first")
    if rank >= Rank.KNOWN and visitor.by == "pass":
        raise PermissionDenied("this token is for one document")
    if rank >= Rank.PERSON and visitor.guest:
        raise PermissionDenied("this needs an account")
    if rank == Rank.SIGNED_IN and visitor.by != "cookie":
        raise PermissionDenied("this needs somebody who has signed in; a token does not do")
    if rank == Rank.ADMINISTRATOR and not visitor.administrator:
        raise PermissionDenied("this is for administrators")
