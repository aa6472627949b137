"""Every format a document can be given in."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from collab.export.html import document_html
from collab.export.images import embed
from collab.export.markdown import document_markdown
from collab.export.text import document_text
from collab.export.tree import Content, read_content

NO_IMAGES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Format:
    media_type: str
    suffix: str
    write: Callable[[bytes, str, Mapping[str, str]], bytes]
    """See `render`."""
    shown_in_place: bool = False
    """A browser may show it as it is: it is nothing but text to it."""
    embeds: bool = False
    """Images that are kept beside the document are put into it."""
    light: bool = True
    """Small documents are given in it in some milliseconds."""

    def render(self, state: bytes, title: str, images: Mapping[str, str] = NO_IMAGES) -> bytes:
        """
        Args:
            state: the whole document as one Yjs v1 update.
            images: those that are kept beside it, as `data:` addresses, by digest.

        Raises:
            MalformedMessage, LimitExceeded, CorruptUpdate: it cannot be shown in this format.
        """
        return self.write(state, title, images)


def _content(state: bytes, images: Mapping[str, str]) -> Content:
    return embed(read_content(state), images)


def _docx(state: bytes, title: str, images: Mapping[str, str]) -> bytes:
    from collab.export.docx import document_docx  # takes a quarter of a second to import

    return document_docx(_content(state, images), title)


def _json(state: bytes, title: str, _: Mapping[str, str]) -> bytes:
    return json.dumps(read_content(state), ensure_ascii=False).encode()


EXPORT_FORMATS: Mapping[str, Format] = {
    "text": Format(
        "text/plain; charset=utf-8", "txt", lambda state, *_: document_text(state).encode(), shown_in_place=True
    ),
    "markdown": Format(
        "text/markdown; charset=utf-8",
        "md",
        lambda state, _, images: document_markdown(_content(state, images)).encode(),
        shown_in_place=True,
        embeds=True,
    ),
    "html": Format(
        "text/html; charset=utf-8",
        "html",
        lambda state, title, images: document_html(_content(state, images), title).encode(),
        embeds=True,
    ),
    "json": Format("application/json", "json", _json, shown_in_place=True),
    "docx": Format(
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "docx",
        _docx,
        embeds=True,
        light=False,
    ),
    "yjs": Format("application/octet-stream", "yjs", lambda state, *_: state),
}
