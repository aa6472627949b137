"""A whole tree as one ProseMirror document, for formats that know headings and paragraphs but no roots."""

import json
import re
from collections.abc import Iterator
from typing import Any, TypeGuard

from collab.export.tree import Content, Node, is_empty, sorted_marks

KIND_ROOT, TEXT_ROOT = "coscribe", "codemirror"
"""Where the web app keeps what kind of text a document is, and the text itself if it is plain."""

_LANGUAGE = re.compile(r"[A-Za-z0-9+#._-]{1,40}")
_QUILL_MARKS = {"bold", "italic", "strike", "underline", "code", "link", "subscript", "superscript"}


def as_document(content: Content) -> Node:
    """XML fragments as they are, texts as paragraphs, everything else as JSON in a code block. With several roots that
    hold something, each comes under its name as a heading. Of the web app's Markdown documents it is what the Markdown
    means, of its code documents one code block."""
    kind = kind_of(content)
    roots = shown_roots(content)
    blocks: list[Node] = []
    for name, root in roots.items():
        if len(roots) > 1:
            blocks.append({"type": "heading", "attrs": {"level": 1}, "content": [{"type": "text", "text": name}]})
        blocks += _plain_blocks(root, kind) if kind is not None and name == TEXT_ROOT else _blocks(root)
    return {"type": "doc", "content": blocks}


def kind_of(content: Content) -> Node | None:
    """What the web app's Markdown and code documents say they are: `kind`, and perhaps `language`."""
    entries = _said(content)
    return entries if entries.get("kind") in ("markdown", "code") else None


def is_language(value: Any) -> TypeGuard[str]:
    """Whether it can be the name of the language that code is in."""
    return isinstance(value, str) and _LANGUAGE.fullmatch(value) is not None


def _said(content: Content) -> Node:
    entries: Node = content.get(KIND_ROOT, {}).get("entries", {})
    return entries


def shown_roots(content: Content) -> Content:
    """Those that hold something to be read."""
    hidden = KIND_ROOT if isinstance(_said(content).get("kind"), str) else None
    return {name: root for name, root in content.items() if name != hidden and not is_empty(root)}


def markdown_source(content: Content) -> str | None:
    """The text of a document that is Markdown itself, and nothing else."""
    kind = kind_of(content)
    roots = shown_roots(content)
    if kind is None or kind["kind"] != "markdown" or roots.keys() != {TEXT_ROOT}:
        return None
    return _characters(roots[TEXT_ROOT])


def _characters(root: Node) -> str:
    return "".join(operation["insert"] for operation in root.get("delta", ()) if isinstance(operation["insert"], str))


def _plain_blocks(root: Node, kind: Node) -> list[Node]:
    text = _characters(root)
    if kind["kind"] == "markdown":
        from collab.imports.markdown import markdown_blocks  # reads the tree that is written here

        return markdown_blocks(text)
    language = kind.get("language")
    attributes = {"attrs": {"language": language}} if is_language(language) else {}
    return [{"type": "codeBlock", **attributes, "content": [{"type": "text", "text": text}]}]


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
