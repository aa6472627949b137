"""Checked documents on their way from the process that checked them to the one that stores them."""

import pickle
import struct
from collections.abc import Iterable, Iterator
from typing import IO, NamedTuple

from collab.archive.model import ArchivedDocument, ArchivedImage
from collab.ports import StoredUpdate
from collab.types import Seq

_UPDATE = struct.Struct("<qqqii")
"""Seq, the first of the rows that it stands for (0: for none but itself), time, index of the author (-1: nobody's),
length of the payload."""
_HEAD = struct.Struct("<IQ")
"""Length of what comes next, and of all updates and images behind it."""
CHUNK_ROWS = 2_000
CHUNK_BYTES = 4 * 1024 * 1024


class Spooled(NamedTuple):
    """One document. Its chunks and images can be read until the next document is asked for, one or the other."""

    document: ArchivedDocument
    chunks: Iterator[list[StoredUpdate]]
    images: Iterator[bytes]
    """What is in its images, in their order."""


def write_document(
    spool: IO[bytes], document: ArchivedDocument, updates: list[StoredUpdate], images: Iterable[bytes]
) -> None:
    people = sorted({update.user_id for update in updates if update.user_id is not None})
    index = {user_id: at for at, user_id in enumerate(people)}
    rows = sum(_UPDATE.size + len(update.payload) for update in updates)
    head = pickle.dumps((document, people, len(updates), rows))
    body = rows + sum(image.bytes for image in document.images)
    spool.write(_HEAD.pack(len(head), body) + head)
    for update in updates:
        author = -1 if update.user_id is None else index[update.user_id]
        place = (update.seq, update.first or 0, update.at_ms)
        spool.write(_UPDATE.pack(*place, author, len(update.payload)) + update.payload)
    for content in images:
        spool.write(content)


def read_documents(spool: IO[bytes]) -> Iterator[Spooled]:
    """What our own worker has written; it comes from nowhere else, which is why it may be a pickle."""
    while head := spool.read(_HEAD.size):
        length, body = _HEAD.unpack(head)
        document, people, rows, rows_bytes = pickle.loads(spool.read(length))
        start = spool.tell()
        yield Spooled(
            document, _chunks(spool, start, rows, people), _images(spool, start + rows_bytes, document.images)
        )
        spool.seek(start + body)


def _images(spool: IO[bytes], start: int, images: Iterable[ArchivedImage]) -> Iterator[bytes]:
    for image in images:
        spool.seek(start)
        yield spool.read(image.bytes)
        start += image.bytes


def _chunks(spool: IO[bytes], start: int, rows: int, people: list[str]) -> Iterator[list[StoredUpdate]]:
    spool.seek(start)
    chunk: list[StoredUpdate] = []
    size = 0
    for _ in range(rows):
        seq, first, at_ms, author, length = _UPDATE.unpack(spool.read(_UPDATE.size))
        user_id, payload = None if author < 0 else people[author], spool.read(length)
        chunk.append(StoredUpdate(Seq(seq), user_id, at_ms, payload, Seq(first) if first else None))
        size += length
        if len(chunk) == CHUNK_ROWS or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
