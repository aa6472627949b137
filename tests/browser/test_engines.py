"""The web app in the two other engines: people with Firefox or WebKit write with people in Chromium."""

import asyncio
from pathlib import Path

import pytest

from tests.browser.conftest import Visit
from tests.browser.engines import Firefox, WebKit
from tests.browser.pages import Person
from tests.browser.test_editor import markdown
from tests.browser.test_two_pages import bring_back, kill
from tests.servers import StartServer

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(180)]


async def test_firefox_and_chromium_write_one_document_through_an_outage(
    start_server: StartServer, visit: Visit, document: str, tmp_path: Path
) -> None:
    server = await asyncio.to_thread(start_server)
    ada: Person = await visit(server)
    await ada.open(document)
    await ada.write("# Field notes\nThe water stood high.")
    async with Firefox.launch(server, tmp_path / "firefox") as fox:
        await fox.open(document)
        await fox.shows("Field notes\nThe water stood high.")
        await fox.controlled()
        await fox.write("\n- two ")
        await fox.press("Control+b")
        await fox.type("herons")
        await ada.shows("Field notes\nThe water stood high.\ntwo herons")
        await ada.write(", far away")
        await fox.shows("Field notes\nThe water stood high.\ntwo herons, far away")
        await fox.state_is("saved")

        # Both go on without the server, and the one in Firefox opens it again from this device.
        await kill(server, [ada])
        await fox.write(" they stood", at="End")
        await ada.write("My ", at="Home")
        await fox.state_is("offline")
        await fox.reload()
        await fox.shows("Field notes\nThe water stood high.\ntwo herons, far away they stood")
        await fox.write(" still")
        await bring_back(server, [ada])
        text = "My Field notes\nThe water stood high.\ntwo herons, far away they stood still"
        await fox.shows(text)
        await ada.shows(text)
        await fox.state_is("saved")
        written = await markdown(server, document)
        assert "# My Field notes" in written
        assert "- two **herons" in written
        assert [each for each in fox.problems if "connection" not in each] == []


async def test_webkit_writes_for_others_and_opens_from_this_device(
    start_server: StartServer, visit: Visit, document: str, tmp_path: Path
) -> None:
    server = await asyncio.to_thread(start_server)
    ada: Person = await visit(server)
    await ada.open(document)
    async with WebKit.launch(server, tmp_path / "webkit") as kit:
        await kit.open(document)
        await kit.controlled()
        await kit.write("# Field notes\nTwo herons")
        await ada.shows("Field notes\nTwo herons")
        await ada.write(" kept to the far bank")
        await kit.shows("Field notes\nTwo herons kept to the far bank")
        await kit.state_is("saved")

        await kill(server, [ada])
        await kit.write(", and a third")
        await kit.state_is("offline")
        await kit.reload()
        await kit.shows("Field notes\nTwo herons kept to the far bank, and a third")
        await bring_back(server, [ada])
        await ada.shows("Field notes\nTwo herons kept to the far bank, and a third")
        await kit.state_is("saved")
        assert "# Field notes" in await markdown(server, document)
        assert kit.problems == []
