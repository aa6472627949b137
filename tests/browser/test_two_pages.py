"""Two people write one document in the web app, through reloads, crashes and outages of the server."""

import asyncio
import re
import shutil
import sqlite3
from contextlib import closing

import httpx
import pytest
from playwright.async_api import Dialog, Locator, Page, Route, WebSocketRoute, expect
from pycrdt import XmlFragment

from collab.structs import read_deletions
from tests.browser.axe import sound
from tests.browser.conftest import Visit
from tests.browser.pages import ARTIFACTS, PHONE, Person, same_text
from tests.e2e.feed import read_all
from tests.e2e.replica import replay, state_vector
from tests.servers import ServerProcess, StartServer
from tests.support import eventually

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(120)]

ACKNOWLEDGE = 102
FRAGMENT = "default"
FOUND_NOTHING = "the server responded with a status of 404 (Not Found)"


# In the tests that start servers, `start_server` comes before `visit`: pages are then closed before their server goes,
# and do not complain about its absence.


async def kill(server: ServerProcess, people: list[Person]) -> None:
    for person in people:
        person.server_away = True
    await asyncio.to_thread(server.kill9)


async def bring_back(server: ServerProcess, people: list[Person]) -> None:
    await asyncio.to_thread(server.start)
    for person in people:
        await person.state_is("saved")


async def content(server: ServerProcess, document: str) -> str:
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(server.document_url(document, "content"), params={"format": "text"})
    assert answer.status_code == 200
    return answer.text


async def stored_rows(server: ServerProcess, document: str) -> list[bytes]:
    async with httpx.AsyncClient(trust_env=False) as http:
        return [row.payload for row in await read_all(http, server, document)]


def replica_of(updates: list[bytes]) -> tuple[str, dict[int, int], list[tuple[int, int, int]]]:
    """What updates make: content, state vector and everything deleted."""
    doc = replay(updates)
    deleted = sorted(read_deletions(doc.get_update(doc.get_state()), 1))
    return str(doc.get(FRAGMENT, type=XmlFragment)), state_vector(doc), deleted


async def test_two_people_see_each_other_write(axe: str, visit: Visit, server: ServerProcess, document: str) -> None:
    ada = await visit(server)
    ben = await visit(server, **PHONE)
    await ada.open(document)
    await ben.open(document)

    await ada.write("# Field notes\nThe water stood twelve centimetres above the mark.")
    await expect(ben.caret_label).to_have_text(await ada.name())
    await expect(ben.page.get_by_test_id("presence").get_by_role("listitem")).to_have_text(re.compile(await ada.name()))
    await ben.write(" Two herons kept to the far bank.")
    await expect(ada.caret_label).to_have_text(await ben.name())

    text = "Field notes\nThe water stood twelve centimetres above the mark. Two herons kept to the far bank."
    await ada.shows(text)
    await ben.shows(text)
    for person in (ada, ben):
        await person.state_is("saved")
    await ada.picture("desktop-light-two-carets")
    await ben.picture("phone-dark")

    await in_two_tabs(server, document, ada, ben)
    await in_colours(ada, ben, axe)

    await ben.page.close()
    await expect(ada.caret_label).to_have_count(0)
    await expect(ada.page.get_by_test_id("presence").get_by_role("listitem")).to_have_count(0)


async def in_colours(ada: Person, ben: Person, axe: str) -> None:
    """Who wrote what, as the server knows; where nobody has signed in, each tab is somebody."""
    await ada.page.get_by_role("button", name="More for this document").click()
    await ada.page.get_by_role("menuitem", name="Colour by author").click()
    legend = ada.page.get_by_test_id("authors")
    await expect(legend.get_by_role("listitem")).to_have_count(3)
    words = ada.page.locator(".by-author")
    await expect(words.filter(has_text="Two herons")).to_have_attribute("title", re.compile("Written by Somebody"))
    await expect(legend).to_contain_text("At the caret: Somebody")
    before = await words.filter(has_text="Then none.").get_attribute("title")
    # What is typed now has its author's colour at once, and moves nobody else's.
    await ben.write(" So it was.")
    await expect(words.filter(has_text="So it was.")).to_have_attribute("title", before or "")
    await sound(ada, axe)
    await photograph(ada, "authors")
    await legend.get_by_role("button").click()
    await expect(words).to_have_count(0)
    await expect(legend).to_have_count(0)


async def in_two_tabs(server: ServerProcess, document: str, ada: Person, ben: Person) -> None:
    """She is one person with two carets, her device keeps each edit once, and one tab takes up what another leaves."""
    first, ada.page = ada.page, await ada.context.new_page()
    ada.watch()
    await ada.open(document)
    await ada.write("!")
    await ada.state_is("saved")
    await expect(ben.caret_label).to_have_count(2)
    await expect(ben.page.get_by_test_id("presence").get_by_role("listitem")).to_have_count(1)
    before = len(await ada.copy_on_device(document))
    words = " Two more came."
    await ada.write(words)
    await ada.state_is("saved")
    text, second = await ada.text(), ada.page
    ada.page = first
    await ada.shows(text)
    assert len(await ada.copy_on_device(document)) - before == len(words)
    # The tab that kept the copy goes.
    await second.close()
    await ben.write(" Then none.")
    await ada.shows(f"{text} Then none.")

    async def is_whole() -> bool:
        return replica_of(await ada.copy_on_device(document)) == replica_of(await stored_rows(server, document))

    await eventually(is_whole, "the copy holds what the log holds")


async def test_a_reload_keeps_the_text(visit: Visit, server: ServerProcess, document: str) -> None:
    ada = await visit(server)
    await ada.open(document)
    await ada.write("still here")
    await ada.state_is("saved")
    await ada.page.reload()
    await ada.editor.wait_for()
    await ada.shows("still here")
    await ada.state_is("saved")


async def test_what_says_saved_survives_a_crash_of_the_server(
    start_server: StartServer, visit: Visit, document: str
) -> None:
    server = await asyncio.to_thread(start_server)
    ada = await visit(server)
    await ada.open(document)
    await ada.write("written once, kept for good")
    await ada.state_is("saved")
    await kill(server, [ada])
    await ada.context.close()
    await asyncio.to_thread(server.start)
    assert "written once, kept for good" in await content(server, document)

    ben = await visit(server)
    await ben.open(document)
    await ben.shows("written once, kept for good")


async def test_both_write_while_the_server_is_away(start_server: StartServer, visit: Visit, document: str) -> None:
    server = await asyncio.to_thread(start_server)
    people = ada, ben = [await visit(server), await visit(server, **PHONE)]
    await ada.open(document)
    await ada.write("middle")
    await ada.state_is("saved")
    await ben.open(document)
    await ben.shows("middle")

    await kill(server, people)
    await ada.write("first, ", at="Home")
    await ben.write(", last")
    for person in people:
        await person.state_is("offline")
    await expect(ada.page.get_by_test_id("state")).to_contain_text("kept on this device")
    await ada.picture("desktop-offline")

    await bring_back(server, people)
    assert await same_text(people) == "first, middle, last"
    assert "first, middle, last" in await content(server, document)
    rows = replica_of(await stored_rows(server, document))
    assert "middle" in rows[0]
    for person in people:
        assert replica_of(await person.copy_on_device(document)) == rows, "IndexedDB holds what the log holds"


async def test_edits_made_offline_outlive_the_page(visit: Visit, server: ServerProcess, document: str) -> None:
    """The page is opened again while the server's API and sockets are out of reach: the copy on the device is there."""
    ada = await visit(server)
    await ada.open(document)
    await ada.write("seen by the server")
    await ada.state_is("saved")

    await cut_off(ada.page)
    ada.server_away = True
    await ada.page.reload()
    await ada.editor.wait_for()
    await ada.shows("seen by the server")
    await ada.write(", and what it has not seen")
    await ada.state_is("offline")
    await expect(ada.page.get_by_test_id("state")).to_contain_text("kept on this device")
    ada.problems.clear()
    await ada.page.close()

    ada.page = await ada.context.new_page()
    ada.watch()
    await ada.open(document)
    await ada.shows("seen by the server, and what it has not seen")
    await ada.state_is("saved")
    assert "and what it has not seen" in await content(server, document)


async def test_a_document_never_seen_here_cannot_be_edited_blindly(
    visit: Visit, server: ServerProcess, document: str
) -> None:
    ben = await visit(server)
    await cut_off(ben.page)
    ben.server_away = True
    await ben.page.goto(f"{server.url}/d/{document}")
    await ben.state_is("offline")
    await expect(ben.page.get_by_role("heading", name="Waiting for the server")).to_be_visible()
    await expect(ben.editor).to_have_count(0)
    ben.problems.clear()


async def cut_off(page: Page) -> None:
    """Let nothing of the page but its files reach the server."""

    async def drop(route: Route) -> None:
        await route.abort()

    async def hang_up(socket: WebSocketRoute) -> None:
        await socket.close()

    await page.route("**/api/**", drop)
    await page.route_web_socket("**/ws/**", hang_up)


async def test_it_says_saved_only_when_the_server_does(visit: Visit, server: ServerProcess, document: str) -> None:
    """Everything reaches the server and is relayed; only its acknowledgements are held back on the way."""
    held: list[bytes] = []
    connection: list[WebSocketRoute] = []
    holding = True
    not_saved = re.compile("saving|overdue")

    async def hold_acknowledgements(socket: WebSocketRoute) -> None:
        connection.append(socket)

        def down(message: str | bytes) -> None:
            assert isinstance(message, bytes)
            if message[0] == ACKNOWLEDGE and holding:
                held.append(message)
            else:
                socket.send(message)

        socket.connect_to_server().on_message(down)

    ada = await visit(server)
    ben = await visit(server)
    await ada.page.route_web_socket("**/ws/**", hold_acknowledgements)
    await ada.open(document)
    await ada.write("is it saved?")
    await ben.open(document)
    await ben.shows("is it saved?")
    await ben.state_is("saved")
    await expect(ada.page.get_by_test_id("state")).to_have_attribute("data-state", not_saved)

    # An acknowledgement of what was there before the text says nothing about the text.
    connection[0].send(held[0])
    await ada.write(" soon")
    await ben.shows("is it saved? soon")
    await expect(ada.page.get_by_test_id("state")).to_have_attribute("data-state", not_saved)
    holding = False
    for acknowledgement in held:
        connection[0].send(acknowledgement)
    await ada.state_is("saved")


async def test_a_server_that_lost_its_data_gets_it_back_from_those_who_have_it(
    start_server: StartServer, visit: Visit, document: str
) -> None:
    server = await asyncio.to_thread(start_server)
    ada = await visit(server)
    await ada.open(document)
    await ada.write("kept in the browser too")
    await ada.state_is("saved")

    await lose_everything(server, ada)
    await asyncio.to_thread(server.start)
    await ada.state_is("saved")
    await ada.shows("kept in the browser too")
    assert "kept in the browser too" in await content(server, document)

    await lose_everything(server, ada)
    await ada.page.goto("about:blank")
    await asyncio.to_thread(server.start)
    await ada.open(document)
    await ada.state_is("saved")
    assert "kept in the browser too" in await content(server, document)
    # Asking after the document that is no longer there is what the browser reports.
    assert {problem.rpartition(": ")[2] for problem in ada.problems} <= {FOUND_NOTHING}
    ada.problems.clear()


async def test_a_copy_of_an_earlier_epoch_is_not_merged(start_server: StartServer, visit: Visit, document: str) -> None:
    server = await asyncio.to_thread(start_server)
    ada = await visit(server)
    await ada.open(document)
    await ada.write("the old text")
    await ada.state_is("saved")
    await lose_everything(server, ada)
    await ada.page.goto("about:blank")
    await asyncio.to_thread(server.start)

    ben = await visit(server)
    await ben.open(document)
    await ben.write("a new beginning")
    await ben.state_is("saved")
    await ada.open(document)
    await ada.shows("a new beginning")
    await expect(ada.page.get_by_role("heading", name="begun anew")).to_be_visible()
    await ada.state_is("saved")
    await ben.shows("a new beginning")

    # What she had is still there to look at, to keep, and to add where it seems right.
    look = ada.page.get_by_role("button", name="Look at the earlier text")
    await look.click()
    await expect(ada.page.get_by_test_id("branch")).to_have_text("the old text")
    await photograph(ada, "earlier-text")
    await ada.page.get_by_role("button", name="Keep it for later").click()
    await ada.page.reload()
    await look.click()
    await ada.page.get_by_role("button", name="Add it to the end").click()
    await ben.shows("a new beginning\nthe old text")
    await ada.state_is("saved")
    await expect(ada.page.get_by_role("heading", name="begun anew")).to_have_count(0)
    await ada.page.reload()
    await ada.shows("a new beginning\nthe old text")
    await expect(ada.page.get_by_role("heading", name="begun anew")).to_have_count(0)


async def test_edits_that_the_server_cannot_store_are_not_called_saved_and_said_so(
    start_server: StartServer, visit: Visit, document: str
) -> None:
    server = await asyncio.to_thread(start_server)
    ada = await visit(server)
    await ada.open(document)
    await ada.write("before")
    await ada.state_is("saved")
    with closing(sqlite3.connect(server.data_dir / "coscribe.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        await ada.write(" and meanwhile")
        await ada.state_is("overdue")
        await expect(ada.page.get_by_test_id("state")).to_contain_text("The server cannot save right now")
        await expect(ada.page.get_by_test_id("state")).to_contain_text(f"{len(' and meanwhile')} edits wait")
        await expect(announced(ada)).to_have_text("The server cannot save right now, kept on this device")
        await photograph(ada, "not-saved")
        other.execute("ROLLBACK")
    await ada.state_is("saved")
    await expect(announced(ada)).to_have_text("Saved")


_NOTHING_IS_STORED = """Object.defineProperty(IDBFactory.prototype, 'open', {
    value: () => { throw new DOMException('no room', 'QuotaExceededError') }
})"""


async def test_a_browser_that_stores_nothing_says_so_and_asks_before_edits_are_lost(
    start_server: StartServer, visit: Visit, document: str
) -> None:
    server = await asyncio.to_thread(start_server)
    ada = await visit(server)
    await ada.context.add_init_script(_NOTHING_IS_STORED)
    questions: list[str] = []

    async def stay(question: Dialog) -> None:
        questions.append(question.type)
        await question.dismiss()

    ada.page.on("dialog", stay)
    await ada.open(document)
    await ada.write("stored")
    await ada.state_is("saved")
    await expect(ada.page.get_by_test_id("state")).to_contain_text("not kept on this device")
    await ada.page.reload()
    await ada.shows("stored")
    assert questions == []

    await kill(server, [ada])
    await ada.write("!?")
    await ada.state_is("offline")
    await expect(ada.page.get_by_test_id("state")).to_contain_text("2 edits wait")
    await expect(announced(ada)).to_have_text("Offline, not kept on this device, keep this page open")
    await photograph(ada, "not-kept")
    await ada.page.close(run_before_unload=True)
    await eventually(lambda: questions == ["beforeunload"], "the browser asks")
    await asyncio.to_thread(server.start)
    await ada.state_is("saved")
    await ada.shows("stored!?")


def announced(person: Person) -> Locator:
    """What a screen reader says of the state line."""
    return person.page.get_by_test_id("announced")


async def test_a_document_in_quarantine_says_so_and_shows_what_is_left_of_it(
    start_server: StartServer, visit: Visit, document: str
) -> None:
    server = await asyncio.to_thread(start_server)
    ada = await visit(server)
    await ada.open(document)
    await ada.write("before the damage")
    await ada.state_is("saved")
    await kill(server, [ada])
    await ada.page.goto("about:blank")
    with closing(sqlite3.connect(server.data_dir / "coscribe.db", isolation_level=None)) as database:
        database.execute("UPDATE updates SET payload = x'00' WHERE seq = (SELECT max(seq) FROM updates)")
    await asyncio.to_thread(server.start)
    await ada.page.goto(f"{server.url}/d/{document}")
    await expect(ada.page.get_by_role("heading", name="This document is locked")).to_be_visible()
    await photograph(ada, "locked")
    await ada.state_is("closed")


async def photograph(person: Person, name: str) -> None:
    """Pictures to look at: both schemes, on a desk and on a phone."""
    page = person.page
    ARTIFACTS.mkdir(exist_ok=True)
    size = page.viewport_size
    assert size is not None
    for width, height, device in ((1280, 800, "desktop"), (390, 780, "phone")):
        await page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            await page.screenshot(path=ARTIFACTS / f"{name}-{device}-{scheme}.png")
    await page.set_viewport_size(size)
    await page.emulate_media(color_scheme="light")


async def lose_everything(server: ServerProcess, person: Person) -> None:
    await kill(server, [person])
    await person.state_is("offline")
    await asyncio.to_thread(shutil.rmtree, server.data_dir)
