"""Every format a new document can be made from."""

from collections.abc import Callable, Mapping
from pathlib import PurePath

from collab.errors import BadFile, CollabError, LimitExceeded
from collab.export.tree import Content
from collab.guard import Panicked
from collab.imports.build import build_update
from collab.imports.html import read_html
from collab.imports.json import read_json
from collab.imports.markdown import read_markdown
from collab.imports.text import read_text
from collab.live import LEVELS_MAX, LiveDocument
from collab.scanner import scan_update


def _docx(data: bytes) -> Content:
    from collab.imports.docx import read_docx  # takes a quarter of a second to import

    return read_docx(data)


_READERS: Mapping[str, Callable[[bytes], Content]] = {
    "text": read_text,
    "markdown": read_markdown,
    "html": read_html,
    "json": read_json,
    "docx": _docx,
}
IMPORT_FORMATS = (*_READERS, "yjs")
_SUFFIXES = {
    ".txt": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".json": "json",
    ".docx": "docx",
    ".yjs": "yjs",
}


def format_of(file: str) -> str | None:
    """The format that a file's name tells."""
    return _SUFFIXES.get(PurePath(file).suffix.lower())


def new_document(data: bytes, format: str, document_bytes_max: int, client_id: int | None = None) -> bytes:
    """One Yjs v1 update that makes an empty document hold what `data` says. Empty content gives an empty update.

    Args:
        client_id: see `build_update`; the same with the same data gives the same edits.

    Raises:
        BadFile: it is not what `format` says, or is damaged.
        LimitExceeded, MalformedMessage, UnsafeUpdate: a document cannot hold it.
    """
    try:
        update = data if format == "yjs" else build_update(_READERS[format](data), client_id)
    except CollabError:
        raise
    except (ValueError, TypeError, RecursionError) as error:
        raise BadFile(f"this cannot be read as {format}: {type(error).__name__}") from error
    check_update(update, document_bytes_max)
    return update


def check_update(update: bytes, document_bytes_max: int) -> None:
    """What a room checks of everything it is sent, for a document that has nothing yet.

    Raises:
        MalformedMessage, LimitExceeded, BadFile.
    """
    if len(update) > document_bytes_max:
        raise LimitExceeded(f"a document may have {document_bytes_max} bytes; this one has {len(update)}")
    scanned = scan_update(update)
    try:
        document = LiveDocument([])
        if not document.attaches(scanned):
            raise BadFile("the update builds on edits that are not in it")
        if not document.admit(update):
            raise BadFile("the update would cut a character or a value in two, which this server cannot store")
        if scanned.levels > LEVELS_MAX:
            raise LimitExceeded("shared types are nested too deep")
        document.apply([update])
    except Panicked as panic:
        raise BadFile("the update cannot be applied") from panic
