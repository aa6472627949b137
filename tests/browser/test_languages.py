"""The app in other languages: by the browser's, by choice, from right to left."""

import asyncio
import re

import pytest
from playwright.async_api import expect

from tests.browser.accounts import CHEAP, House, allow
from tests.browser.axe import sound
from tests.browser.conftest import Visit
from tests.browser.pages import PHONE
from tests.servers import StartServer

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(120)]


async def test_the_app_speaks_the_language_of_whoever_uses_it(
    start_server: StartServer, visit: Visit, axe: str
) -> None:
    server = await asyncio.to_thread(start_server, **CHEAP)
    house = await House.of(server, visit)
    dana = await house.enter("Dana", locale="he-IL")
    await house.document("plans", "תוכניות", editor=dana)
    page = dana.page
    await page.goto(server.url)
    await expect(page.get_by_role("heading", name="המסמכים שלי")).to_be_visible()
    await expect(page.locator("html")).to_have_attribute("dir", "rtl")
    await expect(page.locator("html")).to_have_attribute("lang", "he")
    await dana.picture("start-he")
    await sound(dana, axe)
    await page.set_viewport_size(PHONE["viewport"])
    await dana.picture("start-he-phone")
    await dana.open("plans")
    await dana.write("שלום")
    await dana.state_is("saved")
    await expect(page.get_by_test_id("state")).to_have_text("נשמר")
    await sound(dana, axe)
    await dana.picture("document-he")
    # What the editor says, with the keys of the toolbar going the other way as well.
    await page.get_by_role("button", name="מודגש").focus()
    await page.keyboard.press("ArrowLeft")
    await expect(page.get_by_role("button", name="נטוי")).to_be_focused()
    await dana.write("\n/טבלה")
    await expect(page.get_by_role("option", name="טבלה")).to_be_visible()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="שורות ועמודות")).to_be_visible()
    await page.keyboard.press("Control+/")
    await expect(page.get_by_role("dialog", name="מקשי קיצור")).to_contain_text("מודגש")
    await sound(dana, axe)
    await dana.picture("shortcuts-he")
    await page.keyboard.press("Escape")

    # Another one, from the menu; it stays, also after signing out, and leaves nothing of anybody.
    await page.get_by_test_id("presence").get_by_role("button").click()
    await dana.picture("menu-he")
    await page.get_by_label("שפה").select_option("ja")
    await expect(page.locator("html")).to_have_attribute("lang", "ja")
    await expect(page.locator("html")).to_have_attribute("dir", "ltr")
    await expect(dana.editor).to_contain_text("שלום")
    await expect(page.get_by_test_id("state")).to_have_text("保存済み")
    await page.goto(server.url)
    await expect(page.get_by_role("heading", name="マイドキュメント")).to_be_visible()
    await expect(page.get_by_test_id("on-this-device")).to_contain_text("1件のドキュメントをオフラインで開けます")
    await dana.picture("start-ja")
    await sound(dana, axe)
    await page.get_by_role("button", name=re.compile("Dana")).click()
    await page.get_by_role("button", name="サインアウト").click()
    await expect(page.get_by_text("このデバイスに何も残っていません")).to_be_visible()
    # What the server refuses is said in the same language.
    await page.get_by_label("名前またはメールアドレス").fill("Dana")
    await page.get_by_label("パスワード", exact=True).fill("wrong")
    await page.get_by_role("button", name="サインイン").click()
    await expect(page.get_by_role("alert")).to_have_text("名前またはパスワードが違います。")
    allow(dana, 401)
