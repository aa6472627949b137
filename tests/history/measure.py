"""Figures for docs/history.md: `python -m tests.history.measure [DIRECTORY [--prepare]]`, or `make check-history`.

A real paper, written in 259,778 edits, a row each. How long its index takes, and any of 100 random past states, blame,
comparisons and a restoration; and what people who edit meanwhile notice of it. What was prepared in a directory is
measured from there.
"""

import asyncio
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import httpx
from pycrdt import Text, TransactionEvent

from bench.trace import load_trace
from collab.history.historian import Historian
from collab.history.timeline import TimelineQuery
from collab.ports import Append, NewUpdate
from collab.types import DocumentId, Seq
from storage.engine import Database
from storage.schema import upgrade
from tests.e2e import wire
from tests.e2e.raw_client import RawClient
from tests.e2e.replica import new_doc
from tests.servers import ServerProcess

PAPER = DocumentId("paper")
_BATCH = 1000
_STATES = 100
_ROUNDS = 3
_KEYS = 250
_KEY_SECONDS = 0.02


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


async def timed(what: str, work: Callable[[], Awaitable[Any]]) -> Any:
    begun = time.perf_counter()
    answer = await work()
    say(f"{what}: {time.perf_counter() - begun:.2f} s")
    return answer


async def fill(database: Database) -> Seq:
    """The paper, a row for each edit, by two people in turn."""
    updates = load_trace(False).updates
    await database.log.load(PAPER, create=True)
    for start in range(0, len(updates), _BATCH):
        user = f"person-{start // 20_000 % 2}"
        rows = tuple(NewUpdate(user, update) for update in updates[start : start + _BATCH])
        (head,) = await database.log.append([Append(PAPER, rows)])
    return head


async def measure_answers(url: str) -> None:
    await upgrade(url)
    async with await Database.open(url) as database:
        head = (await database.history.extent(PAPER)).head
        historian = Historian(database.log, database.history)
        rng = random.Random(1)
        took, worked = [], []
        for _ in range(_STATES):
            begun, begun_working = time.perf_counter(), time.process_time()
            await historian.content(PAPER, Seq(rng.randint(0, head)))
            took.append(1000 * (time.perf_counter() - begun))
            worked.append(1000 * (time.process_time() - begun_working))
        # The second does not depend on what else the machine does.
        for what, values in (("time", took), ("processor time", worked)):
            say(
                f"{_STATES} random states, {what}: p50 {percentile(values, 0.5):.0f} ms, "
                f"p95 {percentile(values, 0.95):.0f} ms, most {max(values):.0f} ms"
            )
        await timed("blame, first", lambda: historian.blame(PAPER))
        doc = new_doc()
        doc.apply_update(await historian.content(PAPER, head))
        before = doc.get_state()
        doc.get("text", type=Text).insert(50_000, "one more word ")
        await database.log.append([Append(PAPER, (NewUpdate("person-0", doc.get_update(before)),))])
        await timed("blame after one more edit", lambda: historian.blame(PAPER))
        await timed("blame half-way", lambda: historian.blame(PAPER, Seq(head // 2)))
        await timed("diff of the last 1,000 edits", lambda: historian.diff(PAPER, Seq(head - 1000), head))
        await timed("diff of the second half", lambda: historian.diff(PAPER, Seq(head // 2), head))
        await timed("restoration of half-way", lambda: historian.restoration(PAPER, Seq(head // 2)))
        await timed("timeline", lambda: historian.timeline(PAPER, TimelineQuery(300_000, 50)))


async def measure_latency(server: ServerProcess) -> None:
    """What a keystroke takes to another client, in turns while nothing else happens and while history is busy."""
    took: dict[str, list[float]] = {"alone": [], "busy": []}
    answers = 0
    for number in range(_ROUNDS):
        took["alone"] += await typed(server, f"alone/{number}")
        with Asking(server) as asking:
            took["busy"] += await typed(server, f"busy/{number}")
        answers += asking.answers
    for name, values in took.items():
        say(
            f"keystroke to another client, {name}: p50 {percentile(values, 0.5):.2f} ms, "
            f"p95 {percentile(values, 0.95):.2f} ms, p99 {percentile(values, 0.99):.2f} ms"
        )
    ratios = [percentile(took["busy"], share) / percentile(took["alone"], share) for share in (0.5, 0.95, 0.99)]
    say(
        f"busy with {answers} answers ({', '.join(QUESTIONS)}) to alone: "
        f"p50 x {ratios[0]:.2f}, p95 x {ratios[1]:.2f}, p99 x {ratios[2]:.2f}"
    )


QUESTIONS = {
    "past states": "content?format=text&at={seq}",
    "blame": "history/blame?at={seq}",
    "diff": "history/diff?from={seq}&to=150000",
    "exports": "export?format=docx&seq={seq}",
}


class Asking:
    """A process of its own that asks for all of these at once, over and over: what it reads delays nobody's keys."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self.answers = 0

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE
        command = [sys.executable, "-m", "tests.history.measure", "--ask", self._server.document_url(PAPER, "")]
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        assert self._process.stdout is not None
        self._process.stdout.readline()
        return self

    def __exit__(self, *_: object) -> None:
        said = self._process.communicate("")[0]
        assert self._process.returncode == 0, "a question was not answered"
        self.answers = int(said)


def ask(url: str) -> None:
    """Ask until stdin ends, then say how much was answered."""
    os.nice(10)
    stop = threading.Event()

    def go_on(question: str) -> int:
        rng, count = random.Random(question), 0
        with httpx.Client(trust_env=False, timeout=120) as http:
            while not stop.is_set():
                http.get(f"{url}/" + question.format(seq=rng.randint(0, 250_000))).raise_for_status()
                count += 1
        return count

    with ThreadPoolExecutor() as threads:
        counts = [threads.submit(go_on, question) for question in QUESTIONS.values()]
        say("asking")
        sys.stdin.read()
        stop.set()
    say(str(sum(count.result() for count in counts)))


async def typed(server: ServerProcess, document: str) -> list[float]:
    took: list[float] = []
    arrived = asyncio.Event()
    async with RawClient(server, document) as writer, RawClient(server, document) as reader:
        seen = reader.doc.observe(lambda event: arrived.set())
        emitted: list[bytes] = []
        doc = new_doc()
        text = doc.get("text", type=Text)

        def observe(event: TransactionEvent) -> None:
            emitted.append(event.update)

        subscription = doc.observe(observe)
        for number in range(_KEYS):
            text.insert(number, "x")
            arrived.clear()
            begun = time.perf_counter()
            await writer.send(wire.update(emitted.pop()))
            await arrived.wait()
            took.append(1000 * (time.perf_counter() - begun))
            await asyncio.sleep(_KEY_SECONDS)
        doc.unobserve(subscription)
        reader.doc.unobserve(seen)
    return took


async def prepare(url: str) -> None:
    """Write the paper and its index."""
    await upgrade(url)
    async with await Database.open(url) as database:
        head = await fill(database)
        historian = Historian(database.log, database.history)

        async def index() -> int:
            chunks = 0
            while chunk := await historian.next_chunk(PAPER):
                await database.history.add_chunk(PAPER, chunk)
                chunks += 1
            return chunks

        chunks = await timed(f"index of {head} rows", index)
        checkpoints = [await database.history.checkpoint(PAPER, Seq(at)) for at in range(2000, head, 2000)]
        say(f"checkpoints: {chunks}, {sum(len(found.packed) for found in checkpoints if found) / 1e6:.1f} MB")


def main() -> None:
    if sys.argv[1:2] == ["--ask"]:
        ask(sys.argv[2])
        return
    with tempfile.TemporaryDirectory() as directory:
        server = ServerProcess(Path(sys.argv[1] if sys.argv[1:] else directory))
        url = f"sqlite+aiosqlite:///{server.data_dir}/coscribe.db"
        if not server.data_dir.exists():
            server.data_dir.mkdir(parents=True)
            asyncio.run(prepare(url))
        if sys.argv[2:] != ["--prepare"]:
            asyncio.run(measure_answers(url))
            with server:
                asyncio.run(measure_latency(server))


if __name__ == "__main__":
    main()
