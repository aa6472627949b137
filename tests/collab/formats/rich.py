"""One document with every node and mark of the web client's schema, now or planned, and what nobody knows."""

from typing import Any

Node = dict[str, Any]

PIXEL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def text(characters: str, *marks: str | Node) -> Node:
    node: Node = {"type": "text", "text": characters}
    if marks:
        node["marks"] = [mark if isinstance(mark, dict) else {"type": mark} for mark in marks]
    return node


def block(node: str, /, *content: Node, **attrs: Any) -> Node:
    return {"type": node} | ({"attrs": attrs} if attrs else {}) | ({"content": [*content]} if content else {})


def paragraph(*content: Node | str, **attrs: Any) -> Node:
    return block("paragraph", *(text(it) if isinstance(it, str) else it for it in content), **attrs)


def item(*content: Node | str) -> Node:
    return block("listItem", *(paragraph(it) if isinstance(it, str) else it for it in content))


def task(done: bool, *content: Node | str) -> Node:
    return block("taskItem", *(paragraph(it) if isinstance(it, str) else it for it in content), checked=done)


def cell(*content: Node | str, header: bool = False, colspan: int = 1, rowspan: int = 1, **attrs: Any) -> Node:
    blocks = [paragraph(it) if isinstance(it, str) else it for it in content]
    kind = "tableHeader" if header else "tableCell"
    return block(kind, *blocks, colspan=colspan, rowspan=rowspan, **attrs)


def link(address: str, **attrs: Any) -> Node:
    return {"type": "link", "attrs": {"href": address} | attrs}


HEADINGS = [block("heading", text(f"Heading {level} * <b> & _x_"), level=level) for level in range(1, 7)]
MARKS = [
    paragraph(
        *(
            piece
            for mark in ("bold", "italic", "strike", "underline", "code", "subscript", "superscript", "highlight")
            for piece in (text(f"{mark} "), text(mark, mark), text(". "))
        ),
        text("end"),
    ),
    paragraph(text("all at once", "bold", "italic", "strike", "underline"), " and ", text("not")),
    paragraph("in", text("side", "bold"), "words, with ", text("blanks ", "italic"), text(" either side", "bold")),
    paragraph(
        "a ", text("link", link("https://example.org/?a=b&c=(d)")), ", ", text("mail", link("mailto:a@b.example"))
    ),
]
LISTS = [
    block("bulletList", item("one", block("bulletList", item("below"), item("again"))), item("two")),
    block("orderedList", item("first"), item("second", block("orderedList", item("inner"), start=1)), start=1),
    block("orderedList", item("seven", "with two paragraphs"), item("eight"), start=7),
    block("bulletList", item("another list in a row")),
    block("taskList", task(True, "done"), task(False, "open", block("taskList", task(False, "part of it")))),
]
LETTERED = [block("orderedList", item("one"), item("two"), start=3, type="a")]
CODE = [
    block("codeBlock", text("plain\n\n  ``` code\n")),
    block("codeBlock", text("def f(x: int) -> str:\n    return '<b>' & x"), language="python"),
]
TABLES = [
    block(
        "table",
        block("tableRow", cell("name", header=True), cell(paragraph(text("b|old", "bold")), header=True)),
        block("tableRow", cell("1"), cell(paragraph())),
    ),
    block(
        "table",
        block("tableRow", cell("wide", colspan=2), cell("tall", rowspan=2)),
        block("tableRow", cell("two", "paragraphs"), cell("x")),
    ),
]
LAYOUT = [
    block("blockquote", paragraph("quoted"), block("blockquote", paragraph("twice"))),
    block("horizontalRule"),
    paragraph(),
    paragraph("one line", block("hardBreak"), "the next"),
    paragraph("centred", textAlign="center"),
    block("heading", text("to the right"), level=2, textAlign="right"),
    paragraph("two  blanks,\ta tab, and one at the end "),
    *(paragraph(words) for words in ("1. no list", "- no list", "# no heading", "> no quote", "| no | table |", "---")),
    paragraph("\N{WAVING HAND SIGN} שלום e\u0301 \u00a0 \\ ` ~~ [x](y) <i> &amp;"),
]
IMAGES = [block("image", src=PIXEL, alt="One [pixel]")]
LINKED_IMAGES = [
    block("image", src="https://example.org/a.png", alt="Far away", title='With "title"', width=320, height=200)
]
MENTIONS = [paragraph("Hello ", block("mention", id="u1", label="Ada", mentionSuggestionChar="@"), "!")]
DETAILS = [
    block(
        "details",
        block("detailsSummary", text("More")),
        block("detailsContent", paragraph("hidden"), block("bulletList", item("x"))),
        open=True,
    )
]
STYLED = [
    paragraph(text("colour", {"type": "highlight", "attrs": {"color": "#ffcc00"}})),
    paragraph(text("red", {"type": "textStyle", "attrs": {"color": "#ff0000"}})),
]
MARK_ATTRIBUTES = [
    paragraph(
        text("elsewhere", link("https://example.org/", target="_blank", rel="noopener", title="T", **{"class": "c"}))
    )
]
NESTED = [block("blockquote", block("bulletList", item("in a quote", block("codeBlock", text("in an item")))))]
WIDTHS = [
    block(
        "table",
        block(
            "tableRow",
            cell("wide", colwidth=[200], align="center"),
            cell("x", header=True, colwidth=[80], align="right"),
        ),
    )
]
UNKNOWN = [
    block(
        "callout", paragraph("still ", text("readable", {"type": "comment", "attrs": {"thread": 7}})), kind="warning"
    ),
    paragraph("inline ", block("gadget", value={"deep": [1, None, 2.5]}), " beside"),
]

EVERYTHING = [
    *HEADINGS,
    *MARKS,
    *LISTS,
    *LETTERED,
    *CODE,
    *TABLES,
    *LAYOUT,
    *IMAGES,
    *LINKED_IMAGES,
    *MENTIONS,
    *DETAILS,
    *STYLED,
    *MARK_ATTRIBUTES,
    *NESTED,
    *WIDTHS,
    *UNKNOWN,
]
