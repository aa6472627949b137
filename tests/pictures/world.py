"""A server that people have used for two weeks: what the pictures show."""

import asyncio
import base64
import json
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import Browser, Page, expect
from pycrdt import Doc, Map, Text

from tests.browser.accounts import CHEAP, PASSWORD, call, document_path, first_link
from tests.browser.pages import DESKTOP, Person
from tests.e2e.raw_client import RawClient
from tests.pictures.catalogue import Catalogue
from tests.pictures.clock import Clock
from tests.pictures.words import OTHERS, Words
from tests.servers import ServerProcess

NOW = datetime.fromisoformat("2026-05-14T10:24:00+00:00")
RIVER = "walks/river"
DAMAGED = "old/damaged"
NEWER = "new/drawing"
EMPTY = "new/empty"
HOURS, NOTES, DRAWING = "walks/hours", "walks/notes", "walks/drawing"
"""Code, Markdown, and what no app knows, of the second who writes and open to the first."""
ADDRESSES = ("192.0.2.14", "192.0.2.27", "198.51.100.8", "203.0.113.5", "203.0.113.9")
COLOURS = ("#14665f", "#b4233c", "#2864c7", "#846000", "#8a3fb8")
AGENTS = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_4 like Mac OS X) AppleWebKit/605 (KHTML, like Gecko) Version/18 Safari/604",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:138.0) Gecko/20100101 Firefox/138.0",
)
_RIVER_PICTURE = """<svg xmlns="http://www.w3.org/2000/svg" width="960" height="420" viewBox="0 0 960 420">
<defs><linearGradient id="s" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="#f7d9a8"/>
<stop offset="1" stop-color="#fdf3df"/></linearGradient><linearGradient id="w" x1="0" y1="0" x2="0" y2="1">
<stop offset="0" stop-color="#8fc3c4"/><stop offset="1" stop-color="#2f7d83"/></linearGradient></defs>
<rect width="960" height="420" fill="url(#s)"/><circle cx="730" cy="95" r="42" fill="#fff4d0"/>
<path d="M0 190 Q160 120 330 175 T660 160 T960 185 V420 H0Z" fill="#a9c1a0"/>
<path d="M0 225 Q220 180 430 215 T960 205 V420 H0Z" fill="#6d9a77"/>
<path d="M0 262 Q300 240 520 258 T960 250 V420 H0Z" fill="url(#w)"/>
<path d="M0 372 Q240 330 470 365 T960 352 V420 H0Z" fill="#45704f"/>
<g stroke="#d8ecec" stroke-width="3" opacity=".6"><path d="M120 300h130M420 288h90M600 318h160M300 330h70"/></g>
<g fill="#4d5b66"><path d="M640 252 q-6-44 18-62 q10-8 6-22 l26 8 -18 4 q4 20-8 38 q-10 16-8 34z"/>
<path d="M648 250v34M660 250v34" stroke="#4d5b66" stroke-width="3"/></g>
<g stroke="#2f5238" stroke-width="5" stroke-linecap="round"><path d="M70 400q6-60-8-110M96 402q2-70 18-120M126 400
q-2-50 6-90M880 400q-8-70 8-120M850 402q4-60-10-104M910 398q2-40 12-84"/></g></svg>"""

_CODE = """from dataclasses import dataclass

# Grown-ups walk four kilometres in an hour.
PACE = 4.0


@dataclass
class Walk:
    name: str
    kilometres: float
    children: int = 0

    def hours(self) -> float:
        \"\"\"With a rest for every child.\"\"\"
        return self.kilometres / PACE + self.children * 0.25


walks = [
    Walk("along the Alder", 9.5, children=3),
    Walk("to the old bridge", 4),
]
for walk in sorted(walks, key=Walk.hours):
    print(f"{walk.name}: {walk.hours():.1f} h")
"""
_PASTE = """(element, encoded) => {
    const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0))
    const transfer = new DataTransfer()
    transfer.items.add(new File([bytes], 'river.jpeg', {type: 'image/jpeg'}))
    element.dispatchEvent(new ClipboardEvent('paste', {clipboardData: transfer, bubbles: true, cancelable: true}))
}"""
SELECT = """(root, [text, collapsed, block]) => {
    const {editor} = root
    let from = null, end = null
    editor.state.doc.descendants((node, pos) => {
        if (from !== null || !node.isTextblock) return from === null
        const at = node.textBetween(0, node.content.size, ' ', ' ').indexOf(text)
        if (at >= 0) [from, end] = [pos + 1 + at, pos + 1 + node.content.size]
        return false
    })
    if (from === null) return false
    const to = block ? end : from + text.length
    editor.chain().focus(null, {scrollIntoView: false}).setTextSelection({from: collapsed ? to : from, to}).run()
    const {node} = editor.view.domAtPos(to)
    const element = node.nodeType === Node.TEXT_NODE ? node.parentElement : node
    element.scrollIntoView({block: 'center'})
    return true
}"""


async def select(page: Page, text: str, *, end: bool = False, block: bool = False) -> None:
    """Words of the document, or the place behind them, or behind the whole block in which they stand."""
    editor = page.get_by_test_id("editor")
    await expect(editor).to_contain_text(text)
    assert await editor.evaluate(SELECT, [text, end or block, block])


class World:
    """One server, its people and their documents."""

    def __init__(self, browser: Browser, directory: Path, words: Words) -> None:
        self.browser = browser
        self.words = words
        self.t = Catalogue.of(words.catalogue)
        self.clock = Clock(directory / "clock", NOW - timedelta(days=14))
        self.server = ServerProcess(
            directory / "server",
            executed=True,
            **CHEAP,
            trusted_proxies="127.0.0.1",
        )
        self.clock.wind(self.server)
        self.states: dict[str, Any] = {}
        self.ids: dict[str, str] = {}
        self.present: list[Person] = []
        """Those who have the river walk open while pictures are taken."""

    async def visit(self, name: str | None = None, **options: Any) -> Person:
        """Somebody's browser, signed in with what was kept of them."""
        at = self.words.people.index(name) if name in self.words.people else 0
        known = {"storage_state": self.states[name]} if name in self.states else {}
        chosen = DESKTOP | {"locale": self.words.locale, "timezone_id": "UTC", "service_workers": "block"}
        chosen |= {"extra_http_headers": {"X-Forwarded-For": ADDRESSES[at]}} | known | options
        context = await self.browser.new_context(**chosen)
        if name is not None:
            identity = json.dumps({"name": name, "color": COLOURS[at]}, ensure_ascii=False)
            await context.add_init_script(f"localStorage.setItem('coscribe:identity', '{identity}')")
        context.set_default_timeout(15_000)
        person = Person(self.server, context, await context.new_page())
        await person.page.clock.set_fixed_time(NOW)
        return person

    async def _enter(self, name: str, secret: str, email: str | None) -> None:
        person = await self.visit(name)
        body = {"secret": secret, "name": name, "password": PASSWORD, "email": email}
        await call(person, "POST", "invitations/accept", body)
        self.ids[name] = (await call(person, "GET", "me"))["person"]["id"]
        self.states[name] = await person.context.storage_state()
        await person.context.close()

    async def build(self) -> None:
        server = await asyncio.to_thread(self.server.start)
        ann_name, *others = self.words.people
        await self._enter(ann_name, first_link(server).partition("#")[2], "ann@example.org")
        ann = await self.visit(ann_name)
        for name, email in zip(others, ("ben@example.org", None, "dana@example.org", None), strict=True):
            self._put(days=13, hours=1)
            url = (await call(ann, "POST", "admin/invitations", {"name": name}))["url"]
            self._put(days=12, hours=20)
            await self._enter(name, url.partition("#")[2], email)
        await self._write(ann)
        await self._leave_traces(ann)
        await ann.context.close()
        await asyncio.to_thread(self.server.terminate)
        with closing(sqlite3.connect(self.server.data_dir / "coscribe.db", isolation_level=None)) as database:
            database.execute(
                "UPDATE updates SET payload = x'00' WHERE document_pk = (SELECT pk FROM documents WHERE name = ?)",
                [DAMAGED],
            )
        self.now()
        await asyncio.to_thread(self.server.start)

    def _put(self, **ago: float) -> None:
        self.clock.put(NOW - timedelta(**ago))

    def now(self) -> None:
        self._put(seconds=30)

    async def _import(self, person: Person, name: str, title: str, text: str) -> None:
        query = httpx.QueryParams({"format": "markdown", "id": name, "title": title})
        answer = await person.context.request.post(
            f"{self.server.url}/api/import?{query}",
            data=text.encode(),
            headers={"Origin": self.server.url, "Content-Type": "text/markdown"},
        )
        assert answer.ok, await answer.text()

    async def _write_plain(self, person: Person, name: str, title: str, kind: str, text: str) -> None:
        """A Markdown or code document."""
        doc: Doc[Any] = Doc()
        doc.get("coscribe", type=Map).update({"kind": kind} | ({"language": "python"} if kind == "code" else {}))
        doc.get("codemirror", type=Text).insert(0, text)
        await call(person, "POST", "documents", {"id": name, "title": title})
        answer = await person.context.request.post(
            self.server.document_url(name, "updates"),
            data=doc.get_update(),
            headers={"Origin": self.server.url, "Content-Type": "application/octet-stream"},
        )
        assert answer.ok, await answer.text()

    async def _write(self, ann: Person) -> None:
        """The documents, and the days on which people wrote in the first of them."""
        words = self.words
        ann_name, ben_name, cleo_name, dana_name, _ = words.people
        ben, cleo = await self.visit(ben_name), await self.visit(cleo_name)
        for at, (name, (title, text)) in enumerate(zip(OTHERS, words.others, strict=True)):
            self._put(days=11 - at, hours=at)
            await self._import(ben if at == len(OTHERS) - 2 else ann, name, title, text)
        await self._import(ann, DAMAGED, words.extra[0], words.others[4][1])
        await self._import(ann, NEWER, words.extra[1], words.others[1][1])
        await call(ann, "POST", "documents", {"id": EMPTY, "title": words.extra[2]})
        for name, title, kind, text in (
            (HOURS, "hours.py", "code", _CODE),
            (NOTES, f"{words.title}.md", "markdown", words.text),
            (DRAWING, words.extra[1], "drawing", "-"),
        ):
            self._put(days=9, hours=3)
            await self._write_plain(cleo, name, title, kind, text)
            await call(cleo, "PUT", f"{document_path(name)}/sharing/people/{self.ids[ben_name]}", {"role": "editor"})
        self._put(days=9)
        await self._import(ann, RIVER, words.title, words.text)
        for name, role in ((ben_name, "editor"), (cleo_name, "editor"), (dana_name, "commenter")):
            await call(ann, "PUT", f"{document_path(RIVER)}/sharing/people/{self.ids[name]}", {"role": role})
        await call(ben, "PUT", f"{document_path('birds/2026')}/sharing/people/{self.ids[ann_name]}", {"role": "reader"})
        for name in ("minutes/may", "camp/budget"):
            await call(ann, "PUT", f"{document_path(name)}/sharing/people/{self.ids[ben_name]}", {"role": "reader"})
        await call(ann, "PUT", f"{document_path(RIVER)}/star")
        await call(ann, "DELETE", document_path(OTHERS[-1]))
        for person in (ann, ben, cleo):
            await person.open(RIVER)
            await person.state_is("saved")
        await self._days(ann, ben, cleo)
        await self._comment(ann, ben, cleo)
        for person in (ben, cleo):
            await person.context.close()

    async def _days(self, ann: Person, ben: Person, cleo: Person) -> None:
        words = self.words
        self._put(days=8, hours=2)
        await self._illustrate(ann)
        await self._version(ann, words.versions[0])
        self._put(days=6, hours=1)
        await ben.write(words.by_ben)
        await ben.state_is("saved")
        self._put(days=2, hours=3)
        await cleo.write(words.by_cleo)
        await select(cleo.page, words.replaced[0])
        await cleo.page.keyboard.type(words.replaced[1])
        await cleo.state_is("saved")
        await self._version(ann, words.versions[1])
        self._put(hours=3)
        await select(ann.page, words.by_cleo.strip(), end=True)
        await ann.page.keyboard.type(words.by_ann)
        await ann.state_is("saved")

    async def _illustrate(self, ann: Person) -> None:
        """A picture behind the first paragraph."""
        drawing = await ann.context.new_page()
        await drawing.set_viewport_size({"width": 960, "height": 420})
        await drawing.set_content(f"<style>body {{ margin: 0 }}</style>{_RIVER_PICTURE}")
        photo = await drawing.screenshot(type="jpeg", quality=85)
        await drawing.close()
        await select(ann.page, self.words.commented, block=True)
        await ann.page.keyboard.press("Enter")
        await ann.editor.evaluate(_PASTE, base64.b64encode(photo).decode())
        await expect(ann.page.locator(".image img")).to_be_visible()
        await ann.page.evaluate("() => document.querySelector('.image img').decode()")
        await ann.state_is("saved")

    async def _version(self, ann: Person, name: str) -> None:
        head = (await call(ann, "GET", f"{document_path(RIVER)}/updates?after=0"))["head"]
        await call(ann, "POST", f"{document_path(RIVER)}/history/versions", {"name": name, "seq": head})

    async def _comment(self, ann: Person, ben: Person, cleo: Person) -> None:
        words, t = self.words, self.t
        for person, ago, passage, text in (
            (ben, 26, words.commented, words.comments[0]),
            (cleo, 5, words.second_commented, words.second_comment),
        ):
            self._put(hours=ago)
            await person.page.clock.set_fixed_time(NOW - timedelta(hours=ago))
            await select(person.page, passage)
            await person.page.keyboard.press("Control+Alt+m")
            await person.page.get_by_label(t("New comment")).fill(text)
            await person.page.keyboard.press("Enter")
            await expect(person.page.locator(".commented").filter(has_text=passage[:12])).to_have_count(1)
        self._put(hours=2)
        await ann.page.clock.set_fixed_time(NOW - timedelta(hours=2))
        await ann.page.locator(".commented").first.click()
        await ann.page.get_by_role("button", name=t("Comments ({count})", count=2)).click()
        await ann.page.locator(".commented").first.click()
        await ann.page.get_by_label(t("Reply"), exact=True).fill(words.comments[1])
        await ann.page.keyboard.press("Enter")
        await expect(ben.page.locator(".comment")).to_have_count(3)

    async def _leave_traces(self, ann: Person) -> None:
        """Links, tokens, jobs, other browsers, a refused visitor: what administrators look at."""
        words = self.words
        ann_name, ben_name, cleo_name, dana_name, emil_name = words.people
        self._put(days=1, hours=4)
        for role, days in (("reader", 7), ("editor", None)):
            ends = None if days is None else (NOW + timedelta(days=days)).isoformat()
            await call(ann, "POST", f"{document_path(RIVER)}/sharing/links", {"role": role, "expires_at": ends})
        self._put(days=1, hours=2)
        ends = (NOW + timedelta(days=180)).isoformat()
        token = {"label": words.token, "documents": {"*": "reader"}, "expires_at": ends}
        await call(ann, "POST", "me/tokens", token)
        robot = {"user": "archive-robot", "documents": {"walks/*": "editor"}, "administrator": False}
        await call(ann, "POST", "admin/tokens", robot)
        self._put(days=1)
        await call(ann, "PATCH", f"admin/people/{self.ids[emil_name]}", {"suspended": True})
        await call(ann, "PATCH", f"admin/people/{self.ids[cleo_name]}", {"administrator": True})
        invited = {"email": "fay@example.org", "administrator": True}
        await call(ann, "POST", "admin/invitations", invited)
        await call(ann, "POST", f"admin/people/{self.ids[dana_name]}/password-link")
        async with httpx.AsyncClient(base_url=self.server.url, trust_env=False, timeout=30) as http:
            for at, agent in enumerate(AGENTS):
                self._put(hours=20 - 9 * at)
                headers = {"Origin": self.server.url, "User-Agent": agent, "X-Forwarded-For": ADDRESSES[3 + at]}
                body = {"name": ann_name, "password": PASSWORD}
                (await http.post("/api/sign-in", json=body, headers=headers)).raise_for_status()
                http.cookies.clear()
            headers = {"Origin": self.server.url, "X-Forwarded-For": ADDRESSES[4]}
            await http.post("/api/sign-in", json={"name": ben_name, "password": "guessed"}, headers=headers)
        for ago, chosen, format in ((50, [RIVER, "minutes/may"], "markdown"), (40, None, "archive")):
            self._put(minutes=ago)
            wanted = {"documents": chosen, "format": format, "content": True}
            job = await call(ann, "POST", "admin/exports", wanted)
            while job["state"] == "running":
                await asyncio.sleep(0.2)
                job = next(each for each in (await call(ann, "GET", "admin/jobs"))["jobs"] if each["id"] == job["id"])
            self.jobs = (await call(ann, "GET", "admin/jobs"))["jobs"]
        async with RawClient(self.server, f"{NEWER}?schema=999999", headers=await self._cookies(ann)) as newer:
            await newer.sync()

    async def _cookies(self, person: Person) -> dict[str, str]:
        cookies = await person.context.cookies(self.server.url)
        return {"Cookie": "; ".join(f"{each['name']}={each['value']}" for each in cookies), "Origin": self.server.url}

    async def gather(self) -> None:
        """The two who write come to the river walk, and stay."""
        for name, passage in ((self.words.people[1], self.words.by_ben[-12:]), (self.words.people[2], "")):
            person = await self.visit(name)
            await person.open(RIVER)
            await person.state_is("saved")
            if passage:
                await select(person.page, passage, end=True)
            else:
                await select(person.page, self.words.replaced[1])
            self.present.append(person)
