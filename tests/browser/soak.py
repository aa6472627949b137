"""`python -m tests.browser.soak`: two people edit one document in Chromium for half an hour, through everything.

At random they type, format, delete, make tables and undo; their connections are cut, stalled and lost half; one of
them reloads; the server is killed and restarted. What they write is bounded, so that whatever grows shows. At the end
both pages, both copies on their devices, the server and, after its restart, the database hold the same; and the page
that was open all the time holds no more than a new one. The exit code is 1 when that is not so.
"""

import argparse
import asyncio
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx
from playwright.async_api import Browser, CDPSession, ConsoleMessage, async_playwright
from pycrdt import XmlFragment

from collab.structs import read_deletions
from tests.browser.growth import COLUMNS, Held, held, leaks, row, too_much
from tests.browser.pages import DESKTOP, Person, launch
from tests.browser.test_two_pages import FRAGMENT, stored_rows
from tests.checker.proxy import Proxy
from tests.e2e.replica import canonical, plain, replay, state_vector
from tests.servers import ServerProcess
from tests.support import choose_seed, eventually

SECONDS = 1800
DOCUMENT = "soak"
CHARACTERS_MAX = 4000
"""Beyond that, as much is deleted as brings the text to half of it."""
TABLES_MAX = 3
SAMPLES = 30
WORDS = (
    "heron",
    "water",
    "mark",
    "far",
    "bank",
    "stood",
    "twelve",
    "measure",
    "of",
    "the",
    "two",
    "reed",
    "low",
    "tide",
)
CHORDS = {
    "bold": "Control+b",
    "italic": "Control+i",
    "underline": "Control+u",
    "strike": "Control+Shift+s",
    "code": "Control+e",
    "heading": "Control+Alt+2",
    "plain": "Control+Alt+0",
    "bullets": "Control+Shift+8",
    "tasks": "Control+Shift+9",
    "quote": "Control+Shift+b",
}

_CHOOSE = """(editor, [from, to]) => {
    const texts = []
    const walker = document.createTreeWalker(editor, NodeFilter.SHOW_TEXT)
    while (walker.nextNode()) {
        const text = walker.currentNode
        if (text.parentElement.closest('.collaboration-caret__caret') === null) texts.push(text)
    }
    const place = (share) => {
        if (texts.length === 0) return [editor, 0]
        const text = texts[Math.min(Math.floor(share * texts.length), texts.length - 1)]
        return [text, Math.floor(((share * texts.length) % 1) * (text.length + 1))]
    }
    editor.focus()
    getSelection().setBaseAndExtent(...place(from), ...place(to))
}"""
_SHAPE = """(editor) => {
    const heed = /^(P|H[1-6]|UL|OL|LI|BLOCKQUOTE|PRE|TABLE|TR|TD|TH|STRONG|EM|U|S|CODE|MARK)$/
    const shape = (node) => {
        if (node.nodeType === Node.TEXT_NODE) return node.data
        if (node.nodeType !== Node.ELEMENT_NODE || node.classList.contains('collaboration-caret__caret')) return ''
        const inside = [...node.childNodes].map(shape).join('')
        return heed.test(node.tagName) ? `<${node.tagName} ${node.dataset?.checked ?? ''}>${inside}</>` : inside
    }
    return shape(editor)
}"""
_SIZE = "(editor) => [editor.textContent.length, editor.querySelectorAll('table').length]"

AWAY = ("WebSocket connection to ", "Failed to load resource: net::ERR_")
"""What Chromium says of connections that cannot be made or end, here no problem."""


@dataclass
class Writer(Person):
    """One of the two, behind a proxy of their own."""

    origin: str = ""
    proxy: Proxy = field(kw_only=True)
    debugger: CDPSession = field(kw_only=True)
    samples: list[Held] = field(default_factory=list)

    async def come(self) -> None:
        await self.page.goto(f"{self.origin}/d/{DOCUMENT}")
        await self.editor.wait_for()

    def _heed_console(self, message: ConsoleMessage) -> None:
        if not message.text.startswith(AWAY):
            super()._heed_console(message)

    async def choose(self, start: float, end: float | None = None) -> None:
        """Put the caret, or a selection, at shares of the document between 0 and 1."""
        await self.editor.evaluate(_CHOOSE, [start, start if end is None else end])

    async def press(self, keys: str) -> None:
        await self.page.keyboard.press(keys)


class Soak:
    """One run. `report` gets its lines as they come."""

    def __init__(self, seconds: float, seed: int, report: Callable[[str], None]) -> None:
        self.seconds = seconds
        self.seed = seed
        self.done: Counter[str] = Counter()
        self._rng = Random(seed)
        self._report = report
        self._stack = AsyncExitStack()
        self._back: dict[str, float] = {}
        """When what was taken away comes back."""

    async def open(self, browser: Browser, directory: Path) -> None:
        self.server = ServerProcess(directory)
        await asyncio.to_thread(self.server.start)
        self._stack.push(self.server)
        self.ada = await self._enter(browser)
        self.ben = await self._enter(browser)
        self.writers = (self.ada, self.ben)
        self.http = await self._stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=60))

    async def close(self) -> None:
        for writer in self.writers:
            await writer.context.close()
        await self._stack.aclose()

    async def _enter(self, browser: Browser) -> Writer:
        proxy = await self._stack.enter_async_context(Proxy(self.server.port, self._rng))
        context = await browser.new_context(**DESKTOP)
        page = await context.new_page()
        debugger = await context.new_cdp_session(page)
        await debugger.send("Performance.enable")
        await debugger.send("HeapProfiler.enable")
        origin = proxy.ws_url.replace("ws://", "http://").removesuffix("/ws")
        writer = Writer(self.server, context, page, origin=origin, proxy=proxy, debugger=debugger)
        writer.watch()
        await writer.come()
        return writer

    async def run(self) -> list[str]:
        """Everything; returns what is wrong."""
        began = time.monotonic()
        self._report(f"seed {self.seed}, {self.seconds:.0f} s")
        self._report(f"{'':24}Ada, here all the time{'':37}Ben, who reloads")
        self._report(f"second  edits  document  {COLUMNS}   {COLUMNS}")
        every = max(self.seconds / SAMPLES, 8)
        sample_at, trouble_at = every, self._rng.uniform(2, 6)
        while (now := time.monotonic() - began) < self.seconds:
            await self._give_back(now)
            if now > trouble_at:
                await self._trouble(now)
                trouble_at = now + self._rng.uniform(4, 12)
            if now > sample_at:
                await self._sample(now)
                sample_at = now + every
            await self._edit(self._rng.choice(self.writers))
        await self._give_back(float("inf"))
        return await self._end(time.monotonic() - began)

    async def _edit(self, writer: Writer) -> None:
        rng = self._rng
        length, tables = await writer.editor.evaluate(_SIZE)
        if length > CHARACTERS_MAX:
            await writer.choose(*((0, 0.5) if rng.random() < 0.5 else (0.5, 1)))
            await writer.press("Delete")
            self.done["great deletions"] += 1
            return
        kinds = {"type": 10, "format": 3, "delete": 3, "undo": 2, "table": 1 if tables < TABLES_MAX else 0}
        kind = rng.choices(list(kinds), list(kinds.values()))[0]
        self.done[kind] += 1
        place = rng.random()
        if kind == "type":
            await writer.choose(place)
            words = " ".join(rng.choices(WORDS, k=rng.randint(1, 6)))
            await writer.page.keyboard.type(words + rng.choice((" ", ". ", "\n")))
        elif kind == "format":
            await writer.choose(place, min(1, place + rng.uniform(0, 0.05)))
            await writer.press(CHORDS[rng.choice(list(CHORDS))])
        elif kind == "delete":
            await writer.choose(place, min(1, place + rng.uniform(0, 0.05)))
            await writer.press(rng.choice(("Backspace", "Delete")))
        elif kind == "undo":
            for _ in range(rng.randint(1, 4)):
                await writer.press(rng.choice(("Control+z", "Control+z", "Control+y")))
        else:
            await writer.editor.focus()
            await writer.press("Control+End")
            await writer.press("Enter")
            await writer.page.keyboard.type("/table")
            await writer.press("Enter")
            for word in rng.choices(WORDS, k=rng.randint(1, 9)):
                await writer.page.keyboard.type(word)
                await writer.press("Tab")
        # Whatever menu what was typed has opened.
        await writer.press("Escape")

    async def _trouble(self, now: float) -> None:
        rng = self._rng
        kind = rng.choice(("cut", "offline", "stall", "half-open", "reload", "kill", "restart"))
        writer = rng.choice(self.writers)
        name = "ada" if writer is self.ada else "ben"
        if kind in self._back or name in self._back or (kind in ("kill", "restart") and "server" in self._back):
            return
        self.done[kind] += 1
        for_seconds = rng.uniform(1, 8)
        if kind == "cut":
            writer.proxy.cut()
        elif kind == "half-open":
            writer.proxy.abandon()
        elif kind == "offline":
            writer.proxy.open = False
            writer.proxy.cut()
            self._back[name] = now + for_seconds
        elif kind == "stall":
            writer.proxy.stall()
            self._back[name] = now + for_seconds
        elif kind == "reload":
            if "ben" in self._back:
                self.ben.proxy.flow()
            await self.ben.page.reload(wait_until="commit")
            await self.ben.editor.wait_for()
        else:
            await asyncio.to_thread(self.server.kill9 if kind == "kill" else self.server.terminate)
            self._back["server"] = now + for_seconds

    async def _give_back(self, now: float) -> None:
        for name in [name for name, at in self._back.items() if at <= now]:
            del self._back[name]
            if name == "server":
                await asyncio.to_thread(self.server.start)
            else:
                writer = self.ada if name == "ada" else self.ben
                writer.proxy.open = True
                writer.proxy.flow()

    async def _sample(self, now: float) -> None:
        for writer in self.writers:
            writer.samples.append(await held(writer, writer.debugger, DOCUMENT))
        ada, ben = (writer.samples[-1] for writer in self.writers)
        self._report(f"{now:6.0f}  {self.edits:5}  {ada.document:8}  {row(ada)}   {row(ben)}")

    @property
    def edits(self) -> int:
        return sum(self.done[kind] for kind in ("type", "format", "delete", "undo", "table", "great deletions"))

    async def _end(self, now: float) -> list[str]:
        for writer in self.writers:
            await writer.state_is("saved")
        await self._alike("in the end")
        before = await self._content()
        await asyncio.to_thread(self.server.kill9)
        with closing(sqlite3.connect(self.server.data_dir / "coscribe.db")) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        await asyncio.to_thread(self.server.start)
        found = [] if await self._content() == before else ["the database gave another document than the server had"]
        for writer in self.writers:
            await writer.state_is("saved")
        await self._alike("after the restart")
        await self._sample(now)
        written = sum(map(len, await stored_rows(self.server, DOCUMENT)))
        self._report(f"all that was ever written has {written / 1024:.0f} KiB in the log")
        for writer, name in zip(self.writers, ("Ada", "Ben"), strict=True):
            long = writer.samples[-1]
            found += too_much(name, writer.samples, written)
            await writer.page.reload(wait_until="commit")
            await writer.editor.wait_for()
            await writer.state_is("saved")
            found += leaks(name, long, await held(writer, writer.debugger, DOCUMENT))
            found += [f"{name}'s page: {problem}" for problem in writer.problems]
        await self._sample(now)
        await self._alike("opened anew")
        done = ", ".join(f"{count} {kind}" for kind, count in sorted(self.done.items()))
        self._report(f"the last line is of pages opened anew; {done}")
        return found

    async def _content(self) -> Any:
        url = self.server.document_url(DOCUMENT, "content")
        return (await self.http.get(url, params={"format": "json"})).raise_for_status().json()

    async def _alike(self, when: str) -> None:
        """
        Raises:
            AssertionError: the pages do not come to show the same, or their copies, the log and the text of the server
                to hold the same.
        """
        seen: list[str] = []

        async def same() -> bool:
            seen[:] = await self._differences()
            return not seen

        try:
            await eventually(same, within=60, every=0.5)
        except AssertionError:
            raise AssertionError(f"not the same document everywhere {when}: {'; '.join(seen)}") from None

    async def _differences(self) -> list[str]:
        shapes = [await writer.editor.evaluate(_SHAPE) for writer in self.writers]
        rows = _replica_of(await stored_rows(self.server, DOCUMENT))
        found = [] if shapes[0] == shapes[1] else [f"Ada's page shows {shapes[0]!r}, and Ben's {shapes[1]!r}"]
        for writer, name in zip(self.writers, ("Ada", "Ben"), strict=True):
            copy = _replica_of(await writer.copy_on_device(DOCUMENT))
            parts = zip(("content", "state vector", "deletions"), copy, rows, strict=True)
            found += [f"{what} of {name}'s copy {a}, and of the log {b}" for what, a, b in parts if a != b]
        return found


def _replica_of(updates: list[bytes]) -> tuple[Any, dict[int, int], list[tuple[int, int, int]]]:
    """Content, state vector and everything deleted; attributes in no order, as they have none."""
    doc = replay(updates)
    deleted = sorted(read_deletions(doc.get_update(doc.get_state()), 1))
    return canonical(plain(doc.get(FRAGMENT, type=XmlFragment))), state_vector(doc), deleted


async def soak(browser: Browser, directory: Path, run: Soak) -> list[str]:
    """What is wrong after the whole run; nothing, one hopes."""
    await run.open(browser, directory)
    try:
        return await run.run()
    finally:
        await run.close()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.browser.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--seed", type=int, help="decides who does what when; a new one by default")
    given = parser.parse_args(arguments)
    seed = choose_seed() if given.seed is None else given.seed

    def report(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    async def whole() -> list[str]:
        with tempfile.TemporaryDirectory() as directory:
            async with async_playwright() as playwright:
                browser = await launch(playwright)
                return await soak(browser, Path(directory), Soak(given.seconds, seed, report))

    found = asyncio.run(whole())
    for each in found:
        report(f"FAILED {each}")
    report(f"seed {seed}: " + (f"{len(found)} things are wrong" if found else "all is well"))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
