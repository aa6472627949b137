"""Reads a document back in every way there is, and compares.

Ways: every live client; a new client; SQL replay in pycrdt; the same rows in yjs; the rows merged into one update; the
checkpoint and the rows after it; the REST export; history at the newest row; the REST feed, row by row. Once the server
is quiet all of them must hold the same content, state vector and deletions, with nothing pending. Besides, history at a
past row must be what the rows through that one make, and a restored backup must hold the first rows as they are, with
all of them that could be read when the backup was begun.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx
from pycrdt import Doc, merge_updates

from tests.checker import elements
from tests.checker.history import Element, History
from tests.checker.invariants import Reading, Violated, Violation, check, violations
from tests.checker.rows import Database, StoredRow
from tests.checker.workload import Writer
from tests.e2e.feed import read_all
from tests.e2e.raw_client import RawClient
from tests.e2e.replica import Dump, new_doc, replay, state_vector
from tests.interop.node import Node, YjsState
from tests.servers import ServerProcess

_PAST_STATES = 2


@dataclass
class Reader:
    """Everything needed to read a document back, and how much was read."""

    server: ServerProcess
    database: Database
    node: Node
    http: httpx.AsyncClient
    history: History
    rng: Random
    """Chooses the past rows at which history is asked."""
    readings: int = 0
    kinds: set[str] = field(default_factory=set)

    async def after_a_kill(self, document: str) -> None:
        """While no client is back yet: nobody can heal a loss. From the log and over REST."""
        rows = await self._rows(document)
        self.examine(document, "SQL replay after a kill", replay(row.payload for row in rows))

    async def quiet(self, document: str, writers: Sequence[Writer], when: str) -> None:
        """Everything there is, and that it is the same.

        Raises:
            Violated.
        """
        rows = await self._rows(document)
        payloads = [row.payload for row in rows]
        states = await self._states(document, rows)
        for writer in writers:
            state = await writer.state()
            if state is not None:
                states[f"the live client {writer.name}"] = state
        for source, state in states.items():
            self.examine(document, f"{source} {when}", _doc(state))
        content = await self._compare(document, when, payloads, states)
        for _ in range(_PAST_STATES if rows else 0):
            await self._past(document, when, payloads, self.rng.randint(1, len(rows)))
        self.readings += 1
        check(self.history, Reading(document, f"the rows in yjs {when}", elements.read_dump(content)))

    async def restored(self, documents: Sequence[str], readable: dict[str, int], file: Path, restored: Path) -> None:
        """A backup that was made under load, and the database it was restored into.

        Args:
            readable: how many rows of each document could be read before the backup was begun.
            restored: an SQLite database.

        Raises:
            Violated.
        """
        for document in documents:
            rows = await self.database.rows(document)
            for source, path in (("a backup", file), ("a restored backup", restored)):
                kept = await Database(path, None).rows(document)
                if kept != rows[: len(kept)]:
                    self._fail("append only", document, source, "its rows are not the first rows of the log")
                if len(kept) < readable[document]:
                    witness = f"row {readable[document]} could be read when it was begun, and it ends at {len(kept)}"
                    self._fail("no loss", document, source, witness)
                self.examine_part(document, source, replay(row.payload for row in kept))

    async def same_everywhere(self, document: str) -> None:
        """A document whose clients were corrupted on the way. Nobody knows what should be in it, and where the changed
        bytes contradict themselves, yrs and Yjs put it in different orders; but whatever reads it with pycrdt gets the
        same, and Yjs can read it.

        Raises:
            Violated.
        """
        rows = await self.database.rows(document)
        if not rows:
            return
        states = await self._states(document, rows)
        del states["merged updates"]
        expected = states.pop("SQL replay")
        for source, state in states.items():
            if _replica(state) != _replica(expected):
                self._fail("convergence", document, f"{source} corrupted", "it differs from the SQL replay")
        if (await self.node.replay([row.payload for row in rows])).pending:
            self._fail("convergence", document, "the rows in yjs", "something is pending")

    async def _states(self, document: str, rows: list[StoredRow]) -> dict[str, bytes]:
        payloads = [row.payload for row in rows]
        return {
            "SQL replay": replay(payloads).get_update(),
            "merged updates": _merged(payloads),
            "checkpoint and tail": await self._cold(document, rows),
            "REST export": await self._export(document),
            **({"history at head": await self._export(document, len(rows))} if rows else {}),
            "a new client": await self._newcomer(document),
        }

    def examine(self, document: str, source: str, doc: Doc[Any]) -> None:
        self.readings += 1
        self.kinds.add(source.split(" c")[0] if source.startswith("the live") else source)
        check(self.history, Reading(document, source, elements.read(doc)))

    def examine_part(self, document: str, source: str, doc: Doc[Any]) -> None:
        """Of what was acknowledged something may be missing here, at the end; nothing else may be wrong."""
        self.readings += 1
        for violation in violations(self.history, Reading(document, source, elements.read(doc))):
            if violation.invariant not in ("no loss", "no resurrection"):
                raise Violated(violation)

    async def _rows(self, document: str) -> list[StoredRow]:
        """The log, read from the database, which must be what the feed gives and hold what was ever read before."""
        rows = await self.database.rows(document)
        if not rows:
            return []  # It may not even exist yet; what should be in it is checked with the rest.
        fed = [StoredRow(row.seq, row.payload) for row in await read_all(self.http, self.server, document)]
        if fed != rows:
            differs = next(
                (n for n, (a, b) in enumerate(zip(fed, rows, strict=False)) if a != b), min(len(fed), len(rows))
            )
            self._fail("feeds", document, "REST feed", f"row {differs + 1} differs from SQL ({len(fed)}, {len(rows)})")
        before = self.database.seen(document)
        if rows[: len(before)] != before:
            gone = next(n for n, row in enumerate(before) if rows[n : n + 1] != [row])
            self._fail("append only", document, "SQL", f"row {gone + 1} could be read before, and is gone or changed")
        await self.database.tags(document)
        return rows

    async def _cold(self, document: str, rows: list[StoredRow]) -> bytes:
        checkpoint = await self.database.checkpoint(document)
        if checkpoint is None:
            return replay(row.payload for row in rows).get_update()
        through, state = checkpoint
        return replay([state, *(row.payload for row in rows[through:])]).get_update()

    async def _past(self, document: str, when: str, payloads: list[bytes], seq: int) -> None:
        """History at one row is what the rows through it make."""
        self.readings += 1
        found = await self.node.replay([await self._export(document, seq)])
        expected = await self.node.replay(payloads[:seq])
        if found.replica != expected.replica:
            self._fail("convergence", document, f"history at row {seq} {when}", _difference(found, expected))

    async def _export(self, document: str, at: int | None = None) -> bytes:
        asked = {"format": "yjs"} if at is None else {"format": "yjs", "at": str(at)}
        answer = await self.http.get(self.server.document_url(document, "content"), params=asked)
        answer.raise_for_status()
        return answer.content

    async def _newcomer(self, document: str) -> bytes:
        async with RawClient(self.server, document) as client:
            return client.doc.get_update()

    async def _compare(self, document: str, when: str, payloads: list[bytes], states: dict[str, bytes]) -> Dump:
        """Every state must be what the rows make in yjs; their content."""
        reference = await self.node.replay(payloads)
        if reference.pending:
            self._fail("convergence", document, f"the rows in yjs {when}", "something is pending")
        for source, state in states.items():
            other = await self.node.replay([state])
            if other.replica != reference.replica:
                self._fail("convergence", document, f"{source} {when}", _difference(other, reference))
        return reference.content

    def _fail(self, invariant: str, document: str, source: str, witness: str) -> None:
        raise Violated(Violation(invariant, f"{document}, {source}", witness))


def _doc(state: bytes) -> Doc[Any]:
    doc = new_doc()
    doc.apply_update(state)
    return doc


def _replica(state: bytes) -> tuple[list[Element], list[Element], dict[int, int]]:
    """Content in order (that of a map's keys means nothing), and state vector."""
    doc = _doc(state)
    found = elements.read(doc)
    keys = sorted(element for element in found if element.kind == "map")
    return [element for element in found if element.kind != "map"], keys, state_vector(doc)


def _merged(payloads: list[bytes]) -> bytes:
    return _doc(merge_updates(*payloads)).get_update() if payloads else _doc(b"\x00\x00").get_update()


def _difference(found: YjsState, expected: YjsState) -> str:
    names = ("content", "state vector", "deletions", "pending")
    for name, a, b in zip(names, found.replica, expected.replica, strict=True):
        if a != b:
            return f"its {name} differs from that of the rows in yjs: {_short(a)} instead of {_short(b)}"
    return "equal"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 400 else text[:400] + " …"
