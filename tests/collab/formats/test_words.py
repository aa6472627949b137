"""No word of a file is lost on its way in, however deep it stands: it is in the document, or the file is refused."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collab.errors import LimitExceeded
from collab.export.formats import EXPORT_FORMATS
from collab.export.tree import DEPTH_MAX, read_content
from collab.imports.build import build_update, one_document
from collab.imports.formats import IMPORT_FORMATS, new_document
from collab.imports.markdown import markdown_blocks
from tests.collab.formats import rich
from tests.collab.formats.rich import Node, block, cell, paragraph

BYTES_MAX = 50 * 1024 * 1024
AROUND = ("quote", "bullets", "numbers", "tasks", "details", "cell")
"""What blocks may stand in."""
LEVELS = {"quote": 1, "bullets": 2, "numbers": 2, "tasks": 2, "details": 2, "cell": 4}
"""How many elements of HTML each of them is, which no other format needs more of."""
MARKS = {
    "bold": ("**", "strong"),
    "italic": ("*", "em"),
    "strike": ("~~", "s"),
    "underline": ("<u>", "u"),
}

TAGS = {
    "quote": ("<blockquote>", "</blockquote>"),
    "bullets": ("<ul><li>", "</li></ul>"),
    "numbers": ("<ol><li>", "</li></ol>"),
    "tasks": ("<ul data-type='taskList'><li data-checked='true'>", "</li></ul>"),
    "details": ("<details>", "</details>"),
    "cell": ("<table><tr><td>", "</td></tr></table>"),
}
TAGS_IN_MARKDOWN = ("details", "cell")
"""Written as HTML in Markdown as well."""
SIGNS = {"quote": ("> ", "> "), "bullets": ("- ", "  "), "numbers": ("1. ", "   "), "tasks": ("- [x] ", "  ")}
"""Of Markdown, for the first line of what stands in it and for the others."""


def behind(first: str, others: str, lines: Iterable[str]) -> Iterator[str]:
    return (others + line if at else first + line for at, line in enumerate(lines))


@dataclass
class File:
    """A file in which a word stands before and behind everything, and at every level."""

    around: Sequence[str]
    """From the outermost to the innermost."""
    marks: Sequence[str]
    """Of the words in the innermost, each around what follows."""

    def __post_init__(self) -> None:
        self._numbers = count()
        self.words: list[str] = []

    @property
    def levels(self) -> int:
        return sum(LEVELS[kind] for kind in self.around) + len(self.marks)

    def _word(self) -> str:
        self.words.append(f"word{next(self._numbers)}.")
        return self.words[-1]

    def data(self, format: str) -> bytes:
        match format:
            case "text":
                return "\n".join(" " * level + self._word() for level in range(self.levels + 2)).encode()
            case "markdown":
                return "\n".join(self._markdown(self.around)).encode()
            case "html":
                return self._html(self.around).encode()
        blocks = self._blocks(self.around)
        if format == "json":
            return json.dumps({"type": "doc", "content": blocks}).encode()
        return EXPORT_FORMATS[format].render(build_update(one_document(blocks)), "")

    # -- Markdown, as people and other programs write it

    def _markdown(self, around: Sequence[str]) -> Iterator[str]:
        yield self._word()
        yield ""
        if not around:
            yield from (self._line(self.marks, 0), "", f"| {self._word()} | {self._word()} |", "|---|---|")
            yield from (f"| {self._word()} | {self._word()} |", "", "```", self._word(), "```")
        elif around[0] in TAGS_IN_MARKDOWN:
            opening, closing = TAGS[around[0]]
            yield from (opening, self._summary(around[0]), "", *self._markdown(around[1:]), "", closing)
        else:
            yield from behind(*SIGNS[around[0]], self._markdown(around[1:]))
        yield ""
        yield self._word()

    def _line(self, marks: Sequence[str], style: int) -> str:
        if not marks:
            return f"{self._word()} [{self._word()}](https://example.org) `{self._word()}`"
        opening, tag = MARKS[marks[0]] if style == 0 else (f"<{MARKS[marks[0]][1]}>", MARKS[marks[0]][1])
        closing = f"</{tag}>" if opening.startswith("<") else opening
        return f"{self._word()} {opening}{self._line(marks[1:], style)}{closing} {self._word()}"

    # -- HTML

    def _html(self, around: Sequence[str]) -> str:
        if not around:
            link = f"<a href='https://example.org'>{self._word()}</a>"
            return f"<p>{self._line(self.marks, 1)} {link}</p><pre><code>{self._word()}</code></pre>{self._word()}"
        opening, closing = TAGS[around[0]]
        inner = self._summary(around[0]) + self._html(around[1:])
        return f"{self._word()} {opening}{inner}{closing}<p>{self._word()}</p>"

    def _summary(self, kind: str) -> str:
        return f"<summary>{self._word()}</summary>" if kind == "details" else ""

    # -- what our own exports are made of

    def _blocks(self, around: Sequence[str]) -> list[Node]:
        if not around:
            marks = list(dict.fromkeys(self.marks))
            return [paragraph(rich.text(self._word(), *marks), block("hardBreak"), rich.text(self._word()))]
        inner = [paragraph(self._word()), *self._blocks(around[1:])]
        return [paragraph(self._word()), self._around(around[0], inner), paragraph(self._word())]

    def _around(self, kind: str, inner: list[Node]) -> Node:
        match kind:
            case "quote":
                return block("blockquote", *inner)
            case "bullets":
                return block("bulletList", block("listItem", *inner))
            case "numbers":
                return block("orderedList", block("listItem", *inner), start=1)
            case "tasks":
                return block("taskList", block("taskItem", *inner, checked=True))
            case "details":
                summary = block("detailsSummary", rich.text(self._word()))
                return block("details", summary, block("detailsContent", *inner), open=False)
        return block("table", block("tableRow", cell(*inner)))


files = st.builds(
    File,
    around=st.lists(st.sampled_from(AROUND), max_size=12)
    # The same in itself, as deep as it goes: what people quote of one another, and lists.
    | st.builds(lambda kind, depth: [kind] * depth, st.sampled_from(AROUND), st.integers(0, 120)),
    marks=st.lists(st.sampled_from([*MARKS]), max_size=30),
)


@pytest.mark.parametrize("format", IMPORT_FORMATS)
@given(file=files)
@example(file=File(["quote"] * 21, []))
@example(file=File(["bullets"] * 11, ["bold"]))
@example(file=File(["numbers", "tasks"] * 8, []))
@example(file=File(["cell"] * 12, []))
@example(file=File(["details"] * 30, []))
@settings(deadline=None, max_examples=25)
def test_every_word_of_a_file_is_in_the_document(format: str, file: File) -> None:
    file.__post_init__()  # `example` gives the same object to every format
    try:
        data = file.data(format)
        content = read_content(new_document(data, format, BYTES_MAX))
    except LimitExceeded:
        assert file.levels > DEPTH_MAX - 12, "it is refused although it is not deep"
        return
    assert not missing(file.words, content), f"lost from\n{data.decode(errors='replace')}"


def missing(words: list[str], content: Any) -> list[str]:
    said = " ".join(strings(content))
    return [word for word in words if word not in said]


def strings(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for member in value.values():
                yield from strings(member)
        case list():
            for item in value:
                yield from strings(item)


def test_a_correspondence_of_forty_answers_comes_in_whole() -> None:
    """The parser leaves out what stands more than 20 quotations deep unless it is told otherwise, and says nothing."""
    lines = [f"{'>' * depth} answer {depth}\n{'>' * depth}" for depth in range(1, 41)]
    blocks = markdown_blocks("\n".join(lines) + "\n\nKind regards")
    assert not missing([f"answer {depth}" for depth in range(1, 41)] + ["Kind regards"], blocks)
    depth = 0
    while blocks[0]["type"] == "blockquote":
        blocks, depth = blocks[0]["content"][-1:], depth + 1
    assert (depth, blocks) == (40, [paragraph("answer 40")])


@pytest.mark.parametrize("kind", SIGNS)
@pytest.mark.parametrize("first", ["a line", "</blockquote></li></ul></ol>"])
def test_what_no_document_can_hold_is_refused_instead_of_cut_short(kind: str, first: str) -> None:
    """Also where tags in the text end in HTML what goes on in Markdown."""
    lines = ["the innermost word"]
    for _ in range(DEPTH_MAX + 20):
        lines = [*behind(*SIGNS[kind], [first, "", *lines])]
    with pytest.raises(LimitExceeded, match="nested deeper than 100 levels"):
        markdown_blocks("\n".join(lines) + "\n\nanother word\n")


@pytest.mark.parametrize(
    "html",
    [
        "<details><summary>one</summary><summary>two</summary><p>three</p></details>",
        "<details><summary>one</summary><p>two</p><div data-type='detailsContent'><p>three</p></div></details>",
        "<details>one<div data-type='detailsContent'>two</div><div data-type='detailsContent'>three</div></details>",
    ],
)
def test_what_stands_at_an_odd_place_in_a_fold_is_kept(html: str) -> None:
    """Second summaries, and what stood beside the content as our own app writes it, were left out without a word."""
    content = read_content(new_document(html.encode(), "html", BYTES_MAX))
    assert not missing(["one", "two", "three"], content)
