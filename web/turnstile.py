"""Newcomers are let in so many at a time, in the order in which they came.

After a restart everybody returns at once. Each of them takes a fraction of a millisecond, a thousand of them half a
second, and the event loop would first serve them all: those who are already in would wait that long for each other's
edits. So between every few newcomers the loop looks at all its sockets.
"""

import asyncio
from collections import deque

_PER_TURN = 8
"""About two milliseconds of work."""


class Turnstile:
    """Of one event loop."""

    def __init__(self, per_turn: int = _PER_TURN) -> None:
        self._per_turn = per_turn
        self._left = per_turn
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._turning = False

    async def turn(self) -> None:
        """Return when it is the caller's turn; at once when nobody else comes."""
        if not self._turning:
            self._turning = True
            self._left = self._per_turn
            asyncio.get_running_loop().call_soon(self._next_turn)
        if self._left > 0:
            self._left -= 1
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        await place

    def _next_turn(self) -> None:
        self._left = self._per_turn
        while self._waiting and self._left > 0:
            place = self._waiting.popleft()
            if not place.done():  # its client may have left
                place.set_result(None)
                self._left -= 1
        if self._left < self._per_turn:
            asyncio.get_running_loop().call_soon(self._next_turn)
        else:
            self._turning = False
