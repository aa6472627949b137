"""A whole tree as one ProseMirror document, for formats that know headings and paragraphs but no roots."""

import json
from collections.abc import Iterator
from typing import Any

from collab.export.tree import Content, Node, is_empty, sorted_marks

_QUILL_MARKS = {"bold", "italic", "strike", "underline", "code", "link", "subscript", "superscript"}


def as_document(content: Content) -> Node:
    """XML fragments as they are, texts as paragraphs, everything else as JSON in a code block. With several roots that
    hold something, each comes under its name as a heading."""
    roots = {name: root for name, root in content.items() if not is_empty(root)}
    blocks: list[Node] = []
    for name, root in roots.items():
        if len(roots) > 1:
            blocks.append({"type": "heading", "attrs": {"level": 1}, "content": [{"type": "text", "text": name}]})
        blocks += _blocks(root)
    return {"type": "doc", "content": blocks}


def _blocks(root: Node) -> list[Node]:
    if root["type"] == "doc":
        content: list[Node] = root["content"]
        return content
    if root["type"] == "text":
        return [{"type": "paragraph", "content": line} if line else {"type": "paragraph"} for line in _lines(root)]
    return [json_block(root["entries"] if root["type"] == "map" else root["items"])]


def json_block(value: Any) -> Node:
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return {"type": "codeBlock", "attrs": {"language": "json"}, "content": [{"type": "text", "text": text}]}


def _lines(root: Node) -> Iterator[list[Node]]:
    line: list[Node] = []
    for operation in root["delta"]:
        marks = _marks(operation.get("attributes", {}))
        inserted = operation["insert"]
        if not isinstance(inserted, str):
            line.append(_embed(inserted) | marks)
            continue
        first, *others = inserted.split("\n")
        for number, text in enumerate((first, *others)):
            if number:
                yield line
                line = []
            if text:
                line.append({"type": "text", "text": text} | marks)
    if line:
        yield line


def _marks(attributes: dict[str, Any]) -> Node:
    """What Quill and y-codemirror say about characters; formats of whole lines have no counterpart."""
    marks: list[Node] = []
    for name, value in attributes.items():
        if name == "link" and isinstance(value, str):
            marks.append({"type": "link", "attrs": {"href": value}})
        elif name in _QUILL_MARKS and value:
            marks.append({"type": name, "attrs": value} if isinstance(value, dict) and value else {"type": name})
    return {"marks": sorted_marks(marks)} if marks else {}


def _embed(value: Any) -> Node:
    match value:
        case {"image": str(source)}:
            return {"type": "image", "attrs": {"src": source}}
    return {"type": "embed", "attrs": {"value": value}}
