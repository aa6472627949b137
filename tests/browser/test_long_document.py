"""A book of 5,000 blocks: found in, written in at both ends, with somebody else, and there again after a reload."""

from functools import partial

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.browser.conftest import Visit
from tests.browser.pages import Person, same_text
from tests.servers import ServerProcess
from tests.support import eventually

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(120)]

CHAPTERS = 50
BLOCKS_OF_ONE = 100


def book() -> str:
    """Fifty headings with ninety-nine lines below each."""
    lines = []
    for chapter in range(1, CHAPTERS + 1):
        lines.append(f"## Chapter {chapter}")
        first = (chapter - 1) * BLOCKS_OF_ONE
        lines += [f"This is line {first + number} of the book." for number in range(2, BLOCKS_OF_ONE + 1)]
    return "\n\n".join(lines)


@pytest_asyncio.fixture(loop_scope="session")
async def a_book(server: ServerProcess, document: str, http: httpx.AsyncClient) -> str:
    query = {"format": "markdown", "id": document}
    (await http.post(f"{server.url}/api/import", params=query, content=book())).raise_for_status()
    return document


async def begins_and_ends(person: Person, first: str, last: str) -> bool:
    lines = (await person.text()).split("\n")
    return (lines[0], lines[-1]) == (first, last)


async def test_two_people_in_a_document_of_5000_blocks(visit: Visit, server: ServerProcess, a_book: str) -> None:
    ada, ben = await visit(server), await visit(server)
    for person in (ada, ben):
        await person.open(a_book)
        await expect(person.editor.locator(":scope > *")).to_have_count(CHAPTERS * BLOCKS_OF_ONE)

    # Blocks that are not in sight are not laid out, and Chromium takes the caret to the start of such a one, where the
    # end of the document was meant.
    await ada.editor.focus()
    await ada.page.keyboard.press("Control+End")
    await ada.heard_of_selection()
    await ada.page.keyboard.type(" The end.")
    await ada.editor.focus()
    await ada.page.keyboard.press("Control+Home")
    await ada.heard_of_selection()
    await ada.page.keyboard.type("The beginning: ")
    await eventually(
        partial(begins_and_ends, ben, "The beginning: Chapter 1", "This is line 5000 of the book. The end.")
    )
    await expect(ada.editor.locator(":scope > :first-child")).to_be_in_viewport()

    keys = ada.page.keyboard
    await keys.press("Control+f")
    await ada.page.get_by_label("Find", exact=True).fill("line 3777 ")
    await keys.press("Enter")
    await expect(ada.editor.get_by_text("This is line 3777 of the book.")).to_be_in_viewport()
    await keys.press("Escape")
    await keys.press("End")
    await keys.type(" Found.")
    found = ben.editor.locator(":scope > :nth-child(3777)")
    await expect(found).to_contain_text("This is line 3777 of the book. Found.")

    await keys.press("Control+Shift+p")
    await ada.page.get_by_role("combobox", name="Find a command").fill("outline")
    await keys.press("Enter")
    outline = ada.page.get_by_role("complementary", name="Outline")
    await expect(outline.get_by_role("listitem")).to_have_count(CHAPTERS)
    await outline.get_by_role("button", name="Chapter 42").click()
    await expect(ada.editor.get_by_role("heading", name="Chapter 42")).to_be_in_viewport()

    # Everything, from the first word to the last, is one selection.
    await ada.editor.focus()
    await keys.press("Control+Home")
    await keys.press("Control+Shift+End")
    assert await ada.page.evaluate("getSelection().toString().endsWith('The end.')")

    await ada.state_is("saved")
    await ada.page.reload()
    text = await same_text([ada, ben])
    assert text.count("\n") == CHAPTERS * BLOCKS_OF_ONE - 1


async def test_undo_in_a_document_of_5000_blocks(visit: Visit, server: ServerProcess, a_book: str) -> None:
    ada = await visit(server)
    await ada.open(a_book)
    before = await ada.text()
    await ada.editor.get_by_text("This is line 30 of the book.").click()
    await ada.page.keyboard.press("Control+a")
    await ada.page.keyboard.type("Nothing is left.")
    await ada.shows("Nothing is left.")
    await ada.state_is("saved")
    await ada.page.keyboard.press("Control+z")
    await ada.shows(before)
    await ada.state_is("saved")
