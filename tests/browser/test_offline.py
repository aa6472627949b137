"""The app without its server: installed, opened from this device, brought up to date without losing anything."""

import asyncio
import base64
import hashlib
import json
import re
import shutil
import sqlite3
import struct
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, expect
from pycrdt import Doc, XmlElement, XmlFragment

from tests.browser.accounts import CHEAP, House, call
from tests.browser.axe import sound
from tests.browser.conftest import Visit
from tests.browser.pages import PHONE, Person
from tests.collab.test_images import PLACE, exif, segment
from tests.e2e.raw_client import RawClient
from tests.servers import ServerProcess, StartServer
from tests.setup import ROOT
from tests.support import eventually

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(120)]

STATIC = ROOT / "web" / "static"
_CONTROLLED = """async () => {
    await navigator.serviceWorker.ready
    if (navigator.serviceWorker.controller !== null) return
    await new Promise((resolve) => navigator.serviceWorker.addEventListener('controllerchange', resolve, {once: true}))
}"""
_CACHED = """async () => {
    const found = {}
    for (const name of await caches.keys()) {
        const requests = await (await caches.open(name)).keys()
        found[name] = requests.map(({url}) => new URL(url).pathname).sort()
    }
    return found
}"""


_DATABASES = "async () => (await indexedDB.databases()).map(({name}) => name)"


_PASTE = """(element, encoded) => {
    const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0))
    const transfer = new DataTransfer()
    transfer.items.add(new File([bytes], 'heron.jpeg', {type: 'image/jpeg'}))
    element.dispatchEvent(new ClipboardEvent('paste', {clipboardData: transfer, bubbles: true, cancelable: true}))
}"""


async def controlled(person: Person) -> None:
    """The service worker is complete and serves this page."""
    await person.page.evaluate(_CONTROLLED)


async def cached(page: Page) -> dict[str, list[str]]:
    """Paths in each cache, the oldest cache first."""
    found: dict[str, list[str]] = await page.evaluate(_CACHED)
    return found


def files_of_the_app() -> list[str]:
    left_out = {"sw.js", "licenses.md", "preloads.json", "index.html"}
    files = [str(path.relative_to(STATIC)) for path in STATIC.rglob("*") if path.is_file()]
    return ["/", *sorted(f"/{name}" for name in files if name not in left_out)]


async def test_the_app_can_be_installed(visit: Visit, server: ServerProcess, document: str) -> None:
    ada = await visit(server)
    await ada.open(document)
    await controlled(ada)

    debugger = await ada.context.new_cdp_session(ada.page)
    manifest = await debugger.send("Page.getAppManifest")
    assert manifest["errors"] == []
    assert manifest["url"] == f"{server.url}/manifest.webmanifest"
    obstacles = (await debugger.send("Page.getInstallabilityErrors"))["installabilityErrors"]
    # Profiles of tests are all like that, and nothing but.
    assert [each["errorId"] for each in obstacles] in ([], ["in-incognito"])

    described: dict[str, Any] = json.loads(manifest["data"])
    purposes = set()
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as http:
        answer = await http.get("/manifest.webmanifest")
        assert answer.headers["content-type"].startswith("application/manifest+json")
        for icon in described["icons"]:
            picture = (await http.get(icon["src"])).content
            width, height = struct.unpack(">II", picture[16:24])
            assert picture.startswith(b"\x89PNG")
            assert icon["sizes"] == f"{width}x{height}"
            purposes.add((icon["purpose"], width))
        worker = await http.get("/sw.js")
    assert purposes >= {("any", 192), ("any", 512), ("maskable", 512)}
    assert worker.headers["content-type"].startswith("text/javascript")
    assert worker.headers["cache-control"] == "no-cache"


async def test_the_service_worker_keeps_the_app_and_nothing_that_anybody_wrote(
    visit: Visit, server: ServerProcess, document: str
) -> None:
    ada = await visit(server)
    await ada.open(document)
    await controlled(ada)
    await ada.write("not for the cache")
    await ada.state_is("saved")
    await ada.page.goto(server.url)
    await ada.page.get_by_role("listitem").first.wait_for()
    await ada.page.reload()
    await ada.page.get_by_role("listitem").first.wait_for()
    assert list((await cached(ada.page)).values()) == [files_of_the_app()]


async def test_the_train_tunnel(start_server: StartServer, visit: Visit, axe: str) -> None:
    """Without the server everything on this device opens, is edited, begun, and gets there in the end."""
    server = await asyncio.to_thread(start_server, **CHEAP)
    house = await House.of(server, visit)
    ann, ben = house.ann, await house.enter("Ben", **PHONE)
    plans = await house.document("team/plans", "Plans", editor=ben)
    marked = await house.document("team/marked", "Marked", reader=ben)
    await house.document("team/never", "Never opened", editor=ben)
    await ann.open(marked)
    await ann.write("written by Ann")
    await ann.state_is("saved")
    size = ann.page.viewport_size
    assert size is not None
    width, height = size["width"], size["height"]
    screen = await ann.page.screenshot(type="jpeg")
    photo = screen[:2] + segment(0xE1, b"Exif\0\0" + exif(6)) + screen[2:]
    await ben.open(plans)
    await controlled(ben)
    await ben.write("before the tunnel")
    await ben.state_is("saved")
    await ben.page.goto(server.url)
    await opens_offline(ben, "Plans")
    await ben.page.get_by_label("by themselves").uncheck()
    await ben.page.get_by_role("button", name="Actions for Marked").click()
    await ben.page.get_by_role("menuitem", name="Keep on this device").click()
    await opens_offline(ben, "Marked")
    await expect(ben.page.get_by_role("link", name="Never opened")).not_to_contain_text("without a connection")
    await expect(ben.page.get_by_test_id("on-this-device")).to_contain_text("2 documents open without a connection")
    await ben.picture("start-available-offline-phone-dark")
    await sound(ben, axe)

    for person in (ann, ben):
        person.server_away = True
    await asyncio.to_thread(server.kill9)
    await ben.page.reload()
    await expect(ben.page.get_by_role("heading", name="Documents on this device")).to_be_visible()
    await expect(ben.page.get_by_role("link", name="Marked")).to_be_visible()
    await expect(ben.page.get_by_role("link", name="Never opened")).to_have_count(0)
    await ben.picture("start-offline-phone-dark")
    await sound(ben, axe)
    await ben.page.get_by_label("Search").fill("nothing like it")
    await expect(ben.page.get_by_text("Nothing found for “nothing like it”.")).to_be_visible()
    await ben.page.get_by_label("Search").fill("by ANN")
    await expect(ben.page.get_by_role("link", name="Marked")).to_contain_text("written by Ann")
    await expect(ben.page.get_by_role("link")).to_have_count(2)
    await ben.page.get_by_label("Search").fill("plan")
    await ben.page.get_by_role("link", name="Plans").click()
    await ben.shows("before the tunnel")

    # Links that somebody sent, in a new tab.
    ben.page = await ben.context.new_page()
    ben.watch()
    await ben.open(marked)
    await ben.shows("written by Ann")
    await ben.page.goto(f"{server.url}/d/team/never")
    await expect(ben.page.get_by_role("heading", name="Waiting for the server")).to_be_visible()
    await ben.open(plans)
    await ben.shows("before the tunnel")
    await ben.write(", and inside it")
    await ben.editor.evaluate(_PASTE, base64.b64encode(photo).decode())
    picture = ben.page.locator(".image img")
    await expect(picture).to_be_visible()
    await expect(ben.page.locator(".image")).to_contain_text("sent when the server can be reached")
    await kept_here(ben)
    await ben.picture("image-offline-phone-dark")
    await ben.page.reload()
    await expect(picture).to_be_visible()
    await expect(ben.editor).to_contain_text("before the tunnel, and inside it")

    # Something new comes to mind.
    await ben.page.goto(server.url)
    await ben.page.get_by_role("button", name="New document").click()
    await ben.editor.wait_for()
    idea = ben.page.url.rpartition("/")[2]
    await ben.title.fill("Ideas")
    await ben.write("light at the end")
    await kept_here(ben)
    await ben.page.reload()
    await ben.shows("light at the end")
    await ben.write(", of it")
    await kept_here(ben)
    await ben.page.goto(server.url)
    await expect(ben.page.get_by_role("link", name="Ideas")).to_be_visible()

    # Back on the list, nothing has to be opened for it to arrive.
    await asyncio.to_thread(server.start)
    await expect(ben.page.get_by_role("link", name="Never opened")).to_be_visible()
    await expect(ben.page.get_by_role("heading", name="Documents on this device")).to_have_count(0)
    await expect(ben.page.get_by_text("Your edits of 2 documents are saved now.")).to_be_visible()
    assert (await house.text(plans)).strip().startswith("before the tunnel, and inside it")
    await ann.open(plans)
    await expect(ann.editor).to_contain_text("before the tunnel, and inside it")
    # The photo came too, upright, and without what the camera wrote beside it.
    shown = ann.page.locator(".image img")
    await expect(shown).to_be_visible()
    assert await shown.evaluate("(image) => image.decode().then(() => [image.naturalWidth, image.naturalHeight])") == [
        height,
        width,
    ]
    kept = [path.read_bytes() for path in (server.data_dir / "files").rglob("*") if path.is_file()]
    assert [PLACE in content for content in kept] == [False]
    await ben.page.get_by_role("link", name="Ideas").click()
    await ben.shows("light at the end, of it")
    await ben.state_is("saved")
    await expect(ben.title).to_have_value("Ideas")
    assert (await house.text(idea)).strip() == "light at the end, of it"
    # The draft, which had no epoch, has made way for the copy.
    names: list[str] = await ben.page.evaluate(_DATABASES)
    assert [name for name in names if name.endswith("@")] == []


async def test_what_changed_last_comes_onto_the_device_by_itself(start_server: StartServer, visit: Visit) -> None:
    server = await asyncio.to_thread(start_server, **CHEAP)
    house = await House.of(server, visit)
    ann, ben = house.ann, await house.enter("Ben")
    notes = await house.document("notes", "Notes", reader=ben)
    await house.document("alone", "Of Ann alone")
    await ann.open(notes)
    await ann.write("for the journey")
    await ann.state_is("saved")
    await ben.page.goto(server.url)
    await opens_offline(ben, "Notes")
    await controlled(ben)
    # It changes, and comes again the next time.
    await ann.write(", two hours")
    await ann.state_is("saved")
    await ben.page.reload()
    await opens_offline(ben, "Notes")
    await eventually(lambda: fresh(ben, notes), "the copy is up to date")
    # What is taken away goes.
    lost = await house.document("lost", "Lost", reader=ben)
    await ben.page.reload()
    await opens_offline(ben, "Lost")
    await house.take(lost, ben)
    await ben.page.reload()
    await eventually(lambda: gone(ben, lost), "the copy is gone")

    ben.server_away = True
    ann.server_away = True
    await asyncio.to_thread(server.kill9)
    await ben.open(notes)
    await ben.shows("for the journey, two hours")
    await asyncio.to_thread(server.start)


async def fresh(person: Person, document: str) -> bool:
    fact = await person.page.evaluate("(id) => JSON.parse(localStorage.getItem(`coscribe:document:${id}`))", document)
    info = await call(person, "GET", f"documents/{document}")
    return bool(fact["changedAt"] == info["updated_at"])


async def gone(person: Person, document: str) -> bool:
    names: list[str] = await person.page.evaluate(_DATABASES)
    return not any(name.startswith(f"coscribe:{document}@") for name in names)


async def kept_here(person: Person) -> None:
    await person.state_is("offline")
    await expect(person.page.get_by_test_id("state")).to_contain_text("kept on this device")


async def opens_offline(person: Person, title: str) -> None:
    await expect(person.page.get_by_role("link", name=title)).to_contain_text("opens without a connection")


async def test_a_document_begun_offline_gets_there_by_being_open(start_server: StartServer, visit: Visit) -> None:
    server = await asyncio.to_thread(start_server)
    ada = await visit(server)
    await ada.page.goto(server.url)
    await ada.page.get_by_text("Nothing here yet.").wait_for()
    await controlled(ada)
    ada.server_away = True
    await asyncio.to_thread(server.kill9)
    await ada.page.get_by_role("button", name="New document").click()
    await ada.write("nobody else has this yet")
    await ada.state_is("offline")
    await asyncio.to_thread(server.start)
    await ada.state_is("saved")
    document = ada.page.url.rpartition("/")[2]
    ben = await visit(server)
    await ben.open(document)
    await ben.shows("nobody else has this yet")
    await expect(ben.title).to_have_value("Untitled document")
    await ben.write(", but now")
    await ada.shows("nobody else has this yet, but now")
    await ada.page.reload()
    await ada.shows("nobody else has this yet, but now")


async def test_who_signs_out_leaves_no_document_but_the_app(start_server: StartServer, visit: Visit) -> None:
    server = await asyncio.to_thread(start_server, **CHEAP)
    house = await House.of(server, visit)
    ann, plans = house.ann, await house.document("plans", "Plans")
    await ann.open(plans)
    await controlled(ann)
    await ann.write("of Ann")
    await ann.state_is("saved")
    await ann.page.get_by_test_id("presence").get_by_role("button").last.click()
    await ann.page.get_by_role("button", name="Sign out").click()
    await ann.page.get_by_label("Password", exact=True).wait_for()
    assert list((await cached(ann.page)).values()) == [files_of_the_app()]

    ann.server_away = True
    await asyncio.to_thread(server.kill9)
    await ann.page.goto(server.url)
    await expect(ann.page.get_by_role("heading", name="The server does not answer")).to_be_visible()
    await expect(ann.page.get_by_text("Plans")).to_have_count(0)


class Release:
    """A later version of the app: every file with a hash has another name, and one label reads differently."""

    BEFORE, AFTER = "Document title", "Title of this document"

    def __init__(self, directory: Path) -> None:
        """Lay out the packages that a server runs from, in `directory`."""
        for package in ("collab", "storage"):
            (directory / package).symlink_to(ROOT / package)
        (directory / "web").mkdir()
        for path in (ROOT / "web").iterdir():
            if path.name not in ("client", "static", "__pycache__"):
                (directory / "web" / path.name).symlink_to(path)
        self.directory = directory
        shutil.copytree(STATIC, directory / "web" / "static")
        self._rename()

    def _rename(self) -> None:
        static = self.directory / "web" / "static"
        names = [path.name for path in (static / "assets").iterdir()]
        hashes = {_hash(path): path for path in static.rglob("*") if path.is_file()}
        for path in hashes.values():
            if path.suffix not in (".js", ".css", ".html"):
                continue
            text = path.read_text().replace(self.BEFORE, self.AFTER)
            for name in names:
                text = text.replace(name, _later(name))
            path.write_text(text)
        worker = static / "sw.js"
        text, count = re.subn(r"(version:[`'\"])[0-9a-f]{12}", r"\g<1>0123456789ab", worker.read_text())
        assert count == 1
        for before, path in hashes.items():
            text = text.replace(before, _hash(path))
        worker.write_text(text)
        for name in names:
            (static / "assets" / name).rename(static / "assets" / _later(name))


def _hash(path: Path) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(path.read_bytes()).digest()).decode()


def _later(name: str) -> str:
    stem, _, suffix = name.rpartition(".")
    return f"{stem}.later.{suffix}"


async def test_the_stale_app(start_server: StartServer, visit: Visit, document: str, tmp_path: Path, axe: str) -> None:
    """A newer version is offered on every page, taken only where somebody says so, and not before edits are saved."""
    server = await asyncio.to_thread(start_server, executed=True)
    ada = await visit(server)
    await ada.open(document)
    await controlled(ada)
    await ada.write("written in the old version")
    await ada.state_is("saved")
    await ada.page.evaluate("window.sameAsBefore = true")

    ada.server_away = True
    await asyncio.to_thread(server.terminate)
    release = await asyncio.to_thread(Release, _made(tmp_path / "release"))
    server.add_environment(PYTHONPATH=str(release.directory))
    await asyncio.to_thread(server.start)
    await ada.state_is("saved")

    # Whoever opens a second tab still gets the version that the first one has; the browser looks for a newer one.
    second = await ada.context.new_page()
    first, ada.page = ada.page, second
    ada.watch()
    await ada.open(document)
    await expect(second.get_by_label(Release.BEFORE)).to_be_visible()
    for page in (first, second):
        await expect(page.get_by_text("There is a new version of Coscribe.")).to_be_visible()
    ada.page = first
    await ada.picture("update-offered")
    await sound(ada, axe)

    with closing(sqlite3.connect(server.data_dir / "coscribe.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        await ada.write(", and not saved yet")
        await first.get_by_role("button", name="Reload").click()
        await expect(first.get_by_text("as soon as your edits are saved")).to_be_visible()
        await ada.picture("update-waits")
        await sound(ada, axe)
        await ada.state_is("overdue")
        assert await first.evaluate("window.sameAsBefore") is True
        other.execute("ROLLBACK")
    await expect(first.get_by_label(Release.AFTER)).to_be_visible()
    assert await first.evaluate("window.sameAsBefore") is None
    await ada.shows("written in the old version, and not saved yet")
    await ada.state_is("saved")
    await expect(first.get_by_text("There is a new version of Coscribe.")).to_have_count(0)

    # The other tab goes on as it was until somebody wants it otherwise.
    await expect(second.get_by_label(Release.BEFORE)).to_be_visible()
    assert len(await cached(second)) == 2
    await second.get_by_role("button", name="Reload").click()
    await expect(second.get_by_label(Release.AFTER)).to_be_visible()
    ada.page = second
    await ada.shows("written in the old version, and not saved yet")


async def test_an_app_whose_editor_is_too_old_only_reads(
    visit: Visit, server: ServerProcess, document: str, axe: str
) -> None:
    ada = await visit(server)
    await ada.open(document)
    await ada.write("mine")
    await ada.state_is("saved")

    def show(doc: Doc[Any]) -> None:
        doc.get("default", type=XmlFragment).children.append(XmlElement("hologram"))

    async with RawClient(server, f"{document}?schema=999999") as newer:
        await ada.state_is("outdated")
        await expect(ada.page.get_by_test_id("state")).to_contain_text("New version needed")
        await expect(ada.editor).to_have_attribute("contenteditable", "false")
        await ada.picture("new-version-needed")
        await sound(ada, axe)
        await newer.edit(show)
        await newer.saved()
        await expect(ada.page.get_by_text("This document holds something this app cannot show yet")).to_be_visible()
    await ada.page.reload()
    await ada.state_is("outdated")
    await expect(ada.page.get_by_text("This document holds something this app cannot show yet")).to_be_visible()
    async with httpx.AsyncClient(trust_env=False) as http:
        content = (await http.get(server.document_url(document, "content"), params={"format": "json"})).text
    assert "mine" in content
    assert "hologram" in content


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory
