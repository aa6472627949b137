"""Coscribe inside another ASGI application, with that application's own people and roles: docs/embedding.md.

coscribe = Embedded(who=who, role=role)
app = Starlette(routes=[Mount("/collab", coscribe)], lifespan=coscribe.lifespan)
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from pycrdt import Channel
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from collab.errors import NotAuthenticated, PermissionDenied, StoreUnavailable
from collab.hub import Hub
from collab.replica import Replica
from collab.types import DocumentId, Grant, Role, parse_document_id
from storage.engine import Database
from storage.people import check_user_id
from web.app import create_app
from web.doctor import check_directory
from web.opening import open_current
from web.security import Action
from web.settings import Settings
from web.state import State
from web.visitor import Found, Standing, Visitor, address_of

__all__ = ["Embedded", "Person", "Role", "Settings"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whom the application knows."""

    id: str
    """Stays the same for ever: history goes by it."""
    name: str
    """How the others see them."""
    administrator: bool = False
    """May do everything."""
    expires_at: float | None = None
    """Seconds since 1970 at which they have to come back and be identified anew."""


Who = Callable[[HTTPConnection[Any]], Awaitable[Person | None]]
"""Who is asking; None for nobody in particular. Gets the request or the WebSocket's handshake as the application's
middleware has left it. A token that a Hocuspocus provider sends later comes in a request of its own, as
`Authorization: Bearer`. May raise NotAuthenticated."""

RoleIn = Callable[[Person, str], Awaitable[Role | None]]
"""What somebody may do with the document of this name, whether it exists or not; None for nothing. Is asked again every
RECHECK_SECONDS while they have it open."""


class Embedded:
    """An ASGI application to be mounted: WebSockets and the REST API, without the web app.

    Runs while `lifespan` does, which the application has to enter: those of mounted applications nobody enters.
    """

    def __init__(
        self,
        *,
        who: Who,
        role: RoleIn,
        on_failure: Callable[[BaseException], None] | None = None,
        **settings: Any,
    ) -> None:
        """
        Args:
            on_failure: called once when nothing can be saved any more; the process should end.
            settings: as in docs/settings.md, in lower case: `data_dir="data"`. The environment counts, too.

        Raises:
            SettingsError: they are not usable.
        """
        self.settings = Settings.read(**settings | {"auth": "application"})
        self._authority = _Application(who, role)
        self._on_failure = on_failure
        self._app: Any = None
        self._state: State | None = None

    @asynccontextmanager
    async def lifespan(self, _app: object = None) -> AsyncIterator[None]:
        """Run Coscribe: the database is opened, and brought up to date; at the end everything is stored.

        Raises:
            StoreError, OSError: the database cannot be used.
        """
        await asyncio.to_thread(check_directory, self.settings, make=True)
        async with await open_current(self.settings) as database:
            self._app = create_app(
                self.settings,
                database=database,
                on_failure=self._on_failure,
                authority=self._authority,
                web_app=False,
            )
            async with self._app.router.lifespan_context(self._app) as state:
                self._state = state
                try:
                    yield
                finally:
                    self._state = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("give `lifespan` to the application that this is mounted into")
        await self._app(self._inner(scope), receive, send)

    def _inner(self, scope: Scope) -> Scope:
        """The same request as if this stood at the root."""
        state = self._running()
        root, inner = scope.get("root_path", ""), {**scope, "root_path": "", "state": dict(state)}
        inner["raw_path"] = raw_path = scope.get("raw_path") or scope["path"].encode()
        if root:
            inner["path"] = scope["path"].removeprefix(root) or "/"
            inner["raw_path"] = b"/" + b"/".join(raw_path.split(b"/")[root.count("/") + 1 :])
        return inner

    def _running(self) -> State:
        if self._state is None:
            raise RuntimeError("Coscribe does not run: its lifespan was not entered, or is over")
        return self._state

    # -- for code in this process

    @property
    def hub(self) -> Hub:
        """Every live document."""
        return self._running()["hub"]

    @property
    def database(self) -> Database:
        return self._running()["database"]

    def open(self, document: str, person: Person, role: Role = Role.EDITOR) -> AbstractAsyncContextManager[Replica]:
        """A document, to be read, observed and edited on behalf of `person`. One that does not exist comes into being.

        Raises:
            ValueError: there can be no document of this name.
        """
        return self.hub.join(_grant(parse_document_id(document), person, role))

    async def serve(self, document: str, person: Person, channel: Channel) -> None:
        """Let whoever is at the other end of a channel of pycrdt's take part as `person`, until it ends. What they may
        do is asked as with a WebSocket, and asked again.

        Raises:
            ValueError: there can be no document of this name.
            PermissionDenied, NotAuthenticated: they may not open it, or may not any more.
            CollabError: the document cannot be opened, or was closed.
        """
        state, visitor = self._running(), _visitor(person)
        watch, moment = state["watch"], state["watch"].moment
        grant, standing = await state["door"].admit_known(visitor, parse_document_id(document), Action.CONNECT)
        with ExitStack() as stack:
            await self.hub.serve(
                grant, channel, lambda session: stack.callback(watch.seat(session, visitor, standing, moment).closed)
            )

    def changed(self, *, document: str | None = None, person_id: str | None = None) -> None:
        """Ask for roles again at once: those in a document, those of a person, or all."""
        watched = None if document is None else parse_document_id(document)
        self._running()["watch"].news(document=watched, user_id=person_id)


def _visitor(person: Person, address: str | None = None) -> Visitor:
    check_user_id(person.id)
    return Visitor(
        person.id,
        person.name,
        by="jwt",
        known=True,
        administrator=person.administrator,
        expires_at=person.expires_at,
        address=address,
    )


def _grant(document: DocumentId, person: Person, role: Role) -> Grant:
    check_user_id(person.id)
    return Grant(document, role, person.id, person.name, may_create=role >= Role.EDITOR)


class _Application:
    """The `Authority` that asks the application."""

    waits = True

    def __init__(self, who: Who, role: RoleIn) -> None:
        self._who = who
        self._role = role

    async def identify(self, connection: HTTPConnection[Any]) -> Visitor:
        person, address = await self._who(connection), address_of(connection)
        return Visitor(None, None, address=address) if person is None else _visitor(person, address)

    async def standing(self, visitor: Visitor, document: DocumentId) -> Standing:
        if visitor.user_id is None:
            return Standing(None)
        role: Role | None = Role.OWNER
        if not visitor.administrator:
            person = Person(visitor.user_id, visitor.user_name or "", expires_at=visitor.expires_at)
            role = await self._role(person, document)
        return Standing(role, may_create=role is not None and role >= Role.EDITOR, until=visitor.expires_at)

    async def may_create(self, visitor: Visitor, document: DocumentId) -> bool:
        return (await self.standing(visitor, document)).may_create

    async def again(self, seats: list[tuple[Visitor, DocumentId]]) -> list[Found]:
        return [await self._again(visitor, document) for visitor, document in seats]

    async def _again(self, visitor: Visitor, document: DocumentId) -> Found:
        if visitor.expires_at is not None and visitor.expires_at <= time.time():
            return NotAuthenticated("your sign-in has expired")
        try:
            return await self.standing(visitor, document)
        except NotAuthenticated as error:
            return error
        except PermissionDenied:
            return Standing(None)
        except Exception as error:
            # Of one person: that must not keep the others' from being looked at.
            log.error("the application could not say what somebody may do", document=document, exc_info=error)
            return StoreUnavailable("what you may do could not be found out")
