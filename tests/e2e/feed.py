"""Reads `GET /api/documents/{id}/updates` the way a follower does: page after page until nothing is left."""

import base64
from dataclasses import dataclass

import httpx

from tests.servers import ServerProcess


@dataclass(frozen=True, slots=True)
class Row:
    seq: int
    user: str | None
    payload: bytes


@dataclass(frozen=True, slots=True)
class Page:
    rows: list[Row]
    head: int


async def read_page(http: httpx.AsyncClient, server: ServerProcess, document: str, after: int) -> Page:
    response = await http.get(server.document_url(document, "updates"), params={"after": after})
    response.raise_for_status()
    body = response.json()
    rows = [Row(row["seq"], row["user"], base64.b64decode(row["payload"], validate=True)) for row in body["updates"]]
    return Page(rows, body["head"])


async def read_all(http: httpx.AsyncClient, server: ServerProcess, document: str, after: int = 0) -> list[Row]:
    """Every row after `after`, checked to be gapless and in order."""
    rows: list[Row] = []
    while (page := await read_page(http, server, document, after)).rows:
        rows += page.rows
        assert page.head >= rows[-1].seq, "the head is behind a row of the same answer"
        after = rows[-1].seq
    assert page.head == after, "an empty page, but the head is elsewhere"
    first = rows[0].seq if rows else 0
    assert [row.seq for row in rows] == list(range(first, first + len(rows))), "a gap in seq, or rows out of order"
    return rows
