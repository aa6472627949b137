"""Backends and networks that fail when a test says so."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self, TypeVar

from sqlalchemy import Connection
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from storage.transactions import Backend

T = TypeVar("T")


def lost_connection() -> DBAPIError:
    """What SQLAlchemy raises when a connection breaks."""
    broken = Exception("connection was closed in the middle of operation")
    return DBAPIError("COMMIT", None, broken, connection_invalidated=True)


class FaultyBackend:
    """Passes on to a real backend, except that the next writes fail as `faults` says, in order.

    "before": the connection breaks before COMMIT arrives. "after": it breaks before the answer arrives.
    "held": it waits for `go_on`. "silent": no answer comes. "down": no connection can be made. "": all goes well.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.faults: list[str] = []
        self.silence = asyncio.Event()
        """Set when a transaction was committed of which no answer will come."""
        self.holding = asyncio.Event()
        """Set when a transaction waits for `go_on`."""
        self.go_on = asyncio.Event()

    async def read(self, work: Callable[[Connection], T]) -> T:
        return await self._backend.read(work)

    async def wipe(self) -> None:
        await self._backend.wipe()

    async def write(self, work: Callable[[Connection], T]) -> T:
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "down":
            raise ConnectionRefusedError(111, "Connect call failed")

        if fault == "held":
            self.holding.set()
            await self.go_on.wait()

        def broken(connection: Connection) -> T:
            work(connection)
            raise lost_connection()

        result = await self._backend.write(broken if fault == "before" else work)
        if fault == "after":
            raise lost_connection()
        if fault == "silent":
            self.silence.set()
            await asyncio.Event().wait()
        return result

    async def close(self) -> None:
        await self._backend.close()


class CuttingProxy:
    """Between a client and PostgreSQL. Cuts a connection at COMMIT: "before" the server gets it, or "after" the server
    has answered and before the client hears of it.
    """

    def __init__(self, url: str) -> None:
        self._target = make_url(url)
        self._sockets: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.cuts: list[str] = []
        """What happens to the next COMMITs; those after them pass."""
        self.open = True
        """While false, new connections are closed at once."""

    @property
    def url(self) -> str:
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return self._target.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self.cut_all()
        await self._server.wait_closed()

    async def cut_all(self) -> None:
        while self._sockets:
            await self._close(self._sockets.pop())

    async def _serve(self, client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter) -> None:
        self._sockets.add(client_out)
        if not self.open:
            return await self._close(client_out)
        server_in, server_out = await asyncio.open_connection(self._target.host, self._target.port or 5432)
        self._sockets.add(server_out)
        answers = asyncio.create_task(self._pass_on(server_in, client_out))
        try:
            while data := await client_in.read(65536):
                cut = self.cuts.pop(0) if b"COMMIT" in data and self.cuts else ""
                if cut == "after":
                    answers.cancel()
                    await asyncio.wait([answers])
                    server_out.write(data)
                    await server_in.read(65536)
                if cut:
                    break
                server_out.write(data)
        except OSError:
            pass
        answers.cancel()
        await asyncio.wait([answers])
        await self._close(client_out)
        await self._close(server_out)

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                target.write(data)
        except OSError:
            pass
        target.close()

    async def _close(self, socket: asyncio.StreamWriter) -> None:
        self._sockets.discard(socket)
        socket.close()
        with suppress(OSError):
            await socket.wait_closed()
