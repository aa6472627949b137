"""REST: images in documents: what is taken, how it is given, and that it goes with its document."""

import asyncio
import base64
import hashlib
from pathlib import Path

import httpx
import pytest
from obstore.store import MemoryStore

from storage.blobs import Blobs, DiskBlobs, ObjectBlobs
from tests.collab.formats.rich import PIXEL, block, paragraph
from tests.collab.test_images import BESIDE, PICTURE, PLACE, exif, segment
from tests.web.conftest import make_settings, running
from tests.web.people import Stage
from tests.web.test_api_content import post_blocks
from tests.web.test_api_documents import problem, url

PNG = base64.b64decode(PIXEL.partition(",")[2])
DIGEST = hashlib.sha256(PNG).hexdigest()
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def entries(directory: Path) -> list[Path]:
    return [*directory.iterdir()]


async def test_an_image_is_uploaded_and_read_back(http: httpx.AsyncClient) -> None:
    await post_blocks(http, "plans", paragraph("hello"))
    added = await http.post(url("plans", "/files"), content=PNG)
    assert added.status_code == 201
    assert added.json() == {"id": DIGEST, "type": "image/png", "bytes": len(PNG)}
    assert (await http.post(url("plans", "/files"), content=PNG)).json() == added.json()
    read = await http.get(url("plans", f"/files/{DIGEST}"))
    assert (read.content, read.headers["content-type"]) == (PNG, "image/png")
    again = await http.get(url("plans", f"/files/{DIGEST}"), headers={"if-none-match": read.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    await post_blocks(http, "other", paragraph("hello"))
    for document, file in (("other", DIGEST), ("plans", "0" * 64), ("plans", "%2e%2e%2fcoscribe.db")):
        assert (await http.get(url(document, f"/files/{file}"))).status_code == 404


def holding(directory: Path, words: bytes) -> list[Path]:
    return [file for file in directory.rglob("*") if file.is_file() and words in file.read_bytes()]


async def test_13_where_a_photo_was_taken_is_kept_nowhere(http: httpx.AsyncClient, tmp_path: Path) -> None:
    await post_blocks(http, "plans", paragraph("hello"))
    photo = b"\xff\xd8" + segment(0xE1, b"Exif\0\0" + exif(6)) + b"".join(BESIDE) + PICTURE
    added = (await http.post(url("plans", "/files"), content=photo)).json()
    read = (await http.get(url("plans", f"/files/{added['id']}"))).content
    assert (hashlib.sha256(read).hexdigest(), len(read)) == (added["id"], added["bytes"])
    assert read.endswith(PICTURE)
    assert b"Exif" in read  # It still stands upright.
    assert not await asyncio.to_thread(holding, tmp_path, PLACE)
    assert problem(await http.post(url("plans", "/files"), content=photo[:40]), 422)


@pytest.mark.parametrize(
    "content",
    [SVG, b"", b"<html>", b"GIF88a", b"\x89PNG", b"%PDF-1.7", b"RIFF\0\0\0\0WAVE", b"\xef\xbb\xbf" + SVG],
    ids=range(8),
)
async def test_15_an_image_is_what_its_bytes_say_and_can_do_nothing(http: httpx.AsyncClient, content: bytes) -> None:
    await post_blocks(http, "plans", paragraph("hello"))
    refused = await http.post(url("plans", "/files"), content=content, headers={"content-type": "image/png"})
    assert problem(refused, 415)
    # What begins as an image and goes on as a page is an image.
    mixed = PNG + b"<script>alert(1)</script>"
    added = await http.post(url("plans", "/files"), content=mixed, headers={"content-type": "text/html"})
    read = await http.get(url("plans", f"/files/{added.json()['id']}"))
    assert read.headers["content-type"] == "image/png"
    assert read.headers["x-content-type-options"] == "nosniff"
    assert read.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert read.headers["cache-control"] == "private, no-cache"


async def test_images_are_limited_each_and_together(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, file_bytes_max=1024, files_bytes_max=1024 + len(PNG))
    async with running(settings) as server:
        http = server.http
        await post_blocks(http, "plans", paragraph("hello"))
        assert (await http.post(url("plans", "/files"), content=PNG + bytes(1024))).status_code == 413
        assert (await http.post(url("plans", "/files"), content=PNG)).status_code == 201
        assert (await http.post(url("plans", "/files"), content=b"GIF89a".ljust(1024, b"."))).status_code == 201
        full = await http.post(url("plans", "/files"), content=b"GIF89a.")
        assert full.status_code == 422, full.text
        assert len([*(tmp_path / "files").rglob("*")]) == 3, "what has no room is not kept"
        # What is there already takes no more room.
        assert (await http.post(url("plans", "/files"), content=PNG)).status_code == 201


async def test_images_are_part_of_what_is_exported(http: httpx.AsyncClient) -> None:
    image = block("image", src=f"coscribe:files/{DIGEST}", alt="A pixel")
    await post_blocks(http, "plans", paragraph("before"), image)
    await http.post(url("plans", "/files"), content=PNG)
    for format in ("html", "markdown"):
        assert PIXEL in (await http.get(url("plans", f"/content?format={format}"))).text
    docx = await http.get(url("plans", "/content?format=docx"))
    assert b"word/media/" in docx.content
    # Naming the image of another document does not bring it.
    await post_blocks(http, "other", image)
    assert "data:image" not in (await http.get(url("other", "/content?format=html"))).text


async def test_a_purged_document_leaves_no_image(tmp_path: Path) -> None:
    async with Stage.open(tmp_path) as stage:
        files = "/api/documents/{document}/files"
        assert (await stage.call("editor", "POST", files, content=PNG)).status_code == 201
        assert [path.name for path in (tmp_path / "files").rglob("*") if path.is_file()] == [DIGEST]
        await stage.call("owner", "DELETE", "/api/documents/{document}")
        purge = "/api/admin/documents/{document}/purge"
        purged = await stage.call("administrator", "POST", purge, json={"dry_run": False, "wipe": False})
        assert purged.status_code == 200, purged.text
        assert entries(tmp_path / "files") == []


@pytest.mark.parametrize("kind", ["disk", "objects"])
async def test_content_is_kept_by_document(tmp_path: Path, kind: str) -> None:
    blobs: Blobs = DiskBlobs(tmp_path / "files") if kind == "disk" else ObjectBlobs(MemoryStore())
    other = "1" * 64
    for epoch, digest, content in (("a", DIGEST, PNG), ("a", other, b"x"), ("b", DIGEST, PNG), ("b", DIGEST, PNG)):
        await blobs.put(epoch, digest, content)
    assert await blobs.get("a", DIGEST) == PNG
    assert await blobs.get("b", other) is None
    for _ in range(2):
        await blobs.remove("a")
    assert [await blobs.get(epoch, DIGEST) for epoch in ("a", "b")] == [None, PNG]


async def test_blobs_take_no_path_from_anybody(tmp_path: Path) -> None:
    blobs = DiskBlobs(tmp_path / "files")
    for epoch, digest in (("..", DIGEST), ("a/b", DIGEST), ("a", ".."), ("a", DIGEST.upper()), ("", DIGEST)):
        with pytest.raises(ValueError, match="no epoch"):
            await blobs.put(epoch, digest, b"x")
    assert entries(tmp_path) == []
    await blobs.remove("nothing")
