"""An event loop whose time stands still while anything can run, and jumps to the next timer when nothing can."""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from typing import Any


class Deadlock(AssertionError):
    """Nothing can run, and no timer will ever change that."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs callbacks one by one, in asyncio's order. A step is one callback: whatever happens between two awaits of
    one task is one step, so that an action before every step comes between any two awaits."""

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self.steps = 0
        self.at_step: dict[int, Callable[[], None]] = {}
        """What to do before a step, by its number."""

    def time(self) -> float:
        return self._now

    # What asyncio's own loop does in one turn, without the operating system.

    def _run_once(self) -> None:
        ready = self._ready
        if not ready:
            self._next_timer()
        handle = ready.popleft()
        if handle.cancelled():
            return
        self.steps += 1
        if self.at_step and (action := self.at_step.pop(self.steps, None)) is not None:
            action()
        if not handle.cancelled():
            handle._run()

    def _next_timer(self) -> None:
        scheduled = self._scheduled
        while scheduled:
            timer = heapq.heappop(scheduled)
            timer._scheduled = False  # type: ignore[attr-defined]
            if not timer.cancelled():
                self._now = max(self._now, timer.when())
                self._ready.append(timer)
                return
        raise Deadlock(f"nothing is left to run at {self._now:.3f} s")

    def _timer_handle_cancelled(self, _handle: Any) -> None:
        pass

    def _process_events(self, _events: object) -> None:
        pass

    def _write_to_self(self) -> None:
        pass
