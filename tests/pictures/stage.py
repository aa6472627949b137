"""Where a scene is set: one language, one size of window, one world; and the camera in front of it."""

import asyncio
import base64
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Locator, Page, Route, expect

from tests.browser.pages import Person
from tests.pictures.world import NOW, RIVER, World

QUALITY = 0.6
WIDTH = 960
"""Of what is kept of a window of a desk: large enough to read, small enough to be kept by the hundred."""
DESK: dict[str, Any] = {"viewport": {"width": 1200, "height": 750}, "color_scheme": "light"}
POCKET: dict[str, Any] = {
    "viewport": {"width": 390, "height": 780},
    "device_scale_factor": 1,
    "has_touch": True,
    "is_mobile": True,
    "color_scheme": "light",
}
_DISGUISE = """() => {
    const secret = (text) => text
        .replace(/http:\\/\\/(127\\.0\\.0\\.1|localhost):\\d+/, 'https://write.example.org')
        .replace(/([#=])[\\w-]{20,}/, '$17Qm4xT9pLr2VhWc8')
        .replace(/cs[stilkp]_[\\w-]{20,}/, 'cst_7Qm4xT9pLr2VhWc8Zn3k')
    for (const field of document.querySelectorAll('input[readonly]')) {
        if (secret(field.value) !== field.value) field.value = secret(field.value)
    }
}"""
"""Links and tokens are other ones each time."""
_AS_WEBP = """async ([encoded, quality, width]) => {
    const image = new Image()
    image.src = `data:image/png;base64,${encoded}`
    await image.decode()
    const canvas = document.createElement('canvas')
    const scale = Math.min(1, width / image.width)
    canvas.width = Math.round(image.width * scale)
    canvas.height = Math.round(image.height * scale)
    const pen = canvas.getContext('2d')
    pen.imageSmoothingQuality = 'high'
    pen.drawImage(image, 0, 0, canvas.width, canvas.height)
    return canvas.toDataURL('image/webp', quality).split(',')[1]
}"""


@dataclass
class Stage:
    world: World
    screen: dict[str, Any]
    darkroom: Page
    """An empty page, which makes WebP of what was taken."""
    me: Person
    """The administrator."""
    others: list[Person] = field(default_factory=list)
    after: list[Callable[[], Awaitable[object]]] = field(default_factory=list)
    """What has to be undone."""

    @property
    def page(self) -> Page:
        return self.me.page

    @property
    def url(self) -> str:
        return self.world.server.url

    @property
    def narrow(self) -> bool:
        return bool(self.screen is POCKET)

    def t(self, message: str, /, **values: object) -> str:
        return self.world.t(message, **values)

    async def visit(self, name: str | None = None, **options: Any) -> Person:
        person = await self.world.visit(name, **(self.screen | options))
        self.others.append(person)
        return person

    async def visit_new(self, index: int | None = 0, **options: Any) -> Person:
        """A browser of its own for somebody who has an account; nobody's when None."""
        return await self.visit(None if index is None else self.world.words.people[index], **options)

    async def begin(self) -> None:
        self.world.now()
        self.me.page = await self.me.context.new_page()
        await self.me.page.clock.set_fixed_time(NOW)

    async def end(self) -> None:
        for undo in reversed(self.after):
            await undo()
        self.after.clear()
        await self.me.page.close()
        for person in self.others:
            await person.context.close()
        self.others.clear()

    # --- what scenes do -----------------------------------------------------------------------------------------------

    async def go(self, path: str, *, person: Person | None = None) -> Page:
        page = (person or self.me).page
        await page.goto(self.url + path)
        return page

    async def open(self, document: str = RIVER, *, person: Person | None = None) -> Page:
        who = person or self.me
        await who.open(document)
        await expect(who.page.get_by_test_id("state")).to_have_attribute("data-state", re.compile("saved|outdated"))
        if document == RIVER:
            await expect(who.page.locator(".image img")).to_be_visible()
            await who.page.evaluate("() => document.querySelector('.image img').decode()")
            await expect(who.caret_label).to_have_count(len(self.world.present))
        return who.page

    def button(self, name: str, page: Page | Locator | None = None, /, **values: object) -> Locator:
        # What runs the other way than the words around it is isolated by signs that nobody sees.
        words = re.escape(self.t(name, **{key: f"\0{value}\0" for key, value in values.items()}))
        words = words.replace("\0", "[\u2068\u2069]?")
        return (page or self.page).get_by_role("button", name=re.compile(f"^{words}$"))

    def item(self, name: str, page: Page | None = None) -> Locator:
        return (page or self.page).get_by_role("menuitem", name=self.t(name))

    def label(self, name: str, page: Page | Locator | None = None) -> Locator:
        return (page or self.page).get_by_label(self.t(name), exact=True)

    def heading(self, name: str, page: Page | None = None, /, **values: object) -> Locator:
        return (page or self.page).get_by_role("heading", name=self.t(name, **values))

    async def menu(self, button: str, item: str | None = None, page: Page | None = None, /, **values: object) -> None:
        await self.button(button, page, **values).first.click()
        if item is not None:
            await self.item(item, page).first.click()
        else:
            await (page or self.page).get_by_role("menuitem").first.wait_for()

    async def answer(
        self, pattern: str | re.Pattern[str], body: Any, *, status: int = 200, page: Page | None = None
    ) -> None:
        """What the server would say, without its doing anything."""

        async def fulfil(route: Route) -> None:
            await route.fulfill(status=status, json=body)

        await (page or self.page).route(pattern, fulfil)

    async def cut_off(self, page: Page) -> None:
        async def drop(route: Route) -> None:
            await route.abort()

        await page.route("**/api/**", drop)

    # --- the camera ---------------------------------------------------------------------------------------------------

    async def shoot(self, page: Page, scheme: str, file: Path) -> None:
        await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        await page.evaluate(_DISGUISE)
        taken = await page.screenshot(animations="disabled", caret="hide")
        webp = await self.darkroom.evaluate(_AS_WEBP, [base64.b64encode(taken).decode(), QUALITY, WIDTH])
        await asyncio.to_thread(file.write_bytes, base64.b64decode(webp))
