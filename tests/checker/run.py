"""One run of the checker on real processes: rounds of writing under faults, healing and reading everything back.

In each round new documents are written by more than five writers each, while the nemesis works. Then everything is
healed, everybody has to be told `saved` within 30 s, and everything is read back in every way there is; the server is
restarted cold, and everything is read once more.
"""

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import asyncpg

from tests.checker.history import History, Operation
from tests.checker.hostility import Attacker
from tests.checker.invariants import Violated, Violation
from tests.checker.nemesis import FAULTS, Nemesis, ended_badly
from tests.checker.reads import Reader
from tests.checker.stage import DatabaseKind, Stage, stage
from tests.checker.workload import BytesWriter, CorruptedWriter, PycrdtWriter, WhenAcknowledged, Writer, YjsWriter
from tests.servers import ServerProcess

LIVENESS_SECONDS = 30.0
_MEMORY_BYTES_MAX = 600 * 1024 * 1024
_PACE = 0.03
"""Mean seconds between two edits of one writer."""
_HOSTILE_DOCUMENTS, _HOSTILE_PACE = 16, 1.0
"""96 writers, so that one attacker is one client in a hundred."""
_HONESTY_SAMPLE = 0.05
"""Share of the acknowledgements of which the row is looked for at once, on a new database connection."""


@dataclass(frozen=True)
class Options:
    seed: int
    seconds: float
    database: DatabaseKind
    directory: Path
    """For the server's files and, after a finding, the history."""
    faults: tuple[str, ...] = FAULTS
    round_seconds: float = 20.0
    mutant: str | None = None
    documents: int = 2
    hostile: bool = False
    """One client in a hundred attacks, while the others write. The faults are then those of the network alone."""
    commit_window_ms: float | None = None


@dataclass
class Report:
    """What a run has done, to be added up over runs."""

    operations: int = 0
    acknowledged: int = 0
    rounds: int = 0
    readings: int = 0
    kills: int = 0
    seconds: float = 0.0
    honesty_checks: int = 0
    backups: int = 0
    """Made under load, restored and read back."""
    corrupted: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    attacks: Counter[str] = field(default_factory=Counter)
    crashes: Counter[str] = field(default_factory=Counter)
    violation: Violation | None = None


class Run:
    def __init__(self, options: Options) -> None:
        if options.hostile:
            options = replace(options, documents=_HOSTILE_DOCUMENTS, faults=("cut", "delay"))
        self._options = options
        self._pace = _HOSTILE_PACE if options.hostile else _PACE
        self._rng = Random(options.seed)
        self.history = History()
        self.report = Report()
        self._finding: asyncio.Future[None]

    async def execute(self) -> Report:
        """Run until the time is over or something is found; `Report.violation` says what."""
        self._finding = asyncio.get_running_loop().create_future()
        options, rng = self._options, self._rng
        started = time.monotonic()
        window = options.commit_window_ms
        settings: dict[str, object] = {
            "commit_window_ms": rng.choice((0, 10, 10, 100)) if window is None else window,
            "room_idle_seconds": rng.choice((0, 1, 10)),
            "send_queue_bytes_max": 16 * 1024,
        }
        plants = [f"limit:checkpoint_rows={rng.choice((20, 60, 1000))}"]
        if options.mutant is not None:
            plants.append(f"mutant:{options.mutant}")
        async with stage(options.database, options.directory, rng, plants=plants, settings=settings) as here:
            reader = Reader(here.server, here.database, here.node, here.http, self.history, Random(rng.random()))
            try:
                # The first start migrates the database; now and then it dies in the middle of that.
                await (here.start_to_crash("migration", 1) if rng.random() < 0.5 else here.start())
                until = time.monotonic() + options.seconds
                while (left := until - time.monotonic()) > 0:
                    await self._round(here, reader, min(options.round_seconds, left))
                    self.report.rounds += 1
            except Violated as violated:
                self.report.violation = violated.violation
                self.history.event(f"violated: {violated.violation}")
            self.report.kills = here.kills
            self.report.crashes.update(here.crashes)
            self.report.corrupted = here.corrupting_proxy.corrupted
        self.report.readings = reader.readings
        self.report.operations, self.report.acknowledged = self.history.operations, self.history.acknowledged
        self.report.seconds = time.monotonic() - started
        return self.report

    async def _round(self, here: Stage, reader: Reader, seconds: float) -> None:
        number = self.report.rounds
        documents = [f"check/{self._options.seed}/{number}/{n}" for n in range(self._options.documents)]
        writers = [
            writer for n, document in enumerate(documents) for writer in self._writers(here, document, f"{number}-{n}")
        ]
        victim = self._victim(here, f"check/{self._options.seed}/{number}/corrupted")
        self.history.event(f"round {number} on {', '.join(documents)}")

        async def verify() -> None:
            for document in documents:
                await reader.after_a_kill(document)

        nemesis = Nemesis(here, self.history, self._rng, self._options.faults, verify)
        async with self._running([*writers, victim]), self._attacked(here, documents):
            try:
                await self._or_finding(nemesis.run(seconds), within=seconds + 120, what="the nemesis never ended")
            finally:
                self.report.faults.update(nemesis.counts)
            backup = await self._back_up(here, reader, documents)
            await self._heal(here, writers, victim)
            self._check_nobody_was_refused(writers)
            for document in documents:
                await reader.quiet(document, [writer for writer in writers if writer.document == document], "healed")
            await backup()
        await self._restart_cold(here)
        for document in documents:
            await reader.quiet(document, [], "after a cold start")
        await reader.same_everywhere(victim.document)

    async def _back_up(self, here: Stage, reader: Reader, documents: list[str]) -> Callable[[], Awaitable[None]]:
        """Make a backup while everybody writes; what is returned restores it and reads it back."""
        readable = {document: len(await here.database.rows(document)) for document in documents}
        file = self._options.directory / f"backup-{self.report.rounds}"
        here.let_in(True)
        await asyncio.to_thread(here.server.done, "backup", str(file))
        self.history.event("a backup was made")

        async def check() -> None:
            restored = ServerProcess(self._options.directory / f"restored-{self.report.rounds}")
            restored.directory.mkdir()
            await asyncio.to_thread(restored.done, "restore", str(file))
            await reader.restored(documents, readable, file, restored.data_dir / "coscribe.db")
            shutil.rmtree(restored.directory)
            file.unlink()
            self.report.backups += 1

        return check

    def _writers(self, here: Stage, document: str, suffix: str) -> list[Writer]:
        writers: list[Writer] = []
        for n in range(2):
            for letter, kind in (("p", PycrdtWriter), ("b", BytesWriter)):
                rng = Random(self._rng.random())
                writers.append(kind(f"{letter}{n}-{suffix}", here.proxy, document, self.history, rng, self._pace))
            rng = Random(self._rng.random())
            name = f"y{n}-{suffix}"
            writers.append(YjsWriter(here.node, name, here.proxy, document, self.history, rng, self._pace))
        for writer in writers:
            writer.when_acknowledged = self._honesty(here, document, Random(self._rng.random()))
        return writers

    def _victim(self, here: Stage, document: str) -> Writer:
        """A client whose bytes are changed on the way. Nothing it writes is promised to anybody."""
        here.corrupting_proxy.corrupt = 0.2
        rng = Random(self._rng.random())
        return CorruptedWriter("c0-0-0", here.corrupting_proxy, document, History(), rng)

    def _honesty(self, here: Stage, document: str, rng: Random) -> WhenAcknowledged:
        async def check(operation: Operation) -> None:
            if rng.random() >= _HONESTY_SAMPLE:
                return
            try:
                stored = await here.database.tags(document)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                return  # The database is away; that it was there when it acknowledged is checked by what follows.
            deleted = self.history.documents[document].deleted
            self.report.honesty_checks += 1
            for element in operation.inserts:
                if element not in deleted and element.tag not in stored:
                    self._find(Violation("honest acks", f"{document}, SQL", f"no row holds {element}: {operation}"))

        return check

    def _find(self, violation: Violation) -> None:
        if not self._finding.done():
            self._finding.set_exception(Violated(violation))

    @asynccontextmanager
    async def _running(self, writers: Sequence[Writer]) -> AsyncIterator[None]:
        """The writers write; a failure of one that is no fault of the server's is ours, and ends the run."""
        tasks = [writer.start() for writer in writers]
        for task in tasks:
            task.add_done_callback(self._found_by)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(*(writer.close() for writer in writers), return_exceptions=True)

    @asynccontextmanager
    async def _attacked(self, here: Stage, documents: list[str]) -> AsyncIterator[None]:
        if not self._options.hostile:
            yield
            return
        attacker = Attacker(here.server, documents, Random(self._rng.random()))
        task = asyncio.create_task(attacker.run())
        task.add_done_callback(self._found_by)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self.report.attacks.update(attacker.attacks)

    def _found_by(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._finding.done():
            self._finding.set_exception(error)

    async def _or_finding(self, work: Coroutine[Any, Any, None], *, within: float, what: str) -> None:
        """Await `work`, unless something is found first."""
        task = asyncio.create_task(work)
        done, _ = await asyncio.wait([task, self._finding], timeout=within, return_when=asyncio.FIRST_COMPLETED)
        if task not in done:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if self._finding in done:
            self._finding.result()
        if task not in done:
            raise Violated(Violation("liveness", "everything", what))
        task.result()

    async def _heal(self, here: Stage, writers: Sequence[Writer], victim: Writer) -> None:
        """Everything works again: within 30 s everything must be acknowledged."""
        self.history.event("healed")
        here.proxy.flow()
        here.let_in(True)
        if not here.alive:
            code = here.server.process.poll()
            raise Violated(
                Violation("liveness", "the server", f"it ended by itself with {code}\n{here.server.log_tail()}")
            )
        for writer in [*writers, victim]:
            writer.stop()

        async def finish() -> None:
            await asyncio.gather(*(writer.finish() for writer in writers))

        await self._or_finding(
            finish(), within=LIVENESS_SECONDS, what=f"not all is acknowledged {LIVENESS_SECONDS:.0f} s after healing"
        )
        if here.memory_bytes > _MEMORY_BYTES_MAX:
            raise Violated(Violation("containment", "the server", f"it holds {here.memory_bytes} bytes of memory"))

    def _check_nobody_was_refused(self, writers: Sequence[Writer]) -> None:
        for writer in writers:
            if writer.refusals:
                witness = f"{writer.name} was closed with {sorted(writer.refusals)}"
                raise Violated(Violation("containment", writer.document, witness))

    async def _restart_cold(self, here: Stage) -> None:
        """The orderly way (checkpoints are written) or the other one."""
        if self._rng.random() < 0.5:
            code = await asyncio.to_thread(here.server.terminate)
            if code != 0:
                raise Violated(Violation("liveness", "the server", ended_badly(code, here)))
        else:
            await here.kill()
        await here.start()
