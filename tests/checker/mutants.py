"""Planted faults, each a way in which servers really lose what they were given. The checker must find every one.

They are planted from outside into the classes of `collab` (`plant.wrap`), in a server process or in the simulation.
"""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pycrdt import Doc, Text

from tests.checker.plant import wrap


@dataclass(frozen=True, slots=True)
class Mutant:
    story: str
    plant: Callable[[], None]
    nodes: int = 1
    """How many it takes to show it."""
    roles: bool = False
    """It takes somebody who may only read, whom a server without sign-in does not know."""

    @property
    def in_processes(self) -> bool:
        """One server process without sign-in can show it; otherwise only the simulation."""
        return self.nodes == 1 and not self.roles


def _acknowledge_before_commit() -> None:
    from collab.session import Session

    def receive_ack_request(_original: Any, session: Any, payload: bytes) -> None:
        session._acknowledge(payload)

    wrap(Session, "_receive_ack_request", receive_ack_request)


def _compaction_drops_deletions() -> None:
    from collab.structs import StructTable

    def without_deletions(payload: bytes) -> bytes:
        return payload[: StructTable(payload)._deletions] + b"\x00"

    _compact(lambda payloads: [without_deletions(payload) for payload in payloads])


def _compaction_loses_the_last_row() -> None:
    _compact(lambda payloads: payloads[:-1])


def _compact(change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Make every checkpoint from the rows, changed."""
    from collab.committer import MergedState
    from collab.guard import document_from
    from collab.hub import Hub

    async def write_checkpoint(original: Any, hub: Any, document: Any, through: Any, _merged: Any) -> None:
        page = await hub._log.read(document, after=0, limit=max(through, 1), bytes_max=1 << 40)
        doc = document_from(change([row.payload for row in page.updates]))
        await original(hub, document, through, MergedState(doc.get_update(), doc.get_state()))

    wrap(Hub, "_write_checkpoint", write_checkpoint)


def _restart_rebuilds_from_text() -> None:
    from collab.guard import document_from
    from collab.ports import Checkpoint, LoadedDocument
    from collab.room import Room

    def adopt(original: Any, room: Any, loaded: Any) -> None:
        parts = [] if loaded.checkpoint is None else [loaded.checkpoint.state]
        stored = document_from([*parts, *(row.payload for row in loaded.updates)])
        text = str(stored.get("text", type=Text))
        if text:
            rebuilt: Doc[Any] = Doc()
            rebuilt["text"] = Text(text)
            loaded = LoadedDocument(loaded.epoch, Checkpoint(loaded.head, rebuilt.get_update()), [], loaded.head)
        original(room, loaded)

    wrap(Room, "_adopt", adopt)


def _readers_step_2_is_applied() -> None:
    from collab.session import Session

    def receive_update(original: Any, session: Any, payload: bytes, *, from_sync: bool) -> None:
        from dataclasses import replace

        from collab.types import Role

        grant = session.grant
        if from_sync:
            session.grant = replace(grant, role=Role.EDITOR)
        original(session, payload, from_sync=from_sync)
        session.grant = grant

    wrap(Session, "_receive_update", receive_update)


def _a_node_skips_news_of_another() -> None:
    from collab.hub import Hub

    wrap(Hub, "fill_gaps", lambda *_arguments: None)


def _writer_task_dies_silently() -> None:
    from collab.committer import Committer

    commits = itertools.count(1)

    class Died(Exception):
        pass

    async def commit(original: Any, *arguments: Any) -> None:
        if next(commits) > 5:
            raise Died
        await original(*arguments)

    async def run(original: Any, committer: Any) -> None:
        try:
            await original(committer)
        except Died:
            await asyncio.Event().wait()

    wrap(Committer, "_commit", commit)
    wrap(Committer, "run", run)


def _errors_of_the_store_are_passed_over() -> None:
    from collab.committer import Committer
    from collab.errors import StoreUnavailable

    last: dict[Any, int] = {}
    commits = itertools.count(1)

    async def append(original: Any, committer: Any, appends: Any) -> list[int]:
        try:
            if next(commits) % 20 == 0:
                raise StoreUnavailable("the database is busy")
            seqs: list[int] = await original(committer, appends)
        except StoreUnavailable:
            seqs = [last.get(append.document, 0) + len(append.updates) for append in appends]
        last.update(zip((append.document for append in appends), seqs, strict=True))
        return seqs

    wrap(Committer, "_append", append)


MUTANTS = {
    "ack-before-commit": Mutant("acknowledgements do not wait for the commit", _acknowledge_before_commit),
    "checkpoint-drops-deletions": Mutant("compaction drops the delete sets", _compaction_drops_deletions),
    "checkpoint-loses-a-row": Mutant("compaction leaves out the last row it covers", _compaction_loses_the_last_row),
    "restart-from-text": Mutant("a restart builds the document anew from its text", _restart_rebuilds_from_text),
    "reader-writes": Mutant("a reader's sync step 2 is applied", _readers_step_2_is_applied, roles=True),
    "skipped-news": Mutant("a node passes over what another has committed", _a_node_skips_news_of_another, nodes=2),
    "silent-writer": Mutant("the task that commits dies, and nobody notices", _writer_task_dies_silently),
    "swallowed-error": Mutant("an error of the store is passed over", _errors_of_the_store_are_passed_over),
}
