"""The history panel: who wrote what and when, and the way back; by keyboard, on a phone, while others type."""

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Download, Locator, Page, expect

from tests.browser.accounts import CHEAP, House, allow, call, document_path
from tests.browser.axe import sound
from tests.browser.conftest import Visit
from tests.browser.pages import PHONE, Person, same_text
from tests.servers import ServerProcess

pytestmark = [pytest.mark.xdist_group("browser-accounts"), pytest.mark.timeout(120)]

NEW = re.compile("brought an earlier state back")
PATIENCE_MS = 15_000
"""The first question about the past starts a process."""


@pytest.fixture(scope="module")
def house_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("house"), **CHEAP) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def house(house_server: ServerProcess, visit: Visit) -> House:
    return await House.of(house_server, visit)


def panel(page: Page) -> Locator:
    return page.get_by_role("dialog", name=re.compile("History of"))


def entries(page: Page) -> Locator:
    return panel(page).get_by_role("listbox", name="History, newest first").get_by_role("option")


def past(page: Page) -> Locator:
    return panel(page).get_by_test_id("past")


async def story(house: House, document: str) -> tuple[Person, Person]:
    """Ann and Ben have written a document, in turns; the two sessions of each are in the log."""
    ben = await house.enter(f"Ben of {document[:8]}")
    await house.document(document, "Field notes", editor=ben)
    ann = house.ann
    await ann.open(document)
    await ann.write("# Field notes\nThe water stood high. Two herons kept to the far bank.\n- rope\nlamp")
    await ann.state_is("saved")
    await call(ann, "POST", f"{document_path(document)}/history/versions", {"name": "First walk"})
    await ben.open(document)
    await ben.write("Our ", at="Home")
    await ben.state_is("saved")
    await ben.write(", and bread")
    await ben.state_is("saved")
    await ann.shows("Our Field notes\nThe water stood high. Two herons kept to the far bank.\nropelamp, and bread")
    return ann, ben


async def look_at(page: Page, look: str) -> None:
    await panel(page).get_by_role("group", name="How to look at it").get_by_label(look).check()


async def test_by_keyboard_alone(axe: str, house: House, document: str) -> None:
    """From the button in the page through the timeline, what changed and a name, to a restored version."""
    ann, ben = await story(house, document)
    page = ann.page
    await page.reload()
    await ann.editor.wait_for()
    button = page.get_by_role("button", name="History")
    await button.focus()
    await page.keyboard.press("Enter")

    # The newest entry has the focus; arrows choose, and what is chosen shows.
    await expect(entries(page)).to_have_count(3, timeout=PATIENCE_MS)
    await expect(entries(page).first).to_be_focused()
    await expect(entries(page).first).to_contain_text("Ben of")
    await expect(entries(page).first).to_contain_text("characters added, 0 characters removed")
    await expect(past(page)).to_contain_text("Our Field notes")
    await ann.picture("history-newest")
    await page.keyboard.press("ArrowDown")
    await expect(entries(page).nth(1)).to_be_focused()
    await expect(entries(page).nth(1)).to_contain_text("First walk")
    await expect(past(page)).to_contain_text("Field notes")
    await expect(past(page)).not_to_contain_text("Our")
    await page.keyboard.press("End")
    await expect(entries(page).last).to_have_attribute("aria-selected", "true")
    await page.keyboard.press("Home")
    await sound(ann, axe)

    # What changed in it, and who did that.
    await tab_to(page, "As it was")
    await page.keyboard.press("ArrowRight")
    await expect(past(page).locator("ins")).to_have_count(2)
    await expect(past(page).locator("ins").first).to_have_attribute("title", re.compile("^Added by Ben of"))
    await expect(panel(page).get_by_role("list", name="Who changed it")).to_contain_text("+15")
    await tab_to(page, "Next change")
    await page.keyboard.press("Enter")
    await expect(panel(page).get_by_role("status").filter(has_text="1 of 2: Added by Ben")).to_be_visible()
    await page.keyboard.press("Enter")
    await expect(panel(page).get_by_role("status").filter(has_text="2 of 2")).to_be_visible()
    await sound(ann, axe)
    await ann.picture("history-changes")

    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("ArrowRight")
    await expect(panel(page).get_by_role("list", name="Who wrote it").get_by_role("listitem")).to_have_count(2)
    await expect(past(page).locator(".author", has_text="Our")).to_have_attribute(
        "title", re.compile("Written by Ben of")
    )
    await sound(ann, axe)
    await ann.picture("history-authors")

    # A name for it.
    await page.keyboard.press("ArrowLeft")
    await page.keyboard.press("ArrowLeft")
    await tab_to(page, "Name", backwards=True)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog", name="Name this version")).to_be_visible()
    await sound(ann, axe)
    await tab_to(page, "Name")
    await page.keyboard.type("With bread")
    await page.keyboard.press("Enter")
    await expect(entries(page)).to_have_count(4)
    await expect(entries(page).filter(has_text="With bread")).to_have_count(1)

    # The first version comes back.
    await tab_to(page, "Ben of", backwards=True)
    await page.keyboard.press("End")
    await expect(entries(page).last).to_be_focused()
    await tab_to(page, "Restore")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("menuitem", name="The whole document…")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog", name="Restore this version?")).to_be_visible()
    await sound(ann, axe)
    await tab_to(page, "Restore")
    await page.keyboard.press("Enter")
    await expect(panel(page)).to_have_count(0)
    await expect(button).to_be_focused()
    back = "Field notes\nThe water stood high. Two herons kept to the far bank.\nropelamp"
    await ann.shows(back)
    await ben.shows(back)

    # Escape leaves, and the focus is where it was.
    await page.keyboard.press("Enter")
    await expect(entries(page).first).to_have_text(NEW, timeout=PATIENCE_MS)
    await page.keyboard.press("Escape")
    await expect(panel(page)).to_have_count(0)
    await expect(button).to_be_focused()


async def tab_to(page: Page, name: str, *, backwards: bool = False) -> None:
    """Press Tab until what has the focus is called `name`, begins or ends with it."""
    named = """() => {
        const at = document.activeElement
        if (at === document.body) return ''
        const label = at.labels?.[0]?.textContent ?? ''
        return (at.getAttribute('aria-label') ?? '') + ' ' + label + ' ' + at.textContent
    }"""
    seen = []
    for _ in range(40):
        await page.keyboard.press("Shift+Tab" if backwards else "Tab")
        text = " ".join(str(await page.evaluate(named)).split())
        if name in text:
            return
        seen.append(text[:40])
    raise AssertionError(f"Tab does not reach {name!r}, only {seen}")


async def test_on_a_phone(axe: str, house: House, visit: Visit, document: str) -> None:
    """The timeline, then the state, each as large as the screen; one block comes back with two touches."""
    _, ben = await story(house, document)
    cleo = await house.enter(f"Cleo of {document[:8]}", **PHONE)
    await house.give(document, cleo, "editor")
    await cleo.open(document)
    page = cleo.page
    await page.get_by_role("button", name="History").tap()
    await expect(entries(page)).to_have_count(3, timeout=PATIENCE_MS)
    # What is chosen is loaded, and its place is not on the screen.
    await expect(panel(page).locator('[data-testid="past"]:not([hidden])')).to_contain_text("Our Field notes")
    await expect(panel(page).locator("section.past")).to_be_hidden()
    await cleo.picture("history-phone-timeline")
    assert await fills(page), "a sheet as large as the screen"

    await entries(page).nth(1).tap()
    await expect(past(page)).to_contain_text("Field notes")
    await expect(entries(page).first).to_be_hidden()
    await look_at(page, "Authors")
    await expect(past(page).locator(".author").first).to_be_visible()
    await cleo.picture("history-phone-authors")
    await panel(page).get_by_role("button", name="Back to the timeline").tap()
    await entries(page).first.tap()
    await look_at(page, "Changes")
    await expect(past(page).locator("ins").first).to_be_visible()
    # The word for those who hear it stands in front, one pixel large.
    await past(page).locator("ins").last.tap(position={"x": 30, "y": 8})
    await expect(panel(page).get_by_role("status").filter(has_text="2 of 2: Added by Ben")).to_be_visible()
    await cleo.picture("history-phone-changes")
    await panel(page).get_by_role("button", name="Back to the timeline").tap()
    await expect(entries(page).first).to_be_focused()
    await entries(page).nth(1).tap()

    await panel(page).get_by_role("button", name="Restore").tap()
    await page.get_by_role("menuitem", name="One block…").tap()
    await expect(past(page).get_by_role("option").first).to_be_focused()
    await cleo.picture("history-phone-block")
    await past(page).get_by_role("option").filter(has_text="Field notes").first.tap()
    await page.get_by_role("dialog", name="Restore this block?").get_by_role("button", name="Restore").tap()
    await expect(panel(page)).to_have_count(0)
    text = "Field notes\nThe water stood high. Two herons kept to the far bank.\nropelamp, and bread"
    await cleo.shows(text)
    await ben.shows(text)


async def test_one_item_of_a_list_comes_back(axe: str, house: House, document: str) -> None:
    """By keyboard: the list, then which part of it. By a press: the part that was meant."""
    ann, ben = await story(house, document)
    await ben.editor.locator("li").first.click()
    await ben.page.keyboard.press("End")
    await ben.page.keyboard.type(" and tar")
    text = "Our Field notes\nThe water stood high. Two herons kept to the far bank.\n"
    await ann.shows(f"{text}rope and tarlamp, and bread")
    page = ann.page

    async def choose_a_block() -> None:
        await page.get_by_role("button", name="History").click()
        await entries(page).filter(has_text="First walk").click(timeout=PATIENCE_MS)
        await expect(past(page)).not_to_contain_text("Our")
        await panel(page).get_by_role("button", name="Restore").click()
        await page.get_by_role("menuitem", name="One block…").click()
        await expect(past(page).get_by_role("option").first).to_be_focused()

    await choose_a_block()
    await page.keyboard.press("End")
    await page.keyboard.press("Enter")
    question = page.get_by_role("dialog", name="Restore this block?")
    await expect(question).to_be_visible()
    await sound(ann, axe)
    await tab_to(page, "Which part")
    await page.keyboard.press("ArrowDown")
    await expect(question.locator("option:checked")).to_have_text("“rope”")
    assert await room_beside(question) > 12, "once what was asked over the panel stuck to the edges of its box"
    await ann.picture("history-part")
    await tab_to(page, "Restore")
    await page.keyboard.press("Enter")
    await expect(panel(page)).to_have_count(0)
    await ann.shows(f"{text}ropelamp, and bread")
    await ben.shows(f"{text}ropelamp, and bread")

    await choose_a_block()
    await past(page).get_by_text("lamp").click()
    await expect(question.locator("option:checked")).to_have_text("“lamp”")
    await question.get_by_role("button", name="Restore").click()
    await expect(panel(page)).to_have_count(0)
    await ann.shows(f"{text}ropelamp")
    await ben.shows(f"{text}ropelamp")


async def room_beside(dialog: Locator) -> float:
    """Between the last of its buttons and its edge."""
    outer, inner = await dialog.bounding_box(), await dialog.get_by_role("button").last.bounding_box()
    assert outer is not None
    assert inner is not None
    return outer["x"] + outer["width"] - inner["x"] - inner["width"]


async def fills(page: Page) -> bool:
    box = await panel(page).bounding_box()
    size = page.viewport_size
    assert box is not None
    assert size is not None
    return (box["width"], box["height"]) == (size["width"], size["height"])


async def test_a_restore_while_another_page_types(house: House, document: str) -> None:
    ann, ben = await story(house, document)
    typing = True

    async def type_on() -> int:
        await ben.editor.focus()
        await ben.page.keyboard.press("Control+End")
        words = 0
        while typing:
            await ben.page.keyboard.type(f" w{words}")
            words += 1
        return words

    typist = asyncio.create_task(type_on())
    page = ann.page
    await page.get_by_role("button", name="History").click()
    await entries(page).filter(has_text="First walk").click(timeout=PATIENCE_MS)
    await expect(past(page)).not_to_contain_text("Our")
    await expect(panel(page).get_by_text("The document has changed since.")).to_be_visible()
    await panel(page).get_by_role("button", name="Restore").click()
    await page.get_by_role("menuitem", name="The whole document…").click()
    await page.get_by_role("dialog", name="Restore this version?").get_by_role("button", name="Restore").click()
    await expect(panel(page)).to_have_count(0)
    await expect(ben.editor.locator("h1")).to_have_text("Field notes")
    typing = False
    words = await typist
    for person in (ann, ben):
        await person.state_is("saved")
    text = await same_text([ann, ben])
    assert text.startswith("Field notes\nThe water stood high.")
    assert text.endswith(f" w{words - 1}"), "what is typed meanwhile stays"
    assert await house.text(document) == text.replace("ropelamp", "rope\nlamp")


async def test_what_one_person_did_and_what_can_be_taken_away(house: House, document: str) -> None:
    ann, _ = await story(house, document)
    page = ann.page
    await page.get_by_role("button", name="History").click()
    await expect(entries(page)).to_have_count(3, timeout=PATIENCE_MS)
    await panel(page).get_by_label("By whom").select_option(label="Ann")
    await expect(entries(page)).to_have_count(2)
    await panel(page).get_by_label("When").select_option("between")
    await panel(page).get_by_label("to", exact=True).fill("2020-01-01")
    await expect(panel(page).get_by_text("Nothing of the kind happened.")).to_be_visible()
    await panel(page).get_by_role("button", name="Show everything").click()
    await expect(entries(page)).to_have_count(3)
    await panel(page).get_by_label("Named versions").check()
    await expect(entries(page)).to_have_text([re.compile("First walk")])

    for name, suffix, start in (
        ("Markdown", ".md", b"# Field notes"),
        ("Word (DOCX)", ".docx", b"PK"),
        ("Plain text", ".txt", b"Field notes\nThe"),
    ):
        await panel(page).get_by_role("button", name="Download this state").click()
        async with page.expect_download() as coming:
            await page.get_by_role("menuitem", name=name).click()
        assert (await content(await coming.value)).startswith(start)
        assert (await coming.value).suggested_filename.endswith(suffix)

    await panel(page).get_by_role("button", name="More for First walk").click()
    await page.get_by_role("menuitem", name="Rename…").click()
    await page.get_by_role("dialog", name="Rename the version").get_by_label("Name").fill("The very first walk")
    await page.get_by_role("button", name="Rename", exact=True).click()
    await expect(entries(page)).to_have_text([re.compile("The very first walk")])
    await panel(page).get_by_role("button", name="More for The very").click()
    await page.get_by_role("menuitem", name="Remove the name").click()
    await expect(panel(page).get_by_text("No version has a name yet.")).to_be_visible()


async def test_a_long_story_comes_page_by_page(house: House, document: str) -> None:
    ann = house.ann
    await house.document(document, "Many names")
    await ann.open(document)
    await ann.write("something")
    await ann.state_is("saved")
    for number in range(60):
        version = {"name": f"Version {number}", "seq": 1}
        await call(ann, "POST", f"{document_path(document)}/history/versions", version)
    page = ann.page
    await page.get_by_role("button", name="History").click()
    await expect(entries(page)).to_have_count(50, timeout=PATIENCE_MS)
    await panel(page).get_by_role("button", name="Show earlier").click()
    await expect(panel(page).get_by_role("button", name="Show earlier")).to_have_count(0)
    assert 60 < await entries(page).count() < 63
    await expect(entries(page).first).to_be_focused()


async def content(download: Download) -> bytes:
    return (await download.path()).read_bytes()


async def test_states_without_anything_to_show(axe: str, house: House, document: str) -> None:
    """An empty document, a server that fails, and somebody who may only read: each is said, none is a dead end."""
    ann = house.ann
    await house.document(document, "Nothing yet")
    await ann.open(document)
    page = ann.page
    await page.get_by_role("button", name="History").click()
    await expect(panel(page).get_by_text("Nothing has been written yet.")).to_be_visible(timeout=PATIENCE_MS)
    await sound(ann, axe)
    await page.keyboard.press("Escape")

    await ann.write("something")
    await ann.state_is("saved")
    failing = True

    async def fail(route: Any) -> None:
        if failing:
            await route.fulfill(status=422, json={"detail": "this takes too long", "status": 422})
        else:
            await route.continue_()

    await page.route("**/history/blame**", fail)
    await page.get_by_role("button", name="History").click()
    await expect(panel(page).get_by_role("alert")).to_contain_text("This takes too long.")
    await sound(ann, axe)
    failing = False
    await panel(page).get_by_role("button", name="Try again").click()
    await expect(past(page)).to_contain_text("something")
    allow(ann, 422)
    await page.keyboard.press("Escape")

    # Who may not see the story still has the versions that were given a name.
    await call(ann, "POST", f"{document_path(document)}/history/versions", {"name": "Only this"})

    async def refuse(route: Any) -> None:
        await route.fulfill(status=403, json={"detail": "the history is for editors", "status": 403})

    await page.route(re.compile(r"/history(/blame.*)?$"), refuse)
    await page.get_by_role("button", name="History").click()
    await expect(entries(page)).to_have_text([re.compile("Only this")])
    await expect(past(page)).to_contain_text("something")
    await expect(panel(page).get_by_text("You can see the versions that have a name.")).to_be_visible()
    await expect(panel(page).get_by_role("group", name="How to look at it")).to_have_count(0)
    await sound(ann, axe)
    allow(ann, 403)


async def test_a_reader_is_shown_the_named_versions_and_told_why(axe: str, house: House, document: str) -> None:
    """A real one, whom the server refuses the story: nothing fails, and there is no button that would be refused."""
    await house.document(document, "Field notes")
    ann, rea = house.ann, await house.enter(f"Rea of {document[:8]}")
    await house.give(document, rea, "reader")
    await ann.open(document)
    await ann.write("As it was")
    await ann.state_is("saved")
    await rea.open(document)
    page = rea.page
    await page.get_by_role("button", name="History").click()
    await expect(panel(page).get_by_text("No version has a name yet. When somebody names one")).to_be_visible()
    await sound(rea, axe)
    await page.keyboard.press("Escape")

    await call(ann, "POST", f"{document_path(document)}/history/versions", {"name": "First walk"})
    await ann.write(", and as it is")
    await ann.state_is("saved")
    await page.get_by_role("button", name="History").click()
    await expect(entries(page)).to_have_text([re.compile("First walk")])
    await expect(past(page)).to_have_text("As it was")
    await expect(panel(page).get_by_text("The rest of the history is not open to you.")).to_be_visible()
    await expect(panel(page).get_by_role("alert")).to_have_count(0)
    await sound(rea, axe)
    await rea.picture("history-reader")
    buttons = panel(page).get_by_role("button").filter(visible=True)
    assert [await button.inner_text() for button in await buttons.all()] == ["", "Download"], "close, and download"
    await panel(page).get_by_role("button", name="Download this state").click()
    async with page.expect_download() as coming:
        await page.get_by_role("menuitem", name="Plain text").click()
    assert await content(await coming.value) == b"As it was"
    allow(rea, 403)
