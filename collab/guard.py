"""The one guard round calls into pycrdt that may panic.

A panic of yrs surfaces as an exception that derives from BaseException, poisons its Doc for every later call, and can
leave an update half applied. Whoever calls through here drops the Doc when `Panicked` comes out.
"""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from pycrdt import Doc, merge_updates

T = TypeVar("T")

NOT_PANICS = (asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError)
_MERGE_FAN_IN = 50
"""`merge_updates` is quadratic in its arguments: 260,000 took 459 s in one call and 0.5 s as a tree of fifties."""


class Panicked(Exception):
    """pycrdt raised: the Doc it was working on must not be used again."""


def guarded(call: Callable[[], T]) -> T:
    """Run `call`.

    Raises:
        Panicked: it raised anything that is not an interpreter exit or a cancellation.
    """
    try:
        return call()
    except NOT_PANICS:
        raise
    except BaseException as panic:
        raise Panicked(f"{type(panic).__name__}: {panic}") from panic


def merge(updates: list[bytes]) -> bytes:
    """One update that holds all of `updates` (at least one), each scanned before."""
    while len(updates) > 1:
        updates = [
            merge_updates(*updates[start : start + _MERGE_FAN_IN]) for start in range(0, len(updates), _MERGE_FAN_IN)
        ]
    return updates[0]


def document_from(parts: list[bytes], *, skip_gc: bool = False) -> Doc[Any]:
    """A new Doc that holds `parts`, applied in order.

    Raises:
        Panicked: one of them could not be applied.
    """
    doc: Doc[Any] = Doc(skip_gc=skip_gc)

    def apply_all() -> None:
        with doc.transaction():
            for part in parts:
                doc.apply_update(part)

    guarded(apply_all)
    return doc
