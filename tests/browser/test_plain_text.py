"""Documents in Markdown and code: made from the menu, written by two people, read elsewhere."""

import asyncio
from urllib.parse import quote

import httpx
import pytest
from playwright.async_api import expect

from tests.browser.accounts import CHEAP, House, call, is_read_only
from tests.browser.axe import sound
from tests.browser.conftest import Visit
from tests.browser.pages import PHONE, Person
from tests.browser.test_offline import controlled
from tests.e2e.raw_client import RawClient
from tests.e2e.replica import append
from tests.e2e.test_schema import refusals, versions
from tests.servers import ServerProcess, StartServer
from tests.support import eventually

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(180)]

_LINES = """(text) => {
    const copy = text.cloneNode(true)
    for (const caret of copy.querySelectorAll('.collaboration-caret__caret')) caret.remove()
    return [...copy.querySelectorAll('.cm-line')].map((line) => line.textContent).join('\\n')
}"""

_TEXT_ON_DEVICE = """async (document) => {
    const answer = (request) => new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result)
        request.onerror = () => reject(request.error)
    })
    if (!(await indexedDB.databases()).some(({name}) => name === 'coscribe:texts')) return ''
    const database = await answer(indexedDB.open('coscribe:texts'))
    const text = await answer(database.transaction('texts').objectStore('texts').get(document))
    database.close()
    return text ?? ''
}"""


async def create(person: Person, kind: str) -> str:
    """By the keyboard alone. Gives the document's name."""
    await person.page.goto(person.server.url)
    menu = person.page.get_by_role("button", name="New: choose what")
    await menu.focus()
    await person.page.keyboard.press("ArrowDown")
    item = person.page.get_by_role("menuitem", name=kind, exact=True)
    await expect(item.or_(person.page.get_by_role("menuitem").first).first).to_be_focused()
    await person.page.keyboard.press(kind[0])
    await expect(item).to_be_focused()
    await person.page.keyboard.press("Enter")
    await person.page.wait_for_url("**/d/*")
    await person.page.locator(".cm-content").wait_for()
    return person.page.url.rpartition("/d/")[2]


async def shows(person: Person, text: str) -> None:
    async def same() -> bool:
        return bool(await person.editor.evaluate(_LINES) == text)

    try:
        await eventually(same, "the text")
    except AssertionError:
        shown = await person.editor.evaluate(_LINES)
        raise AssertionError(f"expected {text!r}, the page shows {shown!r}") from None


async def test_two_people_write_one_markdown_document(
    visit: Visit, server: ServerProcess, http: httpx.AsyncClient
) -> None:
    ada, ben = await visit(server), await visit(server)
    document = await create(ada, "Markdown")
    await ada.editor.focus()
    await ada.page.keyboard.type("# Plan\n\nfirst *thing*\n")
    await ada.state_is("saved")

    await ben.open(document)
    await shows(ben, "# Plan\n\nfirst *thing*\n")
    await expect(ben.page.locator(".cm-content")).to_have_count(1)
    await ben.write("and Ben\n")
    await ada.write("% Ada\n", at="Home")
    both = "% Ada\n# Plan\n\nfirst *thing*\nand Ben\n"
    await shows(ada, both)
    await shows(ben, both)
    await expect(ada.page.locator(".collaboration-caret__label")).to_have_text(await ben.name())
    await ada.page.keyboard.press("Control+z")
    await shows(ben, "# Plan\n\nfirst *thing*\nand Ben\n")
    await ada.state_is("saved")
    await ada.picture("markdown")

    await ada.page.reload()
    await shows(ada, "# Plan\n\nfirst *thing*\nand Ben\n")
    address = f"{server.url}/api/documents/{document}/content"
    markdown = await http.get(address, params={"format": "markdown"})
    assert markdown.text == "# Plan\n\nfirst *thing*\nand Ben\n"
    html = (await http.get(address, params={"format": "html"})).text
    assert "<h1>Plan</h1>" in html
    assert "<em>thing</em>" in html
    assert "coscribe</h1>" not in html


async def test_code_has_a_language_and_a_search(visit: Visit, server: ServerProcess, http: httpx.AsyncClient) -> None:
    ada = await visit(server, color_scheme="dark")
    document = await create(ada, "Code")
    await ada.editor.focus()
    await ada.page.keyboard.insert_text("def one():\n    return 1\n\n\none()\n")
    await ada.page.get_by_label("Language", exact=True).select_option("Python")
    await expect(ada.page.locator(".cm-line span").filter(has_text="return").first).to_be_visible()
    await ada.editor.focus()
    await ada.page.keyboard.press("Control+f")
    await ada.page.get_by_role("textbox", name="Find").fill("one")
    await expect(ada.page.get_by_role("search").get_by_role("status")).to_have_text("2 found")
    await expect(ada.page.locator(".cm-searchMatch")).to_have_count(2)
    await ada.page.get_by_role("textbox", name="Replace with").fill("two")
    await ada.page.get_by_role("button", name="Replace all").click()
    await shows(ada, "def two():\n    return 1\n\n\ntwo()\n")
    await ada.page.keyboard.press("Escape")
    await ada.state_is("saved")
    await ada.picture("code-dark")
    await ada.page.get_by_role("button", name="History").click()
    await ada.page.get_by_role("listbox", name="History, newest first").get_by_role("option").first.click()
    past = ada.page.get_by_test_id("past")
    await expect(past.locator(".source .plain")).to_contain_text("def two():\n    return 1")
    await expect(past).not_to_contain_text("codemirror")
    restore = ada.page.get_by_role("button", name="Restore", exact=True)
    await expect(restore).not_to_have_attribute("aria-haspopup", "menu")
    await ada.page.get_by_label("Changes", exact=True).check(force=True)
    await expect(past.locator("ins").first).to_contain_text("def two")
    await ada.picture("code-history-dark")
    await restore.click()
    await ada.page.get_by_role("dialog", name="Restore this version?").get_by_role("button", name="Restore").click()
    await expect(ada.page.get_by_text("The document is like that already.")).to_be_visible()
    await ada.page.keyboard.press("Escape")
    address = f"{server.url}/api/documents/{document}/content"
    markdown = await http.get(address, params={"format": "markdown"})
    assert markdown.text.startswith("```python\ndef two():\n")

    # Apps from before there was code would take it for an empty page: they only read. So will this one some day.
    async with RawClient(server, f"{document}?schema=2") as older:
        assert versions(older) == [3]
        await older.edit(append("older"))
        await older.until(lambda: refusals(older) == 1, "refused")
    async with RawClient(server, f"{document}?schema=999999"):
        await ada.state_is("outdated")
        await expect(ada.page.get_by_role("button", name="Get the new version")).to_be_visible()
        await expect(ada.editor).to_have_attribute("contenteditable", "false")
        await expect(ada.page.get_by_label("Language", exact=True)).to_have_count(0)
        await shows(ada, "def two():\n    return 1\n\n\ntwo()\n")


async def test_code_begun_on_a_journey(start_server: StartServer, visit: Visit, axe: str) -> None:
    """Made, written and found without the server; then read by somebody else, who follows, and may write at last."""
    server = await asyncio.to_thread(start_server, **CHEAP)
    house = await House.of(server, visit)
    ann, ben = house.ann, await house.enter("Ben", **PHONE)
    await ann.page.goto(server.url)
    await controlled(ann)
    ann.server_away = True
    await asyncio.to_thread(server.kill9)
    await ann.page.reload()
    await expect(ann.page.get_by_role("heading", name="Documents on this device")).to_be_visible()
    document = await create(ann, "Code")
    await ann.title.fill("hours.py")
    await ann.editor.focus()
    await ann.page.keyboard.insert_text("def hours(km):\n    return km / 4\n")
    await ann.page.get_by_label("Language", exact=True).select_option("Python")
    await expect(ann.page.get_by_test_id("state")).to_contain_text("kept on this device")
    await ann.page.reload()
    await expect(ann.page.get_by_label("Language", exact=True)).to_have_value("python")
    await ann.write("last = hours(120)")
    text = "def hours(km):\n    return km / 4\nlast = hours(120)"
    await shows(ann, text)
    await ann.state_is("offline")
    await eventually(lambda: found_by_words(ann, document, "last"), "its words, for a search on the device")
    await ann.page.goto(server.url)
    await ann.page.get_by_label("Search").fill("last = HOURS")
    await expect(ann.page.get_by_role("link", name="hours.py")).to_contain_text("last = hours(120)")

    await asyncio.to_thread(server.start)
    await expect(ann.page.get_by_text("Your edits of one document are saved now.")).to_be_visible()
    await ann.page.get_by_label("Search").fill("")
    await ann.page.get_by_role("link", name="hours.py").click()
    await shows(ann, text)
    await ann.state_is("saved")
    assert await house.text(document) == text

    # Whoever reads sees it as code, on a telephone as well, and goes along with the caret of whoever writes.
    await house.give(document, ben, "reader")
    await ben.open(document)
    await shows(ben, text)
    await is_read_only(ben)
    await ben.editor.press("x")
    await expect(ben.page.get_by_role("status").filter(has_text="Nothing was typed.")).to_have_count(1)
    await expect(ben.page.get_by_label("Language", exact=True)).to_have_count(0)
    await ben.picture("code-reader-phone-dark")
    await ben.page.get_by_test_id("presence").get_by_role("listitem").get_by_role("button").click()
    last = ben.page.locator(".cm-line").filter(has_text="the end")
    await ann.editor.focus()
    await ann.page.keyboard.press("Control+End")
    await ann.page.keyboard.insert_text("\n" * 150 + "# the end")
    await expect(last).to_be_in_viewport()
    await expect(last.locator(".collaboration-caret__label")).to_have_text("Ann")
    await sound(ben, axe)

    await house.give(document, ben, "editor")
    await expect(ben.editor).to_have_attribute("contenteditable", "true")
    await ben.page.keyboard.press("Escape")
    await ben.write("# Ben\n", at="Home")
    await ben.state_is("saved")
    assert await house.text(document) == "# Ben\n" + text + "\n" * 150 + "# the end"
    await sound(ann, axe)

    await eventually(lambda: found_by_server(ben, "the end"), "its words, in the server's index")
    await ben.page.goto(server.url)
    await ben.page.get_by_label("Search").fill("the end")
    await expect(ben.page.get_by_role("link", name="hours.py")).to_contain_text("the end")


async def test_a_template_is_the_beginning_of_a_document(
    visit: Visit, server: ServerProcess, http: httpx.AsyncClient
) -> None:
    ada, ben = await visit(server), await visit(server)
    await ada.page.goto(server.url)
    await ada.page.get_by_role("button", name="New: choose what").click()
    await ada.page.get_by_role("menuitem", name="To-do list").click()
    await ada.editor.wait_for()
    await expect(ada.title).to_have_value("To-do list")
    await ada.editor.locator("li").first.get_by_role("paragraph").click()
    await ada.page.keyboard.type("the first")
    await ada.state_is("saved")
    document = ada.page.url.rpartition("/d/")[2]
    await ben.open(document)
    await expect(ben.editor.get_by_role("heading")).to_have_text(["Today", "This week", "When there is time"])
    await expect(ben.editor.get_by_role("checkbox")).to_have_count(6)
    text = await http.get(f"{server.url}/api/documents/{document}/content", params={"format": "text"})
    assert text.text.startswith("Today\nthe first\n\n\nThis week\n")


async def found_by_words(person: Person, document: str, words: str) -> bool:
    return words in str(await person.page.evaluate(_TEXT_ON_DEVICE, document))


async def found_by_server(person: Person, words: str) -> bool:
    return bool((await call(person, "GET", f"documents?q={quote(words)}"))["documents"])
