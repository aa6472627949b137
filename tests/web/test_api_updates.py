"""REST: the committed log of a document, and adding to it."""

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.web.conftest import make_settings, running
from tests.web.edits import text_of, text_update, two_edits
from tests.web.test_api_documents import create, names, problem, url

BINARY = {"content-type": "application/octet-stream"}


async def post(http: httpx.AsyncClient, name: str, update: bytes) -> int:
    response = await http.post(url(name, "/updates"), content=update, headers=BINARY)
    assert response.status_code == 200, response.text
    assert set(response.json()) == {"seq"}
    seq: int = response.json()["seq"]
    return seq


async def read(http: httpx.AsyncClient, name: str, **query: Any) -> dict[str, Any]:
    response = await http.get(url(name, "/updates"), params=query)
    assert response.status_code == 200, response.text
    page: dict[str, Any] = response.json()
    return page


async def test_a_posted_update_is_in_the_log_under_the_seq_that_was_answered(http: httpx.AsyncClient) -> None:
    update = text_update("hello 👋")
    started = datetime.now(UTC) - timedelta(milliseconds=1)
    assert await post(http, "plans", update) == 1
    page = await read(http, "plans")
    (row,) = page["updates"]
    assert page["head"] == 1
    assert (row["seq"], row["user"]) == (1, None)
    assert set(row) == {"seq", "user", "at", "payload"}
    assert started <= datetime.fromisoformat(row["at"]) <= datetime.now(UTC)
    assert row["at"].endswith("Z")
    assert text_of(base64.b64decode(row["payload"], validate=True)) == "hello 👋"


async def test_posting_to_a_document_that_does_not_exist_creates_it(http: httpx.AsyncClient) -> None:
    await post(http, "folder/new", text_update("x"))
    assert await names(http) == ["folder/new"]


async def test_posting_to_a_document_in_the_bin_does_not_bring_it_back(http: httpx.AsyncClient) -> None:
    await create(http, id="plans")
    await http.delete(url("plans"))
    problem(await http.post(url("plans", "/updates"), content=text_update("x"), headers=BINARY), 404)
    assert await names(http) == []


async def test_the_log_is_read_in_pages_after_a_seq(http: httpx.AsyncClient) -> None:
    for number in range(5):
        await post(http, "plans", text_update(str(number)))
    assert [row["seq"] for row in (await read(http, "plans", after=2))["updates"]] == [3, 4, 5]
    page = await read(http, "plans", after=1, limit=2)
    assert ([row["seq"] for row in page["updates"]], page["head"]) == ([2, 3], 5)
    assert await read(http, "plans", after=5) == {"updates": [], "head": 5}
    assert await read(http, "plans", after=2**62) == {"updates": [], "head": 5}


async def test_a_page_has_no_more_rows_and_bytes_than_the_server_allows(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, updates_page_max=3, updates_page_bytes_max=1024)
    async with running(settings) as server:
        for _ in range(5):
            await post(server.http, "small", text_update("x"))
        assert len((await read(server.http, "small", limit=100))["updates"]) == 3
        for _ in range(3):
            await post(server.http, "large", text_update(700 * "x"))
        assert len((await read(server.http, "large"))["updates"]) == 1
        await post(server.http, "huge", text_update(5000 * "x"))
        assert len((await read(server.http, "huge"))["updates"]) == 1, "a page that holds nothing never ends"


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "after=", f"after={2**63}", "limit=0", "since=1", "after=1&after=2"]
)
async def test_a_query_of_another_form_is_refused(http: httpx.AsyncClient, query: str) -> None:
    await create(http, id="plans")
    problem(await http.get(url("plans", f"/updates?{query}")), 400)


@pytest.mark.parametrize(
    "update",
    [b"", b"\x00", b"\x01", b"hello", b"\xff" * 20, b"\x00\x00\x00", b"\x00\x00\x01\x00\x00\x00"],
    ids=["empty", "short", "shorter", "text", "ones", "left over", "v2"],
)
async def test_what_is_no_update_is_refused_and_not_stored(http: httpx.AsyncClient, update: bytes) -> None:
    response = await http.post(url("plans", "/updates"), content=update, headers=BINARY)
    assert problem(response, 400)["code"] == "malformed-update"
    assert await names(http) == []


async def test_an_update_that_builds_on_missing_edits_is_refused_with_a_hint(http: httpx.AsyncClient) -> None:
    first, second = two_edits()
    await create(http, id="plans")
    response = await http.post(url("plans", "/updates"), content=second, headers=BINARY)
    refusal = problem(response, 409)
    assert refusal["code"] == "update-gap"
    assert "content?format=yjs" in refusal["hint"]
    assert (await read(http, "plans"))["head"] == 0
    assert await post(http, "plans", first) == 1
    assert await post(http, "plans", second) == 2


async def test_the_same_update_twice_is_stored_once(http: httpx.AsyncClient) -> None:
    update = text_update("once")
    assert await post(http, "plans", update) == 1
    assert await post(http, "plans", update) == 1
    assert (await read(http, "plans"))["head"] == 1


@pytest.mark.parametrize("media_type", ["application/json", "text/plain", "application/octet-streams", ""])
async def test_an_update_is_sent_as_binary(http: httpx.AsyncClient, media_type: str) -> None:
    headers = {"content-type": media_type}
    problem(await http.post(url("plans", "/updates"), content=text_update("x"), headers=headers), 415)
    assert await names(http) == []


async def test_an_update_larger_than_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    async with running(make_settings(tmp_path, sync_bytes_max=2000)) as server:
        declared = {**BINARY, "content-length": "5000000000"}
        endless = Endless()
        response = await server.http.post(url("plans", "/updates"), content=endless, headers=declared)
        assert problem(response, 413)["code"] == "too-large"
        assert endless.given == 0

        response = await server.http.post(url("plans", "/updates"), content=endless, headers=BINARY)
        assert problem(response, 413)["code"] == "too-large"
        assert endless.given <= 4
        assert await post(server.http, "plans", text_update(1500 * "x")) == 1


async def test_a_body_that_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    class Stalled(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"x"
            await asyncio.Event().wait()

    async with running(make_settings(tmp_path, body_seconds=0.05)) as server:
        problem(await server.http.post(url("plans", "/updates"), content=Stalled(), headers=BINARY), 408)


class Endless(httpx.AsyncByteStream):
    """A body that never ends, in pieces of 1000 bytes."""

    def __init__(self) -> None:
        self.given = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self.given += 1
            yield bytes(1000)


async def test_updates_from_a_page_of_another_site_are_not_stored(http: httpx.AsyncClient) -> None:
    headers = BINARY | {"origin": "https://evil.example"}
    problem(await http.post(url("plans", "/updates"), content=text_update("x"), headers=headers), 403)
    assert await names(http) == []


async def test_what_many_post_at_once_is_in_the_log_without_gaps(http: httpx.AsyncClient) -> None:
    updates = [text_update(f"<{number}>") for number in range(20)]
    seqs = await asyncio.gather(*(post(http, "plans", update) for update in updates))
    rows = (await read(http, "plans"))["updates"]
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    assert set(seqs) <= {row["seq"] for row in rows}
    state = (await http.get(url("plans", "/content?format=yjs"))).content
    assert all(f"<{number}>" in text_of(state) for number in range(20))
