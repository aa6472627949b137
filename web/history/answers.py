"""Answers about a document's past as they are sent: JSON, HTML, bytes. For the history process and the command line."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol

from collab.errors import HistoryNotFound
from collab.export.text import document_text
from collab.history.compare import Node
from collab.history.historian import Historian
from collab.history.html import comparison_html
from collab.history.ports import Chunk
from collab.history.restore import Restoration
from collab.history.thinning import Keep, Thinning
from collab.history.timeline import TimelineQuery
from collab.structs import Id
from collab.types import DocumentId, Seq
from storage.search import index_of
from web.times import iso_time


class Names(Protocol):
    """Knows how people are called."""

    async def names(self, user_ids: Collection[str]) -> dict[str, str]:
        """The names of those who have one; the others are left out."""
        ...


@dataclass(frozen=True, slots=True)
class Whole:
    """What a restore concerns: all of the document, or one block or root of it."""

    block: str | None = None
    root: str | None = None

    def __str__(self) -> str:
        return self.block or self.root or ""


WHOLE_DOCUMENT = Whole()


class Answers:
    def __init__(self, historian: Historian, names: Names) -> None:
        self._historian = historian
        self._names = names

    async def content(self, document: DocumentId, at: Seq) -> bytes:
        """The state at a seq as one Yjs v1 update."""
        return await self._historian.content(document, at)

    async def words(self, document: DocumentId) -> tuple[Seq, str, set[str]]:
        """What the document says now, for `storage.search`."""
        at, state = await self._historian.newest(document)
        return at, *index_of(document_text(state))

    async def blame(self, document: DocumentId, at: Seq | None = None) -> bytes:
        return _json(await self.blamed(document, at))

    async def blamed(self, document: DocumentId, at: Seq | None) -> Node:
        return await self._with_names(await self._historian.blame(document, at))

    async def diff(self, document: DocumentId, before: Seq, after: Seq, *, words: bool, html: bool) -> bytes:
        found = await self.compared(document, before, after, words=words)
        return comparison_html(found).encode() if html else _json(found)

    async def compared(self, document: DocumentId, before: Seq, after: Seq, *, words: bool) -> Node:
        return await self._with_names(await self._historian.diff(document, before, after, words=words))

    async def timeline(self, document: DocumentId, query: TimelineQuery) -> bytes:
        return _json(await self.told(document, query))

    async def told(self, document: DocumentId, query: TimelineQuery) -> Node:
        """A page of the timeline; `next` is where the one after it begins, None on the last."""
        head, entries, more = await self._historian.timeline(document, query)
        names = await self._names.names({entry.user_id for entry in entries if entry.user_id is not None})
        through = head if query.through is None else query.through
        return {
            "head": head,
            "entries": [
                {
                    **entry.fields,
                    "user": entry.user_id,
                    "user_name": _name(entry.user_id, names),
                    "started_at": iso_time(entry.started_ms),
                    "at": iso_time(entry.at_ms),
                }
                for entry in entries
            ],
            "next": f"{through}.{query.skip + query.limit}" if more else None,
        }

    async def restoration(self, document: DocumentId, at: Seq, of: Whole) -> Restoration:
        """
        Raises:
            HistoryNotFound: there was no such state, block or root.
        """
        block = None if of.block is None else parse_block(of.block)
        return await self._historian.restoration(document, at, block=block, root=of.root)

    async def next_chunk(self, document: DocumentId) -> Chunk | None:
        return await self._historian.next_chunk(document)

    async def thinning(self, document: DocumentId, before_ms: int, keep: Keep) -> Thinning | None:
        return await self._historian.thinning(document, before_ms, keep)

    async def _with_names(self, node: Node) -> Node:
        authors = node["authors"]
        names = await self._names.names({author["user"] for author in authors if author["user"] is not None})
        return node | {"authors": [author | {"name": _name(author["user"], names)} for author in authors]}


def parse_block(text: str) -> Id:
    """
    Raises:
        HistoryNotFound: no block has such an id.
    """
    client, colon, clock = text.partition(":")
    if not colon or not (client.isascii() and client.isdecimal() and clock.isascii() and clock.isdecimal()):
        raise HistoryNotFound("a block's id is CLIENT:CLOCK, as blame and diff give it")
    return int(client), int(clock)


def _name(user_id: str | None, names: dict[str, str]) -> str | None:
    return None if user_id is None else names.get(user_id, user_id)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
