"""A server of pycrdt-websocket that keeps its rooms in stores of pycrdt-store: what Python people come from.

python -m tests.moving.pycrdt_server PORT KIND PATH
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

import uvicorn
from pycrdt.store import FileYStore, SQLiteYStore
from pycrdt.websocket import ASGIServer, WebsocketServer, YRoom


def store_of(kind: str, path: Path, name: str) -> Any:
    """The store of one document."""
    if kind == "ystore-file":
        return FileYStore(str(path / f"{name}.y"))
    return type("Store", (SQLiteYStore,), {"db_path": str(path)})(name)


class Server(WebsocketServer):
    def __init__(self, kind: str, path: Path) -> None:
        super().__init__(auto_clean_rooms=False)
        self._kind = kind
        self._path = path

    async def get_room(self, name: str) -> YRoom:
        if name not in self.rooms:
            self.rooms[name] = YRoom(ystore=store_of(self._kind, self._path, name.removeprefix("/")))
        return await super().get_room(name)


async def main(port: int, kind: str, path: Path) -> None:
    async with Server(kind, path) as server:
        app: Any = ASGIServer(server)
        await uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning")).serve()


if __name__ == "__main__":
    port, kind, path = sys.argv[1:]
    asyncio.run(main(int(port), kind, Path(path)))
