"""uvicorn, set up for Coscribe: what a request's head may cost, how the server says that it is ready, and how it ends.

Ending is in this order, so that no client is told goodbye before its edits are stored: take nothing new, commit what
is in memory and acknowledge it, close the sockets, close the database.
"""

import asyncio
import contextlib
import errno
import gc
import signal
import socket
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import ClassVar, cast

import structlog
import uvicorn
from starlette.applications import Starlette
from uvicorn.server import HANDLED_SIGNALS

from collab.hub import Hub
from storage.engine import Database
from web.app import create_app
from web.settings import Settings
from web.state import State, transport_limits
from web.transport import tune, uvicorn_options
from web.transport.handshake import HttpProtocol, problem_response

log = structlog.get_logger(__name__)

_BACKLOG = 2048
_CLOSING_SECONDS = 3
"""Requests and closing handshakes that are still going on get this long before they are cut."""
_OBJECTS_BETWEEN_COLLECTIONS = 10_000
_NO_SUCH_ADDRESS = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


class NotEverythingSaved(Exception):
    """The server has ended, and edits that it had accepted (though not acknowledged) are not in the database."""


class LimitedHttpProtocol(HttpProtocol):
    """Refuses a request whose head is too large before it takes more memory than it may."""

    header_bytes_max: ClassVar[int]

    _in_head = False
    _begun_in_segment = False
    _head_bytes = 0
    _too_large = False

    def data_received(self, data: bytes) -> None:
        self._begun_in_segment = False
        super().data_received(data)
        # The first segment may hold other things too; `on_headers_complete` counts what of it is head.
        if self._in_head and not self._begun_in_segment:
            self._head_bytes += len(data)
            if self._head_bytes > self.header_bytes_max and not self.transport.is_closing():
                self._too_large = True
                self.send_400_response("")

    def on_message_begin(self) -> None:
        self._in_head = self._begun_in_segment = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._head_bytes + len(self._segment) > self.header_bytes_max:  # There may be more in it than the head.
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > self.header_bytes_max:
                self._too_large = True
                raise ValueError("the head of the request is too large")  # ends in send_400_response
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if self._too_large else HTTPStatus.BAD_REQUEST
        detail = "the head of the request is too large" if self._too_large else "this is not valid HTTP"
        self.transport.write(problem_response(status, detail))
        self.transport.close()


class Server(uvicorn.Server):
    """Calls `on_ready` when it answers; ends on SIGINT and SIGTERM without passing the signal on."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    @property
    def state(self) -> State:
        """What the application set up. Only after start-up."""
        return cast(State, self.lifespan.state)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn raises the signal again when it is done; the process would end by it instead of with code 0.
        previous = {number: signal.signal(number, self.handle_exit) for number in HANDLED_SIGNALS}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # What exists now stays until the end: the collector need not look at it again, nor for every 700 new objects.
        gc.freeze()
        gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
        gc.enable()
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        log.info("stopping")
        # The other half is for a commit that is still under way then, and for closing handshakes.
        await self.state["hub"].close(self.state["settings"].shutdown_seconds / 2)
        await super().shutdown(sockets)


async def serve(
    settings: Settings,
    database: Database,
    sockets: list[socket.socket],
    on_ready: Callable[[], None],
    *,
    operator_key: str | None = None,
) -> None:
    """Serve until a signal comes or nothing can be saved any more. The sockets are closed, the database is not.

    Raises:
        NotEverythingSaved.
    """
    server: Server

    def on_failure(error: BaseException) -> None:
        log.critical("nothing can be saved any more", error=str(error))
        server.should_exit = True

    app = create_app(settings, database=database, on_failure=on_failure, operator_key=operator_key)
    server = Server(_config(settings, app), on_ready)
    await server.serve(sockets)
    _check_everything_saved(server.state["hub"])
    log.info("stopped")


def _check_everything_saved(hub: Hub) -> None:
    if hub.failure is not None:
        raise NotEverythingSaved(f"the server ended because it could not save any more: {hub.failure}")
    if hub.stats.unsaved_bytes:
        raise NotEverythingSaved(f"the database did not take the last {hub.stats.unsaved_bytes} bytes of edits in time")


def _config(settings: Settings, app: Starlette) -> uvicorn.Config:
    options = uvicorn_options(transport_limits(settings), header_timeout=settings.header_seconds)
    if isinstance(options["http"], type):
        limits = {"header_bytes_max": settings.header_bytes_max}
        options["http"] = type("HttpProtocol", (LimitedHttpProtocol, options["http"]), limits)
    return uvicorn.Config(
        app,
        lifespan="on",
        # web.logs has set up logging; uvicorn would print URLs with their query strings, which may hold tokens.
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_graceful_shutdown=_CLOSING_SECONDS,
        **options,
    )


def new_event_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen on every address of `host`; port 0 takes the same free port on all of them.

    Raises:
        OSError: the port is taken, the name unknown, or there is no such address on this machine.
    """
    sockets: list[socket.socket] = []
    error: OSError | None = None
    for family, _, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE):
        try:
            opened = socket.create_server((address[0], port, *address[2:]), family=family, backlog=_BACKLOG)
            tune(opened)
        except OSError as failure:
            error = failure
            if failure.errno not in _NO_SUCH_ADDRESS:
                break
        else:
            sockets.append(opened)
            port = opened.getsockname()[1]
    else:
        if sockets:
            return sockets
    for opened in sockets:
        opened.close()
    raise error or OSError(errno.EADDRNOTAVAIL, "the name has no address")


def url_of(host: str, sockets: list[socket.socket]) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{sockets[0].getsockname()[1]}"
