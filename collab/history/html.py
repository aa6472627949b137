"""A comparison as a page that shows additions, removals and other marks with who made them.

Everything that people wrote is escaped; elements come from a list of our own, and nothing is a link: the page is there
to be looked at.
"""

from collections.abc import Iterator
from html import escape
from typing import Any, Final

from collab.export.document import KIND_ROOT, TEXT_ROOT

Node = dict[str, Any]

_BLOCKS: Final = {
    "paragraph": "p",
    "bulletList": "ul",
    "orderedList": "ol",
    "taskList": "ul",
    "listItem": "li",
    "taskItem": "li",
    "blockquote": "blockquote",
    "codeBlock": "pre",
    "table": "table",
    "tableRow": "tr",
    "tableCell": "td",
    "tableHeader": "th",
}
_MARKS: Final = {
    "bold": "strong",
    "italic": "em",
    "strike": "s",
    "code": "code",
    "underline": "u",
    "subscript": "sub",
    "superscript": "sup",
}
_CHANGES: Final = {"added": "ins", "removed": "del"}
_STYLE: Final = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
ins { background: #d7f5dd; color: #0b3d17; text-decoration-thickness: 1px; }
del { background: #fbdcdc; color: #5c1111; }
mark { background: #fff1c2; color: #4a3800; }
.block { border-inline-start: 3px solid transparent; padding-inline-start: .6rem; }
.block.added { border-color: #2c9a48; } .block.removed { border-color: #c93434; }
.text { white-space: pre-wrap; } .source { font-family: ui-monospace, monospace; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem; }
td, th { border: 1px solid; padding: 0 .4rem; }
"""


def comparison_html(comparison: Node) -> str:
    """A whole page for what `collab.history.compare` gives, with the authors' names in it.

    With several roots, each comes under its name. The text of a Markdown or code document stands there as it is.
    """
    roots = [root for root in comparison["roots"] if root["name"] != KIND_ROOT]
    source = TEXT_ROOT if len(roots) < len(comparison["roots"]) else None
    body = "".join(
        (f"<h2>{escape(root['name'])}</h2>" if len(roots) > 1 else "")
        + _root(root, comparison["authors"], source=root["name"] == source)
        for root in roots
    )
    title = f"Changes from {comparison['from']} to {comparison['to']}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>{body or '<p>Nothing has changed.</p>'}</body></html>\n"
    )


def _root(root: Node, authors: list[Node], *, source: bool) -> str:
    text = ' class="text source"' if source else ' class="text"' if root["type"] == "text" else ""
    return f"<section{text}>{''.join(_inside(root, authors))}</section>"


def _inside(node: Node, authors: list[Node]) -> Iterator[str]:
    if "entries" in node and node.get("type") != "element":
        yield "<dl>"
        for key, found in node["entries"].items():
            for entry in found if isinstance(found, list) else [found]:
                yield f"<dt>{escape(key)}</dt><dd>{_node(entry, authors)}</dd>"
        yield "</dl>"
    for child in node.get("content", ()):
        yield _node(child, authors)


def _node(node: Node, authors: list[Node]) -> str:
    if "text" in node:
        return _changed(node, _marked(escape(node["text"]), node.get("marks", {})), authors)
    if "type" not in node:
        shown = escape(str(node["embed" if "embed" in node else "value"]))
        return _changed(node, f"<code>{shown}</code>", authors)
    inside = "".join(_inside(node, authors))
    if node["type"] != "element":
        return _changed(node, inside, authors)
    tag = node["tag"]
    if tag in ("hardBreak", "horizontalRule"):
        return _changed(node, "<br>" if tag == "hardBreak" else "<hr>", authors)
    name = _heading(node) if tag == "heading" else _BLOCKS.get(tag, "div")
    change = node.get("change", "")
    attributes = f' class="block {change}"' if change in _CHANGES else ' class="block"'
    attributes += _title(node, authors) + ("" if name != "div" else f' data-type="{escape(tag)}"')
    return f"<{name}{attributes}>{_entries_changed(node, authors)}{_changed_inside(node, inside)}</{name}>"


def _heading(node: Node) -> str:
    level = node.get("entries", {}).get("level")
    value = level.get("value") if isinstance(level, dict) else None
    return f"h{value}" if value in (1, 2, 3, 4, 5, 6) else "h2"


def _entries_changed(node: Node, authors: list[Node]) -> str:
    """Attributes of a block that are not what they were."""
    shown = []
    for key, found in node.get("entries", {}).items():
        for entry in found if isinstance(found, list) else [found]:
            if "change" in entry and node.get("change") not in _CHANGES:
                shown.append(_changed(entry, f"{escape(key)}: {escape(str(entry.get('value')))}", authors))
    return f"<small>{' '.join(shown)}</small> " if shown else ""


def _changed_inside(node: Node, inside: str) -> str:
    element = _CHANGES.get(node.get("change", ""))
    return inside if element is None else f"<{element}>{inside}</{element}>"


def _marked(shown: str, marks: Node) -> str:
    for name in sorted(marks):
        # A mark that may overlap itself carries a hash behind its name.
        element = _MARKS.get(name.partition("--")[0])
        if element is not None:
            shown = f"<{element}>{shown}</{element}>"
    return shown


def _changed(node: Node, shown: str, authors: list[Node]) -> str:
    change = node.get("change")
    element = "mark" if change == "formatted" else _CHANGES.get(change or "")
    return shown if element is None else f"<{element}{_title(node, authors)}>{shown}</{element}>"


def _title(node: Node, authors: list[Node]) -> str:
    change = node.get("change")
    if change is None or change == "changed":
        return ""
    author = authors[node["by"] if "by" in node else node["author"]]
    return f' title="{escape(f"{change} by {author_name(author)}")}"'


def author_name(author: Node) -> str:
    """How an author is called."""
    return str(author.get("name") or author["user"] or f"somebody ({author['client']})")
