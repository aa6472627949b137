"""A document's comments are a document of their own, its companion: synced, kept, offline and with a history like any
other. It has no roles of its own: who may comment on a document may write in its companion, and nobody else.

Rule N1: the name of a companion is its document's and a suffix. Nobody creates, shares or deletes one by itself.
Rules N2 and N3: see `collab.comment_authors`.
"""

from collections.abc import Mapping

from collab.types import DocumentId, Role

COMMENTS_SUFFIX = "~comments"
ROLE_IN_COMPANION: Mapping[Role, Role] = {
    Role.READER: Role.READER,
    Role.COMMENTER: Role.EDITOR,
    Role.EDITOR: Role.EDITOR,
    Role.OWNER: Role.EDITOR,
}
"""By the role in the document itself. Its owner is no owner here: it goes with the document, not by itself."""


def comments_of(document: DocumentId) -> DocumentId:
    return DocumentId(document + COMMENTS_SUFFIX)


def commented_by(document: DocumentId) -> DocumentId | None:
    """The document whose comments these are; None for a document that is no companion."""
    base = document.removesuffix(COMMENTS_SUFFIX)
    return None if base in ("", document) or base.endswith("/") else DocumentId(base)
