"""Finds out, in a process of its own, whether a document can be loaded, and how much of it can."""

import asyncio
import contextlib
import signal
import sys
from dataclasses import dataclass

from collab.errors import StoreUnavailable
from collab.examine import APPLIED, DONE, FAILED_EXIT, REFUSED_EXIT, write_part

SECONDS_MAX = 60
_BYTES_BASE = 1024 * 1024 * 1024
_BYTES_FACTOR = 40
"""What pycrdt needs for a document is at most this many times its bytes."""


@dataclass(frozen=True, slots=True)
class Examination:
    """What became of a document in a process of its own."""

    applied: int
    """So many of its parts could be applied, one after the other."""
    state: bytes | None
    """The whole document, if it could be loaded."""
    fault: str
    """What happened otherwise."""


async def examine(parts: list[bytes], seconds_max: float = SECONDS_MAX) -> Examination:
    """Load a document elsewhere.

    Raises:
        StoreUnavailable: no process can be started just now.
    """
    bytes_max = _BYTES_BASE + _BYTES_FACTOR * sum(map(len, parts))
    command = (sys.executable, "-P", "-m", "collab.examine", str(bytes_max), str(int(seconds_max)))
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL
        )
    except OSError as error:
        raise StoreUnavailable("this document has to be examined first, which is not possible just now") from error
    try:
        async with asyncio.timeout(seconds_max):
            output, _ = await process.communicate(b"".join(map(write_part, parts)))
    except TimeoutError:
        process.kill()
        output, _ = await process.communicate()
        return Examination(_count(output), None, f"loading it takes more than {seconds_max:g} s")
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
    assert process.returncode is not None
    applied = _count(output)
    if process.returncode == 0:
        return Examination(applied, output[applied + len(DONE) :], "")
    return Examination(applied, None, _fault(process.returncode))


async def salvage(parts: list[bytes], examined: Examination, seconds_max: float = SECONDS_MAX) -> tuple[int, bytes]:
    """How many parts from the beginning on can be loaded together, and the state that they make.

    Args:
        examined: what became of all of them.
    """
    good = examined.applied
    if good == len(parts) and examined.state is None:
        good -= 1  # Each can be applied, but what they make together cannot be used.
    while good:
        again = await examine(parts[:good], seconds_max)
        if again.state is not None:
            return good, again.state
        # Not one by one: only what makes the document grow in time or memory is worth less and less.
        good = min(again.applied, good // 2)
    return 0, b""


def _count(output: bytes) -> int:
    return len(output) - len(output.lstrip(APPLIED))


def _fault(code: int) -> str:
    if code == REFUSED_EXIT:
        return "it holds an update that a server must not apply"
    if code == FAILED_EXIT:
        return "what is stored of it cannot be applied"
    if code < 0:
        return f"loading it ends the process ({signal.Signals(-code).name})"
    return "loading it ends the process"
