"""An administrator takes documents out of one server and brings them into another, in the web app."""

import asyncio
import io
import json
import zipfile
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.accounts import CHEAP, House, accept, allow, first_link
from tests.browser.axe import sound
from tests.browser.conftest import Visit
from tests.browser.pages import PHONE, Person
from tests.servers import StartServer

pytestmark = [pytest.mark.xdist_group("browser-accounts"), pytest.mark.timeout(120)]

JOB_MS = 30_000
"""A process of its own starts for each job."""


def jobs(page: Page) -> Locator:
    return page.get_by_role("list", name="Exports and imports").get_by_role("listitem")


async def start(person: Person) -> None:
    await person.page.goto(f"{person.server.url}/admin/export")
    await expect(person.page.get_by_text("None yet.")).to_be_visible()


async def save(page: Page, job: Locator, path: Path) -> bytes:
    async with page.expect_download() as coming:
        await job.get_by_role("link", name="Download").click()
    download = await coming.value
    assert download.suggested_filename.endswith(".zip")
    await download.save_as(path)
    return await asyncio.to_thread(path.read_bytes)


async def test_an_archive_goes_from_one_server_to_another(
    axe: str, start_server: StartServer, visit: Visit, tmp_path: Path
) -> None:
    here, there = [await asyncio.to_thread(start_server, **CHEAP) for _ in range(2)]
    house = await House.of(here, visit)
    ann, page = house.ann, house.ann.page
    for name, title in (("walks/river", "River walk"), ("walks/hill", "Hill walk"), ("minutes", "Minutes")):
        await house.document(name, title)
    await ann.open("walks/river")
    await ann.write("Two herons kept to the far bank.")
    await ann.state_is("saved")

    # Two documents, found by their names and chosen.
    await start(ann)
    await sound(ann, axe)
    await page.get_by_label("Chosen documents").check()
    await page.get_by_role("button", name="Start the export").click()
    await expect(page.get_by_role("alert")).to_have_text("Choose at least one document.")
    await page.get_by_role("searchbox").fill("walk")
    documents = page.get_by_role("list", name="Documents").get_by_role("checkbox")
    await expect(documents).to_have_count(2)
    await page.get_by_label("All of these").check()
    await expect(page.get_by_text("2 documents are chosen.")).to_be_visible()
    await sound(ann, axe)
    await ann.picture("export-choice")
    await page.get_by_role("button", name="Start the export").click()
    job = jobs(page).first
    await expect(job).to_contain_text("Export of 2 documents: archive")
    await expect(job.get_by_role("link", name="Download")).to_be_visible(timeout=JOB_MS)
    await sound(ann, axe)
    await ann.picture("export-done")
    archive = tmp_path / "walks.zip"
    with zipfile.ZipFile(io.BytesIO(await save(page, job, archive))) as zipped:
        manifest = json.loads(zipped.read("manifest.json"))
    assert sorted(document["id"] for document in manifest["documents"]) == ["walks/hill", "walks/river"]

    # Everything, as text.
    await page.get_by_label("Everything").check()
    await page.get_by_label("As", exact=True).select_option("text")
    await page.get_by_role("button", name="Start the export").click()
    await expect(jobs(page)).to_have_count(2)
    await expect(jobs(page).first.get_by_role("link", name="Download")).to_be_visible(timeout=JOB_MS)
    texts = zipfile.ZipFile(io.BytesIO(await save(page, jobs(page).first, tmp_path / "texts.zip")))
    assert b"Two herons kept to the far bank." in b"".join(map(texts.read, texts.namelist()))
    await jobs(page).first.get_by_role("button", name="Delete the file").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(jobs(page)).to_have_count(1)

    # Into the other server, on a phone, and by the same names only once.
    bea = await visit(there, **PHONE)
    await accept(bea, first_link(there), "Bea")
    page = bea.page
    await start(bea)
    await page.get_by_role("button", name="Start the import").tap()
    await expect(page.get_by_role("alert")).to_have_text("Choose an archive first.")
    await page.get_by_label("Archive", exact=True).set_input_files(archive)
    await page.get_by_label("Put in front of").fill("from-here/")
    await page.get_by_role("button", name="Start the import").tap()
    await expect(jobs(page).first).to_contain_text("2 documents", timeout=JOB_MS)
    await bea.picture("import-phone")
    await bea.open("from-here/walks/river")
    await bea.shows("Two herons kept to the far bank.")
    await page.get_by_role("button", name="History").tap()
    timeline = page.get_by_role("listbox", name="History, newest first").get_by_role("option")
    await expect(timeline.first).to_contain_text("32 characters added", timeout=JOB_MS)

    # What is no archive is said to be none.
    await page.goto(f"{there.url}/admin/export")
    spoiled = tmp_path / "spoiled.zip"
    spoiled.write_bytes(archive.read_bytes()[:-100])
    await page.get_by_label("Archive", exact=True).set_input_files(spoiled)
    await page.get_by_role("button", name="Start the import").tap()
    await expect(jobs(page).first).to_contain_text("Failed:", timeout=JOB_MS)
    await sound(bea, axe)
    await jobs(page).first.get_by_role("button", name="Forget").click()
    await expect(jobs(page)).to_have_count(1)
    allow(bea, 400, 422)
