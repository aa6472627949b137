"""Out of another server's store into a spool (`collab.archive.spool`): what runs in a process of its own."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from collab.archive.model import ArchivedDocument, ArchivedEvent
from collab.archive.spool import write_document
from collab.errors import CollabError
from collab.history.ports import EventKind
from collab.ports import StoredUpdate
from collab.takeover import ForeignUpdate, news_of, take_over
from collab.types import DocumentId, Seq
from storage.foreign.port import Listed
from storage.foreign.stores import KINDS, StoreLimits

FAULTS_MAX = 20
"""Of one document that are named one by one."""


def list_store(kind: str, path: Path, limits: StoreLimits) -> dict[str, Any]:
    """Returns:
        `documents`: key, name and size of each; `faults`: what could not be read.

    Raises:
        BadFile: it is no such store, or is in use.
    """
    documents: list[tuple[str, str, int]] = []
    faults: list[str] = []
    for found in KINDS[kind].open(path, limits).documents():
        if isinstance(found, Listed):
            documents.append((found.key, found.name, found.size))
        else:
            faults.append(found)
    return {"documents": documents, "faults": faults}


def read_store(
    kind: str,
    path: Path,
    limits: StoreLimits,
    wanted: list[dict[str, Any]],
    states: IO[bytes],
    spool: IO[bytes],
    *,
    now_ms: int,
    with_damaged: bool,
    report: Callable[[int], None],
) -> dict[str, list[str]]:
    """Write the `wanted` documents to the spool: as they come in when they are new here, otherwise what is new in them.

    Args:
        wanted: of each its `key`, the `id` and `title` that it gets, and the length of its `state`, or null if it is
            not here.
        states: those, one after the other.
        with_damaged: Also documents of which something cannot be read.
        report: is told how many are done.

    Returns:
        What is wrong with a document, by id.
    """
    store = KINDS[kind].open(path, limits)
    faults: dict[str, list[str]] = {}
    for done, want in enumerate(wanted):
        report(done)
        state = None if want["state"] is None else states.read(want["state"])
        try:
            found = store.read(want["key"])
            taken = take_over(found.updates, limits.document_bytes_max)
            wrong = found.faults + taken.faults
            if wrong:
                faults[want["id"]] = _shortened(wrong)
            if wrong and not with_damaged:
                continue
            rows = taken.rows
            if state is not None:
                news = news_of(state, rows)
                rows = [] if news is None else [ForeignUpdate(news)]
            _spool(spool, DocumentId(want["id"]), want["title"], KINDS[kind].title, rows, now_ms)
        except CollabError as error:
            faults[want["id"]] = [str(error)]
    return faults


def _shortened(faults: list[str]) -> list[str]:
    more = len(faults) - FAULTS_MAX
    return [*faults[:FAULTS_MAX], f"and {more} more"] if more > 0 else faults


def _spool(
    spool: IO[bytes], document: DocumentId, title: str, source: str, rows: list[ForeignUpdate], now_ms: int
) -> None:
    updates = [
        StoredUpdate(Seq(seq), None, now_ms if row.at_ms is None else row.at_ms, row.payload)
        for seq, row in enumerate(rows, start=1)
    ]
    times = [update.at_ms for update in updates] or [now_ms]
    head = Seq(len(updates))
    brought = ArchivedEvent(EventKind.IMPORT, None, now_ms, head, source, row=None, client=None, copies=b"")
    archived = ArchivedDocument(
        id=document,
        title=title,
        epoch=secrets.token_hex(16),
        head=head,
        created_at_ms=min(times),
        updated_at_ms=max(times),
        deleted_at_ms=None,
        events=(brought,),
    )
    write_document(spool, archived, updates, ())
