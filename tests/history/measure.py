"""Figures for docs/history.md: `python -m tests.history.measure`, or the end of `make check-history`.

A real paper, written in 259,778 edits, a row each. How long its index takes, and any of 100 random past states, blame,
comparisons and a restoration; and what people who edit meanwhile notice of it.
"""

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

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
_KEYS = 600
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
    """What a keystroke takes to another client, while nothing else happens and while history is busy."""
    alone = await typed(server, "quiet")
    stop = asyncio.Event()

    async def ask() -> int:
        questions = 0
        async with httpx.AsyncClient(trust_env=False, timeout=120) as http:
            while not stop.is_set():
                for resource in ("history/blame", "history/diff?from=100000&to=150000", "history?limit=50"):
                    (await http.get(server.document_url(PAPER, resource))).raise_for_status()
                    questions += 1
        return questions

    asking = asyncio.create_task(ask())
    busy = await typed(server, "busy")
    stop.set()
    questions = await asking
    for name, took in (("alone", alone), (f"while {questions} questions were answered", busy)):
        say(
            f"keystroke to another client, {name}: p50 {percentile(took, 0.5):.2f} ms, "
            f"p95 {percentile(took, 0.95):.2f} ms, p99 {percentile(took, 0.99):.2f} ms"
        )


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


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        server = ServerProcess(Path(directory))
        server.data_dir.mkdir(parents=True)
        asyncio.run(measure_answers(f"sqlite+aiosqlite:///{server.data_dir}/coscribe.db"))
        with server:
            asyncio.run(measure_latency(server))


if __name__ == "__main__":
    main()
