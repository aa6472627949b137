"""REST: what a document holds now, in every format, and new documents out of files."""

import json
import re
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from collab.imports.build import build_update, one_document
from collab.imports.docx import read_docx
from tests.collab.formats import rich, xss
from tests.collab.formats.rich import Node, paragraph
from tests.web.conftest import Running, make_settings, running
from tests.web.edits import text_of, text_update, two_edits
from tests.web.test_api_documents import create, names, problem, url
from tests.web.test_api_updates import post
from web.downloads import content_disposition

FORMATS = ("text", "markdown", "html", "json", "docx", "yjs")


async def post_blocks(http: httpx.AsyncClient, name: str, *blocks: Node) -> None:
    await post(http, name, build_update(one_document([*blocks])))


async def test_text_is_plain_text(http: httpx.AsyncClient) -> None:
    await post(http, "plans", text_update("Grüße <b>👋</b> שלום"))
    response = await http.get(url("plans", "/content"), params={"format": "text"})
    assert response.status_code == 200
    assert response.text == "Grüße <b>👋</b> שלום"
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"
    assert (await http.get(url("plans", "/content"))).text == response.text


async def test_yjs_is_the_whole_document_as_a_download(http: httpx.AsyncClient) -> None:
    await post(http, "team/plans:1", text_update("hello"))
    response = await http.get(url("team/plans:1", "/content?format=yjs"))
    assert text_of(response.content) == "hello"
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["content-disposition"] == 'attachment; filename="team_plans_1.yjs"'
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_markdown_html_json_and_docx(http: httpx.AsyncClient) -> None:
    await post_blocks(http, "plans", *rich.HEADINGS[:1], paragraph("hello"))

    async def read(format: str) -> httpx.Response:
        return await http.get(url("plans", f"/content?format={format}"))

    assert (await read("markdown")).text == "# Heading 1 \\* \\<b> & \\_x\\_\n\nhello\n"
    assert "<h1>Heading 1 * &lt;b&gt; &amp; _x_</h1><p>hello</p>" in (await read("html")).text
    assert (await read("json")).json()["default"]["content"][1] == paragraph("hello")
    assert read_docx((await read("docx")).content)["default"]["content"][1] == paragraph("hello")


async def test_a_large_document_is_rendered_in_a_process_of_its_own(http: httpx.AsyncClient) -> None:
    await post_blocks(http, "long", *[paragraph(f"line {number}") for number in range(1_000)])
    response = await http.get(url("long", "/content?format=markdown"))
    assert response.text.count("line ") == 1_000


@pytest.mark.parametrize("format", FORMATS)
async def test_15_what_people_wrote_is_inert_in_every_browser(http: httpx.AsyncClient, format: str) -> None:
    await post_blocks(http, "plans", paragraph(xss.MARKUP[0]))
    response = await http.get(url("plans", f"/content?format={format}"))
    assert response.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert response.headers["x-content-type-options"] == "nosniff"
    attached = response.headers.get("content-disposition", "").startswith("attachment; ")
    assert attached == (format in ("html", "docx", "yjs"))


async def test_an_empty_document_is_empty(http: httpx.AsyncClient) -> None:
    await create(http, id="plans")
    assert (await http.get(url("plans", "/content"))).content == b""
    assert (await http.get(url("plans", "/content?format=yjs"))).content == b"\x00\x00"
    assert (await http.get(url("plans", "/content?format=json"))).json() == {}
    assert (await http.get(url("plans", "/content?format=markdown"))).content == b""


@pytest.mark.parametrize("format", ["odt", "pdf", "", "TEXT"])
async def test_another_format_is_refused_with_those_there_are(http: httpx.AsyncClient, format: str) -> None:
    await create(http, id="plans")
    refusal = problem(await http.get(url("plans", "/content"), params={"format": format}), 400)
    assert all(known in refusal["detail"] for known in FORMATS)


async def test_a_past_state_is_given_in_every_format(http: httpx.AsyncClient) -> None:
    first, second = two_edits()
    for update in (first, second):
        await post(http, "plans", update)
    texts = [(await http.get(url("plans", f"/content?at={at}"))).text for at in (0, 1, 2)]
    assert texts == ["", "one ", "one two"]
    assert text_of((await http.get(url("plans", "/content?format=yjs&at=1"))).content) == "one "
    assert (await http.get(url("plans", "/content?format=markdown&at=2"))).text.strip() == "one two"


@pytest.mark.parametrize("at", ["-1", "now", "1.5", str(2**63)])
async def test_a_state_is_asked_for_by_its_seq(http: httpx.AsyncClient, at: str) -> None:
    await create(http, id="plans")
    problem(await http.get(url("plans", "/content"), params={"at": at}), 400)


async def test_a_state_that_is_yet_to_come_is_not_mistaken_for_the_present(http: httpx.AsyncClient) -> None:
    await post(http, "plans", text_update("now"))
    refusal = problem(await http.get(url("plans", "/content?at=2")), 404)
    assert refusal["code"] == "history-not-found"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plans", 'attachment; filename="plans.md"'),
        ("a/b:c", 'attachment; filename="a_b_c.md"'),
        ("Pläne", "attachment; filename=\"Plane.md\"; filename*=UTF-8''Pl%C3%A4ne.md"),
        ("計画", "attachment; filename=\"document.md\"; filename*=UTF-8''%E8%A8%88%E7%94%BB.md"),
        ('x"; filename="evil.exe', 'attachment; filename="x_ filename=_evil.exe.md"'),
        ("a\r\nSet-Cookie: b", 'attachment; filename="a_Set-Cookie_ b.md"'),
        ("../../etc/passwd", 'attachment; filename="_.._etc_passwd.md"'),
        ("..", 'attachment; filename="document.md"'),
        ("gnp\u202eexe", 'attachment; filename="gnpexe.md"'),
        ("x" * 5000, None),
    ],
)
def test_13_a_download_has_a_name_that_every_system_takes(name: str, expected: str | None) -> None:
    value = content_disposition(name, "md")
    assert expected is None or value == expected
    assert re.fullmatch(
        r"attachment; filename=\"[^\"\\\x00-\x1f/:]+\.md\"(; filename\*=UTF-8''[A-Za-z0-9%._~-]+)?", value
    )
    assert len(unquote(value)) < 700


# -- import


async def import_file(http: httpx.AsyncClient, data: bytes, **query: Any) -> httpx.Response:
    return await http.post("/api/import", params=query, content=data)


@pytest.mark.parametrize(
    ("format", "data"),
    [
        ("text", b"hello\n"),
        ("markdown", b"hello"),
        ("html", b"<p>hello<script>attack()</script>"),
        ("json", json.dumps({"type": "doc", "content": [paragraph("hello")]}).encode()),
        ("yjs", text_update("hello")),
    ],
    ids=["text", "markdown", "html", "json", "yjs"],
)
async def test_a_file_becomes_a_new_document(http: httpx.AsyncClient, format: str, data: bytes) -> None:
    response = await import_file(http, data, format=format, title="Plans", id=f"from/{format}")
    assert response.status_code == 201, response.text
    document = response.json()
    assert (document["id"], document["title"], document["head"]) == (f"from/{format}", "Plans", 1)
    assert response.headers["location"] == url(f"from/{format}")
    assert (await http.get(url(f"from/{format}", "/content"))).text == "hello"


async def test_a_whole_document_goes_out_as_docx_and_comes_in_again(http: httpx.AsyncClient) -> None:
    await post_blocks(http, "plans", *rich.LISTS, *rich.TABLES)
    docx = (await http.get(url("plans", "/content?format=docx"))).content
    assert (await import_file(http, docx, format="docx", id="copy")).status_code == 201
    one, other = [(await http.get(url(name, "/content?format=json"))).json() for name in ("plans", "copy")]
    assert one == other


async def test_an_import_without_a_name_gets_one_that_nobody_guesses(http: httpx.AsyncClient) -> None:
    response = await import_file(http, b"x", format="text")
    assert len(response.json()["id"]) >= 16


REFUSED = [
    ("markdown", b"\xff\xfe", 422, "not UTF-8"),
    ("docx", b"PK\x03\x04no", 422, "no ZIP file"),
    ("json", b"{", 422, "not JSON"),
    ("json", b'{"a": {"type": "doc", "content": [{"type": 7}]}}', 422, "/a/content/0"),
    ("json", b'{"type": "doc", "content": [{"type": "text", "text": ""}]}', 422, "empty text"),
    ("json", b'{"type": "doc", "content": [{"type": "text", "text": "\\ud800"}]}', 422, "surrogate"),
    ("json", b"[" * 100_000, 422, "nested deeper"),
    ("html", b"<div>" * 5_000, 422, "nested deeper"),
    ("yjs", b"no update", 400, ""),
    ("yjs", two_edits()[1], 422, "builds on edits"),
    ("pdf", b"x", 400, ""),
]


@pytest.mark.parametrize(
    ("format", "data", "status", "says"), REFUSED, ids=[f"{case[0]}-{number}" for number, case in enumerate(REFUSED)]
)
async def test_a_file_that_cannot_be_read_leaves_nothing(
    http: httpx.AsyncClient, format: str, data: bytes, status: int, says: str
) -> None:
    assert says in problem(await import_file(http, data, format=format, id="plans"), status)["detail"]
    assert await names(http) == []


async def test_an_import_never_touches_a_document_that_is_there(http: httpx.AsyncClient) -> None:
    await post(http, "plans", text_update("old"))
    problem(await import_file(http, b"new", format="text", id="plans"), 409)
    assert (await http.get(url("plans", "/content"))).text == "old"


async def test_a_file_larger_than_the_limit_is_refused(tmp_path: Any) -> None:
    async with running(make_settings(tmp_path, import_bytes_max=1024)) as server:
        problem(await import_file(server.http, b"x" * 1025, format="text"), 413)


async def test_a_document_that_cannot_be_committed_goes_into_the_bin(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(server.state["hub"], "apply", refuse)
    problem(await import_file(server.http, b"x", format="text", id="plans"), 500)
    assert await names(server.http) == []
    assert await names(server.http, deleted=True) == ["plans"]
