"""A TCP proxy between clients and a server, which delays, stalls, cuts, abandons and corrupts when told to."""

import asyncio
from contextlib import suppress
from random import Random
from types import TracebackType
from typing import Self


class _Link:
    """One client's connection and its counterpart to the server."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client = client
        self.server = server
        self.abandoned = False


class Proxy:
    """Listens on a port of its own. With nothing switched on it passes bytes on as they come."""

    def __init__(self, port: int, rng: Random) -> None:
        self._target = port
        self._rng = rng
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self.open = True
        """While false, new connections are cut at once."""
        self.delay_max = 0.0
        """Every chunk waits up to so many seconds."""
        self.corrupt = 0.0
        """Probability with which a chunk from a client has a byte changed."""
        self.corrupted = 0

    @property
    def ws_url(self) -> str:
        assert self._server is not None
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/ws"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        self._flowing.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Reset every connection, on both sides, abandoned ones included."""
        for link in list(self._links):
            link.client.transport.abort()
            link.server.transport.abort()
        self._links.clear()

    def abandon(self) -> None:
        """Reset every client; the server is not told, and goes on waiting for them (half-open connections)."""
        for link in self._links:
            link.abandoned = True
            link.client.transport.abort()

    def stall(self) -> None:
        """Pass nothing on, in either direction, until `flow`."""
        self._flowing.clear()

    def flow(self) -> None:
        """Pass everything on again, at once."""
        self.delay_max = 0.0
        self._flowing.set()

    async def _accept(self, client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if not self.open:
            client_out.transport.abort()
            return
        try:
            server_in, server_out = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            client_out.transport.abort()
            return
        link = _Link(client_out, server_out)
        self._links.add(link)
        up = asyncio.create_task(self._pass_on(client_in, server_out, corrupting=True))
        down = asyncio.create_task(self._pass_on(server_in, client_out, corrupting=False))
        try:
            await asyncio.wait([up, down], return_when=asyncio.FIRST_COMPLETED)
            if link.abandoned:
                await down  # until the server loses patience
        finally:
            up.cancel()
            down.cancel()
            self._links.discard(link)
            client_out.transport.abort()
            # The rest of what was written, a close frame above all, still goes out.
            server_out.close()

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, corrupting: bool) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                if self.delay_max:
                    await asyncio.sleep(self._rng.uniform(0, self.delay_max))
                await self._flowing.wait()
                if corrupting and self.corrupt and self._rng.random() < self.corrupt:
                    changed = bytearray(data)
                    changed[self._rng.randrange(len(changed))] ^= 1 << self._rng.randrange(8)
                    data = bytes(changed)
                    self.corrupted += 1
                if not target.is_closing():
                    target.write(data)
                    await target.drain()
            if not corrupting:
                # The server has closed in order: what it said last must reach the client before the end does.
                target.close()
                await target.wait_closed()
