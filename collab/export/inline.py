"""Inline content as nested groups: runs that share a mark stand in one element, the longest run outermost."""

from collections.abc import Iterator
from typing import NamedTuple

from collab.export.tree import Node

INLINE = frozenset({"text", "hardBreak", "mention", "emoji", "inlineMath"})
"""Nodes that stand in a line with text. Others do when text stands beside them."""
TEXT_BLOCKS = frozenset({"paragraph", "heading", "codeBlock", "detailsSummary"})
"""Nodes whose content is a line, whatever stands in it."""


class Marked(NamedTuple):
    """Several neighbours that share a mark."""

    mark: Node
    children: "list[Inline]"


Inline = Marked | Node


def is_inline(children: list[Node]) -> bool:
    """Whether these are the content of a line, not blocks."""
    return any(child["type"] in INLINE for child in children)


def group(children: list[Node]) -> list[Inline]:
    return [*_group([(child, list(child.get("marks", ()))) for child in children])]


def _group(children: list[tuple[Node, list[Node]]]) -> Iterator[Inline]:
    at = 0
    while at < len(children):
        node, marks = children[at]
        if not marks:
            yield node
            at += 1
            continue
        ends = [(_end_of_run(children, at, mark), -index) for index, mark in enumerate(marks)]
        end, index = max(ends)
        shared = marks[-index]
        run = [(child, [mark for mark in others if mark != shared]) for child, others in children[at:end]]
        yield Marked(shared, [*_group(run)])
        at = end


def _end_of_run(children: list[tuple[Node, list[Node]]], at: int, mark: Node) -> int:
    while at < len(children) and mark in children[at][1]:
        at += 1
    return at


def plain_text(node: Node) -> str:
    """All the text under a node, a line for each block; what is left of a node that a format does not know."""
    return "".join(_pieces(node)).strip("\n")


def _pieces(node: Node) -> Iterator[str]:
    match node["type"]:
        case "text":
            yield node["text"]
        case "hardBreak":
            yield "\n"
        case "mention" | "emoji":
            yield mention_text(node)
        case _:
            children = node.get("content", [])
            for child in children:
                yield from _pieces(child)
            if not is_inline([node]):
                yield "\n"


def mention_text(node: Node) -> str:
    """What a reader sees of a mention: `@Ada`; of an emoji: `:wave:`."""
    attributes = node.get("attrs", {})
    if node["type"] == "emoji":
        return f":{attributes.get('name') or ''}:"
    sign = attributes.get("mentionSuggestionChar") or "@"
    return f"{sign}{attributes.get('label') or attributes.get('id') or ''}"
