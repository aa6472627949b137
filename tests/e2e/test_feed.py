"""`GET /api/documents/{id}/updates` returns every commit exactly once and in order, whoever writes meanwhile."""

import asyncio
from random import Random
from typing import Any

import httpx
import pytest
from pycrdt import Doc

from tests.e2e.feed import Row, read_all
from tests.e2e.raw_client import RawClient
from tests.e2e.replica import append, items_of, new_doc, state_vector
from tests.servers import ServerProcess, StartServer

pytestmark = pytest.mark.xdist_group("clients")

SOCKETS = 5
POSTERS = 3
EDITS = 80
PAGE = 40
"""Rows a page may have on the server under test: small, so that the feed has many."""


async def write_by_socket(server: ServerProcess, document: str, name: str, rng: Random) -> set[str]:
    async with RawClient(server, document) as client:
        for n in range(EDITS):
            await client.edit(append(f"{name}.{n}"))
            if rng.random() < 0.2:
                await client.saved()
        await client.saved()
    return {f"{name}.{n}" for n in range(EDITS)}


async def write_by_post(server: ServerProcess, http: httpx.AsyncClient, document: str, name: str) -> dict[str, int]:
    """Seq by tag, as the server answered."""
    doc = new_doc()
    seqs: dict[str, int] = {}
    for n in range(EDITS):
        before = doc.get_state()
        append(f"{name}.{n}")(doc)
        response = await http.post(
            server.document_url(document, "updates"),
            content=doc.get_update(before),
            headers={"content-type": "application/octet-stream"},
        )
        response.raise_for_status()
        seqs[f"{name}.{n}"] = response.json()["seq"]
    return seqs


async def follow(server: ServerProcess, http: httpx.AsyncClient, document: str, done: asyncio.Event) -> list[Row]:
    """Poll while others write, each time from the last seq seen, and once more after they are done."""
    rows: list[Row] = []
    while True:
        last_round = done.is_set()
        rows += await read_all(http, server, document, after=rows[-1].seq if rows else 0)
        if last_round:
            return rows
        await asyncio.sleep(0.01)


def tags_by_seq(rows: list[Row]) -> dict[str, int]:
    """Seq of the row with which each tag appears; every row must bring something."""
    doc: Doc[Any] = new_doc()
    seqs: dict[str, int] = {}
    for row in rows:
        before = state_vector(doc)
        doc.apply_update(row.payload)
        assert state_vector(doc) != before, f"row {row.seq} repeats what came before it"
        for tag in items_of(doc):
            seqs.setdefault(tag, row.seq)
    assert len(items_of(doc)) == len(seqs), "a tag appears twice"
    return seqs


async def test_followers_get_every_commit_exactly_once_and_in_order_while_many_write(
    start_server: StartServer, database_url: str | None, http: httpx.AsyncClient, document: str, rng: Random
) -> None:
    server = await asyncio.to_thread(start_server, database_url, updates_page_max=PAGE)
    async with RawClient(server, document) as first:  # brings the document into being
        await first.edit(append("first"))
        await first.saved()

    done = asyncio.Event()
    followers = [asyncio.create_task(follow(server, http, document, done)) for _ in range(3)]
    by_socket = [write_by_socket(server, document, f"socket{n}", Random(rng.random())) for n in range(SOCKETS)]
    by_post = [write_by_post(server, http, document, f"post{n}") for n in range(POSTERS)]
    written, posted = await asyncio.gather(asyncio.gather(*by_socket), asyncio.gather(*by_post))
    done.set()
    followed = await asyncio.gather(*followers)

    rows = await read_all(http, server, document)
    assert rows[0].seq == 1
    assert all(rows == seen for seen in followed), "a follower saw other rows than the log has"
    assert len(rows) > PAGE, "too few rows for more than one page; the test shows nothing"
    seqs = tags_by_seq(rows)
    answered = {tag: seq for answers in posted for tag, seq in answers.items()}
    assert set(seqs) == {"first"}.union(*written, answered)
    assert {tag: seqs[tag] for tag in answered} == answered, "POST named another seq than the row that holds its update"
    assert await read_all(http, server, document, after=rows[-1].seq) == []


async def test_a_document_read_from_any_seq_gives_the_rest_of_the_same_rows(
    start_server: StartServer, database_url: str | None, http: httpx.AsyncClient, document: str
) -> None:
    server = await asyncio.to_thread(start_server, database_url, updates_page_max=7)
    async with RawClient(server, document) as client:
        for n in range(30):
            await client.edit(append(n))
            await client.saved()
    rows = await read_all(http, server, document)
    assert len(rows) == 30, "each acknowledged edit is a commit of its own"
    for after in range(31):
        assert await read_all(http, server, document, after=after) == rows[after:]
