"""One timer for all connections: pings, keep-alives, silence, deadlines.

Connections are dealt into slices, and each tick serves one slice, so that thousands of sockets are not written in
one burst: with 15 s and 60 slices, 5,000 connections are 84 writes every quarter of a second.

Rule T1: every connection is served once per interval.
Rule T2: a deadline fires within one tick after it is due, and only if nothing was heard since it was set (a deadline
    that ends a closing handshake fires whatever was heard).
Rule T3: a fault of one member ends that member, never the timer.
"""

import asyncio
import heapq
import logging
import math
from collections import Counter
from itertools import count
from typing import Final, Protocol

from web.quiet import Quiet

_log = logging.getLogger(__name__)

WHATEVER_IS_HEARD: Final = math.inf


class Member(Protocol):
    """A connection as the timer sees it."""

    heard: float
    """`Heart.now` when something last arrived."""
    slice: int
    """Belongs to the Heart."""

    def beat(self) -> None:
        """Once per interval: show signs of life, look for the peer's."""

    def abort(self) -> None:
        """End the connection at once. Idempotent."""


class Heart:
    """Owned by the application's lifespan: `start()` before the first connection, `stop()` after the last."""

    def __init__(self, *, interval: float = 15.0, silence_max: float = 40.0, slices: int = 60) -> None:
        """
        Args:
            interval: seconds between two beats of one connection. Clients of the y-websocket protocol leave a
                server from which no message came for 30 s.
            silence_max: seconds without a byte after which a peer counts as gone.
            slices: how many parts an interval is divided into; `interval / slices` is the resolution of deadlines.
        """
        self.now = 0.0
        """Monotonic seconds, renewed at each tick: cheap enough to note down at each arrival of data."""
        self._interval = interval
        self._silence_max = silence_max
        self._slices: list[set[Member]] = [set() for _ in range(slices)]
        self._current = 0
        self._next_home = 0
        self._deadlines: list[tuple[float, int, Member, float]] = []
        self._serial = count()
        self.refusals: Counter[int] = Counter()
        """Connections ended because the peer broke a rule of the transport, by close code."""
        self._quiet = Quiet()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def refused(self, code: int, reason: str, address: str | None) -> None:
        """A connection ends because its peer broke a rule."""
        self.refusals[code] += 1
        if self._quiet.may_say(address, code):
            _log.warning("a connection was closed: %s", reason, extra={"code": code, "address": address})

    @property
    def connections(self) -> int:
        """How many are open."""
        return sum(map(len, self._slices))

    @property
    def running(self) -> bool:
        return self._loop is not None

    def start(self) -> None:
        """Begin to beat on the running event loop.

        Raises:
            RuntimeError: it beats already.
        """
        if self._loop is not None:
            raise RuntimeError("the heart beats already")
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time()
        self._schedule()

    def stop(self) -> None:
        """Stop, and end every connection that is left: none may outlive its deadlines. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop = None
        left = {member for part in self._slices for member in part}
        left.update(member for _, _, member, _ in self._deadlines)
        self._deadlines.clear()
        for part in self._slices:
            part.clear()
        for member in left:
            self._end(member)

    def time(self) -> float:
        """`now`, renewed."""
        if self._loop is not None:
            self.now = max(self.now, self._loop.time())
        return self.now

    def add(self, member: Member) -> None:
        """
        Raises:
            RuntimeError: the heart does not beat; nobody would ever notice that this peer is gone.
        """
        if self._loop is None:
            raise RuntimeError("a connection needs a running heart")
        member.slice = self._next_home
        member.heard = self.now
        self._slices[self._next_home].add(member)
        self._next_home = (self._next_home + 1) % len(self._slices)

    def remove(self, member: Member) -> None:
        """No more beats. Deadlines stay. Idempotent."""
        self._slices[member.slice].discard(member)

    def abort_after(self, member: Member, seconds: float, *, unless_heard_since: float = WHATEVER_IS_HEARD) -> None:
        """Abort `member` in so many seconds, unless its `heard` is later than given then."""
        if self._loop is None:
            asyncio.get_running_loop().call_soon(member.abort)
            return
        due = self.time() + seconds
        heapq.heappush(self._deadlines, (due, next(self._serial), member, unless_heard_since))

    def probe(self, member: Member, seconds: float) -> None:
        """Abort `member` in so many seconds unless it is heard from after this call."""
        # Strictly later than any `now` noted so far: what arrived in this very millisecond is no answer.
        self.now = math.nextafter(self.time(), math.inf)
        self.abort_after(member, seconds, unless_heard_since=member.heard)

    def watch_silence(self, member: Member) -> None:
        """Called from `beat`: make sure the silence of this peer is noticed before it is served again."""
        left = member.heard + self._silence_max - self.now
        if left <= self._interval + self._tick_seconds:
            self.abort_after(member, max(left, 0.0), unless_heard_since=member.heard)

    @property
    def _tick_seconds(self) -> float:
        return self._interval / len(self._slices)

    def _schedule(self) -> None:
        if self._loop is not None:
            self._timer = self._loop.call_later(self._tick_seconds, self._tick)

    def _tick(self) -> None:
        try:
            self.time()
            self._fire_deadlines()
            part = self._slices[self._current]
            self._current = (self._current + 1) % len(self._slices)
            for member in tuple(part):
                self._beat(member)
        finally:
            self._schedule()

    def _fire_deadlines(self) -> None:
        while self._deadlines and self._deadlines[0][0] <= self.now:
            _, _, member, heard = heapq.heappop(self._deadlines)
            if member.heard <= heard:
                self._end(member)

    def _beat(self, member: Member) -> None:
        try:
            member.beat()
        except Exception:
            _log.exception("a connection failed in its beat")
            self._end(member)

    def _end(self, member: Member) -> None:
        try:
            member.abort()
        except Exception:
            _log.exception("a connection failed to end")
