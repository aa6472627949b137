"""Short ways to write and read rows in tests."""

from collab.ports import Append, NewUpdate, UpdateLog
from collab.types import DocumentId, Seq

A, B = DocumentId("a"), DocumentId("b")


def append(document: DocumentId, *payloads: bytes, by: str | None = None) -> Append:
    return Append(document, tuple(NewUpdate(by, payload) for payload in payloads))


async def stored(log: UpdateLog, document: DocumentId) -> list[bytes]:
    """Every payload of a document, whose rows are numbered from 1 without gaps."""
    page = await log.read(document, after=Seq(0), limit=1_000_000, bytes_max=1_000_000_000)
    assert [row.seq for row in page.updates] == list(range(1, page.head + 1))
    return [row.payload for row in page.updates]
