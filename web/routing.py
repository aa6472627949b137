"""Routes that cannot answer without the door, matched on the path as it was sent.

A document's name may hold `/`. In `/api/documents/{document}/content` it is sent as `%2F`, so that a document called
`a/content` is not the content of a document called `a`. Servers decode the path before they route, and the difference
is gone; so these routes match the raw path, and the name is percent-decoded afterwards, once.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import unquote

from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, compile_path
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketState

from collab.types import Grant
from web.errors import problem_for, refuse_socket
from web.security import Action, Rank
from web.state import AppRequest, AppWebSocket, state_of
from web.visitor import Standing, Visitor, address_of

_COMPRESSED_BYTES_MIN = 4096
_COMPRESSED_ASIDE_BYTES_MIN = 64 * 1024
_GZIP_LEVEL = 5


def compressed(response: Response) -> ASGIApp:
    """An answer in JSON that is not small is compressed, and a large one where no edit has to wait for it.

    The length of a compressed answer tells something of its content. The answers that hold a secret, such as a new
    token, are small, and go as they are.
    """
    if response.media_type != "application/json" or len(response.body) < _COMPRESSED_BYTES_MIN:
        return response
    return GZipMiddleware(response, _COMPRESSED_BYTES_MIN, _GZIP_LEVEL, thread_minimum_size=_COMPRESSED_ASIDE_BYTES_MIN)


@dataclass(frozen=True, slots=True)
class Spec:
    """What an operation takes and gives, for the API's description (`web.openapi`)."""

    summary: str
    answers: Mapping[int, type[BaseModel] | str | None]
    """By status: a schema for JSON, a media type for anything else, None for no body."""
    body: type[BaseModel] | str | None = None
    query: type[BaseModel] | None = None


@dataclass(frozen=True, slots=True)
class Public:
    """Answers everybody: no person, no document, nothing changes."""

    endpoint: Callable[[AppRequest], Awaitable[Response]]
    spec: Spec | None = None


@dataclass(frozen=True, slots=True)
class Welcomed:
    """Answers who has this rank; which documents are concerned is not in the path."""

    rank: Rank
    endpoint: Callable[[AppRequest, Visitor], Awaitable[Response]]
    spec: Spec | None = None
    accounts: bool = False
    """There is nothing here unless AUTH=accounts."""


@dataclass(frozen=True, slots=True)
class Granted:
    """Answers who may do `action` with the document in the path."""

    action: Action
    endpoint: Callable[[AppRequest, Grant], Awaitable[Response]]
    spec: Spec | None = None
    accounts: bool = False
    """There is nothing here unless AUTH=accounts."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Whom the door let through to a WebSocket, and what a watch over it needs."""

    grant: Grant
    visitor: Visitor
    standing: Standing
    moment: int
    places: list[Callable[[], None]]
    """Each gives a place back that the socket takes. They are called when the endpoint returns; who keeps the socket
    longer takes them out."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """Whom the door let through to a WebSocket for many documents. Which of them, and as whom, is asked for each."""

    visitor: Visitor
    """What the handshake says of who is there, perhaps nobody."""
    places: list[Callable[[], None]]
    """As of an `Admission`."""


SocketEndpoint: TypeAlias = Callable[[AppWebSocket, Admission], Awaitable[None]]

Operation: TypeAlias = Public | Welcomed | Granted


class Resource(BaseRoute):
    """One path and what each method does there."""

    def __init__(self, path: str, **operations: Operation) -> None:
        self.path = path
        self.operations = operations
        self._pattern = compile_path(path)[0]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return _match(self._pattern, scope, "http")

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._answer(Request(scope, receive, send))
        except Exception as error:
            response = problem_for(error)
        await compressed(response)(scope, receive, send)

    async def _answer(self, request: AppRequest) -> Response:
        door = request.state["door"]
        operation = self.operations.get("GET" if request.method == "HEAD" else request.method)
        if operation is None:
            raise HTTPException(405, headers={"Allow": ", ".join(self._methods())})
        if isinstance(operation, Public):
            door.check_host(request)
            return await operation.endpoint(request)
        if operation.accounts and request.state["settings"].auth != "accounts":
            door.check_host(request)
            raise HTTPException(404, "this server keeps no accounts")
        if isinstance(operation, Welcomed):
            return await operation.endpoint(request, await door.welcome(request, operation.rank))
        grant = await door.admit(request, _document_text(request), operation.action)
        return await operation.endpoint(request, grant)

    def _methods(self) -> list[str]:
        return sorted({*self.operations, "HEAD"} if "GET" in self.operations else self.operations)


class SocketRoute(BaseRoute):
    """A WebSocket path. Refusals are HTTP answers to the handshake; the endpoint accepts."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._pattern = compile_path(path)[0]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return _match(self._pattern, scope, "websocket")

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        websocket: AppWebSocket = WebSocket(scope, receive, send)
        places: list[Callable[[], None]] = []
        try:
            # Before any cryptography and any look at the database.
            places.append(state_of(websocket)["places"].take_address(address_of(websocket)))
            await state_of(websocket)["turnstile"].turn()
            await self._serve(websocket, places)
        except Exception as error:
            if websocket.application_state is not WebSocketState.CONNECTING:
                raise
            await refuse_socket(websocket, error)
        finally:
            for give_back in places:
                give_back()

    async def _serve(self, websocket: AppWebSocket, places: list[Callable[[], None]]) -> None:
        raise NotImplementedError


class Socket(SocketRoute):
    """A WebSocket for the document in its path."""

    def __init__(
        self, path: str, action: Action, endpoint: SocketEndpoint, name: Callable[[AppWebSocket], str] | None = None
    ) -> None:
        """
        Args:
            name: the document's, where it is not just `{document}`.
        """
        super().__init__(path)
        self.action = action
        self._endpoint = endpoint
        self._name = name or _document_text

    async def _serve(self, websocket: AppWebSocket, places: list[Callable[[], None]]) -> None:
        state = state_of(websocket)
        moment = state["watch"].moment
        admitted = await state["door"].admit_visitor(websocket, self._name(websocket), self.action)
        grant, visitor, standing = admitted
        places.append(state["places"].take_user(visitor.user_id))
        await self._endpoint(websocket, Admission(grant, visitor, standing, moment, places))


class SharedSocket(SocketRoute):
    """A WebSocket for many documents: its endpoint asks the door for each of them."""

    def __init__(self, path: str, endpoint: Callable[[AppWebSocket, Entrance], Awaitable[None]]) -> None:
        super().__init__(path)
        self._endpoint = endpoint

    async def _serve(self, websocket: AppWebSocket, places: list[Callable[[], None]]) -> None:
        visitor = await state_of(websocket)["door"].welcome(websocket, Rank.ANYBODY)
        await self._endpoint(websocket, Entrance(visitor, places))


async def no_such_route(scope: Scope, receive: Receive, send: Send) -> None:
    """What the router falls back to."""
    error = HTTPException(404, "there is nothing at this address; '/' in a document's name is sent as %2F")
    if scope["type"] == "websocket":
        await refuse_socket(WebSocket(scope, receive, send), error)
    else:
        await problem_for(error)(scope, receive, send)


def _match(pattern: re.Pattern[str], scope: Scope, kind: str) -> tuple[Match, Scope]:
    found = pattern.match(scope["raw_path"].decode("latin-1")) if scope["type"] == kind else None
    return (Match.NONE, {}) if found is None else (Match.FULL, {"path_params": found.groupdict()})


def _document_text(connection: AppRequest | AppWebSocket) -> str:
    return unquote(connection.path_params["document"])
