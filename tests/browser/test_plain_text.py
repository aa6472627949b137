"""Documents in Markdown and code: made from the menu, written by two people, read elsewhere."""

import httpx
import pytest
from playwright.async_api import expect

from tests.browser.conftest import Visit
from tests.browser.pages import Person
from tests.servers import ServerProcess
from tests.support import eventually

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(180)]

_LINES = """(text) => {
    const copy = text.cloneNode(true)
    for (const caret of copy.querySelectorAll('.collaboration-caret__caret')) caret.remove()
    return [...copy.querySelectorAll('.cm-line')].map((line) => line.textContent).join('\\n')
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
    address = f"{server.url}/api/documents/{document}/content"
    markdown = await http.get(address, params={"format": "markdown"})
    assert markdown.text.startswith("```python\ndef two():\n")
