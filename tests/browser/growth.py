"""What a page holds while people edit, and whether it holds more than its content needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from playwright.async_api import CDPSession

from tests.browser.pages import Person
from tests.e2e.replica import replay

MIB = 1024 * 1024
HEAP_MARGIN = 8 * MIB
NODES_MARGIN = 3000
"""Chromium remembers in which nodes somebody typed, for the last thousand steps: some three each."""
LISTENERS_MARGIN = 30
FACTOR = 1.25
"""A page that has been open for long may hold so much more than a new one with the same document, and the margin."""
ROWS_MAX = 1000
"""Of updates in the copy on the device, which are merged when they are half as many."""
COPY_MARGIN = 64 * 1024
"""A page keeps what was deleted and could be brought back by undo, so its copy may have the bytes of all that was ever
written, which the server's log is, and the margin; a page that is opened anew lets go of that."""
STORAGE_MARGIN = 32 * MIB
"""What the browser counts includes files that its database has not yet tidied up."""

_STORED = "async () => (await navigator.storage.estimate()).usage"


@dataclass(frozen=True, slots=True)
class Held:
    """By one page, after a garbage collection."""

    document: int
    """Bytes of the whole document as one update, deletions included."""
    heap: int
    nodes: int
    listeners: int
    rows: int
    copy: int
    """Bytes in those rows."""
    storage: int
    """What the browser says it stores for the app, the app's own files included."""


async def collect_garbage(debugger: CDPSession) -> None:
    for _ in range(2):  # what the first one finalises the second one frees
        await debugger.send("HeapProfiler.collectGarbage")


async def held(person: Person, debugger: CDPSession, document: str) -> Held:
    updates = await person.copy_on_device(document)
    storage: int = await person.page.evaluate(_STORED)
    await collect_garbage(debugger)
    found: dict[str, Any] = await debugger.send("Performance.getMetrics")
    metrics = {each["name"]: int(each["value"]) for each in found["metrics"]}
    doc = replay(updates)
    return Held(
        document=len(doc.get_update()),
        heap=metrics["JSHeapUsedSize"],
        nodes=metrics["Nodes"],
        listeners=metrics["JSEventListeners"],
        rows=len(updates),
        copy=sum(map(len, updates)),
        storage=storage,
    )


def too_much(name: str, samples: Sequence[Held], written: int) -> list[str]:
    """What a copy on a device has come to that it should not; of all samples, the first one was taken early.

    Args:
        written: bytes of all updates in the server's log.
    """
    found = []
    for each in samples:
        if each.rows > ROWS_MAX:
            found.append(f"{name}: {each.rows} updates in IndexedDB, more than {ROWS_MAX}: they are not merged")
    if samples:
        first, last = samples[0], samples[-1]
        if last.storage > (allowed := first.storage + STORAGE_MARGIN + 4 * last.document):
            found.append(f"{name}: the browser stores {last.storage:,} bytes, more than {allowed:,}")
        if last.copy > (allowed := written + COPY_MARGIN):
            found.append(f"{name}: {last.copy:,} bytes in IndexedDB, and more than {allowed:,} were never written")
    return found[:3]


def leaks(name: str, long: Held, fresh: Held) -> list[str]:
    """What a page that was open for long holds and a new one with the same document does not."""
    found = []
    for what, margin in (("heap", HEAP_MARGIN), ("nodes", NODES_MARGIN), ("listeners", LISTENERS_MARGIN)):
        before, after = getattr(long, what), getattr(fresh, what)
        if before > (allowed := int(after * FACTOR) + margin):
            found.append(f"{name}: {what} {before:,}, and {after:,} once opened anew: more than {allowed:,} is a leak")
    return found


COLUMNS = "heap MiB  nodes  listeners  rows  copy KiB  stored KiB"


def row(each: Held) -> str:
    return (
        f"{each.heap / MIB:8.1f}  {each.nodes:5}  {each.listeners:9}  {each.rows:4}"
        f"  {each.copy / 1024:8.0f}  {each.storage / 1024:10.0f}"
    )
