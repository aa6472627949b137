"""People, roles and sharing in the web app: who may do what is seen, said, and changes while pages are open."""

import asyncio
import json
import re
from collections.abc import Iterator

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.browser.accounts import (
    CHEAP,
    PASSWORD,
    House,
    Wire,
    allow,
    call,
    document_path,
    first_link,
    is_read_only,
)
from tests.browser.conftest import Visit
from tests.browser.pages import PHONE, Person
from tests.servers import ServerProcess, StartServer

pytestmark = [pytest.mark.xdist_group("browser-accounts"), pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def house_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("house"), **CHEAP) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def house(house_server: ServerProcess, visit: Visit) -> House:
    return await House.of(house_server, visit)


async def test_from_the_first_run_to_two_people_in_one_document(start_server: StartServer, visit: Visit) -> None:
    server = await asyncio.to_thread(start_server, **CHEAP)
    ada = await visit(server)
    page = ada.page
    await page.goto(first_link(server))
    await page.get_by_label("Your name").fill("Ada")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Create account").click()
    await page.get_by_role("button", name="Start the first document").click()
    await ada.write("Dear all,")
    await ada.state_is("saved")
    document = page.url

    await page.goto(f"{server.url}/admin/people")
    await page.get_by_role("button", name="Invite somebody").click()
    await page.get_by_label("Name (optional)").fill("Ben")
    await page.get_by_role("button", name="Create link").click()
    invitation = await page.get_by_label("Send this link").input_value()

    ben = await visit(server, **PHONE)
    await ben.page.goto(invitation)
    await ben.page.get_by_label("Your name").wait_for()
    assert "#" not in ben.page.url, "the secret stays neither in the address bar nor in the history"
    await expect(ben.page.get_by_label("Your name")).to_have_value("Ben")
    await ben.page.get_by_label("Password", exact=True).fill(PASSWORD)
    await ben.page.get_by_role("button", name="Create account").click()
    await expect(ben.page.get_by_text("Nothing here yet.")).to_be_visible()
    await ben.page.goto(document)
    await expect(ben.page.get_by_role("heading", name="You have no access to this document")).to_be_visible()
    allow(ben, 403)

    await page.goto(document)
    await page.get_by_role("button", name="Share").click()
    await page.get_by_role("combobox", name="Add somebody").fill("be")
    await page.get_by_role("option", name="Ben").click()
    await page.get_by_label("Role of whom you add").select_option("reader")
    await page.get_by_role("button", name="Add", exact=True).click()
    await expect(page.get_by_label("Role of Ben")).to_have_value("reader")

    await ben.page.goto(document)
    await ben.shows("Dear all,")
    await is_read_only(ben)
    await ben.editor.focus()
    await ben.page.keyboard.type("I was here")
    await expect(ben.page.get_by_role("status").filter(has_text="Nothing was typed")).to_have_count(1)
    await ben.state_is("saved")
    await expect(ben.page.get_by_test_id("state")).to_have_text("Up to date")

    await page.get_by_label("Role of Ben").select_option("editor")
    await expect(ben.page.get_by_role("status").filter(has_text="You can edit this document now.")).to_be_visible()
    await ben.write(" and greetings from Ben.")
    await ben.state_is("saved")
    await page.keyboard.press("Escape")
    await ada.shows("Dear all, and greetings from Ben.")
    await expect(ada.page.get_by_test_id("presence").get_by_role("listitem")).to_have_text(re.compile("Ben"))


async def test_roles_change_while_the_page_is_open(house: House, document: str) -> None:
    ben = await house.enter("Roland")
    await house.document(document, "Roles", editor=ben)
    await ben.open(document)
    await ben.write("as an editor")
    await ben.state_is("saved")
    await house.give(document, ben, "reader")
    await is_read_only(ben)
    await expect(ben.title).not_to_be_editable()
    await house.give(document, ben, "commenter")
    await expect(ben.page.get_by_test_id("read-only")).to_contain_text("You can read and comment, not edit.")
    await house.give(document, ben, "editor")
    await ben.write(", once more")
    await ben.state_is("saved")
    await house.take(document, ben)
    await expect(ben.page.get_by_role("heading", name="You may no longer open this document")).to_be_visible()
    await expect(ben.editor).to_have_count(0)
    await ben.page.reload()
    await expect(ben.page.get_by_role("heading", name="You have no access to this document")).to_be_visible()
    assert await kept_documents(ben) == [], "a document that was taken away leaves the device"
    allow(ben, 403)


async def test_edits_that_came_too_late_are_not_called_saved(house: House, document: str) -> None:
    """Written offline by an editor who is a reader when the connection is back: told, and lost only when told to."""
    ben = await house.enter("Stan")
    await house.document(document, "Late", editor=ben)
    wire = await Wire.of(ben)
    await ben.open(document)
    await ben.write("kept, deleted")
    await ben.state_is("saved")

    # A deletion alone, which no state vector shows.
    await wire.cut()
    await ben.state_is("offline")
    for _ in ", deleted":
        await ben.page.keyboard.press("Backspace")
    await house.give(document, ben, "reader")
    wire.mend()
    await ben.state_is("stranded")
    await is_read_only(ben)
    await expect(ben.page.get_by_role("alert")).to_contain_text("Your last edits were not stored.")
    assert "deleted" in await house.text(document)
    await house.give(document, ben, "editor")
    await ben.state_is("saved")
    await ben.shows("kept")
    assert "deleted" not in await house.text(document)

    await wire.cut()
    await ben.state_is("offline")
    await ben.write(", too late")
    await house.give(document, ben, "reader")
    wire.mend()
    await ben.state_is("stranded")
    await ben.page.get_by_role("button", name="Discard my edits").click()
    await ben.shows("kept")
    await ben.state_is("saved")
    await expect(ben.page.get_by_role("alert")).to_have_count(0)
    assert "too late" not in await house.text(document)


async def test_a_link_lets_in_until_it_is_revoked(house: House, document: str, visit: Visit) -> None:
    await house.document(document, "By link")
    ann = house.ann
    await ann.open(document)
    await ann.write("for whoever has the link")
    await ann.page.get_by_role("button", name="Share").click()
    await ann.page.get_by_label("Role of whoever has the link").select_option("editor")
    await ann.page.get_by_role("button", name="Create link").click()
    link = await ann.page.get_by_label("New link").input_value()

    guest = await visit(house.server)
    await guest.page.goto(link)
    await guest.shows("for whoever has the link")
    assert "#" not in guest.page.url
    await expect(guest.page.get_by_role("button", name="Share")).to_have_count(0)
    await guest.write(", and by a guest")
    await guest.state_is("saved")
    await guest.page.goto(house.server.url)
    await guest.page.get_by_role("link", name="By link").click()
    await guest.shows("for whoever has the link, and by a guest")

    await ann.page.get_by_role("button", name=re.compile("Revoke the editor link")).click()
    await expect(guest.page.get_by_role("heading", name=re.compile("no longer|signed out"))).to_be_visible()
    await guest.page.goto(link)
    await expect(guest.page.get_by_role("heading", name="This link does not work any more")).to_be_visible()
    allow(guest, 401, 403, 404)


async def test_16_signing_out_leaves_nothing_and_loses_nothing_unasked(house: House, document: str) -> None:
    ben = await house.enter("Leah")
    await house.document(document, "Left behind", editor=ben)
    wire = await Wire.of(ben)
    await ben.open(document)
    await ben.write("stored")
    await ben.state_is("saved")
    another_tab = await ben.context.new_page()
    await another_tab.goto(ben.page.url)
    await expect(another_tab.get_by_test_id("state")).to_have_attribute("data-state", "saved")

    await wire.cut()
    await ben.state_is("offline")
    await ben.write(", not stored")
    await leave(ben)
    dialog = ben.page.get_by_role("dialog", name="Sign out and lose unsaved edits?")
    await expect(dialog.get_by_role("link", name="Left behind")).to_be_visible()
    await dialog.get_by_role("button", name="Cancel").click()
    await expect(dialog).to_have_count(0)
    assert await kept_documents(ben) != []
    wire.mend()
    await ben.state_is("saved")

    await leave(ben)
    for page in (ben.page, another_tab):
        await expect(page.get_by_text("Nothing of your documents is left on this device.")).to_be_visible()
    assert await kept_documents(ben) == []

    await ben.page.goto(f"{house.server.url}/d/{document}")
    await sign_in(ben, "leah")
    await ben.shows("stored, not stored")
    # Asking after the document without being signed in.
    allow(ben, 401)


async def test_nobody_finds_the_edits_of_somebody_else(house: House, document: str) -> None:
    """One browser, two people: what the first left unsaved is removed before the second sees anything, if told to."""
    ben = await house.enter("Enno")
    await house.document(document, "Of Enno", editor=ben)
    wire = await Wire.of(ben)
    await ben.open(document)
    await ben.write("private")
    await ben.state_is("saved")
    await wire.cut()
    await ben.write(", and unsaved")
    await ben.state_is("offline")
    await call(ben, "POST", "sign-out")

    await ben.page.goto(f"{house.server.url}/sign-in")
    await sign_in(ben, "Ann")
    dialog = ben.page.get_by_role("dialog", name="This device holds edits of Enno")
    await dialog.wait_for()
    await ben.page.keyboard.press("Escape")
    await dialog.get_by_role("button", name="Remove them and go on").click()
    await expect(ben.page.get_by_role("heading", name="My documents")).to_be_visible()
    assert await kept_documents(ben) == []


async def test_administrators_see_to_people_and_documents(house: House, document: str) -> None:
    ann, ben = house.ann, await house.enter("Sven")
    await house.document(document, "Under administration", reader=ben)
    await ben.open(document)
    await is_read_only(ben)
    await ann.page.goto(f"{house.server.url}/admin/people")
    await ann.page.get_by_label("Search by name or e-mail").fill("sve")
    await expect(ann.page.get_by_role("row")).to_have_count(2)
    await choose(ann, "Actions for Sven", "Suspend…")
    await ann.page.get_by_role("dialog").get_by_role("button", name="Suspend").click()
    await expect(ann.page.get_by_role("row", name="Sven")).to_contain_text("suspended")
    await expect(ben.page.get_by_role("heading", name="You are signed out")).to_be_visible()
    await choose(ann, "Actions for Sven", "Let in again")
    await expect(ann.page.get_by_role("row", name="Sven")).not_to_contain_text("suspended")

    await choose(ann, "Actions for Sven", "In the audit log")
    await expect(ann.page.get_by_text("Show everything")).to_be_visible()
    await expect(ann.page.get_by_role("row").filter(has_text="Signed in")).to_have_count(1)
    async with ann.page.expect_download() as download:
        await ann.page.get_by_role("link", name="Download NDJSON").click()
    lines = (await (await download.value).path()).read_text().splitlines()
    assert {json.loads(line)["person"]["name"] for line in lines} == {"Sven"}

    await ann.page.goto(f"{house.server.url}/admin/documents")
    await ann.page.get_by_label("Search by title or name").fill("under administration")
    await expect(ann.page.get_by_role("row")).to_have_count(2)
    await choose(ann, "Actions for Under administration", "Move to the bin…")
    await ann.page.get_by_role("dialog").get_by_role("button", name="Move to the bin").click()
    await expect(ann.page.get_by_text("No document of that name.")).to_be_visible()
    await ann.page.get_by_label("In the bin").check()
    await choose(ann, "Actions for Under administration", "Restore")
    await expect(ann.page.get_by_role("cell")).to_have_count(0)
    assert (await call(ann, "GET", document_path(document)))["deleted_at"] is None

    await ann.page.goto(f"{house.server.url}/admin/people")
    await choose(ann, "Actions for Sven", "Delete…")
    await ann.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(ann.page.get_by_role("row", name="Sven")).to_have_count(0)


async def test_everybody_sees_their_tokens_and_administrators_all(house: House, document: str) -> None:
    ann, ben = house.ann, await house.enter("Toke")
    await house.document(document, "For scripts", editor=ben)
    for person, label in ((ben, "Nightly"), (ann, "Backup")):
        await call(person, "POST", "me/tokens", {"label": label, "documents": {document: "reader"}})
    robot = {"user": "Robot", "documents": {"*": "owner"}, "administrator": True}
    await call(ann, "POST", "admin/tokens", robot)

    await ben.page.goto(f"{house.server.url}/account")
    await expect(ben.page.get_by_text("Nightly")).to_be_visible()
    await expect(ben.page.get_by_text("Backup")).to_have_count(0)
    await ben.page.goto(f"{house.server.url}/admin/tokens")
    await expect(ben.page.get_by_role("heading", name="For administrators only")).to_be_visible()

    page = ann.page
    await page.goto(f"{house.server.url}/admin/tokens")
    row = page.get_by_role("row").filter(has_text="Nightly")
    await expect(row).to_contain_text(f"Toke Nightly reader of {document}", use_inner_text=True)
    await expect(page.get_by_role("row").filter(has_text="Robot")).to_contain_text("Administrator")
    await page.get_by_label("Search by person or purpose").fill("nightly")
    await expect(page.get_by_role("row")).to_have_count(2)
    # By keyboard: the only button of the only row, then the dialog's.
    await row.get_by_role("button").focus()
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Revoke “Nightly”?")
    await expect(dialog).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(row.get_by_role("button", name="Revoke the token Nightly of Toke")).to_be_focused()
    await page.keyboard.press("Enter")
    await dialog.get_by_role("button", name="Revoke").press("Enter")
    await expect(page.get_by_text("No such token.")).to_be_visible()
    assert (await call(ben, "GET", "me/tokens"))["tokens"] == []


async def test_the_keyboard_alone_signs_in_shares_and_leaves(house: House, document: str) -> None:
    ben = await house.enter("Kay")
    await call(ben, "POST", "documents", {"id": document, "title": "By keyboard"})
    await call(ben, "POST", "sign-out")
    page, keys = ben.page, ben.page.keyboard
    await page.goto(f"{house.server.url}/d/{document}")
    await expect(page).to_have_url(re.compile("/sign-in"))
    allow(ben, 401)
    await tab_to(ben, "textbox", "Name or e-mail address")
    await keys.type("Kay")
    await tab_to(ben, "textbox", "Password")
    await keys.type(PASSWORD)
    await keys.press("Enter")
    await ben.editor.wait_for()

    await tab_to(ben, "button", "Share")
    await keys.press("Enter")
    await tab_to(ben, "combobox", "Add somebody")
    await keys.type("ann")
    await expect(page.get_by_role("option", name="Ann")).to_be_visible()
    await keys.press("ArrowDown")
    await keys.press("Enter")
    await tab_to(ben, "button", "Add")
    await keys.press("Enter")
    await expect(page.get_by_label("Role of Ann")).to_have_value("editor")
    await tab_to(ben, "button", "More for Ann")
    await keys.press("ArrowDown")
    await expect(page.get_by_role("menuitem", name="Make owner…")).to_be_focused()
    await keys.press("End")
    await expect(page.get_by_role("menuitem", name="Remove")).to_be_focused()
    await keys.press("Escape")
    await expect(page.get_by_role("button", name="More for Ann")).to_be_focused()
    await keys.press("Enter")
    await expect(page.get_by_role("menuitem", name="Make owner…")).to_be_focused()
    await keys.press("r")
    await keys.press("Enter")
    await expect(page.get_by_label("Role of Ann")).to_have_count(0)
    await keys.press("Escape")
    await expect(page.get_by_role("button", name="Share")).to_be_focused()

    await tab_to(ben, "button", re.compile("signed in as Kay"))
    await keys.press("Enter")
    await tab_to(ben, "button", "Sign out")
    await keys.press("Enter")
    await expect(page.get_by_text("You are signed out.")).to_be_visible()


async def test_without_accounts_nothing_speaks_of_them(server: ServerProcess, visit: Visit, document: str) -> None:
    ada = await visit(server)
    await ada.page.goto(f"{server.url}/sign-in")
    await expect(ada.page).to_have_url(f"{server.url}/")
    await expect(ada.page.get_by_role("heading", name="Coscribe")).to_be_visible()
    await expect(ada.page.get_by_text(re.compile("Sign in|Account|Share|People"))).to_have_count(0)
    await ada.page.goto(f"{server.url}/admin/people")
    await expect(ada.page.get_by_role("heading", name="There is nothing here")).to_be_visible()
    await ada.open(document)
    await ada.write("anybody may")
    await ada.state_is("saved")
    await expect(ada.page.get_by_role("button", name="Share")).to_have_count(0)
    await ada.page.get_by_test_id("presence").get_by_role("button").last.click()
    await expect(ada.page.get_by_label("How others see you")).to_be_visible()
    await expect(ada.page.get_by_role("button", name="Sign out")).to_have_count(0)


async def test_behind_another_product_it_says_where_to_come_from(start_server: StartServer, visit: Visit) -> None:
    server = await asyncio.to_thread(start_server, auth="jwt", jwt_secret="s" * 40, jwt_audience="coscribe")
    ada = await visit(server)
    for path in ("/", "/sign-in", "/d/plans"):
        await ada.page.goto(server.url + path)
        await expect(ada.page.get_by_role("heading", name=re.compile("opened from another place"))).to_be_visible()
    allow(ada, 401)


async def sign_in(person: Person, name: str) -> None:
    await person.page.get_by_label("Name or e-mail address").fill(name)
    await person.page.get_by_label("Password", exact=True).fill(PASSWORD)
    await person.page.keyboard.press("Enter")


async def leave(person: Person) -> None:
    await person.page.get_by_test_id("presence").get_by_role("button").last.click()
    await person.page.get_by_role("button", name="Sign out").click()


async def choose(person: Person, menu: str, item: str) -> None:
    await person.page.get_by_role("button", name=menu).click()
    await person.page.get_by_role("menuitem", name=item).click()


async def tab_to(person: Person, role: str, name: str | re.Pattern[str]) -> None:
    """Press Tab until the focus is there."""
    exact = {"exact": True} if isinstance(name, str) else {}
    aim = person.page.get_by_role(role, name=name, **exact)  # type: ignore[arg-type]
    await aim.wait_for()
    for _ in range(40):
        if await aim.evaluate("element => element === document.activeElement"):
            return
        await person.page.keyboard.press("Tab")
    raise AssertionError(f"Tab never reaches the {role} {name}")


_KEPT = """async () => {
    const names = (await indexedDB.databases()).map(({ name }) => name)
    const texts = !names.includes('coscribe:texts') ? [] : await new Promise((resolve) => {
        indexedDB.open('coscribe:texts').onsuccess = ({ target: { result: database } }) => {
            database.transaction('texts').objectStore('texts').getAllKeys().onsuccess = ({ target: { result } }) => {
                database.close()
                resolve(result)
            }
        }
    })
    return [
        ...Object.keys(localStorage).filter((key) => key.startsWith('coscribe:document:')),
        ...names.filter((name) => name !== 'coscribe:texts'),
        ...texts,
    ]
}"""


async def kept_documents(person: Person) -> list[str]:
    """What the browser still holds of documents."""
    kept: list[str] = await person.page.evaluate(_KEPT)
    return kept
