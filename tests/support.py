"""What every part of the test suite needs: skipping under control, waiting for a condition, seeds."""

import asyncio
import inspect
import os
import random
import time
from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeVar, overload

import pytest

STRICT = os.environ.get("COSCRIBE_TESTS_STRICT", "") not in ("", "0")
"""Nothing may be skipped: whatever a test needs and does not find is a failure."""

T = TypeVar("T")


def skip_or_fail(reason: str) -> NoReturn:
    """Skip the running test, or fail it where COSCRIBE_TESTS_STRICT=1 allows no gaps."""
    if STRICT:
        pytest.fail(f"COSCRIBE_TESTS_STRICT=1 and {reason}", pytrace=False)
    pytest.skip(reason)


@overload
async def eventually(
    condition: Callable[[], Awaitable[T | None]], what: str = ..., *, within: float = ..., every: float = ...
) -> T: ...
@overload
async def eventually(
    condition: Callable[[], T | None], what: str = ..., *, within: float = ..., every: float = ...
) -> T: ...
async def eventually(
    condition: Callable[[], object], what: str = "the condition", *, within: float = 20, every: float = 0.02
) -> object:
    """Look at `condition` (plain or async) until it gives something true, and return that.

    Raises:
        AssertionError: it was not true `within` seconds; the text names `what` and shows the last value.
    """
    deadline = time.monotonic() + within
    while True:
        found = condition()
        value = await found if inspect.isawaitable(found) else found
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not hold within {within} s; last seen: {value!r}")
        await asyncio.sleep(every)


def choose_seed() -> int:
    """COSCRIBE_TEST_SEED if set, else a new one."""
    return int(os.environ.get("COSCRIBE_TEST_SEED") or random.SystemRandom().getrandbits(32))


def almost(secret: str) -> str:
    """Another one that differs in the last character."""
    return secret[:-1] + ("A" if secret[-1] != "A" else "B")
