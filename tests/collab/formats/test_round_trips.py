"""A rich document through every format and back. What docs/export.md says is lost is lost, and nothing else."""

import json
import random
import re
from collections.abc import Callable, Iterator
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
ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs" / "export.md"
SCHEMA = ROOT / "web" / "client" / "tests" / "schema.json"
"""What the web client's editor knows, as its own tests write it down."""


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


def test_the_document_has_every_node_mark_and_attribute_of_the_clients_editor() -> None:
    schema = json.loads(SCHEMA.read_text())
    known = {
        (name, attribute)
        for kind in ("nodes", "marks")
        for name, attributes in schema[kind].items()
        for attribute in [None, *attributes]
    }
    assert len(known) > 20
    assert known - {("doc", None)} <= set(used(rich.EVERYTHING))


def used(nodes: list[Node]) -> Iterator[tuple[str, str | None]]:
    """Nodes and marks, each alone and with each of its attributes that says anything."""
    for node in nodes:
        for it in (node, *node.get("marks", [])):
            yield it["type"], None
            yield from ((it["type"], name) for name, value in it.get("attrs", {}).items() if value is not None)
        yield from used(node.get("content", []))


@pytest.mark.parametrize("format", ["json", "yjs", "html"])
def test_json_yjs_and_html_lose_nothing(format: str) -> None:
    assert_same(through(format, rich.EVERYTHING), rich.EVERYTHING)


# -- what is lost: each entry stands in docs/export.md, and the test reads it there

Losses = list[tuple[str, list[Node], list[Node]]]


def nested_lists(depth: int, *beside: str) -> Node:
    """A list in a list in a list …; in the deepest of the items around it, other lists stand beside it."""
    lists = [block("bulletList", item(words)) for words in (str(depth), *beside)]
    for level in range(depth - 1, 0, -1):
        lists = [block("bulletList", item(str(level), *lists))]
    return lists[0]


HTML_LOSSES: Losses = [
    ("Every other address is dropped", [paragraph(text("x", link("javascript:alert(1)")))], [paragraph("x")]),
    ("NUL characters are dropped", [paragraph("a\0b")], [paragraph("ab")]),
]
MARKDOWN_LOSSES: Losses = [
    ("Nodes of unknown types become their text", [rich.UNKNOWN[0]], [paragraph("still readable")]),
    ("Marks of unknown types fall away", [paragraph(text("x", "comment"))], [paragraph("x")]),
    (
        "Nodes of unknown types become their text, or, if they have none, JSON",
        [
            paragraph("a ", block("gadget", text("b"), kind="c")),
            paragraph("a ", block("gadget", kind="c")),
            block("gadget", kind="c"),
        ],
        [paragraph("a b"), paragraph('a {"kind":"c"}'), paragraph('{"kind":"c"}')],
    ),
    ("The addresses that HTML drops", [paragraph(text("x", link("javascript:alert(1)")))], [paragraph("x")]),
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
    (
        "Letters and Roman numerals of numbered lists",
        rich.LETTERED,
        [block("orderedList", item("one"), item("two"), start=3)],
    ),
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
    ("Column widths", rich.WIDTHS, [block("table", block("tableRow", cell("wide"), cell("x", header=True)))]),
    ("Nodes and marks of unknown types become their text", [rich.UNKNOWN[0]], [paragraph("still readable")]),
    (
        "Two task lists in a row",
        [block("taskList", task(True, "a")), block("taskList", task(False, "b"))],
        [block("taskList", task(True, "a"), task(False, "b"))],
    ),
    (
        "code, headings, quotations and tables inside list items",
        [block("bulletList", item("a", block("heading", text("b"), level=2)), item("c"))],
        [block("bulletList", item("a")), block("heading", text("b"), level=2), block("bulletList", item("c"))],
    ),
    ("Lists are nine levels deep at most", [nested_lists(10)], [nested_lists(9, "10")]),
    (
        "The colours of marks that are not hexadecimal",
        [paragraph(text("x", {"type": "textStyle", "attrs": {"color": "red"}}))],
        [paragraph("x")],
    ),
    (
        "or, if they have none, JSON",
        [paragraph("a ", block("gadget", kind="c"))],
        [paragraph('a {"kind":"c"}')],
    ),
    ("Control characters", [paragraph("a\x01b")], [paragraph("ab")]),
]


LOSSES = {"HTML": HTML_LOSSES, "Markdown": MARKDOWN_LOSSES, "DOCX": DOCX_LOSSES}


def cases() -> list[Any]:
    return [
        pytest.param(format, *loss, id=re.sub(r"\W+", "-", f"{format} {loss[0]}"))
        for format, losses in LOSSES.items()
        for loss in losses
    ]


@pytest.mark.parametrize(("format", "documented", "before", "after"), cases())
def test_what_is_lost_is_documented(format: str, documented: str, before: list[Node], after: list[Node]) -> None:
    assert_same(through(format.lower(), before), after)
    assert documented.lower() in section(format)


@pytest.mark.parametrize("format", ["Markdown", "DOCX"])
def test_what_is_documented_as_lost_is_lost(format: str) -> None:
    listed = (
        section(format).partition(" - ")[2].partition(" whatever ")[0].partition(" word documents ")[0].split(" - ")
    )
    assert len(listed) >= 3
    for entry in listed:
        assert any(documented.lower() in entry for documented, _, _ in LOSSES[format]), f"no test loses: {entry}"


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
