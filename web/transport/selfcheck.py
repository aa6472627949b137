"""Whether the installed uvicorn lets its sockets be detached, found out by doing it once without a network."""

import asyncio
import logging
import threading
from typing import Any

from web.transport.frames import encode_close, encode_frame
from web.transport.heart import Heart
from web.transport.ports import TransportLimits

_log = logging.getLogger(__name__)

_REQUEST = (
    b"GET /rehearsal HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: cmVoZWFyc2FsLTEyMzQ1Ng==\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
)
_SECONDS_MAX = 5.0


def uvicorn_options(limits: TransportLimits, *, header_timeout: float = 10.0) -> dict[str, Any]:
    """Arguments for `uvicorn.Config` that make it serve this transport.

    Rehearses a connection first. If that fails the reason is logged, and the arguments name uvicorn's own
    protocols: then `run_connection` serves over plain ASGI.
    """
    options: dict[str, Any] = {
        "ws": "websockets-sansio",
        "ws_per_message_deflate": False,
        "ws_max_size": limits.message_bytes_max,
        "ws_ping_interval": 15.0,
        "ws_ping_timeout": 25.0,
    }
    reason = check_uvicorn()
    if reason is not None:
        _log.warning("sockets cannot be detached from this uvicorn, serving over plain ASGI: %s", reason)
        return {**options, "http": "auto"}
    from web.transport.handshake import http_protocol

    return {**options, "http": http_protocol(header_timeout, limits)}


def check_uvicorn() -> str | None:
    """None if a connection can be detached from the installed uvicorn; otherwise why not, in one line.

    Takes a few milliseconds. Runs on an event loop of its own, so it may be called with or without a running one.
    """
    failure: list[str] = []

    def rehearse() -> None:
        try:
            asyncio.run(asyncio.wait_for(_rehearse(), _SECONDS_MAX))
        except Exception as error:
            failure.append(f"{type(error).__name__}: {error}")

    thread = threading.Thread(target=rehearse, name="uvicorn-check")
    thread.start()
    thread.join()
    return failure[0] if failure else None


class _Stage(asyncio.Transport):
    """A socket without a network: keeps what is written and which protocol reads."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.closing = False
        self.protocol: Any = None

    def write(self, data: Any) -> None:
        self.sent += bytes(data)

    def close(self) -> None:
        self.closing = True

    abort = close

    def is_closing(self) -> bool:
        return self.closing

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def get_protocol(self) -> Any:
        return self.protocol

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class _Listener:
    """The Receiver of the rehearsal."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.closings = 0

    def receive(self, message: bytes) -> None:
        self.messages.append(message)

    def writable(self, ready: bool) -> None:
        pass

    def closed(self) -> None:
        self.closings += 1


async def _rehearse() -> None:
    """One connection from its request to its end, with a first frame on the heels of the request.

    Raises:
        Exception: of any kind: something in uvicorn is not as expected.
    """
    from starlette.websockets import WebSocket
    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from web.transport.detached import DetachedConnection
    from web.transport.endpoint import run_connection
    from web.transport.handshake import http_protocol

    protocol = http_protocol(10.0, TransportLimits())
    listener = _Listener()
    heart = Heart()
    heart.start()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        websocket = WebSocket(scope, receive, send)
        await websocket.accept()
        await run_connection(websocket, lambda connection: listener, heart=heart, limits=TransportLimits())

    config = Config(
        application, http=protocol, ws="websockets-sansio", interface="asgi3", lifespan="off", log_config=None
    )
    config.load()
    state = ServerState()
    stage = _Stage()
    http = protocol(config, state, {}, asyncio.get_running_loop())
    stage.protocol = http
    http.connection_made(stage)
    http.data_received(_REQUEST + _masked(b"first"))
    while state.tasks:
        await asyncio.gather(*state.tasks)
        await asyncio.sleep(0)

    connection = stage.protocol
    _expect(isinstance(connection, DetachedConnection), "the socket was not detached")
    _expect(stage.sent.startswith(b"HTTP/1.1 101 "), "the handshake was not answered")
    _expect(b"permessage-deflate" not in stage.sent, "an extension was agreed on")
    _expect(not stage.closing, "the socket was closed behind the detached connection")
    _expect(state.connections == {connection}, "the server does not know the detached connection")
    _expect(listener.messages == [b"first"], "what followed the request was lost")
    connection.shutdown()
    _expect(stage.sent.endswith(encode_close(1012, "the server restarts")), "shutdown sent no close frame")
    connection.connection_lost(None)
    _expect(not state.connections and listener.closings == 1, "the end was not noticed")
    heart.stop()


def _masked(message: bytes) -> bytes:
    frame = encode_frame(message)
    return bytes((frame[0], frame[1] | 0x80)) + b"\0\0\0\0" + frame[2:]


def _expect(truth: bool, otherwise: str) -> None:
    if not truth:
        raise RuntimeError(otherwise)
