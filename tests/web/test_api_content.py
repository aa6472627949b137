"""REST: what a document holds now."""

import httpx
import pytest

from tests.web.edits import text_of, text_update
from tests.web.test_api_documents import create, problem, url
from tests.web.test_api_updates import post


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


async def test_an_empty_document_is_empty(http: httpx.AsyncClient) -> None:
    await create(http, id="plans")
    assert (await http.get(url("plans", "/content"))).content == b""
    assert (await http.get(url("plans", "/content?format=yjs"))).content == b"\x00\x00"


@pytest.mark.parametrize("format", ["markdown", "html", "json", "", "TEXT"])
async def test_another_format_is_refused_with_those_there_are(http: httpx.AsyncClient, format: str) -> None:
    await create(http, id="plans")
    refusal = problem(await http.get(url("plans", "/content"), params={"format": format}), 400)
    assert "text" in refusal["detail"]
    assert "yjs" in refusal["detail"]


async def test_the_past_is_not_available_and_not_mistaken_for_the_present(http: httpx.AsyncClient) -> None:
    await post(http, "plans", text_update("now"))
    refusal = problem(await http.get(url("plans", "/content?at=1")), 400)
    assert "not available in this version" in refusal["detail"]
