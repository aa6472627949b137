"""axe-core finds nothing to object to on any page, light or dark, wide or narrow."""

import asyncio
from typing import Any, Literal

import pytest

from tests.browser.accounts import CHEAP, House, allow, call, first_link, is_read_only
from tests.browser.axe import sound, violations
from tests.browser.conftest import Visit
from tests.browser.pages import DESKTOP, PHONE
from tests.servers import ServerProcess, StartServer

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(120)]


@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_no_page_shuts_anybody_out(
    axe: str,
    visit: Visit,
    server: ServerProcess,
    document: str,
    screen: dict[str, Any],
    scheme: Literal["light", "dark"],
) -> None:
    ada = await visit(server, **(screen | {"color_scheme": scheme}))
    ben = await visit(server)
    await ada.open(document)
    assert await violations(ada, axe) == []
    await ada.write("# Title\nText with `code`\n> and a quote")
    await ben.open(document)
    await ben.write(" of another")
    await ada.caret_label.wait_for(state="attached")
    await ada.state_is("saved")
    assert await violations(ada, axe) == []
    await ada.page.get_by_test_id("presence").get_by_role("button").last.click()
    await ada.page.get_by_label("How others see you").wait_for()
    assert await violations(ada, axe) == []
    await ada.page.goto(server.url)
    await ada.page.get_by_role("listitem").first.wait_for()
    assert await violations(ada, axe) == []


async def test_no_page_for_people_of_another_product_shuts_anybody_out(
    axe: str, visit: Visit, start_server: StartServer
) -> None:
    settings = {"auth": "jwt", "jwt_secret": "s" * 40, "jwt_login_url": "https://product.example/login"}
    server = await asyncio.to_thread(start_server, **settings)
    ada = await visit(server)
    for path in ("/", "/d/plans"):
        await ada.page.goto(f"{server.url}{path}#token=none")
        await ada.page.get_by_text("This is no JSON Web Token.").wait_for()
        await sound(ada, axe)
    allow(ada, 401)


async def test_no_page_or_dialog_of_accounts_shuts_anybody_out(
    axe: str, visit: Visit, start_server: StartServer, document: str
) -> None:
    server = await asyncio.to_thread(start_server, **CHEAP)
    newcomer = await visit(server)
    page = newcomer.page
    await page.goto(f"{server.url}/sign-in")
    await page.get_by_role("heading", name="Nobody has an account here yet").wait_for()
    await sound(newcomer, axe)
    await page.goto(first_link(server))
    await page.get_by_label("Password", exact=True).fill("short")
    await sound(newcomer, axe)
    await page.get_by_label("Your name").fill("password 1")
    await page.get_by_label("Password", exact=True).fill("password 1")
    await page.get_by_role("button", name="Create account").click()
    await page.get_by_text("A password is not the name").wait_for()
    await sound(newcomer, axe)
    allow(newcomer, 400)

    house = await House.of(server, visit)
    ann, ben = house.ann, await house.enter("Ben")
    page = ann.page
    await house.document(document, "Plans", reader=ben)
    await ben.open(document)
    await is_read_only(ben)
    await sound(ben, axe)
    await ben.page.goto(f"{server.url}/d/not/shared")
    await ben.page.get_by_role("heading", name="You have no access").wait_for()
    await sound(ben, axe)
    allow(ben, 403)

    await ann.open(document)
    await page.get_by_role("button", name="Share").click()
    await page.get_by_role("button", name="Create link").click()
    await page.get_by_label("New link").wait_for()
    await page.get_by_role("combobox", name="Add somebody").fill("zzz")
    await page.get_by_text("Nobody by that name").wait_for()
    await sound(ann, axe)
    await page.get_by_role("button", name="More for Ben").click()
    await page.get_by_role("menuitem", name="Remove").wait_for()
    await sound(ann, axe)
    await page.get_by_role("menuitem", name="Make owner…").click()
    await page.get_by_role("button", name="Hand over").wait_for()
    await sound(ann, axe)
    await page.keyboard.press("Escape")
    await page.get_by_test_id("presence").get_by_role("button").last.click()
    await page.get_by_role("button", name="Sign out").wait_for()
    await sound(ann, axe)

    await page.goto(f"{server.url}/account")
    await page.get_by_text("this browser").wait_for()
    await sound(ann, axe)
    await page.get_by_role("button", name="New token").click()
    await page.get_by_label("What it is for").fill("Backup")
    await sound(ann, axe)
    await page.get_by_role("button", name="Create token").click()
    await page.get_by_label("Copy it now").wait_for()
    await sound(ann, axe)

    await page.goto(f"{server.url}/admin/people")
    await page.get_by_role("button", name="Invite somebody").click()
    await page.get_by_label("Name (optional)").fill("Cleo")
    await sound(ann, axe)
    await page.get_by_role("button", name="Create link").click()
    await page.get_by_role("button", name="Done").click()
    await page.get_by_role("button", name="Withdraw").wait_for()
    await sound(ann, axe)
    await page.get_by_role("button", name="Actions for Ben").click()
    await page.get_by_role("menuitem", name="Delete…").click()
    await page.get_by_role("dialog").wait_for()
    await sound(ann, axe)
    for path in ("/", "/admin/documents", "/admin/tokens", "/admin/audit?action=sign-in"):
        await page.goto(server.url + path)
        await page.get_by_role("listitem").or_(page.get_by_role("cell")).first.wait_for()
        await sound(ann, axe)
    await call(ann, "POST", "sign-out")
    await page.goto(f"{server.url}/account")
    await page.get_by_label("Password", exact=True).wait_for()
    await sound(ann, axe)
