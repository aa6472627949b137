"""Connections whose messages take their time: in order on one connection, in any order between two.

A connection can be cut (both ends learn of it, each at its own time), or abandoned: the client is gone, and the server
learns of it only when it asks, or much later. A client may be slow to read.
"""

import asyncio
import itertools
from collections.abc import Callable
from random import Random
from typing import Protocol

from collab.session import Session

_LATENCY_MAX = 0.03
_ABANDONED_SECONDS = 40.0
"""The transport gives a silent connection up after this long."""


class Endpoint(Protocol):
    """The client's side of a connection."""

    def received(self, link: "Link", message: bytes) -> None: ...

    def ended(self, link: "Link", code: int | None) -> None: ...


class Link:
    """One connection; to the server it is a `collab.ports.Connection`."""

    numbers = itertools.count()
    """Begun anew for each simulation: the order of sets of connections follows from them."""

    def __init__(self, endpoint: Endpoint, rng: Random) -> None:
        self.number = next(Link.numbers)
        self._endpoint = endpoint
        self._rng = rng
        self._loop = asyncio.get_running_loop()
        self._up_at = self._down_at = 0.0
        self._session: Session | None = None
        self.client_open = True
        self.server_open = True

    def __hash__(self) -> int:
        return self.number

    # the server's side

    def opened(self, session: Session) -> None:
        self._session = session
        if not self.client_open:
            self._lose_server(self._rng.uniform(0, 1))

    def write(self, frame: bytes) -> None:
        if self.server_open:
            self._down_at = self._later(self._down_at, lambda: self._deliver_down(frame))

    def close(self, code: int, reason: str) -> None:
        if self.server_open:
            self._down_at = self._later(self._down_at, lambda: self._end(code))
            self.server_open = False

    def probe(self, timeout: float) -> None:
        if not self.client_open:
            self._lose_server(timeout)

    def crash(self) -> None:
        """The server's process is gone; the client's kernel says so."""
        self.server_open = False
        self._session = None
        self._down_at = self._later(self._down_at, lambda: self._end(None))

    # the client's side

    def send(self, message: bytes) -> None:
        if self.client_open:
            self._up_at = self._later(self._up_at, lambda: self._deliver_up(message))

    def cut(self) -> None:
        """What is on its way, in either direction, is lost."""
        if self.client_open:
            self._end(None)
            self._lose_server(self._rng.uniform(0, 0.5))

    def abandon(self) -> None:
        if self.client_open:
            self._end(None)
            self._lose_server(_ABANDONED_SECONDS)

    def slow(self, seconds: float) -> None:
        """The client does not read for a while, so the server's buffer is full."""
        session = self._session
        if session is not None and self.server_open:
            session.writable(False)
            self._loop.call_later(seconds, session.writable, True)

    def _deliver_up(self, message: bytes) -> None:
        if self.client_open and self.server_open and self._session is not None:
            self._session.receive(message)

    def _deliver_down(self, frame: bytes) -> None:
        if self.client_open:
            self._endpoint.received(self, frame)

    def _end(self, code: int | None) -> None:
        if self.client_open:
            self.client_open = False
            self._endpoint.ended(self, code)

    def _lose_server(self, seconds: float) -> None:
        def lose() -> None:
            self.server_open = False
            if self._session is not None:
                self._session.closed()

        self._loop.call_later(seconds, lose)

    def _later(self, not_before: float, action: Callable[[], None]) -> float:
        at = max(not_before + 1e-9, self._loop.time() + self._rng.uniform(0, _LATENCY_MAX))
        self._loop.call_at(at, action)
        return at
