"""From the tree (`collab.export.tree`) to a Yjs update, as y-prosemirror would have written it."""

import base64
import hashlib
from collections.abc import Iterable
from typing import Any

from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment, XmlText

from collab.export.tree import Content, Node, encode_json, is_empty

FRAGMENT = "default"
"""The root that holds the text in every Tiptap application."""

_Parent = XmlFragment | XmlElement


def one_document(blocks: list[Node]) -> Content:
    """The tree of a document that consists of these blocks."""
    return {FRAGMENT: {"type": "doc", "content": blocks}}


def build_update(content: Content, client_id: int | None = None) -> bytes:
    """One Yjs v1 update with everything in a valid tree (see `collab.imports.json`); roots that hold nothing have no
    place in it.

    Args:
        client_id: whose edits they are; of a client of their own by default.
    """
    doc: Doc[Any] = Doc(client_id=client_id)
    with doc.transaction():
        for name, root in content.items():
            if not is_empty(root):
                _build_root(doc, name, root)
    return doc.get_update()


def _build_root(doc: Doc[Any], name: str, root: Node) -> None:
    match root["type"]:
        case "doc":
            _append(doc.get(name, type=XmlFragment), root["content"])
        case "text":
            _write(doc.get(name, type=Text), [(item["insert"], item.get("attributes", {})) for item in root["delta"]])
        case "map":
            entries = doc.get(name, type=Map)
            for key, value in root["entries"].items():
                entries[key] = value
        case "array":
            doc.get(name, type=Array).extend(root["items"])


def _append(parent: _Parent, nodes: Iterable[Node]) -> None:
    """Neighbouring texts share one XmlText: that is how y-prosemirror tells which text belongs together."""
    run: list[tuple[Any, dict[str, Any]]] = []
    for node in nodes:
        if node["type"] == "text":
            run.append((node["text"], _formats(node.get("marks", []))))
        elif node["type"] == "embed":
            run.append((node.get("attrs", {}).get("value"), _formats(node.get("marks", []))))
        else:
            _write_run(parent, run)
            run = []
            element = XmlElement(node["type"], node.get("attrs", {}))
            parent.children.append(element)
            _append(element, node.get("content", []))
    _write_run(parent, run)


def _write_run(parent: _Parent, run: list[tuple[Any, dict[str, Any]]]) -> None:
    if run:
        text = XmlText()
        parent.children.append(text)
        _write(text, run)


def _write(text: Text | XmlText, pieces: Iterable[tuple[Any, dict[str, Any]]]) -> None:
    at = 0
    for piece, formats in pieces:
        if isinstance(piece, str):
            text.insert(at, piece, formats)
            at += len(piece.encode())  # pycrdt counts bytes
        else:
            text.insert_embed(at, piece, formats)
            at += 1


def _formats(marks: list[Node]) -> dict[str, Any]:
    types = [mark["type"] for mark in marks]
    formats: dict[str, Any] = {}
    for mark in marks:
        attributes = mark.get("attrs", {})
        name = mark["type"]
        if types.count(name) > 1:
            # Two of one type on one text: y-prosemirror tells them apart by a hash of their attributes.
            digest = hashlib.sha256(encode_json(attributes).encode()).digest()[:6]
            name = f"{name}--{base64.b64encode(digest).decode()}"
        formats[name] = attributes
    return formats
