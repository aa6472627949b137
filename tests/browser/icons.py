"""Draws the app's icons from its logo, after the logo changed: `python -m tests.browser.icons`."""

import asyncio
from pathlib import Path

from playwright.async_api import Page, async_playwright

from tests.browser.pages import launch
from tests.setup import ROOT

CLIENT = ROOT / "web" / "client"
LOGO = CLIENT / "src" / "assets" / "logo.svg"
ROUNDED = ' rx="8"'
ICONS = {
    "icon-192.png": (192, True),
    "icon-512.png": (512, True),
    # Cut to a shape by the system: the ground reaches every edge, the letters stay in the middle.
    "icon-maskable-512.png": (512, False),
    "apple-touch-icon.png": (180, False),
}


async def draw(page: Page, path: Path, size: int, *, rounded: bool) -> None:
    """A square PNG of the logo, `size` pixels wide."""
    logo = LOGO.read_text()
    assert ROUNDED in logo
    logo = logo if rounded else logo.replace(ROUNDED, "")
    await page.set_viewport_size({"width": size, "height": size})
    await page.set_content(f"<style>body {{ margin: 0 }} svg {{ display: block; width: {size}px }}</style>{logo}")
    await page.screenshot(path=path, omit_background=True)


async def main() -> None:
    async with async_playwright() as playwright:
        browser = await launch(playwright)
        page = await browser.new_page()
        for name, (size, rounded) in ICONS.items():
            await draw(page, CLIENT / "public" / name, size, rounded=rounded)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
