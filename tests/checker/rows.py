"""Reads the log straight from the database, on a new connection every time and without any code of the server."""

import asyncio
import re
import sqlite3
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import asyncpg
from sqlalchemy.engine import make_url

TAG = re.compile(rb"[a-z]+\d+-\d+-\d+\.\d+!")
"""What tags look like (`workload.Editor`): in a row they stand as they are."""
_ROWS = """SELECT u.seq, u.payload FROM updates u JOIN documents d ON d.pk = u.document_pk
           WHERE d.name = {} AND u.seq > {} ORDER BY u.seq"""
_CHECKPOINT = """SELECT c.through_seq, c.state FROM checkpoints c JOIN documents d ON d.pk = c.document_pk
                 WHERE d.name = {}"""


class StoredRow(NamedTuple):
    seq: int
    payload: bytes


@dataclass
class _Seen:
    rows: list[StoredRow] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)


class Database:
    """The database behind the server under test."""

    def __init__(self, sqlite_file: Path | None, postgres_url: str | None) -> None:
        self._sqlite_file = sqlite_file
        self._postgres_url = postgres_url
        self._seen: dict[str, _Seen] = defaultdict(_Seen)
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def rows(self, document: str, after: int = 0) -> list[StoredRow]:
        return [StoredRow(seq, bytes(payload)) for seq, payload in await self._query(_ROWS, document, after)]

    async def checkpoint(self, document: str) -> tuple[int, bytes] | None:
        found = await self._query(_CHECKPOINT, document)
        return (found[0][0], bytes(found[0][1])) if found else None

    async def tags(self, document: str) -> set[str]:
        """Every tag that stands in a row. Only rows that were not seen before are read."""
        seen = self._seen[document]
        async with self._locks[document]:
            new = await self.rows(document, len(seen.rows))
            seen.rows += new
            for row in new:
                seen.tags.update(match.decode() for match in TAG.findall(row.payload))
        return seen.tags

    def seen(self, document: str) -> list[StoredRow]:
        """The rows that `tags` has read so far."""
        return self._seen[document].rows

    async def _query(self, statement: str, *arguments: object) -> list[tuple[int, bytes]]:
        if self._sqlite_file is not None:
            return await asyncio.to_thread(self._query_sqlite, statement.format(*"??"), arguments)
        return await self._query_postgres(statement.format("$1", "$2"), arguments)

    def _query_sqlite(self, statement: str, arguments: tuple[object, ...]) -> list[tuple[int, bytes]]:
        with closing(sqlite3.connect(f"file:{self._sqlite_file}?mode=ro", uri=True, timeout=10)) as connection:
            return connection.execute(statement, arguments).fetchall()

    async def _query_postgres(self, statement: str, arguments: tuple[object, ...]) -> list[tuple[int, bytes]]:
        assert self._postgres_url is not None
        url = make_url(self._postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
        connection = await asyncpg.connect(url, timeout=10)
        try:
            return [tuple(row) for row in await connection.fetch(statement, *arguments)]
        finally:
            await connection.close()
