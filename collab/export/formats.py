"""Every format a document can be given in."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from collab.export.html import document_html
from collab.export.markdown import document_markdown
from collab.export.text import document_text
from collab.export.tree import read_content


@dataclass(frozen=True, slots=True)
class Format:
    media_type: str
    suffix: str
    render: Callable[[bytes, str], bytes]
    """From the whole document as one Yjs v1 update, and its title.

    Raises:
        MalformedMessage, LimitExceeded, CorruptUpdate: it cannot be shown in this format.
    """
    shown_in_place: bool = False
    """A browser may show it as it is: it is nothing but text to it."""
    light: bool = True
    """Small documents are given in it in some milliseconds."""


def _docx(state: bytes, title: str) -> bytes:
    from collab.export.docx import document_docx  # takes a quarter of a second to import

    return document_docx(read_content(state), title)


def _json(state: bytes, title: str) -> bytes:
    return json.dumps(read_content(state), ensure_ascii=False).encode()


EXPORT_FORMATS: Mapping[str, Format] = {
    "text": Format(
        "text/plain; charset=utf-8", "txt", lambda state, _: document_text(state).encode(), shown_in_place=True
    ),
    "markdown": Format(
        "text/markdown; charset=utf-8",
        "md",
        lambda state, _: document_markdown(read_content(state)).encode(),
        shown_in_place=True,
    ),
    "html": Format(
        "text/html; charset=utf-8", "html", lambda state, title: document_html(read_content(state), title).encode()
    ),
    "json": Format("application/json", "json", _json, shown_in_place=True),
    "docx": Format(
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx", _docx, light=False
    ),
    "yjs": Format("application/octet-stream", "yjs", lambda state, _: state),
}
