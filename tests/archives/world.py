"""A database full of documents that several people wrote, and what can be asked of it."""

import random
from dataclasses import dataclass, field
from typing import Any

from pycrdt import Doc, Map, Text, XmlElement, XmlFragment, XmlText

from collab.archive.model import ArchivedDocument
from collab.export.tree import encode_json, read_content
from collab.history.copies import Copy as Copied
from collab.history.copies import encode_copies
from collab.history.historian import Historian
from collab.history.ports import EventKind, NewEvent
from collab.ports import Append, NewUpdate, StoredUpdate
from collab.types import DocumentId, Seq
from storage.engine import Database

PEOPLE = ["ann", "böb", "c@example.org", None]
COPIES = encode_copies([Copied(0, 3, 99, 0)])
WORDS = ["lorem", "ipsum", "dolor", "sit", "amet", "👋", "שלום", "é", ""]


class Copy:
    """One person's Y.Doc of a document; gives an update for each edit."""

    def __init__(self, user_id: str | None) -> None:
        self.user_id = user_id
        self.doc: Doc[Any] = Doc()
        self.seen: set[int] = set()

    def edit(self, rng: random.Random) -> bytes:
        before = self.doc.get_state()
        with self.doc.transaction():
            self._edit(rng)
        return self.doc.get_update(before)

    def _edit(self, rng: random.Random) -> None:
        text = self.doc.get("text", type=Text)
        kind = rng.random()
        if kind < 0.6 or not len(text):
            text.insert(len(text), rng.choice(WORDS) + " ")
        elif kind < 0.8:
            self.doc.get("map", type=Map)[rng.choice("abc")] = rng.random()
        else:
            children = self.doc.get("default", type=XmlFragment).children
            if kind < 0.9 and len(children):
                del children[rng.randrange(len(children))]
            else:
                children.append(XmlElement("paragraph", {"level": "1"}, [XmlText(rng.choice(WORDS))]))


def session(rng: random.Random, updates: int) -> list[NewUpdate]:
    """What several people did in one document, in the order of its log. Now and then somebody catches up."""
    copies = [Copy(user_id) for user_id in rng.sample(PEOPLE, 3)]
    rows: list[NewUpdate] = []
    for _ in range(updates):
        copy = rng.choice(copies)
        if rng.random() < 0.2:
            for row in rows[-5:]:
                _try(copy, row.payload)
        rows.append(NewUpdate(copy.user_id, copy.edit(rng)))
    return rows


def _try(copy: Copy, payload: bytes) -> None:
    """Take what attaches: pycrdt must never hold anything back."""
    from collab.codec import decode_state_vector
    from collab.scanner import scan_update

    scanned = scan_update(payload)
    clocks = decode_state_vector(copy.doc.get_state())
    if all(clocks.get(client, 0) >= clock for client, clock in scanned.needs.items()) and all(
        start <= clocks.get(client, 0) for client, start, _ in scanned.ranges
    ):
        copy.doc.apply_update(payload)


async def fill(database: Database, rng: random.Random, documents: int, updates: int) -> list[DocumentId]:
    """Documents with `updates` rows between them, some in the bin, some with versions and events, one empty."""
    names = [DocumentId(f"team {number}".replace(" ", "/")) for number in range(documents)]
    each = -(-updates // (documents - 1))
    for number, name in enumerate(names):
        await database.documents.create(name, f"Title {number} <b>")
        if number:
            await database.log.append([Append(name, tuple(session(rng, each)))])
        if number % 7 == 1:
            await database.history.add_version(name, seq=Seq(each // 2), name=f"Version {number}", user_id="ann")
            event = NewEvent(EventKind.RESTORE, "böb", Seq(each // 3), "", client=17 + number, copies=COPIES)
            await database.history.finish_restore(name, await database.history.add_event(name, event), Seq(each))
        if number % 11 == 2:
            await database.documents.delete(name)
    return names


@dataclass
class Seen:
    """Everything of one document that must not change on its way."""

    info: tuple[Any, ...]
    rows: list[StoredUpdate]
    annotations: Any = field(default=None)


async def see(database: Database, name: DocumentId) -> Seen:
    info = await database.documents.get(name)
    rows: list[StoredUpdate] = []
    while not rows or rows[-1].seq < info.head:
        page = await database.log.read(name, after=rows[-1].seq if rows else Seq(0), limit=1000, bytes_max=2**24)
        rows += page.updates
        if not page.updates:
            break
    times = (info.created_at_ms, info.updated_at_ms, info.deleted_at_ms)
    known = (info.id, info.title, info.epoch, info.head, *times)
    return Seen(known, rows, await database.archives.annotations(name))


async def past(database: Database, name: DocumentId, at: Seq) -> str:
    """What a document held, comparable."""
    return encode_json(read_content(await Historian(database.log, database.history).content(name, at)))


async def authors(database: Database, name: DocumentId) -> Any:
    return await Historian(database.log, database.history).blame(name)


def archived(name: str, head: int = 0, **values: Any) -> ArchivedDocument:
    chosen: dict[str, Any] = {
        "id": DocumentId(name),
        "title": "",
        "epoch": "e" * 32,
        "head": Seq(head),
        "created_at_ms": 1_800_000_000_000,
        "updated_at_ms": 1_800_000_000_001,
        "deleted_at_ms": None,
    }
    return ArchivedDocument(**chosen | values)
