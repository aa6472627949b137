"""A Starlette application that has accepted a WebSocket itself, and hands it to Coscribe as a channel of pycrdt's."""

from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import Mount, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from web.embedding import Embedded, Person, Role


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


async def nothing(_person: Person, _document: str) -> Role | None:
    return None


coscribe = Embedded(who=nobody, role=nothing)


async def board(websocket: WebSocket) -> None:
    """Your own route, with your own checks; whoever comes through it takes part in one document."""
    name = websocket.path_params["name"]
    await websocket.accept()
    await coscribe.serve("board", Person(id=name, name=name), SocketChannel(websocket, "board"))


app = Starlette(routes=[WebSocketRoute("/board/{name}", board), Mount("/collab", coscribe)], lifespan=coscribe.lifespan)
