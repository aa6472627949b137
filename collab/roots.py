"""Which shared type each root of a document is, decided from the structs of its whole state.

A Yjs document does not say it: a root is a name, and whoever opens it says how to read it. Asking pycrdt for the wrong
type is no way to find out: a text that holds an emoji, read as an array, never returns. So the evidence counts:

- strings, formats or embeds in the sequence: a text
- XML elements or XML texts in the sequence, and nothing else: an XML fragment
- anything else in the sequence: an array
- values of keys and no sequence: a map
- only deleted items: nobody can tell
"""

from enum import Enum

from collab.contents import (
    DELETED,
    EMBED,
    FORMAT,
    STRING,
    TYPE,
    TYPE_XML_ELEMENT,
    TYPE_XML_TEXT,
)
from collab.scanner import STATE_LIMITS, ScanLimits, scan_update
from collab.structs import GC, SKIP, StructTable


class RootType(Enum):
    TEXT = "text"
    ARRAY = "array"
    MAP = "map"
    XML_FRAGMENT = "xml fragment"
    UNKNOWN = "unknown"


def root_types(update: bytes, limits: ScanLimits = STATE_LIMITS) -> dict[str, RootType]:
    """Tell what each root is. `update` is the whole state of a document as one Yjs v1 update.

    Raises:
        MalformedMessage, LimitExceeded: from `scan_update`, which it passes first.
    """
    scan_update(update, limits)
    table = StructTable(update)
    evidence: dict[str, set[RootType]] = {}
    for struct, anchor in zip(table.structs, table.anchors(), strict=True):
        if anchor is None or struct.kind in (GC, SKIP):
            continue
        stated = table.structs[anchor]
        if isinstance(stated.parent, str):
            evidence.setdefault(stated.parent, set()).add(
                evidence_of(struct.kind, struct.type_number, keyed=stated.keyed)
            )
    return {name: verdict(found) for name, found in evidence.items()}


def evidence_of(kind: int, type_number: int, *, keyed: bool) -> RootType:
    """What one item says about the root it is in.

    Args:
        kind: of its content.
        type_number: which shared type it holds, if it does.
        keyed: it is the value of a key.
    """
    if keyed:
        return RootType.MAP
    if kind in (STRING, FORMAT, EMBED):
        return RootType.TEXT
    if kind == TYPE and type_number in (TYPE_XML_ELEMENT, TYPE_XML_TEXT):
        return RootType.XML_FRAGMENT
    return RootType.UNKNOWN if kind == DELETED else RootType.ARRAY


def verdict(found: set[RootType]) -> RootType:
    """What a root is by all that its items say."""
    for kind in (RootType.TEXT, RootType.ARRAY, RootType.XML_FRAGMENT, RootType.MAP):
        if kind in found:
            return kind
    return RootType.UNKNOWN
