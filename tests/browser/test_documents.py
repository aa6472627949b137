"""The start page, titles, and documents that cannot be shown."""

import asyncio

import httpx
import pytest
from playwright.async_api import expect
from pycrdt import Doc, XmlElement, XmlFragment, XmlText

from tests.browser.conftest import Visit
from tests.browser.pages import PHONE
from tests.servers import ServerProcess, StartServer
from tests.support import eventually

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(120)]

_FORBIDDEN = """async () => {
    const done = []
    globalThis.happened = (what) => done.push(what)
    const script = document.createElement('script')
    script.textContent = "happened('an inline script ran')"
    const style = document.createElement('style')
    style.textContent = 'body { --planted: 1 }'
    document.head.append(script, style)
    if (getComputedStyle(document.body).getPropertyValue('--planted') !== '') done.push('an inline style counts')
    const image = new Image()
    image.src = 'https://evil.example/image.png'
    await Promise.all([
        image.decode().then(() => done.push('an image came from elsewhere'), () => null),
        fetch('https://evil.example/').then(() => done.push('something went elsewhere'), () => null),
    ])
    return done
}"""
"""What injected code would try; gives what came of it."""


async def test_from_an_empty_start_page_to_a_named_document(start_server: StartServer, visit: Visit) -> None:
    server = await asyncio.to_thread(start_server)
    ada = await visit(server)
    await ada.page.goto(server.url)
    await expect(ada.page.get_by_text("Nothing here yet.")).to_be_visible()
    await ada.picture("start-empty")

    await ada.page.get_by_role("button", name="New document").click()
    await ada.editor.wait_for()
    await ada.title.fill("Letters to the north")
    await ada.write("Dear all,")
    await ada.state_is("saved")

    ben = await visit(server, **PHONE)
    await ben.page.goto(server.url)
    await ben.picture("start-phone-dark")
    await ben.page.get_by_role("link", name="Letters to the north").click()
    await ben.shows("Dear all,")
    await expect(ben.title).to_have_value("Letters to the north")
    await ada.title.fill("Letters to the south")
    await expect(ben.title).to_have_value("Letters to the south")
    await expect(ben.page).to_have_title("Letters to the south · Coscribe")


async def test_a_document_is_opened_by_its_name(visit: Visit, server: ServerProcess, document: str) -> None:
    ada = await visit(server)
    await ada.page.goto(server.url)
    field = ada.page.get_by_label("Open a document by its name")
    await field.fill("not a name")
    await field.press("Enter")
    await expect(ada.page.get_by_role("alert")).to_contain_text("Letters, digits")
    await field.fill(document)
    await field.press("Enter")
    await ada.editor.wait_for()
    assert ada.page.url == f"{server.url}/d/{document}"
    await ada.state_is("saved")


async def test_a_document_moved_to_the_bin_is_closed_and_says_so(
    visit: Visit, server: ServerProcess, document: str, http: httpx.AsyncClient
) -> None:
    ada = await visit(server)
    await ada.open(document)
    await ada.write("soon gone")
    await ada.state_is("saved")
    assert (await http.delete(server.document_url(document))).status_code == 204
    await ada.state_is("closed")
    await expect(ada.page.get_by_role("heading", name="This document is not available")).to_be_visible()

    assert (await http.post(server.document_url(document, "restore"))).status_code == 200
    await ada.page.reload()
    await ada.shows("soon gone")


async def test_16_what_the_policy_forbids_does_not_happen_and_fails_a_test(
    visit: Visit, server: ServerProcess, document: str
) -> None:
    """Every page of these tests is watched for reports of the policy; here there are some."""
    ada = await visit(server)
    await ada.open(document)
    assert await ada.page.evaluate(_FORBIDDEN) == []

    async def reported() -> bool:
        found = " ".join(ada.problems)
        return all(name in found for name in ("script-src", "style-src", "img-src", "connect-src"))

    await eventually(reported, "reports of the policy")
    ada.problems.clear()


async def test_what_the_app_cannot_show_is_left_untouched(
    visit: Visit, server: ServerProcess, document: str, http: httpx.AsyncClient
) -> None:
    """An editor without charts would delete the chart for everybody merely by being opened."""
    doc = Doc[XmlFragment]()
    root = doc.get("default", type=XmlFragment)
    root.children.append(XmlElement("paragraph", contents=[XmlText("before")]))

    async def post(update: bytes) -> None:
        headers = {"Content-Type": "application/octet-stream"}
        answer = await http.post(server.document_url(document, "updates"), content=update, headers=headers)
        assert answer.status_code == 200, answer.text

    async def stored() -> str:
        answer = await http.get(server.document_url(document, "content"), params={"format": "yjs"})
        replica = Doc[XmlFragment]()
        replica.apply_update(answer.content)
        return str(replica.get("default", type=XmlFragment))

    await post(doc.get_update())
    ada = await visit(server)
    await ada.open(document)
    await ada.shows("before")

    root.children.append(XmlElement("chart", contents=[XmlElement("series")]))
    await post(doc.get_update())
    notice = ada.page.get_by_role("heading", name="This document holds something this app cannot show yet")
    await expect(notice).to_be_visible()
    await expect(ada.editor).to_have_count(0)
    await ada.page.reload()
    await expect(notice).to_be_visible()
    await ada.state_is("saved")
    assert await stored() == "<paragraph>before</paragraph><chart><series></series></chart>"


async def test_the_keyboard_reaches_everything_and_leaves_again(
    visit: Visit, server: ServerProcess, document: str
) -> None:
    ada = await visit(server)
    await ada.open(document)
    await ada.write("- one\ntwo")
    await ada.page.keyboard.press("Tab")
    await expect(ada.editor.locator("ul ul")).to_have_count(1)
    await ada.page.keyboard.press("Escape")
    await ada.page.keyboard.press("Tab")
    await expect(ada.editor).not_to_be_focused()

    await ada.page.get_by_role("combobox", name="Kind of block").focus()
    await ada.page.keyboard.press("ArrowRight")
    await expect(ada.page.get_by_role("button", name="Undo")).to_be_focused()
    await ada.page.keyboard.press("End")
    await ada.page.keyboard.press("ArrowRight")
    await expect(ada.page.get_by_role("combobox", name="Kind of block")).to_be_focused()
