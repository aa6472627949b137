"""The pictures on the disk, the page that shows them, and what has to have one."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.setup import ROOT

PICTURES = ROOT / "docs" / "images" / "pictures"
FAILED = ROOT / "tests" / "artifacts"
INDEX = ROOT / "docs" / "pictures.md"
CLIENT = ROOT / "web" / "client" / "src"
VARIANTS = {"light": "Light", "dark": "Dark", "phone": "On a phone", "he": "Hebrew", "ja": "Japanese"}

_ASKS = re.compile(
    r"<(Dialog|Confirm|NameDialog|InviteDialog|RevokeToken|Menu|ToolPopover|Notice|Warning|CardPage|SidePanel)\b"
    r"|popover=|<aside|role=\"(?:alert|alertdialog|dialog|listbox|search|status|toolbar)\""
)
_FRAMES = {"Confirm", "Menu", "ToolPopover", "SidePanel", "CardPage", "Warning", "Notice", "Dialog", "SearchField"}
"""They show something only as a part of others."""
WITHOUT_PICTURES: set[str] = set()
"""Newer than the last pictures: each needs a scene in `scenes.py`."""
_SHOWN = re.compile(r"^Shows (.*)\.$", re.M)
_IMAGE = re.compile(r'src="images/pictures/([^"]+)"')


@dataclass(frozen=True)
class Entry:
    slug: str
    title: str
    chapter: str
    shows: tuple[str, ...]


def routes() -> set[str]:
    """Every address of the app, as `App.svelte` knows them."""
    app = (CLIENT / "App.svelte").read_text()
    constants = dict(re.findall(r"export const (\w+) = '([^']+)'", (CLIENT / "lib" / "paths.ts").read_text()))
    found = re.findall(r"^    (?:\[(\w+)\]|'([^']+)'): \(\) => import", app, re.M)
    assert found, "App.svelte lists its pages in another way now"
    return {constants[name] if name else path for name, path in found} | {"/d/…"}


def components() -> set[str]:
    """Every page, and every component that opens something over a page or stands in its place."""
    pages = {path.stem for path in (CLIENT / "pages").glob("*.svelte")}
    parts = {path.stem for path in (CLIENT / "components").glob("*.svelte") if _ASKS.search(path.read_text())}
    return pages | parts - _FRAMES


def shown() -> set[str]:
    """What the index says that its pictures show."""
    return {each.strip("` ") for line in _SHOWN.findall(INDEX.read_text()) for each in line.split(", ")}


def linked() -> list[str]:
    return _IMAGE.findall(INDEX.read_text())


def taken(slug: str) -> Iterator[tuple[str, Path]]:
    for variant in VARIANTS:
        path = PICTURES / f"{slug}-{variant}.webp"
        if path.exists():
            yield variant, path


def write_index(entries: Iterable[Entry]) -> None:
    lines = [
        "# Pictures",
        "",
        "Every page and every dialog of the web app: light, dark, on a phone, and from right to left in Hebrew; a few",
        "in Japanese. `make pictures` takes them anew, of real servers and a real browser.",
    ]
    chapter = None
    for entry in entries:
        if entry.chapter != chapter:
            chapter = entry.chapter
            lines += ["", f"## {chapter}"]
        lines += ["", f"### {entry.title}", "", f"Shows {', '.join(f'`{each}`' for each in entry.shows)}.", ""]
        for variant, path in taken(entry.slug):
            width = 150 if variant == "phone" else 380
            words = f"{entry.title}: {VARIANTS[variant].lower()}"
            lines.append(f'<img src="images/pictures/{path.name}" width="{width}" alt="{words}">')
    INDEX.write_text("\n".join(lines) + "\n")
