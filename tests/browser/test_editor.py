"""What people put into a document besides words, and that each of two people undoes what is theirs."""

import asyncio

import httpx
import pytest
from playwright.async_api import expect

from tests.browser.accounts import CHEAP, House
from tests.browser.axe import sound
from tests.browser.conftest import Visit
from tests.browser.pages import Person
from tests.servers import ServerProcess, StartServer

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(120)]


async def markdown(server: ServerProcess, document: str) -> str:
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(server.document_url(document, "content"), params={"format": "markdown"})
    assert answer.status_code == 200
    return answer.text


async def paste(person: Person, text: str) -> None:
    await person.editor.evaluate(
        """(field, text) => {
            const clipboardData = new DataTransfer()
            clipboardData.setData('text/plain', text)
            field.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }))
        }""",
        text,
    )


async def test_a_page_with_everything_is_written_with_the_keyboard_and_exported(
    axe: str, visit: Visit, server: ServerProcess, document: str
) -> None:
    ada = await visit(server)
    keys = ada.page.keyboard
    await ada.open(document)
    await ada.write("# Plan\n- [ ] first\n[x] second\n\n")
    # The slash menu: filtered by what is typed, chosen with Enter.
    await keys.type("/tab")
    menu = ada.page.get_by_role("listbox", name="Insert")
    await expect(menu.get_by_role("option")).to_have_count(1)
    await expect(ada.editor).to_have_attribute(
        "aria-activedescendant", await menu.get_by_role("option").get_attribute("id") or ""
    )
    await sound(ada, axe)
    await keys.press("Enter")
    for word in ("what", "who", "when", "boat", "Ada", "May"):
        await keys.type(word)
        await keys.press("Tab")
    await expect(ada.page.get_by_role("button", name="Rows and columns")).to_be_visible()
    await keys.press("Control+End")
    await paste(ada, "## Pasted\n\n```python\ndef row(): return 1\n```\n\nand **so** on")
    await expect(ada.editor.locator(".hljs-keyword").first).to_have_text("def")
    await ada.state_is("saved")
    text = await markdown(server, document)
    for part in (
        "# Plan",
        "- [ ] first",
        "- [x] second",
        "| what | who | when |",
        "| boat | Ada | May |",
        "## Pasted",
        "```python",
        "and **so** on",
    ):
        assert part in text, text
    await sound(ada, axe)
    await ada.picture("editor-everything")

    # Blocks move without a mouse, items inside their list.
    await ada.editor.get_by_text("second", exact=True).click()
    await ada.heard_of_selection()
    await keys.press("Alt+Shift+ArrowUp")
    await expect(ada.editor.locator("li[data-checked]").first).to_contain_text("second")

    # Find and replace.
    await keys.press("Control+f")
    await ada.page.get_by_label("Find", exact=True).fill("boat")
    await expect(ada.page.get_by_text("1 found")).to_be_visible()
    await ada.page.get_by_label("Replace with").fill("canoe")
    await sound(ada, axe)
    await ada.page.get_by_role("button", name="Replace all").click()
    await expect(ada.editor.get_by_text("canoe")).to_be_visible()
    await keys.press("Escape")

    # Every command by its name, and all the rest of the page by a command.
    await keys.press("Control+Shift+p")
    await ada.page.get_by_role("combobox", name="Find a command").fill("outl")
    await sound(ada, axe)
    await keys.press("Enter")
    outline = ada.page.get_by_role("complementary", name="Outline")
    await expect(outline.get_by_role("listitem")).to_have_text(["Plan", "Pasted"])
    await sound(ada, axe)
    await ada.picture("editor-outline")
    await keys.press("Control+/")
    await ada.page.get_by_role("heading", name="Keyboard shortcuts").wait_for()
    await sound(ada, axe)


async def test_undo_takes_back_ones_own_edits_alone(visit: Visit, server: ServerProcess, document: str) -> None:
    ada, ben = await visit(server), await visit(server)
    await ada.open(document)
    await ada.write("by Ada. ")
    await ada.state_is("saved")
    await ben.open(document)
    await ben.write("By Ben.")
    await ada.shows("by Ada. By Ben.")
    await ada.editor.focus()
    await ada.page.keyboard.press("Control+z")
    await ben.shows("By Ben.")
    await ada.page.keyboard.press("Control+z")
    await ada.page.keyboard.press("Control+y")
    await ben.shows("by Ada. By Ben.")
    await ben.page.keyboard.press("Control+z")
    await ada.shows("by Ada. ")


async def test_commenters_comment_and_editors_answer(
    axe: str, visit: Visit, start_server: StartServer, document: str
) -> None:
    server = await asyncio.to_thread(start_server, **CHEAP)
    house = await House.of(server, visit)
    ann, ben = house.ann, await house.enter("Ben")
    await house.document(document, "Plans", commenter=ben)
    await ann.open(document)
    await ann.write("The water stood twelve centimetres above the mark.")
    await ann.state_is("saved")
    await ben.open(document)
    await ben.shows("The water stood twelve centimetres above the mark.")
    await ben.editor.get_by_text("twelve").dblclick(position={"x": 20, "y": 10})
    await ben.page.get_by_role("button", name="Comment", exact=True).click()
    await ben.page.get_by_label("New comment").fill("Above which mark?")
    await sound(ben, axe)
    await ben.page.keyboard.press("Enter")

    thread = ann.page.locator(".commented")
    await expect(thread).to_have_count(1)
    words = await thread.text_content()
    await ann.write("Yesterday: ", at="Home")
    await expect(thread).to_have_text(words or "")
    await thread.click()
    await ann.page.get_by_role("button", name="Comments (1)").click()
    panel = ann.page.get_by_role("complementary", name="Comments")
    await expect(panel).to_contain_text("Above which mark?")
    await expect(panel.locator(".by strong")).to_have_text("Ben")
    await thread.click()
    await panel.get_by_label("Reply").fill("The old one.")
    await sound(ann, axe)
    await ann.picture("editor-comments")
    await ann.page.keyboard.press("Enter")
    answers = ben.page.get_by_role("complementary", name="Comments")
    await expect(answers).to_contain_text("The old one.")
    await expect(answers.locator(".by strong")).to_have_text(["Ben", "Ann"])
    await expect(thread).to_have_text(words or "")
    await panel.get_by_role("button", name="Resolve").click()
    await expect(ben.page.locator(".commented")).to_have_count(0)
