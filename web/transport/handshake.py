"""The beginning of every connection: uvicorn's HTTP protocol with a deadline for request headers, and a WebSocket
handshake that lets go of its socket.

uvicorn parses the request, Starlette routes, authenticates and answers. Then the endpoint calls what it finds in
`scope["extensions"][EXTENSION]`, and the socket moves to a `DetachedConnection`; request, scope, task and queue are
garbage from there on. An endpoint that does not call it but reads and writes is served through `plain.PlainSocket`.

The handshake is done here, on the headers that uvicorn has parsed: its own WebSocket protocols write the request down
again for a second parser, which takes as long as everything else together.

The methods overridden here are not a public API: `selfcheck.check_uvicorn` rehearses a connection before they are
relied on.
"""

import asyncio
import base64
import binascii
import hashlib
import json
import logging
import sys
from http import HTTPStatus
from typing import Any, ClassVar, Final, cast
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected

from web.transport.detached import DetachedConnection
from web.transport.heart import Heart
from web.transport.plain import PlainSocket
from web.transport.ports import EXTENSION, OpenReceiver, TransportLimits

_log = logging.getLogger(__name__)

_EARLY_BYTES_MAX: Final = 64 * 1024
"""What a client may send before its handshake is answered; then its socket is not read."""
_ACCEPT_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_BYTES: Final = 16


class Deadlines:
    """Closes connections that take too long over their request headers.

    All get the same time, so they are due in the order in which they began, and one timer does for all: one for each
    would be a twentieth of what a handshake costs.
    """

    def __init__(self, seconds: float) -> None:
        """
        Args:
            seconds: from the first byte of a request (the first: from the accepted connection) to its last header.
        """
        self.seconds = seconds
        self._due: dict[HttpProtocol, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def start(self, http: "HttpProtocol") -> None:
        self._due[http] = http.loop.time() + self.seconds
        if self._timer is None:
            self._timer = http.loop.call_later(self.seconds, self._close_late, http.loop)

    def stop(self, http: "HttpProtocol") -> None:
        self._due.pop(http, None)

    def __contains__(self, http: "HttpProtocol") -> bool:
        return http in self._due

    def _close_late(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        while self._due:
            http, due = next(iter(self._due.items()))
            if due > now:
                self._timer = loop.call_later(due - now, self._close_late, loop)
                break
            del self._due[http]
            http.transport.close()


class HttpProtocol(HttpToolsProtocol):
    """Closes a connection that takes too long over its request headers, and answers WebSocket handshakes itself."""

    deadlines: ClassVar[Deadlines]
    limits: ClassVar[TransportLimits] = TransportLimits()
    """For endpoints that do not detach their socket."""

    _segment: bytes = b""
    _upgrades: bool | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # As uvicorn does it, but asking the kernel once for each address: this is a tenth of what a handshake costs.
        self.connections.add(self)
        self.transport = transport
        self.flow = FlowControl(transport)
        self.server = _address(transport, "sockname")
        self.client = cast(tuple[str, int] | None, _address(transport, "peername"))
        self.scheme = "https" if transport.get_extra_info("sslcontext") else "http"
        self.deadlines.start(self)

    def data_received(self, data: bytes) -> None:
        if (self.cycle is None or self.cycle.response_complete) and self not in self.deadlines:
            self.deadlines.start(self)
        self._segment = data
        super().data_received(data)
        self._segment = b""

    def on_headers_complete(self) -> None:
        self.deadlines.stop(self)
        super().on_headers_complete()

    def on_message_begin(self) -> None:
        self._upgrades = None
        super().on_message_begin()

    def _should_upgrade(self) -> bool:
        # Asked three times of each request.
        if self._upgrades is None:
            self._upgrades = super()._should_upgrade()
        return self._upgrades

    def connection_lost(self, exc: Exception | None) -> None:
        self.deadlines.stop(self)
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        # Called while the parser's "upgrade" is handled; it says how much of the segment was the request.
        upgrade = sys.exception()
        early = self._segment[upgrade.args[0] :] if isinstance(upgrade, httptools.HttpParserUpgrade) else b""
        self.connections.discard(self)
        try:
            scope, accept = read_handshake(self)
        except HandshakeError as refusal:
            self.transport.write(refusal.response())
            self.transport.close()
        else:
            handshake = Handshake(self.transport, self.connections, scope, accept, early, self.limits)
            self.connections.add(handshake)  # type: ignore[arg-type]
            self.transport.set_protocol(handshake)
            self._start_asgi_task(handshake, self.app)  # type: ignore[arg-type]
        # The parser holds this object's methods; nothing else would part them before the collector runs.
        self.parser = None  # type: ignore[assignment]


def _address(transport: asyncio.Transport, which: str) -> tuple[str, int | None] | None:
    try:
        address = transport.get_extra_info(which)
    except OSError:  # the peer is gone already
        return None
    if isinstance(address, tuple):
        return address[0], address[1]
    return (address, None) if isinstance(address, str) and address else None


def http_protocol(header_timeout: float, limits: TransportLimits) -> type[HttpProtocol]:
    """`HttpProtocol` with its settings: uvicorn creates the instances, so a class carries them."""
    return type("HttpProtocol", (HttpProtocol,), {"deadlines": Deadlines(header_timeout), "limits": limits})


class HandshakeError(Exception):
    """A request that asks for a WebSocket in a wrong way."""

    def __init__(self, status: HTTPStatus, detail: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(detail)
        self._status = status
        self._headers = headers

    def response(self) -> bytes:
        return problem_response(self._status, str(self), *self._headers)


def read_handshake(http: HttpToolsProtocol) -> tuple[dict[str, Any], bytes]:
    """The ASGI scope of a WebSocket request, and what `Sec-WebSocket-Accept` has to say (RFC 6455 section 4.2).

    Raises:
        HandshakeError: 400, 405, 426 or 505.
    """
    request = http.scope
    if request["method"] != "GET":
        raise HandshakeError(HTTPStatus.METHOD_NOT_ALLOWED, "a WebSocket begins with GET", (b"allow", b"GET"))
    if request["http_version"] != "1.1":
        raise HandshakeError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "a WebSocket begins with HTTP/1.1")
    keys, versions, subprotocols = [], [], []
    for name, value in http.headers:
        if name == b"sec-websocket-key":
            keys.append(value)
        elif name == b"sec-websocket-version":
            versions.append(value)
        elif name == b"sec-websocket-protocol":
            subprotocols += [token.strip() for token in value.decode("latin-1").split(",")]
        elif name in (b"content-length", b"transfer-encoding") and value != b"0":
            raise HandshakeError(HTTPStatus.BAD_REQUEST, "a WebSocket request has no body")
    if versions != [b"13"]:
        raise HandshakeError(
            HTTPStatus.UPGRADE_REQUIRED,
            "this server speaks version 13 of the WebSocket protocol",
            (b"upgrade", b"websocket"),
            (b"sec-websocket-version", b"13"),
        )
    if len(keys) != 1 or not _is_key(keys[0]):
        raise HandshakeError(HTTPStatus.BAD_REQUEST, "a WebSocket request has one Sec-WebSocket-Key of 16 bytes")
    raw_path, _, query = http.url.partition(b"?")
    try:
        path = raw_path.decode("ascii")
    except UnicodeDecodeError:
        raise HandshakeError(HTTPStatus.BAD_REQUEST, "an address is ASCII") from None
    scope: dict[str, Any] = {
        "type": "websocket",
        "asgi": request["asgi"] | {"spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "wss" if request["scheme"] == "https" else "ws",
        "server": request["server"],
        "client": request["client"],
        "root_path": request["root_path"],
        "path": request["root_path"] + (unquote(path) if "%" in path else path),
        "raw_path": request["root_path"].encode("ascii") + raw_path,
        "query_string": query,
        "headers": http.headers,
        "subprotocols": subprotocols,
        "state": request["state"],
        "extensions": {"websocket.http.response": {}},
    }
    return scope, base64.b64encode(hashlib.sha1(keys[0] + _ACCEPT_GUID, usedforsecurity=False).digest())


def _is_key(key: bytes) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == _KEY_BYTES
    except binascii.Error:
        return False


def http_response(status: int, headers: tuple[tuple[bytes, bytes], ...], body: bytes) -> bytes:
    """A whole response, after which the connection is closed."""
    lines = [b"HTTP/1.1 %d %s" % (status, _phrase(status)), b"content-length: %d" % len(body), b"connection: close"]
    lines += [name + b": " + value for name, value in headers if name != b"content-length"]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def problem_response(status: HTTPStatus, detail: str, *headers: tuple[bytes, bytes]) -> bytes:
    """The same for an error (RFC 9457), where there is no ASGI application to answer."""
    problem = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    return http_response(
        status, ((b"content-type", b"application/problem+json"), *headers), json.dumps(problem).encode()
    )


def _phrase(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b""


class Handshake(asyncio.Protocol):
    """One WebSocket request, from its headers to its answer: the ASGI side, and the socket until it moves on.

    Nothing behind the request is parsed here: those bytes belong to whoever reads the connection afterwards.
    """

    __slots__ = (
        "_accept",
        "_accepted",
        "_answered",
        "_asked",
        "_connections",
        "_early",
        "_early_bytes",
        "_gone",
        "_limits",
        "_lost",
        "_plain",
        "_response",
        "_scope",
        "_transport",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        connections: set[Any],
        scope: dict[str, Any],
        accept: bytes,
        early: bytes,
        limits: TransportLimits,
    ) -> None:
        self._transport: asyncio.Transport | None = transport
        self._connections = connections
        self._scope = scope
        self._accept = accept
        self._limits = limits
        self._early = [early] if early else []
        self._early_bytes = len(early)
        self._asked = False
        """The application was given `websocket.connect`."""
        self._accepted: bytes | None = None
        """The answer that accepts, until it is sent."""
        self._answered = False
        """The application has answered, whatever it said."""
        self._response: tuple[int, list[tuple[bytes, bytes]], list[bytes]] | None = None
        """A refusal whose body is still coming."""
        self._gone: asyncio.Future[None] | None = None
        """Done when the client has left; made when the application waits for that."""
        self._lost = False
        self._plain: PlainSocket | None = None
        scope["extensions"][EXTENSION] = self.detach

    # asyncio.Protocol

    def data_received(self, data: bytes) -> None:
        self._early.append(data)
        self._early_bytes += len(data)
        if self._early_bytes > _EARLY_BYTES_MAX and self._transport is not None:
            self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._connections.discard(self)
        self._early.clear()
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    # uvicorn's register of connections

    def shutdown(self) -> None:
        """The server stops before the application has answered."""
        if not self._answered:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)

    # ASGI

    async def run_asgi(self, app: Any) -> None:
        failed = False
        try:
            await app(self._scope, self.receive, self.send)
        except ClientDisconnected:
            pass
        except BaseException:
            failed = True
            _log.exception("a WebSocket endpoint failed")
        if not self._answered:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR)
        elif self._plain is not None:
            self._plain.finish(1011 if failed else 1000, "internal error" if failed else "")
        elif self._transport is not None:
            self._send_accepted()
            self._close()

    async def receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "websocket.connect"}
        if self._plain is None and self._answered and self._response is None and self._transport is not None:
            self._stay()
        if self._plain is not None:
            return await self._plain.next_event()
        if self._transport is not None and not self._lost:
            if self._gone is None:
                self._gone = asyncio.get_running_loop().create_future()
            await self._gone
        return {"type": "websocket.disconnect", "code": 1005 if self._answered else 1006}

    async def send(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if self._plain is not None:
            await self._plain.send(message)
        elif self._transport is None or self._lost:
            raise ClientDisconnected
        elif self._answered and self._response is None:
            await self._stay().send(message)
        elif kind == "websocket.accept" and not self._answered:
            self._answered = True
            self._accepted = self._accepting(message.get("subprotocol"), message.get("headers", ()))
            # A socket that is detached at once sends its first messages along with this.
            asyncio.get_running_loop().call_soon(self._send_accepted)
        elif kind == "websocket.close" and not self._answered:
            self._refuse(HTTPStatus.FORBIDDEN)
        elif kind == "websocket.http.response.start" and not self._answered:
            self._answered = True
            self._response = (message["status"], list(message.get("headers", ())), [])
        elif kind == "websocket.http.response.body" and self._response is not None:
            status, headers, body = self._response
            body.append(message.get("body", b""))
            if not message.get("more_body", False):
                self._transport.write(http_response(status, tuple(headers), b"".join(body)))
                self._close()
        else:
            raise RuntimeError(f"{kind!r} is not what can be sent now")

    def _accepting(self, subprotocol: str | None, headers: Any) -> bytes:
        lines = [
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: "
            + self._accept
        ]
        if subprotocol:
            lines.append(b"sec-websocket-protocol: " + subprotocol.encode("latin-1"))
        lines += [name + b": " + value for name, value in headers]
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def _send_accepted(self) -> None:
        if self._accepted is not None and self._transport is not None:
            self._transport.write(self._accepted)
        self._accepted = None

    def _refuse(self, status: HTTPStatus) -> None:
        self._answered = True
        if self._transport is not None:
            self._transport.write(http_response(status, (), b""))
            self._close()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            self._let_go()

    def _let_go(self) -> None:
        """The socket is no longer this object's; leave it nothing but what its task may still ask of it."""
        self._connections.discard(self)
        self._transport = None
        self._early.clear()
        self._scope["extensions"].pop(EXTENSION, None)

    # what becomes of an accepted socket

    def detach(self, open_receiver: OpenReceiver, heart: Heart, limits: TransportLimits, keep_alive: bytes) -> None:
        """Move the accepted socket to a `DetachedConnection`. The endpoint should return afterwards."""
        assert self._transport is not None, "only an accepted socket can be detached, and once"
        connection = DetachedConnection(self._transport, self._connections, heart, limits, keep_alive)
        early, lost = b"".join(self._early), self._lost or self._transport.is_closing()
        answer, self._accepted = self._accepted or b"", None
        self._let_go()
        if lost:
            connection.refuse(open_receiver)
        else:
            connection.open(open_receiver, early, answer)

    def _stay(self) -> PlainSocket:
        """The endpoint reads and writes for itself."""
        assert self._transport is not None
        plain = self._plain = PlainSocket(self._transport)
        self.detach(plain.open, plain.heart, self._limits, b"")
        return plain
