"""From plain text to the tree: a paragraph for each line."""

from collab.export.tree import Content
from collab.imports.build import one_document
from collab.imports.html import decode_text


def read_text(data: bytes) -> Content:
    """
    Raises:
        BadFile: it is not UTF-8.
    """
    lines = decode_text(data).replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")
    return one_document(
        [{"type": "paragraph"} | ({"content": [{"type": "text", "text": line}]} if line else {}) for line in lines]
    )
