"""A rich document through every format and back. What docs/export.md says is lost is lost, and nothing else."""

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collab.export.formats import EXPORT_FORMATS
from collab.export.tree import Content, encode_json, read_content, sorted_marks
from collab.imports.build import build_update, one_document
from collab.imports.formats import new_document
from collab.imports.html import merged
from tests.collab.formats import rich
from tests.collab.formats.rich import Node, block, cell, item, link, paragraph, task, text

BYTES_MAX = 50 * 1024 * 1024
DOCS = Path(__file__).parents[3] / "docs" / "export.md"


def through(format: str, blocks: list[Node]) -> list[Node]:
    """The blocks after a document of them was exported and imported again."""
    state = build_update(read_back(json.dumps({"type": "doc", "content": blocks}).encode(), "json"))
    content = read_back(EXPORT_FORMATS[format].render(state, "Title"), format)
    back: list[Node] = content["default"]["content"]
    return back


def read_back(data: bytes, format: str) -> Content:
    return read_content(new_document(data, format, BYTES_MAX))


def canonical(blocks: list[Node]) -> list[Node]:
    """The blocks as the tree has them: marks in their order, neighbours with the same marks as one text."""
    return list(map(_canonical, blocks))


def _canonical(node: Node) -> Node:
    node = dict(node)
    if "marks" in node:
        node["marks"] = sorted_marks(node["marks"])
    if "content" in node:
        node["content"] = merged(list(map(_canonical, node["content"])))
    return node


def assert_same(found: list[Node], expected: list[Node]) -> None:
    for one, other in zip(found, canonical(expected), strict=False):
        assert encode_json(one) == encode_json(other)
    assert len(found) == len(expected)


@pytest.mark.parametrize("format", ["json", "yjs", "html"])
def test_json_yjs_and_html_lose_nothing(format: str) -> None:
    assert_same(through(format, rich.EVERYTHING), rich.EVERYTHING)


# -- what is lost: each entry stands in docs/export.md, and the test reads it there

Losses = list[tuple[str, list[Node], list[Node]]]

MARKDOWN_LOSSES: Losses = [
    ("Nodes of unknown types become their text", [rich.UNKNOWN[0]], [paragraph("still readable")]),
    ("Marks of unknown types fall away", [paragraph(text("x", "comment"))], [paragraph("x")]),
    (
        "Unknown nodes in a line become their text",
        [paragraph("a ", block("gadget", text("b"), kind="c"))],
        [paragraph("a b")],
    ),
]
DOCX_LOSSES: Losses = [
    (
        "Images that are not in the document become links",
        rich.LINKED_IMAGES,
        [
            paragraph(text("Far away", link("https://example.org/a.png"))),
        ],
    ),
    ("Mentions become their text", rich.MENTIONS, [paragraph("Hello @Ada!")]),
    ("Details become", rich.DETAILS, [paragraph("More"), paragraph("hidden"), block("bulletList", item("x"))]),
    ("The language of code", rich.CODE[1:], [block("codeBlock", text("def f(x: int) -> str:\n    return '<b>' & x"))]),
    (
        "attributes of links besides their address",
        rich.MARK_ATTRIBUTES,
        [
            paragraph(text("elsewhere", link("https://example.org/"))),
        ],
    ),
    (
        "Lists, code and tables inside quotations",
        rich.NESTED,
        [
            block("bulletList", item("in a quote")),
            block("codeBlock", text("in an item")),
        ],
    ),
    ("Column widths", rich.WIDTHS, [block("table", block("tableRow", cell("wide")))]),
    ("Nodes and marks of unknown types become their text", [rich.UNKNOWN[0]], [paragraph("still readable")]),
    (
        "Two task lists in a row",
        [block("taskList", task(True, "a")), block("taskList", task(False, "b"))],
        [block("taskList", task(True, "a"), task(False, "b"))],
    ),
]


def cases(losses: Losses) -> list[Any]:
    return [pytest.param(*loss, id=re.sub(r"\W+", "-", loss[0])) for loss in losses]


@pytest.mark.parametrize(("documented", "before", "after"), cases(MARKDOWN_LOSSES))
def test_what_markdown_loses_is_documented(documented: str, before: list[Node], after: list[Node]) -> None:
    assert_same(through("markdown", before), after)
    assert documented.lower().removesuffix("…") in section("Markdown")


@pytest.mark.parametrize(("documented", "before", "after"), cases(DOCX_LOSSES))
def test_what_docx_loses_is_documented(documented: str, before: list[Node], after: list[Node]) -> None:
    assert_same(through("docx", before), after)
    assert documented.lower().removesuffix("…") in section("DOCX")


def section(name: str) -> str:
    found = re.search(rf"^### {name}\n(.*?)^##", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"docs/export.md has no section {name}"
    return " ".join(found[1].lower().split())


def test_markdown_loses_nothing_else() -> None:
    lost = [node for node in rich.EVERYTHING if node not in rich.UNKNOWN]
    assert_same(through("markdown", lost), lost)


def test_docx_loses_nothing_else() -> None:
    lost = {id(node) for _, before, _ in DOCX_LOSSES for node in before} | {id(node) for node in rich.UNKNOWN}
    kept = [node for node in rich.EVERYTHING if id(node) not in lost]
    assert len(kept) > 30
    assert_same(through("docx", kept), kept)


def test_plain_text_keeps_lines() -> None:
    assert_same(
        through("text", [*rich.HEADINGS[:1], paragraph("a"), paragraph(), paragraph("b")]),
        [
            paragraph("Heading 1 * <b> & _x_"),
            paragraph("a"),
            paragraph(),
            paragraph("b"),
        ],
    )


# -- everything that comes to mind

SIGNS = "a word * ** _ __ ` `` ~~ [x](y) <b> </p> <!-- ]]> &amp; & 1. 2) - + # | \\ > --- === ! ![ $ { :"
WORDS = [
    *SIGNS.split(),
    *(" ", "  ", "\n", "\t", "é", "\N{GRINNING FACE}", "\u00a0", "http://x.y", "- [ ] ", "    ", "[a]: b"),
]


class Writer:
    """Writes random documents that a Tiptap editor could have made."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def words(self) -> str:
        return "".join(self.rng.choices(WORDS, k=self.rng.randint(1, 5)))

    def line(self) -> list[Node]:
        return [self.inline() for _ in range(self.rng.randint(0, 5))]

    def inline(self) -> Node:
        kind = self.rng.random()
        if kind < 0.1:
            return block("hardBreak")
        if kind < 0.15:
            return block("mention", id=self.words(), label=self.words())
        names = ("bold", "italic", "strike", "underline", "code", "subscript")
        marks: list[str | Node] = [name for name in names if self.rng.random() < 0.2]
        if self.rng.random() < 0.1:
            marks.append(link("https://e.org/" + self.rng.choice(["a", "(b)", "?c&amp=d", "*", "%20", "ü"])))
        return text(self.words(), *marks)

    def blocks(self, depth: int, most: int = 3) -> list[Node]:
        return [self.block(depth) for _ in range(self.rng.randint(1, most))]

    def item_content(self, depth: int) -> list[Node]:
        return [block("paragraph", *self.line()), *(self.blocks(depth + 1, 2) if self.rng.random() < 0.4 else [])]

    def block(self, depth: int) -> Node:
        choices: list[Callable[[], Node]] = [
            lambda: block("heading", *self.line(), level=self.rng.randint(1, 6)),
            lambda: block("codeBlock", text(self.words()), language="python"),
            lambda: block("horizontalRule"),
            lambda: block("bulletList", *(item(*self.item_content(depth)) for _ in range(self.rng.randint(1, 3)))),
            lambda: block(
                "orderedList",
                *(item(*self.item_content(depth)) for _ in range(self.rng.randint(1, 3))),
                start=self.rng.choice([1, 1, 7]),
            ),
            lambda: block(
                "taskList",
                *(task(self.rng.random() < 0.5, *self.item_content(depth)) for _ in range(self.rng.randint(1, 3))),
            ),
            lambda: block("blockquote", *self.blocks(depth + 1)),
            lambda: self.table(),
        ]
        if depth > 3 or self.rng.random() < 0.4:
            return block("paragraph", *self.line())
        return self.rng.choice(choices)()

    def table(self) -> Node:
        width = self.rng.randint(1, 3)
        rows = [
            block("tableRow", *(cell(block("paragraph", *self.line()), header=row == 0) for _ in range(width)))
            for row in range(self.rng.randint(1, 3))
        ]
        return block("table", *rows)


@pytest.mark.parametrize("format", ["markdown", "html", "json"])
def test_whatever_an_editor_makes_comes_back(rng: random.Random, format: str) -> None:
    for _ in range(60):
        state = build_update(one_document(Writer(rng).blocks(0, 4)))
        before = read_content(state)
        assert encode_json(read_back(EXPORT_FORMATS[format].render(state, ""), format)) == encode_json(before)
