"""Breaks things, at random and by a seed: one fault after the other, each of which ends before the next begins."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random

from tests.checker.history import History
from tests.checker.invariants import Violated, Violation
from tests.checker.plant import CRASH_POINTS
from tests.checker.stage import Stage, hold_write_lock
from tests.postgres import execute
from tests.support import eventually

_CRASH_SECONDS = 4.0
"""A server that is to crash at some point is killed if it has not come there by then."""
_CRASH_TIMES_MAX = {"checkpoint": 3, "commit": 40, "insert": 40, "broadcast": 120}
_TIMES_MAX = 300
"""A crash point is passed so many times, at most, before it kills."""

FAULTS = ("kill", "crash", "restart", "pause", "cut", "abandon", "stall", "delay", "lock", "database", "reset")
"""What `--faults` chooses from; `lock` is SQLite's, `database` and `reset` are PostgreSQL's."""
_WEIGHTS = {"kill": 8, "crash": 4, "restart": 1, "pause": 1, "cut": 2, "abandon": 1, "stall": 1, "delay": 2, "lock": 1}
_WEIGHTS |= {"database": 2, "reset": 2}


class Nemesis:
    def __init__(
        self,
        stage: Stage,
        history: History,
        rng: Random,
        faults: tuple[str, ...],
        verify: Callable[[], Awaitable[None]],
    ) -> None:
        """
        Args:
            verify: reads everything back; called after a server has died and before any client is let in again.
        """
        self._stage = stage
        self._history = history
        self._rng = rng
        self._verify = verify
        unavailable = {"database", "reset"} if stage.kind == "sqlite" else {"lock"}
        self._faults = [fault for fault in faults if fault not in unavailable]
        self.counts: Counter[str] = Counter()

    async def run(self, seconds: float) -> None:
        """One fault after the other, with a little peace in between, for so long."""
        until = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < until:
            await asyncio.sleep(self._rng.uniform(0.1, 1.0))  # no wait: it chooses the moment
            if self._faults:
                fault = self._rng.choices(self._faults, [_WEIGHTS[fault] for fault in self._faults])[0]
                self.counts[fault] += 1
                self._history.event(f"fault: {fault}")
                await getattr(self, f"_{fault}")()
                self._history.event(f"fault: {fault} is over")

    async def _kill(self) -> None:
        self._stage.let_in(False)
        await self._stage.kill()
        await self._come_back()

    async def _crash(self) -> None:
        stage, rng = self._stage, self._rng
        point = rng.choice([name for name in CRASH_POINTS if name != "migration"])
        times = rng.randint(1, _CRASH_TIMES_MAX.get(point, _TIMES_MAX))
        stage.let_in(False)
        await stage.kill()
        await stage.start_to_crash(point, times)
        await self._verify_then_open()
        with suppress(AssertionError):
            await eventually(lambda: not stage.alive, within=_CRASH_SECONDS)
        stage.let_in(False)
        if stage.alive:
            await stage.kill()
        else:
            await asyncio.to_thread(stage.server.process.wait, 5)
            stage.crashed(point)
            self._history.event(f"the server died at {point}, pass {times}")
        await self._come_back()

    async def _come_back(self) -> None:
        await self._stage.start()
        await self._verify_then_open()

    async def _verify_then_open(self) -> None:
        """Read everything back before the writers return: they would heal a loss with what they still have."""
        if self._stage.alive:
            await self._verify()
        self._stage.let_in(True)

    async def _restart(self) -> None:
        """SIGTERM under load: it stores, acknowledges, says goodbye and ends with code 0."""
        self._stage.let_in(False)
        code = await asyncio.to_thread(self._stage.server.terminate)
        if code != 0:
            raise Violated(Violation("liveness", "the server", ended_badly(code, self._stage)))
        await self._come_back()

    async def _pause(self) -> None:
        pid = self._stage.server.process.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(self._rng.uniform(0.1, 2.0))
        finally:
            os.kill(pid, signal.SIGCONT)

    async def _cut(self) -> None:
        self._stage.proxy.cut()

    async def _abandon(self) -> None:
        self._stage.proxy.abandon()

    async def _stall(self) -> None:
        self._stage.proxy.stall()
        await asyncio.sleep(self._rng.uniform(0.1, 3.0))
        if self._rng.random() < 0.5:
            self._stage.proxy.cut()
        self._stage.proxy.flow()

    async def _delay(self) -> None:
        self._stage.proxy.delay_max = self._rng.uniform(0.01, 0.2)
        await asyncio.sleep(self._rng.uniform(0.5, 3.0))
        self._stage.proxy.delay_max = 0.0

    async def _lock(self) -> None:
        """Another program holds the SQLite database: now and then for longer than the busy timeout."""
        file = self._stage.server.data_dir / "coscribe.db"
        connection = await asyncio.to_thread(hold_write_lock, file)
        await asyncio.sleep(self._rng.choice((0.2, 1.0, 7.0)))
        connection.close()

    async def _database(self) -> None:
        """PostgreSQL is stopped at once and comes back later."""
        cluster = self._stage.cluster
        assert cluster is not None
        await asyncio.to_thread(cluster.stop_immediately)
        try:
            await asyncio.sleep(self._rng.choice((0.1, 1.0, 4.0)))
        finally:
            await asyncio.to_thread(cluster.start)

    async def _reset(self) -> None:
        """Every connection of the server is cut by PostgreSQL, whatever it is doing, in COMMIT too."""
        assert self._stage.cluster is not None
        for _ in range(self._rng.randint(1, 5)):
            await asyncio.to_thread(
                execute,
                self._stage.cluster.url,
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'coscribe'",
            )
            await asyncio.sleep(self._rng.uniform(0, 0.1))


def ended_badly(code: int, stage: Stage) -> str:
    return f"it ended with code {code} on SIGTERM\n{stage.server.log_tail(10)}"
