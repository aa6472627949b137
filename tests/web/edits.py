"""Small documents for tests."""

from typing import Any

from pycrdt import Doc, Text


def text_update(text: str) -> bytes:
    """A whole new document with `text` in the root text "text"."""
    doc: Doc[Any] = Doc()
    doc.get("text", type=Text).insert(0, text)
    return doc.get_update()


def text_of(state: bytes) -> str:
    doc: Doc[Any] = Doc()
    doc.apply_update(state)
    return str(doc.get("text", type=Text))


def two_edits() -> tuple[bytes, bytes]:
    """Two updates of one client; the second builds on the first."""
    doc: Doc[Any] = Doc()
    text = doc.get("text", type=Text)
    text.insert(0, "one ")
    first = doc.get_update()
    before = doc.get_state()
    text.insert(len("one "), "two")
    return first, doc.get_update(before)
