"""The recording of how a paper was written, as the Yjs updates of the person who wrote it."""

import gzip
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pycrdt import Doc, Text, TransactionEvent

from bench.generator.codec import TEXT

_FILE = Path(__file__).parent.parent / "tests" / "data" / "automerge-paper.json.gz"
_CLIENT_ID = 2_000_000_000
_EDITS_QUICK = 20_000


@dataclass(frozen=True, slots=True)
class Trace:
    updates: list[bytes]
    """One for each edit, in order."""
    text: str
    """What they end in."""
    state: bytes
    """All of it as one update, without the deleted text."""
    state_vector: bytes


@cache
def load_trace(quick: bool) -> Trace:
    """The whole recording, or its beginning. Takes some seconds, once."""
    raw = json.loads(gzip.decompress(_FILE.read_bytes()))
    edits = [tuple(patch) for transaction in raw["txns"] for patch in transaction["patches"]]
    if quick:
        edits = edits[:_EDITS_QUICK]
    doc: Doc[Text] = Doc(client_id=_CLIENT_ID)
    text = doc.get(TEXT, type=Text)
    updates: list[bytes] = []

    def record(event: TransactionEvent) -> None:
        updates.append(event.update)

    subscription = doc.observe(record)
    for position, deleted, inserted in edits:
        with doc.transaction():
            if deleted:
                del text[position : position + deleted]
            if inserted:
                text.insert(position, inserted)
    doc.unobserve(subscription)
    content = str(text)
    if not quick and content != raw["endContent"]:
        raise ValueError("the recording does not end in the text it says")
    return Trace(updates, content, doc.get_update(), doc.get_state())
