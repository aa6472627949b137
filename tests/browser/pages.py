"""People in front of the web app: pages in Chromium that fail the test for whatever goes wrong inside them."""

import base64
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Playwright, expect

from tests import setup
from tests.servers import ServerProcess
from tests.support import eventually, skip_or_fail

expect.set_options(timeout=20_000)
ARTIFACTS = Path(__file__).parent.parent / "artifacts"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 780},
    "device_scale_factor": 2,
    "has_touch": True,
    "is_mobile": True,
    "color_scheme": "dark",
}
NO_CONNECTION = ("WebSocket connection to ", "Failed to load resource: net::ERR_CONNECTION_")
INTO_CLOSED = "WebSocket is already in CLOSING or CLOSED state."
STATE_MS = 30_000
"""How long a state may take to show: the client retries every 2.5 s and waits a second before it says Offline."""

_BLOCKS = """(text) => {
    const copy = text.cloneNode(true)
    for (const caret of copy.querySelectorAll('.collaboration-caret__caret')) caret.remove()
    return [...copy.children].map((block) => block.textContent)
}"""

_DEVICE_COPY = """async (document) => {
    const answer = (request) => new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result)
        request.onerror = () => reject(request.error)
    })
    const { name } = (await indexedDB.databases()).find(({ name }) => name.includes(`${document}@`))
    const database = await answer(indexedDB.open(name))
    const updates = await answer(database.transaction('updates').objectStore('updates').getAll())
    database.close()
    // Not all bytes at once as arguments: of a great update they are more than a call takes.
    const text = (update) => Array.from(update, (byte) => String.fromCharCode(byte)).join('')
    return updates.map((update) => btoa(text(update)))
}"""


def chromium() -> str:
    """Path of the system's Chromium, installed first where that is possible; skips the test without one."""
    try:
        setup.chromium()
    except setup.Missing as reason:
        skip_or_fail(str(reason))
    return next(path for name in setup.CHROMIUM_NAMES if (path := shutil.which(name)))


async def launch(playwright: Playwright) -> Browser:
    return await playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))


@dataclass
class Person:
    """One browser profile and its page."""

    server: ServerProcess
    context: BrowserContext
    page: Page
    problems: list[str] = field(default_factory=list)
    server_away: bool = False
    routed: bool = False
    """Playwright stands between its sockets and the server: it takes what the page says while its own is closing."""
    """Set once the server goes: failed connections are then no problem, however late the browser reports them."""

    @property
    def editor(self) -> Locator:
        return self.page.get_by_test_id("editor")

    @property
    def title(self) -> Locator:
        return self.page.get_by_test_id("title")

    @property
    def caret_label(self) -> Locator:
        """The names at the carets of the others."""
        return self.page.locator(".collaboration-caret__caret .collaboration-caret__label")

    async def without_service_worker(self) -> None:
        """From the next page on. What goes through one does not come by where a test stands between."""
        await self.page.add_init_script("delete Navigator.prototype.serviceWorker")

    async def open(self, document: str) -> None:
        await self.page.goto(f"{self.server.url}/d/{document}")
        await self.editor.wait_for()

    async def write(self, text: str, *, at: str = "End") -> None:
        """Type at the end or the start (`Home`) of the whole document."""
        await self.editor.focus()
        await self.page.keyboard.press(f"Control+{at}")
        await self.page.keyboard.type(text)

    async def heard_of_selection(self) -> None:
        """Chromium tells the editor of a new selection no earlier than the next key, if that is quick."""
        await self.page.evaluate(
            "new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted)))"
        )

    async def state_is(self, state: str) -> None:
        await expect(self.page.get_by_test_id("state")).to_have_attribute("data-state", state, timeout=STATE_MS)

    async def text(self) -> str:
        """The document's blocks, one in each line, without the carets of the others."""
        blocks: list[str] = await self.editor.evaluate(_BLOCKS)
        return "\n".join(blocks)

    async def shows(self, text: str) -> None:
        async def same() -> bool:
            return await self.text() == text

        try:
            await eventually(same, "the text")
        except AssertionError:
            raise AssertionError(f"expected {text!r}, the page shows {await self.text()!r}") from None

    async def copy_on_device(self, document: str) -> list[bytes]:
        """The updates in this browser's IndexedDB, read without any code of the app."""
        return [base64.b64decode(update) for update in await self.page.evaluate(_DEVICE_COPY, document)]

    async def name(self) -> str:
        """How the others see this person."""
        label = await self.page.get_by_test_id("presence").get_by_role("button").last.get_attribute("title")
        assert label is not None
        return label.removesuffix(" (you)")

    async def picture(self, name: str) -> None:
        ARTIFACTS.mkdir(exist_ok=True)
        await self.page.screenshot(path=ARTIFACTS / f"{name}.png")

    def watch(self) -> None:
        """Take down every error and warning of the page, Content-Security-Policy violations among them."""
        self.page.on("console", self._heed_console)
        self.page.on("pageerror", lambda error: self.problems.append(f"uncaught: {error}"))
        self.page.on("crash", lambda _: self.problems.append("the page crashed"))

    def _heed_console(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning") or (self.server_away and message.text.startswith(NO_CONNECTION)):
            return
        if self.routed and message.text == INTO_CLOSED:
            return
        self.problems.append(f"{message.type}: {message.text}")


async def same_text(people: Iterable[Person]) -> str:
    """Wait until all pages show the same, not empty, and return it."""
    persons = list(people)

    async def same() -> str | None:
        first, *others = [await person.text() for person in persons]
        return first if all(other == first for other in others) else None

    return await eventually(same, "one text on all pages")
