"""Crash points and mutants, planted into a server process of the tests when it starts.

CHECKER_PLANT holds words separated by commas, each one of

    crash:POINT:N     the process kills itself (SIGKILL) when it comes to POINT for the N-th time
    mutant:NAME       a planted fault (`mutants.py`) that the checker has to find
    limit:NAME=VALUE  another value for a field of `collab.limits.RoomLimits` that is no setting

Nothing of this is part of what is shipped: methods are wrapped from outside, once, before the server starts. Without
the variable nothing is wrapped, so a server pays nothing for being able to crash.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

VARIABLE = "CHECKER_PLANT"
_undo: list[Callable[[], None]] = []


def from_environment() -> None:
    """Plant what CHECKER_PLANT names. Called in the server's process, before `serve` runs."""
    for word in filter(None, os.environ.get(VARIABLE, "").split(",")):
        what, _, rest = word.partition(":")
        if what == "crash":
            point, _, times = rest.partition(":")
            CRASH_POINTS[point](Countdown(int(times)))
        elif what == "mutant":
            from tests.checker.mutants import MUTANTS

            MUTANTS[rest].plant()
        elif what == "limit":
            name, _, value = rest.partition("=")
            _set_limit(name, float(value))
        else:
            raise ValueError(f"{VARIABLE}: {word!r} is none of crash, mutant, limit")


class Countdown:
    """Ends the process when it was called so many times."""

    def __init__(self, times: int) -> None:
        self._left = times

    def __call__(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def wrap(owner: Any, name: str, wrapper: Callable[..., Any]) -> None:
    """Replace `owner.name` by a function that calls `wrapper(original, *arguments)`.

    Raises:
        AttributeError: there is no such thing any more; a plant that does nothing would prove nothing.
    """
    original = getattr(owner, name)

    def wrapped(*arguments: Any, **named: Any) -> Any:
        return wrapper(original, *arguments, **named)

    _undo.append(lambda: setattr(owner, name, original))
    setattr(owner, name, wrapped)


@contextmanager
def uprooted() -> Iterator[None]:
    """Take back, afterwards, whatever was planted inside: for plants in the tests' own process."""
    before = len(_undo)
    try:
        yield
    finally:
        while len(_undo) > before:
            _undo.pop()()


def _before(tick: Countdown) -> Callable[..., Any]:
    def wrapper(original: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        tick()
        return original(*arguments, **named)

    return wrapper


def _after(tick: Countdown) -> Callable[..., Any]:
    def wrapper(original: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        result = original(*arguments, **named)
        tick()
        return result

    return wrapper


def _at_receive(tick: Countdown) -> None:
    """A message has arrived; nothing of it has been looked at."""
    from collab.session import Session

    wrap(Session, "receive", _before(tick))


def _at_scan(tick: Countdown) -> None:
    """An update was scanned; the room does not have it yet."""
    import collab.session

    wrap(collab.session, "scan_update", _after(tick))


def _at_insert(tick: Countdown) -> None:
    """The rows are inserted; their transaction is not committed."""
    import storage.update_log

    wrap(storage.update_log, "_insert", _after(tick))


def _at_commit(tick: Countdown) -> None:
    """The transaction is committed; nobody knows of it yet."""
    from storage.update_log import SqlUpdateLog

    async def wrapper(original: Callable[..., Any], *arguments: Any) -> Any:
        result = await original(*arguments)
        tick()
        return result

    wrap(SqlUpdateLog, "_commit", wrapper)


def _at_acknowledge(tick: Countdown) -> None:
    """The acknowledgement is handed to the socket; others still wait for theirs."""
    from collab.session import Session

    wrap(Session, "_acknowledge", _after(tick))


def _at_broadcast(tick: Countdown) -> None:
    """An update is applied; nobody has been told, nothing is submitted to the log."""
    from collab.fanout import FanOut

    wrap(FanOut, "send", _before(tick))


def _at_checkpoint(tick: Countdown) -> None:
    """A checkpoint is written; its transaction is not committed."""
    import storage.update_log

    wrap(storage.update_log, "_write_checkpoint", _after(tick))


def _at_migration(tick: Countdown) -> None:
    """The tables are made; the migration is not committed."""
    from alembic.runtime.environment import EnvironmentContext

    wrap(EnvironmentContext, "run_migrations", _after(tick))


CRASH_POINTS: dict[str, Callable[[Countdown], None]] = {
    "receive": _at_receive,
    "scan": _at_scan,
    "insert": _at_insert,
    "commit": _at_commit,
    "acknowledge": _at_acknowledge,
    "broadcast": _at_broadcast,
    "checkpoint": _at_checkpoint,
    "migration": _at_migration,
}
"""By name; each function's docstring says what has happened when the process dies there."""


def _set_limit(name: str, value: float) -> None:
    from dataclasses import replace

    from collab.limits import RoomLimits
    from web.settings import Settings

    kind = type(getattr(RoomLimits(), name))
    original: Any = Settings.room_limits

    def room_limits(self: Settings) -> RoomLimits:
        limits: RoomLimits = original.fget(self)
        return replace(limits, **{name: kind(value)})

    setattr(Settings, "room_limits", property(room_limits))  # noqa: B010 - mypy sees a read-only property
