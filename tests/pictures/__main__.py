"""Takes the pictures: `python -m tests.pictures [--only SLUG…] [--fonts DIRECTORY] [--into DIRECTORY]`."""

import argparse
import asyncio
import os
import tempfile
import time
import traceback
from pathlib import Path

from playwright.async_api import Browser, async_playwright

from tests.browser.pages import launch
from tests.pictures import album
from tests.pictures.scenes import SCENES, Scene
from tests.pictures.stage import DESK, POCKET, Stage
from tests.pictures.words import EN, HE, JA, Words
from tests.pictures.world import World

_FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd"><fontconfig>
<dir>/usr/share/fonts</dir><dir>{fonts}</dir><cachedir>{cache}</cachedir>
{rules}</fontconfig>"""
_INSTEAD = """<match target="pattern"><test name="family"><string>{0}</string></test>
<edit name="family" mode="assign" binding="strong">{1}</edit></match>"""
_PREFERRED = {"system-ui": "Inter", "sans": "Inter", "sans-serif": "Inter", "monospace": "DejaVu Sans Mono"}


_WITHOUT = """<selectfont><rejectfont><pattern><patelt name="family"><string>{0}</string></patelt></pattern>
</rejectfont></selectfont>"""
_JAPANESE = ("IPAGothic", "IPAPGothic")
"""They have Latin letters as well, of their own width."""


def use_fonts(fonts: Path, cache: Path, locale: str) -> None:
    """Of the browsers started from now on: those in a directory before those of the system."""
    rules = "".join(_INSTEAD.format(name, f"<string>{font}</string>") for name, font in _PREFERRED.items())
    if locale != JA.locale:
        rules += "".join(map(_WITHOUT.format, _JAPANESE))
    file = cache / f"fonts-{locale}.conf"
    file.write_text(_FONTS.format(fonts=fonts.absolute(), cache=cache, rules=rules))
    os.environ["FONTCONFIG_FILE"] = str(file)


async def look(browser: Browser, name: str) -> None:
    """At what went wrong."""
    for context in browser.contexts:
        for page in context.pages:
            at = f"{browser.contexts.index(context)}-{context.pages.index(page)}"
            await page.screenshot(path=album.FAILED / f"{name}-{at}.png")


async def photograph(stage: Stage, scene: Scene, variants: dict[str, str], into: Path) -> bool:
    """`variants` are the colours of each picture by its name."""
    slug = scene.entry.slug
    began = time.monotonic()
    await stage.begin()
    try:
        page = await scene.set(stage) or stage.page
        for variant, scheme in variants.items():
            await stage.shoot(page, scheme, into / f"{slug}-{variant}.webp")
    except Exception:
        print(f"FAILED {slug} {'/'.join(variants)}\n{traceback.format_exc(limit=-4)}", flush=True)
        await look(stage.world.browser, f"{slug}-{'-'.join(variants)}")
        return False
    finally:
        await stage.end()
    print(f"{slug} {'/'.join(variants)} {time.monotonic() - began:.1f} s", flush=True)
    return True


async def tour(browser: Browser, words: Words, directory: Path, scenes: list[Scene], into: Path) -> list[str]:
    """All pictures of one language; gives what failed."""
    failed = []
    world = World(browser, directory / words.locale, words)
    try:
        await world.build()
        await world.gather()
    except Exception:
        await look(browser, "world")
        raise
    darkroom = await (await browser.new_context()).new_page()
    if words is EN:
        rounds = [(DESK, {"light": "light", "dark": "dark"}), (POCKET, {"phone": "light"})]
    else:
        rounds = [(DESK, {words.locale[:2]: "light"})]
    try:
        for screen, variants in rounds:
            stage = Stage(world, screen, darkroom, await world.visit(words.people[0], **screen))
            for scene in scenes:
                if scene.wide_only and screen is POCKET:
                    continue
                if words is JA and not scene.in_japanese:
                    continue
                if not await photograph(stage, scene, variants, into):
                    failed.append(f"{scene.entry.slug} {'/'.join(variants)}")
            await stage.me.context.close()
    finally:
        await asyncio.to_thread(world.server.kill9)
    return failed


async def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.pictures", description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], help="slugs of scenes; all of them by default")
    parser.add_argument("--languages", nargs="*", default=["en", "he", "ja"])
    parser.add_argument("--fonts", type=Path, help="a directory with fonts that are preferred to the system's")
    parser.add_argument("--into", type=Path, default=album.PICTURES)
    chosen = parser.parse_args()
    scenes = [scene for scene in SCENES if not chosen.only or scene.entry.slug in chosen.only]
    chosen.into.mkdir(parents=True, exist_ok=True)
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="pictures-") as temporary:
        directory = Path(temporary)
        for words in (EN, HE, JA):
            if words.locale[:2] not in chosen.languages:
                continue
            if chosen.fonts is not None:
                use_fonts(chosen.fonts, directory, words.locale)
            # Anew each time: browsers get the environment that its driver was started in.
            async with async_playwright() as playwright:
                browser = await launch(playwright)
                failed += await tour(browser, words, directory, scenes, chosen.into)
                await browser.close()
    if chosen.into == album.PICTURES:
        album.write_index(scene.entry for scene in SCENES)
    size = sum(path.stat().st_size for path in chosen.into.glob("*.webp"))
    print(f"{len(list(chosen.into.glob('*.webp')))} pictures, {size / 1e6:.1f} MB; failed: {failed or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
