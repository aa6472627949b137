"""Files become documents: dropped on the list of documents or chosen; dropped into a text, they become part of it."""

import asyncio
from base64 import b64encode
from typing import Any

import pytest
from playwright.async_api import FileChooser, Locator, Page, Route, expect

from tests.browser.accounts import CHEAP, House, allow
from tests.browser.axe import sound
from tests.browser.conftest import Visit
from tests.browser.pages import Person, same_text
from tests.browser.test_editor import paste
from tests.servers import ServerProcess, StartServer
from tests.support import eventually

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(120)]

Files = dict[str, str | bytes]
_CARRY = """(files) => {
    const carried = new DataTransfer()
    for (const [name, bytes] of files) {
        carried.items.add(new File([Uint8Array.from(atob(bytes), (byte) => byte.charCodeAt(0))], name))
    }
    return carried
}"""

_PREVENTED = """(place, [kind, dataTransfer]) =>
    !place.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }))
"""


async def carry(page: Page, files: Files) -> Any:
    """What the browser hands a page over which files are dragged."""
    encoded = [
        (name, b64encode(content if isinstance(content, bytes) else content.encode()).decode())
        for name, content in files.items()
    ]
    return await page.evaluate_handle(_CARRY, encoded)


async def drop(at: Locator, files: Files, **place: float) -> None:
    carried = {"dataTransfer": await carry(at.page, files), "bubbles": True, "cancelable": True} | place
    for event in ("dragenter", "dragover", "drop"):
        await at.dispatch_event(event, carried)


def results(person: Person) -> Locator:
    return person.page.get_by_role("list", name="Imported files").get_by_role("listitem")


def titles(person: Person) -> Locator:
    return person.page.get_by_role("main").get_by_role("listitem").locator(".title")


async def test_files_that_are_dropped_on_the_list_become_documents(
    start_server: StartServer, visit: Visit, axe: str
) -> None:
    server = await asyncio.to_thread(start_server, **CHEAP, import_bytes_max=50_000)
    house = await House.of(server, visit)
    ann = house.ann
    page = ann.page
    await page.goto(server.url)
    await expect(page.get_by_text("Or drop files here")).to_be_visible()

    # While something is dragged over the page it says so, and no longer when that leaves again.
    target = page.get_by_text("Drop files to make documents of them")
    body = page.locator("body")
    for event, shown in (("dragenter", True), ("dragleave", False), ("dragover", True)):
        await body.dispatch_event(event, {"dataTransfer": await carry(page, {"a.md": "a"}), "cancelable": True})
        await expect(target).to_be_visible(visible=shown)
    await sound(ann, axe)
    await ann.picture("import-target")
    await body.dispatch_event("dragenter", {"dataTransfer": await page.evaluate_handle("() => new DataTransfer()")})

    # Several at once, each with its own end.
    held: list[Route] = []
    await page.route("**/api/import?*", lambda route: held.append(route), times=1)
    await drop(
        body,
        {
            "Birds.md": "# Birds\n\n- heron\n- stork\n",
            "Old words.txt": "Gr\u00fc\u00dfe".encode("latin-1"),
            "Letter.doc": "whatever",
            "Trees.html": "<h2>Trees</h2><p>An <b>oak</b>.",
            "Long.txt": "word " * 20_000,
            "Deep.md": "> " * 500 + "words",
        },
    )
    await expect(target).to_have_count(0)
    await expect(page.get_by_text("Importing 1 of 6…")).to_be_visible()
    await expect(page.get_by_role("progressbar", name="Importing Birds.md")).to_be_visible()
    await sound(ann, axe)
    await eventually(lambda: held, "the first file is on its way")
    await held[0].continue_()
    await expect(page.get_by_role("status").filter(has_text="2 documents are imported. 4 files")).to_be_visible()
    await expect(results(ann)).to_contain_text(
        [
            "Birds",
            "save it again, text files as UTF-8.",
            "Save it as one of these first.",
            "Trees",
            "Divide it into several files.",
            "nested deeper than 100 levels. Divide it into several files.",
        ]
    )
    await expect(titles(ann)).to_have_text(["Trees", "Birds"])
    await sound(ann, axe)
    await ann.picture("import-results")
    allow(ann, 413, 422)
    await results(ann).get_by_role("link", name="Birds").click()
    await ann.shows("Birds\nheronstork")

    # The same page for administrators; without a mouse, through the button.
    choosers: list[FileChooser] = []
    # Listened for from before the page on: Chromium begins to hand choosers over some moments after it is asked to.
    page.on("filechooser", lambda chooser: choosers.append(chooser))
    await page.goto(f"{server.url}/admin/documents")
    button = page.get_by_role("button", name="Import…")
    await button.focus()
    await page.keyboard.press("Enter")
    await eventually(lambda: choosers, "Chromium asks for files")
    [chooser] = choosers
    assert chooser.is_multiple()
    files: list[Any] = [
        {"name": f"{name}.txt", "mimeType": "text/plain", "buffer": name.encode()} for name in ("One", "Two")
    ]
    await chooser.set_files(files)
    await expect(page.get_by_text("2 documents are imported.")).to_be_visible()
    await expect(page.get_by_role("cell").get_by_role("link", name="Two")).to_be_visible()
    await sound(ann, axe)
    await page.get_by_role("button", name="Dismiss").click()
    await expect(results(ann)).to_have_count(0)


async def test_what_could_not_be_sent_is_sent_again_when_asked(visit: Visit, server: ServerProcess) -> None:
    ada = await visit(server)
    await ada.page.goto(server.url)
    await ada.page.get_by_role("button", name="Import…").wait_for()
    await ada.page.route("**/api/import?*", lambda route: route.abort(), times=1)
    await drop(ada.page.locator("body"), {"Sent twice.md": "**words**"})
    await expect(results(ada)).to_contain_text(["The server cannot be reached."])
    ada.problems[:] = [problem for problem in ada.problems if "net::ERR_FAILED" not in problem]
    await ada.page.get_by_role("button", name="Try Sent twice.md again").click()
    await results(ada).get_by_role("link", name="Sent twice").click()
    await ada.shows("words")


async def test_text_files_that_are_dropped_into_a_text_become_part_of_it(
    visit: Visit, server: ServerProcess, document: str
) -> None:
    ada, ben = await visit(server), await visit(server)
    await ada.open(document)
    await ada.write("before\nafter")
    await ben.open(document)
    await ben.shows("before\nafter")
    box = await ada.editor.get_by_text("before").bounding_box()
    assert box is not None
    place = {"clientX": box["x"] + box["width"] - 2, "clientY": box["y"] + box["height"] / 2}
    await drop(ada.editor.get_by_text("before"), {"list.md": "\n- *one*\n- two\n", "own.txt": "1 * 2"}, **place)
    await expect(ben.editor.locator("ul > li")).to_have_count(2)
    await expect(ben.editor.locator("em")).to_have_text("one")
    await expect(ben.editor).to_contain_text("1 * 2")
    text = await same_text([ada, ben])
    assert text == "before\nonetwo\n1 * 2\nafter"

    # What does not fit in says what to do instead, and changes nothing.
    for name, content, said in (
        ("minutes.docx", "", "imported on the page of your documents"),
        ("long.txt", "x" * 300_000, "is too long"),
        ("old.txt", b"\xff\xfe\xfa", "Save it again, as UTF-8"),
    ):
        await drop(ada.editor.get_by_text("before"), {name: content}, **place)
        await expect(ada.page.get_by_role("status").filter(has_text=said)).to_be_visible()
    assert await same_text([ada, ben]) == text
    await ada.state_is("saved")


async def test_a_file_that_is_dropped_beside_the_text_does_not_take_its_place(
    start_server: StartServer, visit: Visit, document: str
) -> None:
    """A browser would open it, in place of a page with edits."""
    server = await asyncio.to_thread(start_server, **CHEAP)
    house = await House.of(server, visit)
    ann, ben = house.ann, await house.enter("Ben")
    await house.document(document, "Plans", reader=ben)
    await ann.open(document)
    await ann.write("kept")
    await ann.state_is("saved")
    await ben.open(document)
    await ben.shows("kept")
    for person, place in ((ann, ann.page.get_by_test_id("presence")), (ben, ben.editor)):
        carried = await carry(person.page, {"list.md": "- one"})
        for event in ("dragover", "drop"):
            prevented = await place.evaluate(_PREVENTED, [event, carried])
            assert prevented, f"the browser does what it does with a file, on {event}"
    assert await same_text([ann, ben]) == "kept"


async def test_markdown_that_cannot_be_read_goes_in_as_the_text_it_is(
    visit: Visit, server: ServerProcess, document: str
) -> None:
    ada = await visit(server)
    # The part of the app that reads it is out of reach, as on a journey with an app that was never whole here.
    await ada.without_service_worker()
    await ada.page.route("**/assets/markdown-*.js", lambda route: route.abort("connectionrefused"))
    ada.server_away = True
    await ada.open(document)
    await paste(ada, "- [ ] not lost")
    await expect(ada.page.get_by_role("status").filter(has_text="put in as plain text")).to_be_visible()
    await ada.shows("- [ ] not lost")
    await ada.state_is("saved")
