"""Asks the history process, and keeps it in its place.

W4  Questions about the past never keep live editing waiting: they are answered in another process, one at a time, with
    the processor left to others first.
W5  A question may take so much time and memory and no more; what exceeds it, or ends the process, is an error of that
    question alone.
"""

import asyncio
import contextlib
import pickle
import sys
from dataclasses import dataclass
from typing import Any, cast

import structlog

from collab.errors import CollabError, LimitExceeded, RoomClosed, SlowConsumer, StoreUnavailable
from collab.history.ports import Chunk
from collab.history.restore import Restoration
from collab.history.thinning import Keep, Thinning
from collab.history.timeline import TimelineQuery
from collab.types import DocumentId, Seq
from web.history.answers import WHOLE_DOCUMENT, Whole
from web.history.child import LENGTH, Failure

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class HistoryLimits:
    seconds: float = 60
    memory_bytes: int = 2 * 1024 * 1024 * 1024
    waiting_max: int = 64
    idle_seconds: float = 60
    """The process ends when nobody has asked for so long; the next question starts one."""


class HistoryFailed(Exception):
    """A fault of ours in the history process; the text is its traceback."""


class HistoryProcess:
    """See `web.history.answers.Answers` for what each question gives. All of them raise CollabError."""

    def __init__(self, database_url: str, limits: HistoryLimits | None = None) -> None:
        self._database_url = database_url
        self._limits = limits or HistoryLimits()
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._closed = False
        self._idle: asyncio.TimerHandle | None = None

    async def content(self, document: DocumentId, at: Seq) -> bytes:
        return cast(bytes, await self._ask("content", document, at))

    async def blame(self, document: DocumentId, at: Seq | None) -> bytes:
        return cast(bytes, await self._ask("blame", document, at))

    async def diff(self, document: DocumentId, before: Seq, after: Seq, *, words: bool, html: bool) -> bytes:
        return cast(bytes, await self._ask("diff", document, before, after, words=words, html=html))

    async def timeline(self, document: DocumentId, query: TimelineQuery) -> bytes:
        return cast(bytes, await self._ask("timeline", document, query))

    async def restoration(self, document: DocumentId, at: Seq, of: Whole = WHOLE_DOCUMENT) -> Restoration:
        return cast(Restoration, await self._ask("restoration", document, at, of))

    async def next_chunk(self, document: DocumentId) -> Chunk | None:
        return cast("Chunk | None", await self._ask("next_chunk", document))

    async def words(self, document: DocumentId) -> tuple[Seq, str, set[str]]:
        return cast("tuple[Seq, str, set[str]]", await self._ask("words", document))

    async def thinning(self, document: DocumentId, before_ms: int, keep: Keep) -> Thinning | None:
        return cast("Thinning | None", await self._ask("thinning", document, before_ms, keep))

    async def close(self) -> None:
        """End the process. Idempotent; later questions are refused."""
        self._closed = True
        if self._idle is not None:
            self._idle.cancel()
        await self._end()

    async def _ask(self, name: str, *arguments: Any, **options: Any) -> Any:
        if self._waiting >= self._limits.waiting_max:
            raise SlowConsumer("too many questions about the past at once; ask again in a moment")
        self._waiting += 1
        try:
            async with self._turn:
                answer = await self._answer((name, arguments, options))
        finally:
            self._waiting -= 1
        if isinstance(answer, CollabError):
            raise answer
        if isinstance(answer, Failure):
            raise HistoryFailed(str(answer))
        return answer

    async def _answer(self, request: Any) -> Any:
        if self._closed:
            raise RoomClosed("the server is restarting")
        if self._idle is not None:
            self._idle.cancel()
        try:
            async with asyncio.timeout(self._limits.seconds):
                process = await self._started()
                return await _exchange(process, request)
        except TimeoutError:
            await self._end()
            raise LimitExceeded(f"this takes longer than the {self._limits.seconds:g} s it may take") from None
        except (EOFError, ConnectionError):
            await self._end()
            if self._closed:
                raise RoomClosed("the server is restarting") from None
            log.error("the history process ended while it answered")
            raise LimitExceeded("this takes more than the server allows for it") from None
        except BaseException:
            await self._end()  # Its answer to somebody who is gone must not be taken for the next one's.
            raise
        finally:
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(self._limits.idle_seconds, self._let_go)

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "web.history.child",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            # Not as an argument, which everybody on the machine can read: it may hold a password.
            refusal = await _exchange(self._process, (self._database_url, self._limits.memory_bytes))
            if refusal is not None:
                raise StoreUnavailable("the database cannot be read by the history process")
        return self._process

    def _let_go(self) -> None:
        """Nobody has asked for a while."""
        if self._process is not None and not self._turn.locked() and self._process.stdin is not None:
            self._process.stdin.close()
            self._process = None

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _exchange(process: asyncio.subprocess.Process, message: Any) -> Any:
    assert process.stdin is not None
    assert process.stdout is not None
    encoded = pickle.dumps(message)
    process.stdin.write(LENGTH.pack(len(encoded)) + encoded)
    await process.stdin.drain()
    size = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))[0]
    return pickle.loads(await process.stdout.readexactly(size))
