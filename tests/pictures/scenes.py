"""What is photographed: one function for each picture, which brings a page into that state."""

import re
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
from playwright.async_api import FilePayload, Page, Route, expect

from tests.browser.accounts import Wire, call, document_path
from tests.pictures.album import Entry
from tests.pictures.stage import Stage
from tests.pictures.words import OTHERS
from tests.pictures.world import DAMAGED, DRAWING, EMPTY, HOURS, NEWER, NOTES, NOW, RIVER, select

Set = Callable[[Stage], Awaitable[Page | None]]
"""Gives the page to photograph; none for the administrator's own."""

_NOTHING_IS_STORED = """Object.defineProperty(IDBFactory.prototype, 'open', {
    value: () => { throw new DOMException('no room', 'QuotaExceededError') }
})"""
_NEWER_APP = """async () => {
    const {serviceWorker} = navigator
    await serviceWorker.ready
    if (serviceWorker.controller === null) {
        await new Promise((done) => serviceWorker.addEventListener('controllerchange', done, {once: true}))
    }
    await serviceWorker.register('/sw.js?later', {updateViaCache: 'none'})
}"""


@dataclass(frozen=True)
class Scene:
    entry: Entry
    set: Set
    in_japanese: bool
    wide_only: bool
    """There is no such thing on a phone."""

    @property
    def variants(self) -> tuple[str, ...]:
        phone = () if self.wide_only else ("phone",)
        japanese = ("ja",) if self.in_japanese else ()
        return ("light", "dark", *phone, "he", *japanese)


SCENES: list[Scene] = []


def scene(
    slug: str, title: str, chapter: str, *shows: str, ja: bool = False, wide_only: bool = False
) -> Callable[[Set], Set]:
    def keep(set_: Set) -> Set:
        SCENES.append(Scene(Entry(slug, title, chapter, shows), set_, ja, wide_only))
        return set_

    return keep


# --- coming in --------------------------------------------------------------------------------------------------------

COMING = "Coming in"


async def _invitation(s: Stage, kind: str, **facts: Any) -> Page:
    person = await s.visit()
    invitation = {
        "kind": kind,
        "name": None,
        "email": None,
        "administrator": False,
        "invited_by": None,
        "expires_at": (NOW + timedelta(days=7)).isoformat(),
    }
    await s.answer("**/api/invitations/open", invitation | facts, page=person.page)
    page = await s.go("/join#csi_0123456789abcdefghij", person=person)
    await page.locator("form").wait_for()
    return page


@scene("join-first", "The first administrator", COMING, "/join", "JoinPage", "CardPage")
async def _(s: Stage) -> Page:
    return await _invitation(s, "first-run")


@scene("join-begun", "What comes first", COMING, "/join", "JoinPage")
async def _(s: Stage) -> Page:
    page = await _invitation(s, "first-run")
    await s.answer("**/api/invitations/accept", await call(s.me, "GET", "me"), page=page)
    await page.locator("[name=username]").fill(s.world.words.people[0])
    await page.locator("[type=password]").fill("nine green herons")
    await page.locator("[type=submit]").click()
    await s.button("Start the first document", page).wait_for()
    return page


@scene("join-invited", "An invitation", COMING, "/join", "JoinPage")
async def _(s: Stage) -> Page:
    ann, ben, *_ = s.world.words.people
    page = await _invitation(s, "invitation", name=ben, invited_by=ann)
    await page.locator("[type=password]").fill("short")
    return page


@scene("join-password", "A link to a new password", COMING, "/join", "JoinPage")
async def _(s: Stage) -> Page:
    return await _invitation(s, "password", name=s.world.words.people[3])


@scene("join-spent", "A link that was used", COMING, "/join", "JoinPage")
async def _(s: Stage) -> Page:
    page = await s.go("/join#csi_spent", person=await s.visit())
    await s.heading("This link does not work", page).wait_for()
    return page


@scene("sign-in", "Sign in", COMING, "/sign-in", "SignInPage", ja=True)
async def _(s: Stage) -> Page:
    page = (await s.visit()).page

    async def with_another_service(route: Route) -> None:
        me = await (await route.fetch()).json()
        await route.fulfill(json=me | {"oidc": {"label": "Alder ID"}})

    await page.route("**/api/me", with_another_service)
    await page.goto(s.url + "/sign-in?next=%2Fd%2Fwalks%2Friver")
    await page.locator(".other").wait_for()
    return page


@scene("sign-in-wrong", "A wrong password", COMING, "/sign-in", "SignInPage")
async def _(s: Stage) -> Page:
    page = await s.go("/sign-in", person=await s.visit())
    await page.locator("[name=username]").fill(s.world.words.people[1])
    await page.locator("[name=password]").fill("guessed")
    await page.locator("[type=submit]").click()
    await page.get_by_role("alert").wait_for()
    return page


@scene("sign-in-left", "After signing out", COMING, "/sign-in", "SignInPage")
async def _(s: Stage) -> Page:
    page = await s.go("/sign-in#left", person=await s.visit())
    await page.locator("form").wait_for()
    return page


@scene("sign-in-nobody", "Before anybody has an account", COMING, "/sign-in", "SignInPage")
async def _(s: Stage) -> Page:
    page = (await s.visit()).page
    nobody = {
        "auth": "accounts",
        "person": None,
        "expires_at": None,
        "first_run": True,
        "oidc": None,
        "login_url": None,
    }
    await s.answer("**/api/me", nobody, page=page)
    await page.goto(s.url + "/sign-in")
    await s.heading("Nobody has an account here yet", page).wait_for()
    return page


@scene("outside", "Behind another product", COMING, "Outside")
async def _(s: Stage) -> Page:
    page = (await s.visit()).page
    outside = {"auth": "jwt", "person": None, "expires_at": None, "first_run": False, "oidc": None}
    await s.answer("**/api/me", outside | {"login_url": "https://product.example/sign-in"}, page=page)
    await page.goto(s.url + "/sign-in")
    await page.locator("a.button").wait_for()
    return page


@scene("encounter", "A device with edits of somebody else", COMING, "Encounter")
async def _(s: Stage) -> Page:
    """Somebody signed in elsewhere, where a cookie is all that changes."""
    ben = await s.visit_new(1)
    page = ben.page
    wire = await Wire.of(ben)
    await s.open(person=ben)
    await wire.cut()
    await ben.state_is("offline")
    await ben.write(s.world.words.late)
    await expect(page.get_by_test_id("state")).to_contain_text(str(len(s.world.words.late)))
    await page.goto(s.url + "/healthz")
    await ben.context.clear_cookies()
    await ben.context.add_cookies(s.world.states[s.world.words.people[3]]["cookies"])
    await page.goto(s.url + "/")
    await page.get_by_role("dialog").wait_for()
    return page


@scene("no-server", "The server does not answer", COMING, "Guard")
async def _(s: Stage) -> Page:
    page = s.page
    await s.cut_off(page)
    await page.goto(s.url + "/account")
    await s.heading("The server does not answer").wait_for()
    return page


@scene("not-for-you", "For administrators only", COMING, "/admin", "Guard")
async def _(s: Stage) -> Page:
    page = await s.go("/admin", person=await s.visit_new(1))
    await s.heading("For administrators only", page).wait_for()
    return page


# --- documents --------------------------------------------------------------------------------------------------------

LISTS = "My documents"


async def _start(s: Stage, index: int = 0) -> Page:
    person = s.me if index == 0 else await s.visit_new(index)
    page = await s.go("/", person=person)
    await page.get_by_role("listitem").or_(page.locator(".empty strong")).first.wait_for()
    return page


@scene("start", "My documents", LISTS, "/", "StartPage", "Shell", "OnThisDevice", ja=True)
async def _(s: Stage) -> Page:
    return await _start(s)


@scene("start-menu", "What can be done with one", LISTS, "/", "StartPage", "Menu")
async def _(s: Stage) -> Page:
    page = await _start(s)
    await s.menu("Actions for {title}", title=s.world.words.title)
    return page


@scene("start-new", "What a new document can be", LISTS, "/", "StartPage", "Menu")
async def _(s: Stage) -> Page:
    page = await _start(s)
    await s.menu("New: choose what")
    return page


_DRAG = """() => {
    const transfer = new DataTransfer()
    transfer.items.add(new File(['# Plan'], 'plan.md', {type: 'text/markdown'}))
    window.dispatchEvent(new DragEvent('dragenter', {dataTransfer: transfer, bubbles: true, cancelable: true}))
}"""


@scene("import-drop", "Files over the list", LISTS, "/", "ImportFiles", wide_only=True)
async def _(s: Stage) -> Page:
    page = await _start(s)
    await page.evaluate(_DRAG)
    await page.locator(".target").wait_for()
    return page


@scene("import", "Files become documents", LISTS, "/", "ImportFiles")
async def _(s: Stage) -> Page:
    page = await _start(s)
    titles = [title for title, _ in s.world.words.others[:2]]

    async def read(route: Route) -> None:
        title = httpx.URL(route.request.url).params["title"]
        info = await call(s.me, "GET", document_path(OTHERS[titles.index(title)]))
        await route.fulfill(status=201, json=info | {"title": title})

    await page.route("**/api/import?*", read)
    names = [f"{titles[0]}.docx", f"{titles[1]}.md", "budget.xlsx"]
    files: list[FilePayload] = [{"name": name, "mimeType": "text/plain", "buffer": b"-"} for name in names]
    await page.locator("input[type=file]").set_input_files(files)
    await expect(page.locator("[data-state=done]")).to_have_count(2)
    return page


@scene("start-search", "Found in titles and texts", LISTS, "/", "StartPage", "SearchField")
async def _(s: Stage) -> Page:
    page = await _start(s)
    await page.get_by_role("searchbox").fill(s.world.words.sought)
    await page.locator(".excerpt").first.wait_for()
    return page


@scene("start-nothing", "Nothing found", LISTS, "/", "StartPage")
async def _(s: Stage) -> Page:
    page = await _start(s)
    await page.get_by_role("searchbox").fill("zebra")
    await page.locator("p.empty").wait_for()
    return page


@scene("start-shared", "Shared with me", LISTS, "/", "StartPage")
async def _(s: Stage) -> Page:
    page = await _start(s)
    await s.label("Shared with me").check(force=True)
    await expect(page.locator("section ul").first.get_by_role("listitem")).to_have_count(1)
    return page


@scene("start-starred", "No stars yet", LISTS, "/", "StartPage")
async def _(s: Stage) -> Page:
    page = await _start(s, 1)
    await s.label("Starred", page).check(force=True)
    await page.locator("p.empty").wait_for()
    return page


@scene("start-bin", "The bin", LISTS, "/", "StartPage")
async def _(s: Stage) -> Page:
    page = await _start(s)
    await s.label("Bin").check(force=True)
    await expect(page.locator("section ul").first.get_by_role("listitem")).to_have_count(1)
    return page


@scene("start-delete", "Into the bin", LISTS, "/", "DocumentDialogs", "Confirm")
async def _(s: Stage) -> Page:
    page = await _start(s)
    await s.menu("Actions for {title}", "Move to the bin…", title=s.world.words.others[0][0])
    await page.get_by_role("dialog").wait_for()
    return page


@scene("start-toast", "What was done is said", LISTS, "/", "Toasts")
async def _(s: Stage) -> Page:
    page = await _start(s)
    await s.menu("Actions for {title}", "Keep on this device", title=s.world.words.title)
    await page.locator(".toast").wait_for()
    return page


@scene("start-empty", "Nothing yet", LISTS, "/", "StartPage")
async def _(s: Stage) -> Page:
    page = (await s.visit_new(3)).page
    await s.answer("**/api/documents?*", {"documents": [], "next": None}, page=page)
    await s.answer("**/api/documents", {"documents": [], "next": None}, page=page)
    await page.goto(s.url)
    await page.locator(".empty strong").wait_for()
    return page


@scene("start-name", "No such name", LISTS, "/", "StartPage")
async def _(s: Stage) -> Page:
    page = await _start(s)
    await page.locator("#name").fill("not a name!")
    await page.keyboard.press("Enter")
    await page.locator("#name-fault").wait_for()
    return page


@scene("start-offline", "Without a connection", LISTS, "/", "StartPage")
async def _(s: Stage) -> Page:
    person = await s.visit_new(0)
    page = person.page
    for name in (RIVER, OTHERS[0]):
        await person.open(name)
        await person.state_is("saved")
    await page.goto(s.url)
    await page.get_by_role("listitem").first.wait_for()
    await s.cut_off(page)
    await page.reload()
    await page.locator(".away").wait_for(timeout=60_000)
    await page.get_by_role("listitem").first.wait_for()
    return page


@scene("my-menu", "My menu", LISTS, "MyMenu")
async def _(s: Stage) -> Page:
    page = await _start(s)
    await page.locator("button.me").click()
    await page.locator("#who-am-i").wait_for()
    return page


@scene("unknown", "No document at this address", LISTS, "UnknownPage", "Notice")
async def _(s: Stage) -> Page:
    page = await s.go("/d/no%20name")
    await page.get_by_role("heading").first.wait_for()
    return page


# --- a document -------------------------------------------------------------------------------------------------------

DOCUMENT = "A document"


@scene("document", "Three people in one document", DOCUMENT, "/d/…", "DocumentPage", "Toolbar", "Presence", ja=True)
async def _(s: Stage) -> None:
    await s.open()


@scene("document-end", "Tables, quotes, code", DOCUMENT, "/d/…", "EditorView")
async def _(s: Stage) -> None:
    page = await s.open()
    await select(page, s.world.words.by_ann[-8:], end=True)
    await page.locator("pre").scroll_into_view_if_needed()
    await expect(page.locator(".hljs-keyword").first).to_be_visible()
    await page.locator("table").evaluate("(table) => table.scrollIntoView({block: 'start'})")
    await page.mouse.wheel(0, -70)


@scene("document-empty", "A new document", DOCUMENT, "/d/…", "DocumentPage")
async def _(s: Stage) -> None:
    page = await s.open(EMPTY)
    await page.get_by_test_id("editor").focus()


async def _plain(s: Stage, document: str) -> Page:
    """Somebody else's caret is in it, too."""
    page = await s.open(document, person=await s.visit_new(2))
    ben = await s.visit_new(1)
    await s.open(document, person=ben)
    await ben.page.locator(".cm-line").nth(10).click(position={"x": 90, "y": 8})
    await page.locator(".collaboration-caret__caret").wait_for(state="attached")
    return page


@scene("code", "Code", DOCUMENT, "/d/…", "CodeView", "CodeBar")
async def _(s: Stage) -> Page:
    page = await _plain(s, HOURS)
    await expect(page.locator(".cm-line span").filter(has_text="class").first).to_be_visible()
    return page


@scene("markdown", "Markdown", DOCUMENT, "/d/…", "CodeView", "CodeBar")
async def _(s: Stage) -> Page:
    page = await _plain(s, NOTES)
    await page.locator(".cm-line span").first.wait_for()
    return page


@scene("unknown-kind", "Of a kind that is not known", DOCUMENT, "/d/…", "Unshown")
async def _(s: Stage) -> Page:
    cleo = await s.visit_new(2)
    page = await s.go(f"/d/{DRAWING}", person=cleo)
    await page.get_by_role("alert").get_by_role("button").wait_for()
    await cleo.state_is("saved")
    return page


@scene("template", "Begun from a template", DOCUMENT, "/d/…", "DocumentPage")
async def _(s: Stage) -> Page:
    """By somebody whose list is in no picture."""
    dana = await s.visit_new(3)
    await s.go("/", person=dana)
    await s.menu("New: choose what", "Project plan", dana.page)
    await dana.editor.wait_for()
    await dana.state_is("saved")
    return dana.page


@scene("document-menu", "More for a document", DOCUMENT, "DocumentMenu")
async def _(s: Stage) -> None:
    await s.open()
    await s.menu("More for this document")


@scene("block-menu", "A block", DOCUMENT, "BlockHandle", wide_only=True)
async def _(s: Stage) -> None:
    page = await s.open()
    await page.get_by_test_id("editor").locator("p").first.hover(position={"x": 60, "y": 10})
    await page.get_by_role("button", name=s.t("Move or change this block")).click()
    await page.get_by_role("menuitem").first.wait_for()


@scene("slash-menu", "Insert something", DOCUMENT, "SuggestionList")
async def _(s: Stage) -> None:
    page = await s.open(EMPTY)
    await page.get_by_test_id("editor").focus()
    await page.keyboard.type("/")
    await page.get_by_role("listbox").get_by_role("option").first.wait_for()

    async def away() -> None:
        await page.keyboard.press("Escape")
        await page.keyboard.press("Backspace")
        await s.me.state_is("saved")

    s.after.append(away)


@scene("mention", "Name somebody", DOCUMENT, "SuggestionList")
async def _(s: Stage) -> None:
    page = await s.open(EMPTY)
    await page.get_by_test_id("editor").focus()
    await page.keyboard.type("@" + s.world.words.people[1][:2])
    await page.get_by_role("listbox").get_by_role("option").first.wait_for()

    async def away() -> None:
        await page.keyboard.press("Escape")
        for _ in range(3):
            await page.keyboard.press("Backspace")
        await s.me.state_is("saved")

    s.after.append(away)


@scene("link", "A link", DOCUMENT, "LinkPopover", "ToolPopover")
async def _(s: Stage) -> None:
    page = await s.open()
    await select(page, s.world.words.commented)
    await page.keyboard.press("Control+k")
    await page.locator("#link-address").wait_for()


@scene("image", "What an image shows", DOCUMENT, "ImagePopover")
async def _(s: Stage) -> None:
    page = await s.open()
    await page.locator(".image img").click()
    await s.button("Describe the image").click()
    await page.locator("#image-words").fill(s.world.words.image)


@scene("table-menu", "Rows and columns", DOCUMENT, "Toolbar")
async def _(s: Stage) -> None:
    page = await s.open()
    await page.locator("td").first.click()
    await s.menu("Rows and columns")


@scene("find", "Find and replace", DOCUMENT, "FindBar")
async def _(s: Stage) -> None:
    page = await s.open()
    await page.get_by_test_id("editor").focus()
    await page.keyboard.press("Control+f")
    await s.label("Find").fill(s.world.words.sought)
    await expect(page.locator(".standing")).not_to_have_text("")


@scene("commands", "Commands", DOCUMENT, "CommandPalette", ja=True)
async def _(s: Stage) -> None:
    page = await s.open()
    await page.get_by_test_id("editor").focus()
    await page.keyboard.press("Control+Shift+p")
    await page.get_by_role("dialog").get_by_role("option").first.wait_for()


@scene("shortcuts", "Keyboard shortcuts", DOCUMENT, "ShortcutsSheet")
async def _(s: Stage) -> None:
    page = await s.open()
    await page.keyboard.press("Control+/")
    await page.get_by_role("dialog").locator("dl").first.wait_for()


@scene("outline", "Outline and word count", DOCUMENT, "Outline", "SidePanel")
async def _(s: Stage) -> None:
    page = await s.open()
    await s.menu("More for this document", "Outline and word count")
    await page.locator("aside").wait_for()

    async def away() -> None:
        await page.evaluate("() => localStorage.removeItem('coscribe:view')")

    s.after.append(away)


@scene("comments", "Comments", DOCUMENT, "CommentsPanel", "SidePanel", ja=True)
async def _(s: Stage) -> None:
    page = await s.open()
    await page.locator(".commented").first.wait_for()
    await page.get_by_role("button", name=s.t("Comments ({count})", count=2)).click()
    await page.locator(".commented").first.click()
    await s.label("Reply").wait_for()


@scene("comment", "A new comment", DOCUMENT, "CommentsPanel")
async def _(s: Stage) -> None:
    page = await s.open()
    await page.locator(".commented").first.wait_for()
    await select(page, s.world.words.replaced[1])
    await page.keyboard.press("Control+Alt+m")
    await s.label("New comment").fill("?")


@scene("authors", "Colour by author", DOCUMENT, "AuthorLegend")
async def _(s: Stage) -> None:
    page = await s.open()
    await s.menu("More for this document", "Colour by author")
    await page.get_by_test_id("authors").get_by_role("listitem").first.wait_for()
    await page.locator(".by-author").first.wait_for()


@scene("focus", "Focus mode", DOCUMENT, "DocumentPage")
async def _(s: Stage) -> None:
    page = await s.open()
    await s.menu("More for this document", "Focus mode")
    await page.locator(".unfocus").wait_for()


@scene("wide", "Full width", DOCUMENT, "DocumentPage", wide_only=True)
async def _(s: Stage) -> None:
    page = await s.open()
    await s.menu("More for this document", "Full width")
    await page.locator(".layout.wide").wait_for()

    async def away() -> None:
        await page.evaluate("() => localStorage.removeItem('coscribe:view')")

    s.after.append(away)


@scene("not-here", "A part of the app that is not here", DOCUMENT, "Lazy", "Dialog")
async def _(s: Stage) -> None:
    page = await s.open()

    async def drop(route: Route) -> None:
        await route.abort()

    await page.route(re.compile("/assets/HistoryPanel"), drop)
    await s.button("History").click()
    await page.get_by_role("dialog").wait_for()


# --- sharing ----------------------------------------------------------------------------------------------------------

SHARING = "Sharing"


async def _share(s: Stage) -> Page:
    page = await s.open()
    await s.button("Share").click()
    await page.get_by_role("dialog").locator("#with-access").wait_for()
    return page


@scene("share", "Share", SHARING, "ShareDialog", ja=True)
async def _(s: Stage) -> None:
    await _share(s)


@scene("share-add", "Add somebody", SHARING, "ShareDialog", "PersonPicker")
async def _(s: Stage) -> None:
    page = await _share(s)
    await page.get_by_role("combobox", name=s.t("Add somebody")).fill(s.world.words.people[3][:2])
    await page.get_by_role("listbox").get_by_role("option").or_(page.locator(".nobody:not(:empty)")).first.wait_for()


@scene("share-link", "A share link", SHARING, "ShareDialog", "CopyField")
async def _(s: Stage) -> None:
    page = await _share(s)
    made = {"link": {}, "url": f"{s.url}/d/{RIVER}#key=0123456789abcdefghijklmnop"}
    await s.answer("**/sharing/links", made)
    await s.button("Create link").click()
    await page.locator(".fresh input").wait_for()


@scene("share-more", "Somebody who has access", SHARING, "ShareDialog", "Menu")
async def _(s: Stage) -> None:
    await _share(s)
    await s.menu("More for {name}", name=s.world.words.people[1])


@scene("share-owner", "Hand over", SHARING, "ShareDialog")
async def _(s: Stage) -> None:
    await _share(s)
    await s.menu("More for {name}", "Make owner…", name=s.world.words.people[1])
    await s.button("Hand over").wait_for()


@scene("commenter", "A document to comment on", SHARING, "RoleBar")
async def _(s: Stage) -> Page:
    person = await s.visit_new(3)
    await s.open(person=person)
    await person.page.get_by_test_id("read-only").wait_for()
    return person.page


@scene("forbidden", "No access", SHARING, "Refusal")
async def _(s: Stage) -> Page:
    page = await s.go("/d/camp/budget", person=await s.visit_new(3))
    await s.heading("You have no access to this document", page).wait_for()
    return page


@scene("signed-out", "Signed out meanwhile", SHARING, "Refusal")
async def _(s: Stage) -> Page:
    body = {"name": s.world.words.people[1], "password": "nine green herons"}
    person = await s.visit()
    await call(person, "POST", "sign-in", body)
    await person.open("minutes/may")
    await person.state_is("saved")
    await call(person, "POST", "sign-out")
    await s.heading("You are signed out", person.page).wait_for()
    return person.page


@scene("taken-away", "Access taken away", SHARING, "Refusal")
async def _(s: Stage) -> Page:
    name, ben = "camp/budget", s.world.words.people[1]
    person = await s.visit_new(1)
    path = f"{document_path(name)}/sharing/people/{s.world.ids[ben]}"
    await person.open(name)
    await person.state_is("saved")
    await call(s.me, "DELETE", path)

    async def back() -> None:
        await call(s.me, "PUT", path, {"role": "reader"})

    s.after.append(back)
    await s.heading("You may no longer open this document", person.page).wait_for()
    return person.page


@scene("link-spent", "A share link that was revoked", SHARING, "Refusal")
async def _(s: Stage) -> Page:
    page = await s.go(f"/d/{RIVER}#key=0123456789abcdefghijklmnop", person=await s.visit())
    await s.heading("This link does not work any more", page).wait_for()
    return page


# --- what the state line says -----------------------------------------------------------------------------------------

STATES = "Saved, and not"


async def _cut(s: Stage, document: str = RIVER) -> tuple[Page, Wire]:
    """Somebody whose connection breaks while they write."""
    person = await s.visit_new(0)
    wire = await Wire.of(person)
    await s.open(document, person=person)
    await wire.cut()
    await person.state_is("offline")
    await person.write(s.world.words.late)
    await expect(person.page.get_by_test_id("state")).to_contain_text(str(len(s.world.words.late)))
    return person.page, wire


@scene("offline", "Offline", STATES, "StateLine")
async def _(s: Stage) -> Page:
    page, _ = await _cut(s)
    await page.evaluate("() => scrollTo(0, 0)")
    return page


@scene("not-kept", "A browser that keeps nothing", STATES, "StateLine")
async def _(s: Stage) -> Page:
    person = await s.visit_new(0)
    await person.context.add_init_script(_NOTHING_IS_STORED)
    await s.open(person=person)
    await expect(person.page.get_by_test_id("state")).to_contain_text(s.t("not kept on this device"))
    return person.page


@scene("overdue", "The server cannot save", STATES, "StateLine")
async def _(s: Stage) -> Page:
    page = await s.open(EMPTY)
    lock = sqlite3.connect(s.world.server.data_dir / "coscribe.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")

    async def away() -> None:
        lock.execute("ROLLBACK")
        lock.close()
        await s.me.state_is("saved")
        for _ in s.world.words.late:
            await page.keyboard.press("Backspace")
        await s.me.state_is("saved")

    s.after.append(away)
    await s.me.write(s.world.words.late)
    await s.me.state_is("overdue")
    return page


@scene("stranded", "No longer allowed", STATES, "Stranded", "Warning")
async def _(s: Stage) -> Page:
    person = await s.visit_new(1)
    path = f"{document_path(EMPTY)}/sharing/people/{s.world.ids[s.world.words.people[1]]}"
    await call(s.me, "PUT", path, {"role": "editor"})
    wire = await Wire.of(person)
    await s.open(EMPTY, person=person)
    await wire.cut()
    await person.state_is("offline")
    await person.write(s.world.words.late)
    await call(s.me, "PUT", path, {"role": "reader"})
    wire.mend()
    await person.state_is("stranded")
    return person.page


@scene("outdated", "New version needed", STATES, "Outdated", "Warning")
async def _(s: Stage) -> None:
    await s.open(NEWER)
    await s.me.state_is("outdated")


@scene("new-version", "A new version of the app", STATES, "UpdateOffer")
async def _(s: Stage) -> Page:
    person = await s.visit_new(0, service_workers="allow")
    await s.open(person=person)
    await person.page.evaluate(_NEWER_APP)
    await s.button("Reload", person.page).wait_for()
    return person.page


@scene("leave", "Sign out with unsaved edits", STATES, "LeaveDialog", "UnsavedList")
async def _(s: Stage) -> Page:
    page, _ = await _cut(s)
    await page.locator("button.me").click()
    await s.button("Sign out", page).click()
    await page.get_by_role("dialog").wait_for()
    return page


@scene("waiting", "Never opened here, and offline", STATES, "DocumentPage", "Notice")
async def _(s: Stage) -> Page:
    person = await s.visit_new(0)
    await s.cut_off(person.page)
    await Wire.of(person)
    wire = await Wire.of(person)
    await wire.cut()
    await person.page.goto(f"{s.url}/d/{RIVER}")
    await s.heading("Waiting for the server", person.page).wait_for()
    return person.page


@scene("locked", "Damaged, and locked", STATES, "Refusal")
async def _(s: Stage) -> Page:
    page = await s.go(f"/d/{DAMAGED}")
    await s.heading("This document is locked").wait_for()
    return page


@scene("binned", "Moved to the bin meanwhile", STATES, "Refusal")
async def _(s: Stage) -> Page:
    page = await s.go(f"/d/{OTHERS[-1]}")
    await page.get_by_role("heading", level=2).first.wait_for()
    return page


@scene("begun-anew", "Begun anew on the server", STATES, "Branch")
async def _(s: Stage) -> Page:
    person = await s.visit_new(0)
    page = person.page
    then, now = OTHERS[0], OTHERS[2]
    await s.open(then, person=person)
    names = await page.evaluate("async () => (await indexedDB.databases()).map(({name}) => name)")
    (name,) = [each for each in names if then in each]
    await page.evaluate("(id) => localStorage.setItem(`coscribe:branches:${id}`, '[\"earlier\"]')", now)
    await page.goto(s.url + "/healthz")
    await page.evaluate(_AS_EARLIER, [name, f"{name.split(then)[0]}{now}@earlier"])
    await s.open(now, person=person)
    await s.button("Look at the earlier text", page).click()
    await page.get_by_test_id("branch").wait_for()
    return page


_AS_EARLIER = """async ([name, earlier]) => {
    const answer = (request) => new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result)
        request.onerror = () => reject(request.error)
    })
    const from = await answer(indexedDB.open(name))
    const stores = [...from.objectStoreNames]
    const opening = indexedDB.open(earlier, from.version)
    opening.onupgradeneeded = () => {
        for (const store of stores) {
            const {keyPath, autoIncrement} = from.transaction(store).objectStore(store)
            opening.result.createObjectStore(store, {keyPath, autoIncrement})
        }
    }
    const to = await answer(opening)
    for (const store of stores) {
        const source = from.transaction(store).objectStore(store)
        const [keys, values] = await Promise.all([answer(source.getAllKeys()), answer(source.getAll())])
        const target = to.transaction(store, 'readwrite').objectStore(store)
        keys.forEach((key, at) => target.keyPath === null ? target.put(values[at], key) : target.put(values[at]))
    }
    from.close()
    to.close()
}"""
"""What this device keeps of one document is kept as the earlier text of another one."""


# --- history ----------------------------------------------------------------------------------------------------------

HISTORY = "History"


async def _history(s: Stage, at: int = 1) -> Page:
    page = await s.open()
    await s.button("History").click()
    entries = page.get_by_role("listbox", name=s.t("History, newest first")).get_by_role("option")
    await entries.first.wait_for(timeout=60_000)
    if at:
        await entries.nth(at).click()
    if at or not s.narrow:
        await expect(page.locator('[data-testid="past"]:not([hidden])')).to_contain_text(s.world.words.title[:6])
    await _at_rest(page)
    return page


async def _at_rest(page: Page) -> None:
    await expect(page.locator('[data-testid="past"][aria-busy="false"]')).to_have_count(1)


async def _look(page: Page, at: int) -> None:
    await page.locator(".looks input[type=radio]").nth(at).check(force=True)
    await expect(page.get_by_test_id("past")).to_have_attribute("aria-busy", "false")
    await page.locator(".legend li").first.wait_for()


@scene("history", "The timeline, and the document as it was", HISTORY, "HistoryPanel", "Timeline", "PastState", ja=True)
async def _(s: Stage) -> None:
    await _history(s, 0)


@scene("history-changes", "What changed", HISTORY, "PastState")
async def _(s: Stage) -> None:
    page = await _history(s, 2)
    await _look(page, 1)
    await s.button("Next change").click()


@scene("history-authors", "Who wrote it", HISTORY, "PastState", ja=True)
async def _(s: Stage) -> None:
    page = await _history(s)
    await _look(page, 2)


@scene("history-name", "A name for a version", HISTORY, "NameDialog")
async def _(s: Stage) -> None:
    page = await _history(s)
    await page.locator(".bar .controls button").first.click()
    await page.get_by_role("dialog", name=s.t("Name this version")).wait_for()


@scene("history-restore", "Restore a version", HISTORY, "PastState", "Confirm")
async def _(s: Stage) -> None:
    page = await _history(s)
    await s.menu("Restore", "The whole document…")
    await page.get_by_role("dialog", name=s.t("Restore this version?")).wait_for()


@scene("history-block", "One block comes back", HISTORY, "PastState")
async def _(s: Stage) -> None:
    page = await _history(s)
    await s.menu("Restore", "One block…")
    await page.get_by_test_id("past").get_by_role("option").first.wait_for()


@scene("history-download", "A past state as a file", HISTORY, "PastState", "Menu")
async def _(s: Stage) -> None:
    await _history(s)
    await s.menu("Download this state")


@scene("history-versions", "Named versions", HISTORY, "HistoryPanel", "Timeline")
async def _(s: Stage) -> None:
    page = await _history(s, 0)
    await s.label("Named versions").check(force=True)
    await expect(page.get_by_role("listbox").get_by_role("option")).to_have_count(2)
    await _at_rest(page)


@scene("history-empty", "Nothing written yet", HISTORY, "HistoryPanel")
async def _(s: Stage) -> None:
    page = await s.open(EMPTY)
    nothing: dict[str, Any] = {"entries": [], "next": None, "people": [], "nobody": False, "limited": False, "head": 0}
    await s.answer(re.compile(r"/history(\?|$)"), nothing)
    await s.button("History").click()
    await expect(page.locator(".list .state")).to_contain_text(
        s.t("Nothing has been written yet. What people write shows here.")
    )


# --- account ----------------------------------------------------------------------------------------------------------

ACCOUNT = "Account"


async def _account(s: Stage) -> Page:
    page = await s.go("/account")
    await page.get_by_role("listitem").first.wait_for()
    return page


@scene("account", "Account", ACCOUNT, "/account", "AccountPage", ja=True)
async def _(s: Stage) -> None:
    await _account(s)


@scene("token-new", "A new API token", ACCOUNT, "AccountPage")
async def _(s: Stage) -> None:
    page = await _account(s)
    await s.button("New token").click()
    await s.label("What it is for").fill(s.world.words.token)
    await page.get_by_role("dialog").wait_for()


@scene("token-made", "The token, once", ACCOUNT, "AccountPage", "CopyField")
async def _(s: Stage) -> None:
    page = await _account(s)
    await s.button("New token").click()
    await s.label("What it is for").fill(s.world.words.token)
    made = {"token": "cst_7Qm4xT9pLr2VhWc8Zn3k"}

    async def fulfil(route: Route) -> None:
        if route.request.method == "POST":
            await route.fulfill(json=made)
        else:
            await route.continue_()

    await page.route("**/api/me/tokens", fulfil)
    await page.get_by_role("dialog").locator("[type=submit]").click()
    await page.get_by_role("dialog").locator("input[readonly]").wait_for()
    await page.locator(".toast button").first.click()


@scene("token-revoke", "Revoke a token", ACCOUNT, "RevokeToken")
async def _(s: Stage) -> None:
    page = await _account(s)
    await s.button("Revoke the token {label}", label=s.world.words.token).click()
    await page.get_by_role("dialog").wait_for()


@scene("name-taken", "A name that is taken", ACCOUNT, "AccountPage", "Field")
async def _(s: Stage) -> None:
    page = await _account(s)
    await page.locator("[autocomplete=username]").first.fill(s.world.words.people[1])
    await s.button("Save").click()
    await page.locator("[aria-invalid=true]").wait_for()


# --- administration ---------------------------------------------------------------------------------------------------

ADMINISTRATION = "Administration"


async def _people(s: Stage) -> Page:
    page = await s.go("/admin/people")
    await page.get_by_role("row").nth(1).wait_for()
    await page.locator(".after li").first.wait_for()
    return page


@scene("people", "People", ADMINISTRATION, "/admin/people", "PeoplePage", "Rows", ja=True)
async def _(s: Stage) -> None:
    await _people(s)


@scene("people-menu", "What can be done with an account", ADMINISTRATION, "PeoplePage", "Menu")
async def _(s: Stage) -> None:
    await _people(s)
    await s.menu("Actions for {name}", name=s.world.words.people[1])


@scene("invite", "Invite somebody", ADMINISTRATION, "InviteDialog")
async def _(s: Stage) -> None:
    page = await _people(s)
    await s.button("Invite somebody").click()
    await page.get_by_role("dialog").locator("form").wait_for()


@scene("invite-made", "The invitation is ready", ADMINISTRATION, "InviteDialog", "CopyField")
async def _(s: Stage) -> None:
    page = await _people(s)
    await s.button("Invite somebody").click()
    made = {
        "invitation": {"expires_at": (NOW + timedelta(days=7)).isoformat()},
        "url": f"{s.url}/join#csi_0123456789abcdefghij",
    }

    async def fulfil(route: Route) -> None:
        if route.request.method == "POST":
            await route.fulfill(json=made)
        else:
            await route.continue_()

    await page.route("**/api/admin/invitations", fulfil)
    await page.get_by_role("dialog").locator("[type=submit]").click()
    await page.get_by_role("dialog").locator("input[readonly]").wait_for()


@scene("password-link", "A password link", ADMINISTRATION, "PeoplePage", "CopyField")
async def _(s: Stage) -> None:
    page = await _people(s)
    made = {"expires_at": (NOW + timedelta(days=1)).isoformat(), "url": f"{s.url}/join#csi_0123456789abcdefghij"}
    await s.answer("**/password-link", made)
    await s.menu("Actions for {name}", "Password link…", name=s.world.words.people[1])
    await page.get_by_role("dialog").locator("input[readonly]").wait_for()


def _asking(slug: str, title: str, item: str, who: int) -> None:
    @scene(slug, title, ADMINISTRATION, "PeoplePage", "Confirm")
    async def _(s: Stage) -> None:
        page = await _people(s)
        await s.menu("Actions for {name}", item, name=s.world.words.people[who])
        await page.get_by_role("dialog").wait_for()


_asking("suspend", "Suspend somebody", "Suspend…", 1)
_asking("demote", "Take administration away", "Take administration away…", 2)
_asking("delete-person", "Delete an account", "Delete…", 3)


@scene("documents", "All documents", ADMINISTRATION, "/admin/documents", "AllDocumentsPage")
async def _(s: Stage) -> None:
    page = await s.go("/admin/documents")
    await page.get_by_role("row").nth(1).wait_for()


@scene("documents-menu", "What administrators can do with a document", ADMINISTRATION, "AllDocumentsPage", "Menu")
async def _(s: Stage) -> None:
    page = await s.go("/admin/documents")
    await page.get_by_role("row").nth(1).wait_for()
    await s.menu("Actions for {title}", title=s.world.words.title)


@scene("tokens", "API tokens", ADMINISTRATION, "/admin/tokens", "TokensPage")
async def _(s: Stage) -> None:
    page = await s.go("/admin/tokens")
    await page.get_by_role("row").nth(1).wait_for()


@scene("export", "Export and import", ADMINISTRATION, "/admin/export", "ExportPage", ja=True)
async def _(s: Stage) -> None:
    page = await s.go("/admin/export")
    await page.locator(".jobs, p.state").first.wait_for()


@scene("export-choose", "Chosen documents", ADMINISTRATION, "ExportPage", "DocumentFilters")
async def _(s: Stage) -> None:
    page = await s.go("/admin/export")
    await page.get_by_label(s.t("Chosen documents")).check()
    boxes = page.locator(".documents input")
    await boxes.nth(1).check()
    await boxes.nth(2).check()


def _jobs(s: Stage) -> list[dict[str, Any]]:
    """Of every kind: under way, done with gaps, failed."""
    done = {"by": {"id": "x", "name": s.world.words.people[0]}, "expires_at": (NOW + timedelta(hours=23)).isoformat()}
    base = done | {"progress": None, "result": None, "problem": None, "download": None, "documents": None, "prefix": ""}
    result = {"documents": 9, "updates": 1240, "present": 2, "bytes": 0, "images_missing": []}
    left_out = [{"id": "old/damaged", "reason": "it is in quarantine"}]
    at = (NOW - timedelta(minutes=3)).isoformat()
    return [
        base
        | {"id": "a", "kind": "export", "state": "running", "format": "archive", "created_at": at, "ended_at": None}
        | {"progress": {"what": "documents", "done": 4, "total": 9}},
        base
        | {"id": "b", "kind": "import", "state": "done", "format": None, "created_at": at, "ended_at": at}
        | {"result": result | {"left_out": left_out}, "prefix": "from-berlin/"},
        base
        | {"id": "c", "kind": "import", "state": "failed", "format": None, "created_at": at, "ended_at": at}
        | {"problem": {"code": "bad_archive", "detail": "the file is no ZIP archive"}},
    ]


@scene("export-running", "Under way, done, failed", ADMINISTRATION, "ExportPage")
async def _(s: Stage) -> None:
    await s.answer("**/api/admin/jobs", {"jobs": _jobs(s)})
    page = await s.go("/admin/export")
    await page.locator(".jobs").wait_for()
    await page.locator(".jobs summary").click()
    await page.locator(".jobs").evaluate("(list) => list.closest('section').scrollIntoView({block: 'start'})")


@scene("export-cancel", "Cancel an export", ADMINISTRATION, "ExportPage", "Confirm")
async def _(s: Stage) -> None:
    await s.answer("**/api/admin/jobs", {"jobs": _jobs(s)})
    page = await s.go("/admin/export")
    await s.button("Cancel").click()
    await page.get_by_role("dialog").wait_for()


@scene("audit", "Audit log", ADMINISTRATION, "/admin/audit", "AuditPage", ja=True)
async def _(s: Stage) -> None:
    page = await s.go("/admin/audit")
    await page.get_by_role("row").nth(1).wait_for()


@scene("audit-one", "What one person did", ADMINISTRATION, "AuditPage", "PersonPicker")
async def _(s: Stage) -> None:
    page = await s.go(f"/admin/audit?person={s.world.ids[s.world.words.people[0]]}&document={RIVER}")
    await page.get_by_role("row").nth(1).wait_for()


@scene("audit-fault", "The server says no", ADMINISTRATION, "Rows")
async def _(s: Stage) -> None:
    await s.answer("**/api/admin/audit?*", {"status": 500, "detail": "The server failed."}, status=500)
    await s.answer("**/api/admin/audit", {"status": 500, "detail": "The server failed."}, status=500)
    page = await s.go("/admin/audit")
    await page.get_by_role("alert").wait_for()
