"""`python -m bench.app`: how quick the web app is for people. Real server, real Chromium, two browser profiles.

Latency runs from the key press on one page, by the browser's own stamp of the event, until the other page has painted
the text: the frame in which it stands has gone through layout and paint. Both pages have the same clock. One key at a
time, with a pause of another length after each, so that it falls anywhere between two frames.

A document counts as open once all of its blocks are there, the text can be changed, and the frame has been painted;
from the start of the navigation. Cold is a new browser profile, warm a new page in one that has had the document open
before.
"""

import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer
from playwright.async_api import Browser, BrowserContext, CDPSession, Page, async_playwright
from pycrdt import Doc, XmlElement, XmlFragment, XmlText
from rich.console import Console
from rich.table import Table

from bench.machine import Others, commit, describe
from tests.browser.pages import DESKTOP, launch
from tests.servers import ServerProcess

_RESULTS = Path(__file__).parent / "results" / "app.json"
_USUAL_SECONDS: Final = 0.45
"""What the loop of `speed` takes on a usual machine: the targets are for such a one."""
_WORDS_IN_BLOCK: Final = 100
_MARK: Final = "z"
"""What is typed; no word of the documents holds it."""
_PAUSE_MS: Final = (60, 140)
_PATIENCE_MS: Final = 60_000
SIZES: Final = {"small": 300, "100,000 words": 100_000}
TARGETS_MS: Final = {
    "key to paint, small: p50": 20,
    "key to paint, 100,000 words: p50": 50,
    "open 100,000 words, cold": 1500,
    "open 100,000 words, warm": 700,
}

_LIB = """
window.bench = {
    now: () => performance.timeOrigin + performance.now(),
    painted: () => new Promise((done) => requestAnimationFrame(() => {
        const channel = new MessageChannel()
        channel.port1.onmessage = () => done(bench.now())
        channel.port2.postMessage(null)
    })),
    editor: () => document.querySelector('[data-testid=editor]'),
    /** How many marks a block has, without the carets of others. */
    marks: (block) => {
        const copy = block.cloneNode(true)
        for (const caret of copy.querySelectorAll('.collaboration-caret__caret')) caret.remove()
        return copy.textContent.split('MARK').length - 1
    },
    opened: (blocks) => new Promise((done) => {
        const look = async () => {
            const editor = bench.editor()
            const open = editor?.isContentEditable && editor.childElementCount >= blocks
            if (open) done(await bench.painted() - performance.timeOrigin)
            else requestAnimationFrame(look)
        }
        look()
    }),
    /** Key presses of this page, by the browser's stamp. */
    pressed: [],
    press: () =>
        addEventListener('keydown', ({ timeStamp }) => bench.pressed.push(performance.timeOrigin + timeStamp), true),
    /** Resolves with when block `index` first has `count` marks in the DOM, and on the screen. */
    seen: (index, count) => new Promise((done) => {
        const block = () => bench.editor().children[index]
        const look = async () => {
            if (bench.marks(block()) < count) return
            observer.disconnect()
            const changed = bench.now()
            done({ changed, painted: await bench.painted() })
        }
        const observer = new MutationObserver(look)
        observer.observe(bench.editor(), { childList: true, characterData: true, subtree: true })
        void look()
    }),
}
""".replace("MARK", _MARK)


def words(count: int) -> list[str]:
    """The same ones each time."""
    chance = random.Random(count)
    letters = "abcdefghijklmnopqrstuvwxy"
    known = ["".join(chance.choices(letters, k=chance.randint(2, 8))) for _ in range(2000)]
    return chance.choices(known, k=count)


def updates(text: list[str]) -> list[bytes]:
    """A document of paragraphs, a heading before every tenth, in updates of some 100 KB."""
    doc: Doc[Any] = Doc()
    fragment = doc.get("default", type=XmlFragment)
    made: list[bytes] = []
    state = doc.get_state()
    for start in range(0, len(text), _WORDS_IN_BLOCK):
        with doc.transaction():
            number = start // _WORDS_IN_BLOCK
            block = XmlElement("heading", {"level": 2}) if number % 10 == 9 else XmlElement("paragraph")
            fragment.children.append(block)
            block.children.append(XmlText(" ".join(text[start : start + _WORDS_IN_BLOCK])))
        if number % 200 == 199 or start + _WORDS_IN_BLOCK >= len(text):
            made.append(doc.get_update(state))
            state = doc.get_state()
    return made


def speed() -> float:
    """Seconds for ten million additions."""
    start, number = time.perf_counter(), 0
    while number < 10_000_000:
        number += 1
    return time.perf_counter() - start


def percentiles(milliseconds: list[float]) -> dict[str, float]:
    ordered = sorted(milliseconds)
    at = {name: ordered[min(len(ordered) - 1, int(len(ordered) * part))] for name, part in _PARTS.items()}
    return {name: round(value, 1) for name, value in at.items()}


_PARTS: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "most": 1.0}


class App:
    """The app in a browser, in front of a server that has the documents."""

    def __init__(self, server: ServerProcess, browser: Browser, profiles: Path | None) -> None:
        self._server = server
        self._browser = browser
        self._profiles = profiles

    @asynccontextmanager
    async def profile(self) -> AsyncIterator[BrowserContext]:
        """A new browser profile."""
        context = await self._browser.new_context(**DESKTOP)
        await context.add_init_script(_LIB)
        try:
            yield context
        finally:
            await context.close()

    async def make(self, document: str, size: int) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
            (await http.post(f"{self._server.url}/api/documents", json={"id": document})).raise_for_status()
            for update in updates(words(size)):
                answer = await http.post(
                    self._server.document_url(document, "updates"),
                    content=update,
                    headers={"content-type": "application/octet-stream"},
                )
                answer.raise_for_status()

    async def open(self, context: BrowserContext, document: str, blocks: int, name: str = "") -> tuple[Page, float]:
        """A page with the document, and how long that took."""
        page = await context.new_page()
        async with self._profiled(name, page):
            await page.goto(f"{self._server.url}/d/{document}", wait_until="commit")
            async with asyncio.timeout(_PATIENCE_MS / 1000):
                took = float(await page.evaluate("(blocks) => bench.opened(blocks)", blocks))
        return page, took

    async def latencies(self, document: str, blocks: int, keys: int, name: str) -> dict[str, list[float]]:
        """Type in one page; when it is seen on the other."""
        chance = random.Random(0)
        found: dict[str, list[float]] = {"changed": [], "painted": []}
        async with self.profile() as one, self.profile() as other:
            (writer, _), (reader, _) = await self.open(one, document, blocks), await self.open(other, document, blocks)
            middle = blocks // 2
            for page in (writer, reader):
                await page.evaluate("(at) => bench.editor().children[at].scrollIntoView({ block: 'center' })", middle)
            await writer.locator("[data-testid=editor] > *").nth(middle).click()
            await writer.keyboard.press("End")
            await writer.evaluate("bench.press()")
            before = int(await reader.evaluate("(at) => bench.marks(bench.editor().children[at])", middle))
            async with self._profiled(f"{name}-writer", writer), self._profiled(f"{name}-reader", reader):
                for number in range(1, keys + 1):
                    await self._one_key(writer, reader, middle, before + number, found)
                    await asyncio.sleep(chance.uniform(*_PAUSE_MS) / 1000)
        # The first ones find code that has not been compiled yet.
        return {what: each[keys // 10 :] for what, each in found.items()}

    async def _one_key(self, writer: Page, reader: Page, block: int, count: int, found: dict[str, list[float]]) -> None:
        await reader.evaluate("([at, count]) => void (bench.next = bench.seen(at, count))", [block, count])
        await writer.keyboard.press(_MARK)
        async with asyncio.timeout(_PATIENCE_MS / 1000):
            seen = await reader.evaluate("bench.next")
        pressed = float(await writer.evaluate("bench.pressed.at(-1)"))
        for what, each in found.items():
            each.append(seen[what] - pressed)

    async def openings(self, document: str, blocks: int, times: int) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {"cold": [], "warm": []}
        for number in range(times):
            async with self.profile() as context:
                page, took = await self.open(context, document, blocks, f"cold-{number}")
                found["cold"].append(took)
                await self._kept(page)
                await page.close()
                page, took = await self.open(context, document, blocks, f"warm-{number}")
                found["warm"].append(took)
                await self._takes_a_key(page)
        return found

    async def _kept(self, page: Page) -> None:
        """Everything is on the device, and the app's own files as well."""
        await page.locator("[data-testid=state][data-state=saved]").wait_for(timeout=_PATIENCE_MS)
        await page.evaluate("navigator.serviceWorker.ready.then(() => undefined)")
        await page.evaluate(
            """async () => {
                const kept = async () => Object.values(localStorage).some((fact) => fact.includes('"complete":true'))
                while (!(await kept())) await new Promise((done) => setTimeout(done, 50))
            }"""
        )

    async def _takes_a_key(self, page: Page) -> None:
        """It really can be changed."""
        before = await page.evaluate("bench.marks(bench.editor().children[0])")
        await page.locator("[data-testid=editor] > *").first.click()
        await page.keyboard.press(_MARK)
        await page.evaluate("(count) => bench.seen(0, count).then(() => undefined)", before + 1)
        await page.locator("[data-testid=state][data-state=saved]").wait_for(timeout=_PATIENCE_MS)

    @asynccontextmanager
    async def _profiled(self, name: str, page: Page) -> AsyncIterator[None]:
        if self._profiles is None or not name:
            yield
            return
        session: CDPSession = await page.context.new_cdp_session(page)
        await session.send("Profiler.enable")
        await session.send("Profiler.setSamplingInterval", {"interval": 500})
        await session.send("Profiler.start")
        yield
        taken = await session.send("Profiler.stop")
        self._profiles.mkdir(parents=True, exist_ok=True)
        (self._profiles / f"{name}.cpuprofile").write_text(json.dumps(taken["profile"]))


async def measure(app: App, keys: int, times: int) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for name, size in SIZES.items():
        document, blocks = name.replace(" ", "-").replace(",", ""), -(-size // _WORDS_IN_BLOCK)
        await app.make(document, size)
        found = await app.latencies(document, blocks, keys, document)
        for what, each in found.items():
            title = f"key to {'paint' if what == 'painted' else 'change of the page'}, {name}"
            figures[title] = {**percentiles(each), "keys": len(each)}
        if times:
            for what, each in (await app.openings(document, blocks, times)).items():
                figures[f"open {name}, {what}"] = {
                    "median": round(statistics.median(each)),
                    "least": round(min(each)),
                    "most": round(max(each)),
                    "times": len(each),
                }
    return figures


async def run(keys: int, times: int, profiles: Path | None) -> dict[str, Any]:
    others = Others()
    await asyncio.sleep(2)
    noise, first = others.cores(), speed()
    with tempfile.TemporaryDirectory(prefix="bench-app-") as directory:
        server = ServerProcess(Path(directory), executed=True)
        await asyncio.to_thread(server.start)
        try:
            async with async_playwright() as playwright:
                browser = await launch(playwright)
                version = browser.version
                figures = await measure(App(server, browser, profiles), keys, times)
                await browser.close()
        finally:
            await asyncio.to_thread(server.terminate)
    seconds = (first + speed()) / 2
    about = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "command": f"python -m bench.app --keys {keys} --times {times}",
        **describe(),
        "chromium": version,
        "ten million additions, s": f"{seconds:.2f}",
        "other programs before, cores": f"{noise:.2f}",
    }
    return {"about": about, "targets_ms": TARGETS_MS, "figures": figures}


def show(results: dict[str, Any]) -> None:
    slower = float(results["about"]["ten million additions, s"]) / _USUAL_SECONDS
    table = Table("ms", "p50", "p95", "p99", "target", f"this machine is {slower:.1f} times as slow as a usual one")
    for name, figure in results["figures"].items():
        middle = figure.get("p50", figure.get("median"))
        target = TARGETS_MS.get(f"{name}: p50", TARGETS_MS.get(name))
        verdict = "" if target is None else f"{middle / slower:.0f} there, if all of it scales"
        spread = [figure[key] for key in (("p95", "p99") if "p95" in figure else ("least", "most"))]
        table.add_row(name, str(middle), *map(str, spread), "" if target is None else str(target), verdict)
    console = Console()
    console.print(table)
    console.print("For openings: median, least, most.", results["about"])


def main(
    keys: Annotated[int, typer.Option(min=10, help="Key presses in each document; a tenth warms up.")] = 200,
    times: Annotated[int, typer.Option(min=0, help="How often each document is opened, cold and warm.")] = 7,
    out: Annotated[Path, typer.Option(help="Where the results go.")] = _RESULTS,
    profiles: Annotated[Path | None, typer.Option(help="A directory for CPU profiles; slows everything.")] = None,
) -> None:
    """Measure the web app in Chromium: bench/README.md says how."""
    results = asyncio.run(run(keys, times, profiles))
    show(results)
    if profiles is None:
        out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
        print(f"results: {out}")


if __name__ == "__main__":
    typer.run(main)
