"""What a document holds, as one neutral tree that every other format is made from.

The tree is a JSON object with one member for each root of the document, by name. What it is, its `type` says:

- an XML fragment: `{"type": "doc", "content": […]}`, ProseMirror's JSON, as every Tiptap editor takes and gives it
- a text: `{"type": "text", "delta": […]}`, as Yjs and Quill write it
- a map: `{"type": "map", "entries": {…}}`; an array: `{"type": "array", "items": […]}`
- a root of which everything was deleted, so that nobody can tell: `{"type": "unknown"}`

Two states with the same content give the same tree, whatever the order in which Yjs hands out marks and keys.
"""

import base64
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment, XmlText

from collab.errors import CorruptUpdate, LimitExceeded
from collab.guard import Panicked, document_from, guarded
from collab.roots import RootType, root_types
from collab.scanner import STATE_LIMITS, ScanLimits

Node = dict[str, Any]
Content = dict[str, Node]

DEPTH_MAX = 100
"""Nodes, or values, in one another. No editor gets near; Python's own stack ends at some hundreds."""

HASHED_MARK = re.compile(r"(.*)--[a-zA-Z0-9+/=]{8}", re.DOTALL)
"""y-prosemirror's name for a mark that may overlap with another of its type: `comment--q1B3aZ8=`."""

_EXACT_MAX = 2**53


def read_content(state: bytes, limits: ScanLimits = STATE_LIMITS) -> Content:
    """The tree of a whole document.

    Args:
        state: one Yjs v1 update.

    Raises:
        MalformedMessage, LimitExceeded: from `scan_update`, which it passes first.
        LimitExceeded: it is nested deeper than DEPTH_MAX.
        CorruptUpdate: pycrdt cannot read it.
    """
    types = root_types(state, limits)
    try:
        doc = document_from([state])
        return guarded(lambda: {name: _root(doc, name, types[name]) for name in sorted(types)})
    except Panicked as panic:
        if isinstance(panic.__cause__, LimitExceeded):
            raise panic.__cause__ from None
        raise CorruptUpdate("this document cannot be read") from panic


def is_empty(root: Node) -> bool:
    """Whether a root holds nothing that could be shown."""
    return not any(root.get(member) for member in ("content", "delta", "entries", "items"))


def encode_json(value: Any) -> str:
    """JSON in one spelling: sorted keys, no blanks."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def sorted_marks(marks: Iterable[Node]) -> list[Node]:
    return sorted(marks, key=lambda mark: (mark["type"], encode_json(mark)))


def _root(doc: Doc[Any], name: str, kind: RootType) -> Node:
    read = _ROOTS.get(kind)
    return {"type": "unknown"} if read is None else read(doc, name)


_ROOTS: Mapping[RootType, Callable[[Doc[Any], str], Node]] = {
    RootType.TEXT: lambda doc, name: {"type": "text", "delta": _delta(doc.get(name, type=Text), 0)},
    RootType.ARRAY: lambda doc, name: {"type": "array", "items": _items(doc.get(name, type=Array), 0)},
    RootType.MAP: lambda doc, name: {"type": "map", "entries": _entries(doc.get(name, type=Map), 0)},
    RootType.XML_FRAGMENT: lambda doc, name: _fragment(doc.get(name, type=XmlFragment), 0),
}


def _fragment(fragment: XmlFragment, depth: int) -> Node:
    return {"type": "doc", "content": _children(fragment, depth)}


def _children(parent: XmlFragment | XmlElement, depth: int) -> list[Node]:
    nodes: list[Node] = []
    for child in parent.children:
        if isinstance(child, XmlText) and not _attributes(child, depth):
            nodes += _text_nodes(child, depth)
        else:
            nodes.append(_node(child, depth))
    return nodes


def _node(of: XmlElement | XmlFragment | XmlText, depth: int) -> Node:
    if depth >= DEPTH_MAX:
        raise LimitExceeded(f"this document is nested deeper than {DEPTH_MAX} levels; only text and yjs can show it")
    if isinstance(of, XmlFragment):
        return _fragment(of, depth + 1)
    node: Node = {"type": "xmlText" if isinstance(of, XmlText) else of.tag}
    attributes = _attributes(of, depth)
    if attributes:
        node["attrs"] = attributes
    content = _text_nodes(of, depth + 1) if isinstance(of, XmlText) else _children(of, depth + 1)
    if content:
        node["content"] = content
    return node


def _attributes(of: XmlElement | XmlText, depth: int) -> Node:
    # By iteration: `attributes.get` cannot tell null from nothing.
    view: Any = of.attributes
    return {name: _value(value, depth + 1) for name, value in sorted(view)}


def _text_nodes(text: XmlText, depth: int) -> list[Node]:
    nodes: list[Node] = []
    for piece, attributes in text.diff():
        if isinstance(piece, str):
            node: Node = {"type": "text", "text": piece}
        elif isinstance(piece, XmlElement | XmlFragment | XmlText):
            node = _node(piece, depth + 1)
        else:
            node = {"type": "embed", "attrs": {"value": _value(piece, depth + 1)}}
        marks = [_mark(name, _value(value, depth + 1)) for name, value in (attributes or {}).items()]
        if marks:
            node["marks"] = sorted_marks(marks)
        nodes.append(node)
    return nodes


def _mark(name: str, value: Any) -> Node:
    hashed = HASHED_MARK.fullmatch(name)
    mark: Node = {"type": hashed[1] if hashed else name}
    if isinstance(value, dict):
        if value:
            mark["attrs"] = value
    elif value is not True:
        mark["attrs"] = {"value": value}  # Not ProseMirror's: it always gives an object.
    return mark


def _delta(text: Text, depth: int) -> list[Node]:
    delta: list[Node] = []
    for piece, attributes in text.diff():
        operation: Node = {"insert": piece if isinstance(piece, str) else _value(piece, depth + 1)}
        if attributes:
            operation["attributes"] = _value(attributes, depth + 1)
        delta.append(operation)
    return delta


def _items(array: Array[Any], depth: int) -> list[Any]:
    return [_value(item, depth + 1) for item in array]


def _entries(entries: Map[Any], depth: int) -> dict[str, Any]:
    return {key: _value(value, depth + 1) for key, value in sorted(entries.items())}


def _value(value: Any, depth: int) -> Any:
    """A value as JSON can say it; shared types in it become what they hold."""
    if depth >= DEPTH_MAX:
        raise LimitExceeded(f"this document is nested deeper than {DEPTH_MAX} levels; only text and yjs can show it")
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return _number(value)
        case dict():
            return {key: _value(item, depth + 1) for key, item in sorted(value.items())}
        case list():
            return [_value(item, depth + 1) for item in value]
        case bytes() | bytearray():
            return {"type": "binary", "base64": base64.b64encode(value).decode()}
        case Map():
            return _entries(value, depth)
        case Array():
            return _items(value, depth)
        case Text():
            delta = _delta(value, depth)
            if all(isinstance(operation["insert"], str) and len(operation) == 1 for operation in delta):
                return "".join(operation["insert"] for operation in delta)
            return {"type": "text", "delta": delta}
        case XmlElement() | XmlFragment() | XmlText():
            return _node(value, depth)
        case Doc():
            return {"type": "subdocument", "guid": value.guid}
    raise LimitExceeded(f"a value of the kind {type(value).__name__} has no place in JSON")


def _number(value: float) -> Any:
    """pycrdt gives every number of an attribute as a float; JSON has neither NaN nor infinity."""
    if not math.isfinite(value):
        return {"type": "number", "value": str(value)}
    return int(value) if value.is_integer() and abs(value) <= _EXACT_MAX else value
