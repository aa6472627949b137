"""pycrdt-websocket with its SQLite store, started by uvicorn; everything else as it comes."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from logging import getLogger
from pathlib import Path
from typing import Any

from anyio import Lock
from pycrdt.store import SQLiteYStore, YDocNotFound
from pycrdt.websocket import ASGIServer, WebsocketServer, YRoom
from pycrdt.websocket.websocket_server import exception_logger

Message = dict[str, Any]


class Store(SQLiteYStore):
    db_path = str(Path(os.environ["DATA"]) / "ystore.db")


class StoringServer(WebsocketServer):
    """A WebSocket server whose rooms are read from the store before anybody is served."""

    def __init__(self) -> None:
        super().__init__(exception_handler=exception_logger, log=getLogger("bench"))
        self._loading: dict[str, Lock] = {}

    async def get_room(self, name: str) -> YRoom:
        async with self._loading.setdefault(name, Lock()):
            room = self.rooms.get(name)
            if room is None:
                room = await self._load(name)
                self.rooms[name] = room
            return room

    async def _load(self, name: str) -> YRoom:
        store = Store(path=name)
        room = YRoom(ready=False, ystore=store, exception_handler=self.exception_handler, log=self.log)
        await self.start_room(room)
        assert room._task_group is not None
        async with store.start_lock:
            # In the room's own task group, where the room itself would start it with the first update.
            await room._task_group.start(store.start)
        with suppress(YDocNotFound):
            await store.apply_updates(room.ydoc)
        room.ready = True
        await room.ydoc_observed.wait()
        return room


_server = StoringServer()
_documents = ASGIServer(_server)


@asynccontextmanager
async def _running() -> AsyncIterator[None]:
    # Two rooms that open first at the same time would both try to create the tables.
    store = Store(path="")
    async with store:
        assert store.db_initialized is not None
        await store.db_initialized.wait()
    async with _server:
        yield


async def app(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """The documents' server, running for as long as uvicorn does."""
    if scope["type"] != "lifespan":
        await _documents(scope, receive, send)
        return
    await receive()
    async with _running():
        await send({"type": "lifespan.startup.complete"})
        await receive()
    await send({"type": "lifespan.shutdown.complete"})
