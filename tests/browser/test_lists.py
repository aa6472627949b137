"""The list of documents: stars, what others share, copies, the bin, and searching for what documents say."""

import asyncio

import pytest
from playwright.async_api import Locator, Route, expect

from tests.browser.accounts import CHEAP, House, call
from tests.browser.axe import sound
from tests.browser.conftest import Visit
from tests.browser.pages import PHONE, Person
from tests.servers import StartServer
from tests.support import eventually

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(120)]


def documents(person: Person) -> Locator:
    return person.page.get_by_role("main").get_by_role("listitem").locator(".title")


async def choose(person: Person, shelf: str) -> None:
    await person.page.get_by_role("radio", name=shelf).check(force=True)


async def finds(person: Person, words: str) -> bool:
    return bool((await call(person, "GET", f"documents?q={words}"))["documents"])


async def test_a_list_with_everything_in_it(start_server: StartServer, visit: Visit, axe: str) -> None:
    server = await asyncio.to_thread(start_server, **CHEAP)
    house = await House.of(server, visit)
    ann, ben = house.ann, await house.enter("Ben", **PHONE)
    for name, title in (("birds", "Birds"), ("trees", "Trees"), ("mine", "Mine alone")):
        await house.document(name, title, **({} if name == "mine" else {"reader": ben}))
    await ann.open("birds")
    await ann.write("The heron nests in March, the stork in April.")
    await ann.state_is("saved")

    # What changed last comes first; a star keeps something at hand.
    page = ann.page
    await page.goto(server.url)
    await expect(documents(ann)).to_have_text(["Birds", "Mine alone", "Trees"])
    # Also when the starred ones are asked for before the server has the star: they stayed empty.
    starred = asyncio.Event()

    async def late(route: Route) -> None:
        await starred.wait()
        await route.continue_()

    await page.route("**/star", late, times=1)
    await page.get_by_role("button", name="Star Trees").press("Enter")
    await choose(ann, "Starred")
    await expect(page.get_by_text("Nothing here yet.")).to_be_visible()
    starred.set()
    await expect(documents(ann)).to_have_text(["Trees"])
    await choose(ann, "Shared with me")
    await expect(page.get_by_text("Nothing is shared with you yet.")).to_be_visible()
    await ben.page.goto(server.url)
    await choose(ben, "Shared with me")
    await expect(documents(ben)).to_have_text(["Birds", "Trees"])
    await choose(ben, "Starred")
    await expect(documents(ben)).to_have_count(0)

    # Searching for what a document says.
    await choose(ben, "Recent")
    await eventually(lambda: finds(ben, "stork"), "the text is indexed")
    await ben.page.get_by_label("Search titles and text").fill("stork")
    await expect(documents(ben)).to_have_text(["Birds"])
    await expect(ben.page.get_by_role("link", name="Birds")).to_contain_text("the stork in April")
    await ben.picture("list-search-phone-dark")
    await sound(ben, axe)

    # A copy, the bin and back.
    await choose(ann, "Recent")
    await page.get_by_role("button", name="Actions for Birds").click()
    await page.get_by_role("menuitem", name="Duplicate").click()
    await expect(documents(ann)).to_have_text(["Copy of Birds", "Birds", "Mine alone", "Trees"])
    await page.get_by_role("button", name="Actions for Trees").click()
    await page.get_by_role("menuitem", name="Move to the bin").click()
    await page.get_by_role("dialog").get_by_role("button", name="Move to the bin").click()
    await expect(documents(ann)).to_have_text(["Copy of Birds", "Birds", "Mine alone"])
    await ann.picture("list-recent")
    await sound(ann, axe)
    await choose(ann, "Bin")
    await expect(documents(ann)).to_have_text(["Trees"])
    await page.get_by_role("button", name="Actions for Trees").click()
    await page.get_by_role("menuitem", name="Restore").click()
    await expect(documents(ann)).to_have_count(0)
    await choose(ann, "Starred")
    await expect(documents(ann)).to_have_text(["Trees"])
    await page.get_by_role("button", name="Star Trees").click()
    await expect(documents(ann)).to_have_count(0)
    await page.set_viewport_size({"width": 390, "height": 780})
    await page.emulate_media(color_scheme="dark")
    await ann.picture("list-starred-empty-phone-dark")
    await choose(ann, "Recent")
    await page.get_by_role("link", name="Copy of Birds").click()
    await ann.shows("The heron nests in March, the stork in April.")
