"""Runs heavy work in processes of its own (`web.worker`), few at a time, none of them for ever.

W1  What a worker may take is bounded: processor time and memory by the kernel, time by a clock here, and how many there
    are at once; who comes when all are busy waits, and when too many wait, is told to come back.
W2  A worker that ends in any way but its own is an error of that one request; the server goes on.
W3  No worker outlives whoever waits for it.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from collab import errors
from collab.errors import CollabError, LimitExceeded, RoomClosed, SlowConsumer
from storage.backup import Progress, no_progress
from web.worker import FAILED

_LINE_BYTES_MAX = 64 * 1024
_CHUNK = 256 * 1024
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "VIRTUAL_ENV", "HOME", "TMPDIR", "SYSTEMROOT")
"""Of the environment. The database's password is not among it."""


class WorkerFailed(Exception):
    """A worker ended, and did not say why: a fault of ours."""


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    cpu_seconds: int = 120
    memory_bytes: int = 2 * 1024 * 1024 * 1024
    seconds: float = 300
    at_once: int = 2
    waiting_max: int = 32


class Workers:
    def __init__(self, limits: WorkerLimits, *, module: str = "web.worker") -> None:
        self._limits = limits
        self._module = module
        self._free = asyncio.Semaphore(limits.at_once)
        self._waiting = 0
        self._closed = False

    def close(self) -> None:
        """Take no more work; what runs ends with the task that waits for it."""
        self._closed = True

    async def run(
        self,
        task: str,
        data: bytes,
        progress: Progress = no_progress,
        *,
        environment: Mapping[str, str] | None = None,
        **options: Any,
    ) -> bytes:
        """Do `task` (see `web.worker.TASKS`) with `data`.

        Args:
            environment: What the worker finds in its environment, besides what every program does.

        Raises:
            CollabError: what the work itself found wrong.
            LimitExceeded: it took more time or memory than it may.
            SlowConsumer: too much is waiting already.
            WorkerFailed: it ended without a word.
        """
        async with self._admitted():
            try:
                async with asyncio.timeout(self._limits.seconds):
                    return await self._run(task, data, progress, options, environment or {})
            except TimeoutError:
                raise LimitExceeded(f"this takes longer than the {self._limits.seconds:g} s it may take") from None

    @asynccontextmanager
    async def _admitted(self) -> AsyncIterator[None]:
        if self._closed:
            raise RoomClosed("the server is restarting")
        if self._waiting >= self._limits.waiting_max:
            raise SlowConsumer("the server is busy with other exports and imports; try again in a moment")
        self._waiting += 1
        try:
            async with self._free:
                yield
        finally:
            self._waiting -= 1

    async def _run(
        self, task: str, data: bytes, progress: Progress, options: dict[str, Any], environment: Mapping[str, str]
    ) -> bytes:
        limits = {"cpu_seconds": self._limits.cpu_seconds, "memory_bytes": self._limits.memory_bytes}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self._module,
            task,
            json.dumps(options | limits),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_LINE_BYTES_MAX,
            env={name: os.environ[name] for name in _PASSED_ON if name in os.environ} | dict(environment),
            start_new_session=True,  # Ctrl-C is for the server, which ends its workers itself
        )
        try:
            result: bytes
            failure: dict[str, Any]
            _, result, failure = await asyncio.gather(
                _feed(process, data), _collect(process), _listen(process, progress)
            )
            code = await process.wait()
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if code == 0:
            return result
        raise _error(code, failure)


async def _feed(process: asyncio.subprocess.Process, data: bytes) -> None:
    assert process.stdin is not None
    with contextlib.suppress(ConnectionError):  # it ended before it had read everything, and says why elsewhere
        for start in range(0, len(data), _CHUNK):
            process.stdin.write(data[start : start + _CHUNK])
            await process.stdin.drain()
    process.stdin.close()


async def _collect(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    return await process.stdout.read()


async def _listen(process: asyncio.subprocess.Process, progress: Progress) -> dict[str, Any]:
    """Pass progress on until the worker ends; returns the error it named, if any."""
    assert process.stderr is not None
    failure: dict[str, Any] = {}
    async for line in process.stderr:
        try:
            said = json.loads(line)
        except ValueError:  # a traceback: what the parent logs
            failure["lines"] = [*failure.get("lines", [])[-20:], line.decode(errors="replace").rstrip()]
            continue
        if "error" in said:
            failure |= said
        else:
            progress(said["what"], said["done"], said["total"])
    return failure


def _error(code: int, failure: dict[str, Any]) -> Exception:
    if code == FAILED and "error" in failure:
        kind = getattr(errors, failure["error"], None)
        if isinstance(kind, type) and issubclass(kind, CollabError):
            return kind(failure["text"])
    if code < 0:
        return LimitExceeded("this takes more time or memory than the server allows for it")
    return WorkerFailed("\n".join(failure.get("lines", [f"a worker ended with code {code}"])))
