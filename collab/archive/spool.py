"""Checked documents on their way from the process that checked them to the one that stores them."""

import pickle
import struct
from collections.abc import Iterator
from typing import IO, NamedTuple

from collab.archive.model import ArchivedDocument
from collab.ports import StoredUpdate
from collab.types import Seq

_UPDATE = struct.Struct("<qii")
"""Time, index of the author (-1: nobody's), length of the payload."""
_HEAD = struct.Struct("<IQ")
"""Length of what comes next, and of all updates behind it."""
CHUNK_ROWS = 2_000
CHUNK_BYTES = 4 * 1024 * 1024


class Spooled(NamedTuple):
    """One document. Its chunks can be read until the next document is asked for."""

    document: ArchivedDocument
    chunks: Iterator[list[StoredUpdate]]


def write_document(spool: IO[bytes], document: ArchivedDocument, updates: list[StoredUpdate]) -> None:
    people = sorted({update.user_id for update in updates if update.user_id is not None})
    index = {user_id: at for at, user_id in enumerate(people)}
    head = pickle.dumps((document, people))
    body = sum(_UPDATE.size + len(update.payload) for update in updates)
    spool.write(_HEAD.pack(len(head), body) + head)
    for update in updates:
        author = -1 if update.user_id is None else index[update.user_id]
        spool.write(_UPDATE.pack(update.at_ms, author, len(update.payload)) + update.payload)


def read_documents(spool: IO[bytes]) -> Iterator[Spooled]:
    """What our own worker has written; it comes from nowhere else, which is why it may be a pickle."""
    while head := spool.read(_HEAD.size):
        length, body = _HEAD.unpack(head)
        document, people = pickle.loads(spool.read(length))
        end = spool.tell() + body
        yield Spooled(document, _chunks(spool, document.head, people))
        spool.seek(end)


def _chunks(spool: IO[bytes], rows: int, people: list[str]) -> Iterator[list[StoredUpdate]]:
    chunk: list[StoredUpdate] = []
    size = 0
    for seq in range(1, rows + 1):
        at_ms, author, length = _UPDATE.unpack(spool.read(_UPDATE.size))
        chunk.append(StoredUpdate(Seq(seq), None if author < 0 else people[author], at_ms, spool.read(length)))
        size += length
        if len(chunk) == CHUNK_ROWS or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
