"""A document as plain text."""

from typing import Any

from pycrdt import Doc, Text, XmlElement, XmlFragment, XmlText

from collab.roots import RootType, root_types
from collab.scanner import STATE_LIMITS, ScanLimits

_BREAKS = frozenset(("hardBreak", "hard_break", "br"))
"""Inline elements that end a line: Tiptap's, ProseMirror's and HTML's name."""

_Node = XmlElement | XmlFragment | XmlText


def document_text(state: bytes, limits: ScanLimits = STATE_LIMITS) -> str:
    """The text of every root in order of their names, a newline between two; empty roots are left out.

    A text gives its characters, without embeds. An XML fragment gives a line for each block element that holds text or
    nothing; an element beside text is part of its line. Arrays, maps and roots whose type cannot be told have no text.

    Args:
        state: the whole document as one Yjs v1 update.

    Raises:
        MalformedMessage, LimitExceeded: from `scan_update`, which it passes first.
    """
    types = root_types(state, limits)
    doc: Doc[Any] = Doc()
    doc.apply_update(state)
    texts = []
    for name in sorted(types):
        if types[name] is RootType.TEXT:
            texts.append(str(doc.get(name, type=Text)))
        elif types[name] is RootType.XML_FRAGMENT:
            texts.append(_fragment_text(doc.get(name, type=XmlFragment)))
    return "\n".join(text for text in texts if text)


def _fragment_text(fragment: XmlFragment) -> str:
    """Blocks in order, found with a stack of our own: how deep they are nested is up to whoever wrote them."""
    lines = []
    pending = [*fragment.children][::-1]
    while pending:
        node = pending.pop()
        if isinstance(node, XmlText):
            lines.append(_characters(node))
            continue
        children = [*node.children]
        if not children or any(_is_inline(child) for child in children):
            lines.append(_line(children))
        else:
            pending.extend(reversed(children))
    return "\n".join(lines)


def _line(children: list[_Node]) -> str:
    parts = []
    pending = children[::-1]
    while pending:
        node = pending.pop()
        if isinstance(node, XmlText):
            parts.append(_characters(node))
        elif _is_inline(node):
            parts.append("\n")
        else:
            pending.extend([*node.children][::-1])
    return "".join(parts)


def _is_inline(node: _Node) -> bool:
    return isinstance(node, XmlText) or (isinstance(node, XmlElement) and node.tag in _BREAKS)


def _characters(node: XmlText) -> str:
    return "".join(piece for piece, _ in node.diff() if isinstance(piece, str))
