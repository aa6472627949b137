"""An event loop whose time stands still while anything can run, and jumps to the next timer when nothing can."""

import asyncio
from collections.abc import Callable


class Deadlock(AssertionError):
    """Nothing can run, and no timer will ever change that."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs callbacks in asyncio's order. A step is one turn: between two awaits of anything there is at least one."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._selector = self
        self.steps = 0
        self.at_step: dict[int, Callable[[], None]] = {}
        """What to do before a step, by its number."""

    def time(self) -> float:
        return self._now

    # What BaseEventLoop asks of its selector and of its subclasses.

    def select(self, timeout: float | None) -> list[object]:
        if timeout is None:
            raise Deadlock(f"nothing is left to run at {self._now:.3f} s")
        self._now += timeout
        return []

    def _run_once(self) -> None:
        self.steps += 1
        action = self.at_step.pop(self.steps, None)
        if action is not None:
            action()
        super()._run_once()  # type: ignore[misc]

    def _process_events(self, _events: object) -> None:
        pass

    def _write_to_self(self) -> None:
        pass
