"""What people do in a text besides typing: they go after each other, name each other, move blocks, merge cells, put in
images, and print."""

import asyncio

import pytest
from playwright.async_api import Locator, Route, expect

from tests.browser.accounts import CHEAP, House
from tests.browser.axe import sound
from tests.browser.conftest import Visit
from tests.browser.pages import Person, same_text
from tests.browser.test_editor import paste
from tests.servers import ServerProcess, StartServer

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(120)]

DOT = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR42mPQqIjCihiGlgQAX7A+gVuNR4QAAAAASUVORK5CYII="
"""A PNG of 8 by 8."""

_PASTE_IMAGE = """(field, [name, bytes]) => {
    const clipboardData = new DataTransfer()
    const data = Uint8Array.from(atob(bytes), (byte) => byte.charCodeAt(0))
    clipboardData.items.add(new File([data], name, { type: 'image/png' }))
    field.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }))
}"""


def avatar(person: Person, of: str) -> Locator:
    return person.page.get_by_test_id("presence").get_by_role("listitem").get_by_role("button", name=of)


async def test_one_goes_after_another_and_names_them(
    start_server: StartServer, visit: Visit, document: str, axe: str
) -> None:
    server = await asyncio.to_thread(start_server, **CHEAP)
    house = await House.of(server, visit)
    ann, ben = house.ann, await house.enter("Ben")
    await house.document(document, "Plans", editor=ben)
    await ann.open(document)
    await ann.write("\n".join(f"line {number}" for number in range(1, 101)))
    await ann.state_is("saved")
    await ben.open(document)
    await expect(ben.editor).to_contain_text("line 100")

    await ann.page.keyboard.press("Control+Home")
    await ben.write("!")
    await expect(avatar(ann, "Ben, typing")).to_be_visible()
    await expect(ann.editor.get_by_text("line 100")).not_to_be_in_viewport()
    await avatar(ann, "Ben").click()
    await expect(ann.editor.get_by_text("line 100!")).to_be_in_viewport()
    await expect(avatar(ann, "Ben")).to_have_attribute("aria-pressed", "true")
    await ben.write("Top: ", at="Home")
    await expect(ann.editor.locator(":scope > :first-child")).to_contain_text("Top: ")
    await expect(ann.editor.locator(":scope > :first-child")).to_be_in_viewport()
    await sound(ann, axe)
    # Whoever scrolls is on their own again.
    await ann.page.mouse.move(600, 400)
    await ann.page.mouse.wheel(0, 900)
    await expect(avatar(ann, "Ben")).to_have_attribute("aria-pressed", "false")
    # Two seconds after the last key he types no more.
    await expect(avatar(ann, "Ben")).not_to_have_attribute("title", "Ben, typing")

    await ann.write(" asked @Be")
    people = ann.page.get_by_role("listbox", name="People")
    await expect(people.get_by_role("option")).to_have_text("Ben")
    await sound(ann, axe)
    await ann.page.keyboard.press("Enter")
    await ann.page.keyboard.type("twice")
    for person in (ann, ben):
        await expect(person.editor.locator(".mention")).to_have_text("@Ben")
    assert (await same_text([ann, ben])).endswith("\nline 100! asked @Ben twice")


async def test_blocks_are_moved_copied_and_deleted(visit: Visit, server: ServerProcess, document: str) -> None:
    ada, ben = await visit(server), await visit(server)
    await ada.open(document)
    await ada.write("one\ntwo\nthree")
    await ben.open(document)
    await ben.write(".")
    await ada.shows("one\ntwo\nthree.")
    keys, mouse = ada.page.keyboard, ada.page.mouse

    # With the keyboard; the caret of somebody else in the block stays where it was.
    await keys.press("Alt+Shift+ArrowUp")
    await ben.shows("one\nthree.\ntwo")
    await keys.press("Alt+Shift+ArrowDown")
    await ben.shows("one\ntwo\nthree.")
    await ben.page.keyboard.type("..")
    await ada.shows("one\ntwo\nthree...")

    # With the mouse, by the handle beside the block.
    handle = ada.page.get_by_role("button", name="Move or change this block")
    await ada.editor.get_by_text("one").hover()
    held, below = await handle.bounding_box(), await ada.editor.get_by_text("three").bounding_box()
    assert held is not None
    assert below is not None
    await mouse.move(held["x"] + 6, held["y"] + 6)
    await mouse.down()
    # Where it goes is in front of a block or behind it, whichever of its ends is nearer.
    await mouse.move(below["x"] + 20, below["y"] + below["height"] / 2, steps=8)
    await mouse.move(below["x"] + below["width"] - 20, below["y"] + below["height"] / 2, steps=4)
    await mouse.up()
    await ben.shows("two\nthree...\none")

    await ada.editor.get_by_text("two").hover()
    await handle.click()
    await ada.page.get_by_role("menuitem", name="Duplicate block").click()
    await ben.shows("two\ntwo\nthree...\none")
    await ada.editor.get_by_text("one").hover()
    await handle.click()
    await ada.page.get_by_role("menuitem", name="Delete block").click()
    await ben.shows("two\ntwo\nthree...")
    await ada.state_is("saved")


async def test_cells_are_merged_and_split(visit: Visit, server: ServerProcess, document: str) -> None:
    ada, ben = await visit(server), await visit(server)
    await ada.open(document)
    await ben.open(document)
    await ada.editor.focus()
    await ada.page.get_by_role("button", name="Table", exact=True).click()
    for word in ("what", "who", "when"):
        await ada.page.keyboard.type(word)
        await ada.page.keyboard.press("Tab")
    await expect(ben.editor.locator("th")).to_have_text(["what", "who", "when"])

    # From cell to cell with the mouse held down.
    head = ada.editor.locator("th")
    await head.nth(0).hover()
    await ada.page.mouse.down()
    box = await head.nth(1).bounding_box()
    assert box is not None
    await ada.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=8)
    await ada.page.mouse.up()
    await expect(ada.editor.locator(".selectedCell")).to_have_count(2)
    tools = ada.page.get_by_role("button", name="Rows and columns")
    await tools.click()
    await ada.page.get_by_role("menuitem", name="Merge or split cells").click()
    for person in (ada, ben):
        await expect(person.editor.locator("th")).to_have_count(2)
        await expect(person.editor.locator("th").first).to_have_attribute("colspan", "2")
    assert (await same_text([ada, ben])).strip() == "whatwhowhen"

    await tools.click()
    await ada.page.get_by_role("menuitem", name="Merge or split cells").click()
    await expect(ben.editor.locator("th")).to_have_count(3)
    await ada.state_is("saved")
    await ada.page.reload()
    await expect(ada.editor.locator("th")).to_have_text(["whatwho", "", "when"])


async def test_an_image_shows_how_far_it_is_until_it_is_there(
    visit: Visit, server: ServerProcess, document: str
) -> None:
    ada, ben = await visit(server), await visit(server)
    await ada.without_service_worker()
    await ada.open(document)
    await ben.open(document)
    await ada.write("before")
    on_its_way, let_go = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        if route.request.method != "GET":
            on_its_way.set()
            await let_go.wait()
        await route.continue_()

    await ada.page.route("**/files/**", hold)
    await ada.page.route("**/files", hold)
    await ada.editor.evaluate(_PASTE_IMAGE, ["heron.png", DOT])
    await expect(ada.page.get_by_role("progressbar", name="Uploading heron.png")).to_be_visible()
    await asyncio.wait_for(on_its_way.wait(), 20)
    # Meanwhile both write on. An edit of Ben's, for which y-tiptap replaces the whole text, once took away the place of
    # the image, and the image with it, without a word.
    await ada.write(" and on")
    await ben.shows("before and on")
    await ben.write("Ben: ", at="Home")
    await expect(ada.editor.locator(":scope > :first-child")).to_contain_text("Ben: ")
    let_go.set()
    for person in (ada, ben):
        image = person.editor.get_by_role("img", name="heron")
        await expect(image).to_be_visible()
        await person.page.wait_for_function("(image) => image.naturalWidth === 8", arg=await image.element_handle())
    await expect(ada.page.get_by_role("progressbar")).to_have_count(0)
    await ada.state_is("saved")
    await ada.page.unroute_all(behavior="wait")


async def test_on_paper_there_is_the_text_alone(visit: Visit, server: ServerProcess, document: str) -> None:
    ada, ben = await visit(server), await visit(server)
    await ada.open(document)
    await paste(ada, "# Field notes\n\nSeen from [the weir](https://weir.example/map) today.")
    await ben.open(document)
    await ben.write(" Twice.")
    await expect(ada.caret_label).to_be_attached()
    await ada.page.emulate_media(media="print")
    await expect(ada.editor.get_by_role("heading", name="Field notes")).to_be_visible()
    for gone in (
        ada.page.get_by_role("toolbar", name="Formatting"),
        ada.page.get_by_test_id("presence"),
        ada.page.get_by_test_id("state"),
        ada.editor.locator(".collaboration-caret__caret"),
    ):
        await expect(gone).to_be_hidden()
    # Nobody can click on paper.
    after = "(link) => getComputedStyle(link, '::after').content"
    assert await ada.editor.get_by_role("link").evaluate(after) == '" (https://weir.example/map)"'
    assert (await ada.page.pdf()).startswith(b"%PDF-")
