"""A Starlette application that has accepted a WebSocket itself, and hands it to Coscribe as a channel of pycrdt's."""

from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from collab.errors import CollabError
from web.embedding import Embedded, Person, Role

SENT_AWAY: set[str] = set()


class SocketChannel:
    """Anything with these methods is a `pycrdt.Channel`: a queue, a pipe, a data channel."""

    def __init__(self, websocket: WebSocket, path: str) -> None:
        self.websocket = websocket
        self.path = path

    async def send(self, message: bytes) -> None:
        await self.websocket.send_bytes(message)

    async def recv(self) -> bytes:
        return await self.websocket.receive_bytes()

    def __aiter__(self) -> "SocketChannel":
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self.recv()
        except WebSocketDisconnect:
            raise StopAsyncIteration from None


async def nobody(_connection: HTTPConnection) -> None:
    return None


async def role(person: Person, document: str) -> Role | None:
    return Role.EDITOR if document == "board" and person.id not in SENT_AWAY else None


coscribe = Embedded(who=nobody, role=role)


async def board(websocket: WebSocket) -> None:
    """Your own route, with your own checks; whoever comes through it takes part in one document."""
    name = websocket.path_params["name"]
    await websocket.accept()
    try:
        await coscribe.serve("board", Person(id=name, name=name), SocketChannel(websocket, "board"))
    except CollabError as error:
        await websocket.close(error.close_code, str(error))


async def send_away(request: Request) -> Response:
    name = request.path_params["name"]
    SENT_AWAY.add(name)
    coscribe.changed(person_id=name)
    return Response(status_code=204)


app = Starlette(
    routes=[
        WebSocketRoute("/board/{name}", board),
        Route("/board/{name}", send_away, methods=["DELETE"]),
        Mount("/collab", coscribe),
    ],
    lifespan=coscribe.lifespan,
)
