"""What the tests of the transport share: a uvicorn in a thread, receivers that remember, and a client made of bytes."""

import asyncio
import base64
import concurrent.futures
import contextlib
import itertools
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from collab.ports import Connection
from tests.support import eventually
from web.transport import Heart, TransportLimits, encode_frame, run_connection, tune, uvicorn_options
from web.transport.frames import BINARY, CLOSE, FINAL, MASKED

DETACHED = ("detached", "detached-asyncio")
TRANSPORTS = (*DETACHED, "asgi")
"""The bare socket on uvloop and on asyncio's own loop, and plain ASGI under uvicorn's stock protocol."""

SECONDS = 10.0
"""How long anything that must happen may take."""

T = TypeVar("T")


class Recorder:
    """A Receiver that remembers what it was told. Lives on the server's loop; look at it from anywhere."""

    def __init__(self, connection: Connection, on_message: Callable[["Recorder", bytes], None] | None) -> None:
        self.connection = connection
        self.messages: list[bytes] = []
        self.flow: list[bool] = []
        self.closings = 0
        self._on_message = on_message

    def receive(self, message: bytes) -> None:
        assert type(message) is bytes
        assert self.closings == 0, "a message after the end"
        self.messages.append(message)
        if self._on_message is not None:
            self._on_message(self, message)

    def writable(self, ready: bool) -> None:
        self.flow.append(ready)

    def closed(self) -> None:
        self.closings += 1


class TextRecorder(Recorder):
    """One that takes text as well, and answers it."""

    def receive_text(self, message: str) -> None:
        self.connection.write(encode_frame(message.encode(), opcode=1))


def echo(recorder: Recorder, message: bytes) -> None:
    recorder.connection.write(encode_frame(message))


@dataclass
class Endpoint:
    """One path of the server with its own limits and receivers."""

    path: str
    limits: TransportLimits
    heart: Heart
    keep_alive: bytes
    on_message: Callable[[Recorder, bytes], None] | None
    on_open: Callable[[Recorder], None] | None
    recorder: type[Recorder]
    gate: asyncio.Event
    """The handshake is answered once this is set; set it with `TransportServer.call`."""
    waiting: threading.Event = field(default_factory=threading.Event)
    """A request has reached the endpoint."""
    recorders: list[Recorder] = field(default_factory=list)
    opened: int = 0

    def open(self, connection: Connection) -> Recorder:
        self.opened += 1
        opened = self.recorder(connection, self.on_message)
        self.recorders.append(opened)
        if self.on_open is not None:
            self.on_open(opened)
        return opened

    @property
    def only(self) -> Recorder:
        (recorder,) = self.recorders
        return recorder


class TransportServer:
    """uvicorn on a free port, in a thread, on an event loop of its own."""

    def __init__(self, transport: str = "detached", *, header_timeout: float = 10.0) -> None:
        self.transport = transport
        self.detached = transport in DETACHED
        self._header_timeout = header_timeout
        self._endpoints: dict[str, Endpoint] = {}
        self._names = itertools.count()
        self._ready: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._run, name="transport-server")
        self.heart = Heart()
        self.extra_hearts: list[Heart] = []

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.result(SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Shut down as uvicorn does, and wait for it."""
        self.uvicorn.should_exit = True
        self._thread.join(SECONDS)
        assert not self._thread.is_alive(), "the server did not stop"

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Run a plain function on the server's loop."""

        async def run() -> T:
            return function(*arguments)

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(SECONDS)

    def endpoint(
        self,
        *,
        on_message: Callable[[Recorder, bytes], None] | None = None,
        on_open: Callable[[Recorder], None] | None = None,
        keep_alive: bytes = b"",
        heart: Heart | None = None,
        recorder: type[Recorder] = Recorder,
        gated: bool = False,
        **limits: Any,
    ) -> Endpoint:
        gate = asyncio.Event()
        if not gated:
            gate.set()  # nobody waits yet, so any thread may
        if heart is not None:
            self.extra_hearts.append(heart)
            self.call(heart.start)
        made = Endpoint(
            path=f"/{next(self._names)}",
            limits=TransportLimits(**limits),
            heart=heart if heart is not None else self.heart,
            keep_alive=keep_alive,
            on_message=on_message,
            on_open=on_open,
            recorder=recorder,
            gate=gate,
        )
        self._endpoints[made.path] = made
        return made

    def _run(self) -> None:
        loop_factory = asyncio.new_event_loop if self.transport == "detached-asyncio" else uvloop.new_event_loop
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            try:
                runner.run(self._serve())
            except BaseException as error:
                if self._ready.done():
                    raise
                self._ready.set_exception(error)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        options: dict[str, Any] = {
            "ws": "websockets-sansio",
            "ws_per_message_deflate": False,
            "ws_max_size": TransportLimits().message_bytes_max,
        }
        if self.detached:
            options = uvicorn_options(TransportLimits(), header_timeout=self._header_timeout)
            assert options["http"] != "auto", "uvicorn did not pass the check"
        config = uvicorn.Config(self._application(), log_config=None, lifespan="on", **options)
        self.uvicorn = uvicorn.Server(config)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            tune(listener)
            self.port: int = listener.getsockname()[1]
            await self.uvicorn.serve([listener])

    def _application(self) -> Starlette:
        @contextlib.asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            self.heart.start()
            self._ready.set_result(None)
            yield
            for heart in (self.heart, *self.extra_hearts):
                heart.stop()

        return Starlette(
            routes=[
                Route("/slow", self._slow, methods=["GET", "POST"]),
                WebSocketRoute("/plain", self._plain),
                WebSocketRoute("/refused", self._refused),
                WebSocketRoute("/explained", self._explained),
                WebSocketRoute("/failing", self._failing),
                WebSocketRoute("/spoken", self._spoken),
                WebSocketRoute("/{name}", self._connect),
            ],
            lifespan=lifespan,
        )

    async def _connect(self, websocket: WebSocket) -> None:
        endpoint = self._endpoints[websocket.url.path]
        endpoint.waiting.set()
        await endpoint.gate.wait()
        await websocket.accept()
        await run_connection(
            websocket,
            endpoint.open,
            heart=endpoint.heart,
            limits=endpoint.limits,
            keep_alive=endpoint.keep_alive,
        )

    async def _plain(self, websocket: WebSocket) -> None:
        """An endpoint that knows nothing of this transport."""
        await websocket.accept()
        async for message in websocket.iter_bytes():
            await websocket.send_bytes(message)

    async def _refused(self, websocket: WebSocket) -> None:
        await websocket.close()

    async def _explained(self, websocket: WebSocket) -> None:
        await websocket.send_denial_response(PlainTextResponse("short and stout", 418))

    async def _failing(self, websocket: WebSocket) -> None:
        raise KeyError("on purpose")

    async def _spoken(self, websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text((await websocket.receive_text()).upper())
        await websocket.close(4000, "said enough")

    async def _slow(self, request: Request) -> PlainTextResponse:
        """Answers only after `header_timeout` has passed."""
        body = await request.body()
        await asyncio.sleep(self._header_timeout * 1.5)
        return PlainTextResponse(f"{len(body)} bytes")


def client_frame(
    payload: bytes = b"", opcode: int = BINARY, *, final: bool = True, masked: bool = True, reserved: int = 0
) -> bytes:
    """A frame as a client sends it, or as it must not."""
    frame = encode_frame(payload, opcode)
    first = (frame[0] if final else frame[0] & ~FINAL) | reserved
    if not masked:
        return bytes((first,)) + frame[1:]
    head = len(frame) - len(payload)
    key = os.urandom(4)
    body = bytes(byte ^ key[index & 3] for index, byte in enumerate(payload)) if len(payload) < 4096 else None
    if body is None:
        key, body = bytes(4), payload
    return bytes((first, frame[1] | MASKED)) + frame[2:head] + key + body


def close_frame(code: int, reason: bytes = b"") -> bytes:
    return client_frame(code.to_bytes(2, "big") + reason, CLOSE)


def upgrade_request(path: str, *headers: str) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    lines = (
        f"GET {path} HTTP/1.1",
        "Host: localhost",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
        *headers,
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Peer:
    """A client that does nothing on its own: no pong, no close."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.response = b""

    @classmethod
    async def dial(cls, server: TransportServer) -> Self:
        """A TCP connection, nothing sent yet."""
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1 << 26)
        return cls(reader, writer)

    @classmethod
    async def connect(cls, server: TransportServer, endpoint: Endpoint, *headers: str) -> Self:
        """An accepted WebSocket whose receiver is open, or has failed to."""
        before = endpoint.opened
        peer = await cls.dial(server)
        await peer.send(upgrade_request(endpoint.path, *headers))
        await peer.accepted()
        await eventually(lambda: endpoint.opened > before, "the receiver is opened", every=0.001)
        return peer

    async def accepted(self) -> None:
        async with asyncio.timeout(SECONDS):
            self.response = await self.reader.readuntil(b"\r\n\r\n")
        assert self.response.startswith(b"HTTP/1.1 101 "), self.response

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def receive(self) -> tuple[int, bytes]:
        """Opcode and payload of the next frame, which must be final and unmasked."""
        async with asyncio.timeout(SECONDS):
            first, length = await self.reader.readexactly(2)
            assert first & FINAL
            assert not first & 0x70
            if length > 125:
                length = int.from_bytes(await self.reader.readexactly(2 if length == 126 else 8), "big")
            return first & 0x0F, await self.reader.readexactly(length)

    async def closing(self) -> tuple[int | None, str]:
        """Read up to the close frame; its code and reason."""
        while True:
            opcode, payload = await self.receive()
            if opcode == CLOSE:
                return (int.from_bytes(payload[:2], "big") if payload else None), payload[2:].decode()

    async def ended(self) -> bytes:
        """Wait until the server has hung up; what came before that."""
        async with asyncio.timeout(SECONDS):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    async def leave(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    def reset(self) -> None:
        """Vanish: the server gets a TCP reset."""
        linger_none = (1).to_bytes(4, "little") + bytes(4)
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_none)
        self.writer.transport.abort()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leave()
