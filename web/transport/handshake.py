"""uvicorn's two protocols, extended: a deadline for request headers, and a WebSocket handshake that lets go.

uvicorn and Starlette do what they do best: parse, route, authenticate, answer. Then the endpoint calls what it finds
in `scope["extensions"][EXTENSION]`, and the socket moves to a `DetachedConnection`; request, scope, task and queue
are garbage from there on. An endpoint that does not call it is served as by uvicorn alone.

The methods overridden here are not a public API: `selfcheck.check_uvicorn` rehearses a connection before they are
relied on.
"""

import asyncio
import sys
from typing import Any, ClassVar, Final

import httptools
from uvicorn._types import ASGIReceiveEvent
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.http11 import Request
from websockets.server import ServerProtocol

from web.transport.detached import DetachedConnection
from web.transport.heart import Heart
from web.transport.ports import EXTENSION, OpenReceiver, TransportLimits

_EARLY_BYTES_MAX: Final = 64 * 1024
"""What a client may send before its handshake is answered; then its socket is not read."""


class HttpProtocol(HttpToolsProtocol):
    """Closes a connection that takes too long over its request headers, and keeps what follows an upgrade request
    in the same segment."""

    header_timeout: ClassVar[float] = 10.0
    """Seconds from the first byte of a request (the first: from the accepted connection) to its last header."""

    _deadline: asyncio.TimerHandle | None = None
    _segment: bytes = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_deadline()

    def data_received(self, data: bytes) -> None:
        if self._deadline is None and (self.cycle is None or self.cycle.response_complete):
            self._start_deadline()
        self._segment = data
        super().data_received(data)
        self._segment = b""

    def on_headers_complete(self) -> None:
        self._stop_deadline()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_deadline()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        # Called while the parser's "upgrade" is handled; it says how much of the segment was the request.
        upgrade = sys.exception()
        rest = self._segment[upgrade.args[0] :] if isinstance(upgrade, httptools.HttpParserUpgrade) else b""
        super().handle_websocket_upgrade()
        # The parser holds this object's methods; nothing else would part them before the collector runs.
        self.parser = None  # type: ignore[assignment]
        if rest:
            self.transport.get_protocol().data_received(rest)  # type: ignore[attr-defined]

    def _start_deadline(self) -> None:
        self._deadline = self.loop.call_later(self.header_timeout, self.transport.close)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def http_protocol(header_timeout: float) -> type[HttpProtocol]:
    """`HttpProtocol` with its deadline set: uvicorn creates the instances, so a class carries the setting."""
    return type("HttpProtocol", (HttpProtocol,), {"header_timeout": header_timeout})


class _NoTransport(asyncio.Transport):
    """What uvicorn's half of a detached connection holds instead of the socket."""

    def is_closing(self) -> bool:
        return True

    def close(self) -> None:
        pass

    def write(self, data: object) -> None:
        pass

    def resume_reading(self) -> None:
        pass


_NO_TRANSPORT: Final = _NoTransport()


class HandshakeProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol up to the accepted handshake; from there on, unless detached, as well.

    Until the endpoint either detaches or receives, nothing behind the request is parsed: those bytes belong to
    whoever reads the connection afterwards.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        if config.ws_per_message_deflate:
            # A detached connection knows no extensions, so none may be agreed on.
            self.conn = ServerProtocol(max_size=config.ws_max_size, logger=self.logger)
        self._early: list[bytes] = []
        self._early_bytes = 0
        self._undecided = True

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            self.scope["extensions"][EXTENSION] = self.detach  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if not (self._undecided and self.handshake_initiated):
            super().data_received(data)
            return
        self._early.append(data)
        self._early_bytes += len(data)
        if self._early_bytes > _EARLY_BYTES_MAX:
            self.transport.pause_reading()

    def start_keepalive(self) -> None:
        if not self._undecided:
            super().start_keepalive()

    async def receive(self) -> ASGIReceiveEvent:
        if self._undecided and self.handshake_complete and not self.close_sent and not self.disconnected:
            self._stay()
        return await super().receive()

    def _stay(self) -> None:
        """The endpoint reads for itself: this connection remains uvicorn's."""
        self._undecided = False
        self.start_keepalive()
        early, self._early = self._early, []
        for data in early:
            super().data_received(data)
        if self._early_bytes > _EARLY_BYTES_MAX and not self.read_paused:
            self.transport.resume_reading()

    def detach(self, open_receiver: OpenReceiver, heart: Heart, limits: TransportLimits, keep_alive: bytes) -> None:
        """Move the accepted socket to a `DetachedConnection`. The endpoint should return afterwards."""
        connection = DetachedConnection(self.transport, self.connections, heart, limits, keep_alive)
        if self.disconnected or not self.handshake_complete or self.transport.is_closing():
            connection.refuse(open_receiver)
            return
        early = b"".join(self._early)
        self._let_go()
        connection.open(open_receiver, early)

    def _let_go(self) -> None:
        """Leave this object nothing but what its ASGI task may still ask of it before it ends."""
        self.connections.discard(self)
        self.transport = _NO_TRANSPORT
        self.disconnected = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": 1005})
        self._early.clear()
        self._undecided = False
        del self.scope["extensions"][EXTENSION]
