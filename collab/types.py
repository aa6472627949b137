"""Identities and small values that every layer shares."""

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import NewType

DocumentId = NewType("DocumentId", str)
"""A document's name, valid by construction: made by `parse_document_id` alone."""

ClientId = NewType("ClientId", int)
"""Yjs `clientID`: one per Y.Doc instance, 0 <= id < 2**53. Not an identity."""

Seq = NewType("Seq", int)
"""Position of a committed row in its document's log: 1, 2, 3 … without gaps. 0 means nothing yet."""

DOCUMENT_ID_BYTES_MAX = 255
_DOCUMENT_ID = re.compile(r"[A-Za-z0-9._:~/-]{1,255}", re.ASCII)


def parse_document_id(text: str) -> DocumentId:
    """Check a document name once, at the edge; everything behind takes only the result.

    1 to 255 characters of `A-Z a-z 0-9 . _ : ~ / -`. Segments between slashes are neither empty nor `.` nor `..`:
    browsers and proxies rewrite such paths, so two spellings would name one document.

    Raises:
        ValueError: the name breaks the rule; the text says how.
    """
    if _DOCUMENT_ID.fullmatch(text) is None:
        raise ValueError("a document name is 1 to 255 characters of A-Z a-z 0-9 . _ : ~ / -")
    if any(segment in ("", ".", "..") for segment in text.split("/")):
        raise ValueError("a document name has no empty, '.' or '..' part between slashes")
    return DocumentId(text)


class Role(IntEnum):
    """What somebody may do with one document. Each role includes those before it."""

    READER = 1
    COMMENTER = 2
    EDITOR = 3
    OWNER = 4


@dataclass(frozen=True, slots=True)
class Grant:
    """Who may do what with which document: resolved once, at the one door, and never changed afterwards."""

    document: DocumentId
    role: Role
    user_id: str | None
    """Stable id of the authenticated person; None for somebody without an account (AUTH=none)."""
    user_name: str | None = None
    """How the others see them; None where everybody says so themselves."""
    may_create: bool = False
    """The document comes into being when it does not exist yet."""
    guest: bool = False
    """Nobody knows them here: the name that they give themselves is marked as such."""

    @property
    def may_write(self) -> bool:
        return self.role >= Role.EDITOR
