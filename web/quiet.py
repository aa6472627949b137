"""At most one line of the log a minute about the same thing: strangers choose how often they are refused."""

import time
from collections.abc import Hashable

_SECONDS = 60.0
_THINGS_MAX = 1000


class Quiet:
    def __init__(self) -> None:
        self._said: dict[tuple[Hashable, ...], float] = {}

    def may_say(self, *about: Hashable) -> bool:
        """Whether nothing was said about this for a minute."""
        now = time.monotonic()
        if now - self._said.get(about, -_SECONDS) < _SECONDS:
            return False
        if len(self._said) >= _THINGS_MAX:
            self._said = {thing: when for thing, when in self._said.items() if now - when < _SECONDS}
        if len(self._said) >= _THINGS_MAX:
            return False
        self._said[about] = now
        return True
