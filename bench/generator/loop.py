"""The generator's one loop: reads whatever arrived, sends whatever is due, and knows what that cost it.

A bare epoll loop instead of asyncio: a chunk costs 2-4 us here, of which the system call is the larger part.
"""

import gc
import select
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from bench.generator.client import Client
from bench.generator.schedule import Schedule

_READ_BYTES = 65_536
_EVENTS_MAX = 512
_DONE_EVERY = 0.002
"""Seconds between two looks at whether a run is over, at least."""
_DONE_SHARE = 20
"""What it costs to look times this goes by first: after an overload there are many streams to look through."""


class Loop:
    """All clients of one measurement. Leaving the context closes their sockets."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._clients: dict[int, Client] = {}
        self._watched: dict[int, int] = {}

    def __enter__(self) -> Self:
        # A collection over millions of recorded arrivals would show up as latency of the server.
        gc.collect()
        gc.disable()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close(list(self._clients.values()))
        self._epoll.close()
        gc.enable()

    def open(self, client: Client) -> None:
        """Begin to connect."""
        client.started_at = time.perf_counter()
        client.blocked = self._await_writable
        client.sock.connect_ex(client.address)
        descriptor = client.sock.fileno()
        self._clients[descriptor] = client
        self._watch(descriptor, select.EPOLLIN | select.EPOLLOUT)

    def close(self, clients: Iterable[Client]) -> None:
        """End connections at once, without a close handshake, as a browser does that is killed."""
        for client in clients:
            descriptor = client.sock.fileno()
            if descriptor >= 0:
                self._forget(descriptor)
                client.sock.close()

    def stall(self, client: Client) -> None:
        """Stop reading from a client's socket."""
        self._watch(client.sock.fileno(), 0)

    def wake(self, client: Client) -> None:
        self._watch(client.sock.fileno(), select.EPOLLIN)

    def run(self, done: Callable[[], bool], timeout: float, schedule: Schedule | None = None) -> bool:
        """Go on until `done()`, which is looked at every few milliseconds. False when `timeout` seconds went by."""
        now = time.perf_counter()
        deadline, look = now + timeout, now
        while True:
            wait = _DONE_EVERY if schedule is None else min(_DONE_EVERY, schedule.send_due(now))
            self._poll(wait)
            now = time.perf_counter()
            if now >= look:
                if done():
                    return True
                looked, now = now, time.perf_counter()
                if now >= deadline:
                    return False
                look = now + max(_DONE_EVERY, _DONE_SHARE * (now - looked))

    def _poll(self, wait: float) -> None:
        clients = self._clients
        for descriptor, events in self._epoll.poll(wait, _EVENTS_MAX):
            client = clients[descriptor]
            if events & select.EPOLLIN:
                try:
                    data = client.sock.recv(_READ_BYTES)
                except BlockingIOError:
                    continue
                except OSError:
                    data = b""
                if data:
                    client.received(data, time.perf_counter())
                else:
                    client.lost()
            elif events & (select.EPOLLHUP | select.EPOLLERR):
                client.lost()
            if events & select.EPOLLOUT:
                client.writable(time.perf_counter())
                if not client.outbox:
                    self._watch(descriptor, select.EPOLLIN)
            if client.error is not None:
                self._forget(descriptor)

    def _await_writable(self, client: Client) -> None:
        self._watch(client.sock.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def _watch(self, descriptor: int, events: int) -> None:
        watched = self._watched.get(descriptor)
        if watched is None:
            self._epoll.register(descriptor, events)
        elif watched != events:
            self._epoll.modify(descriptor, events)
        self._watched[descriptor] = events

    def _forget(self, descriptor: int) -> None:
        if self._watched.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)
        self._clients.pop(descriptor, None)
