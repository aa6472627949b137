"""HTML: what we write is safe whatever a document holds, and what others write is read as browsers read it."""

import json
from typing import Any

import nh3
import pytest
from lxml import etree

from collab.errors import BadFile, LimitExceeded
from collab.export.html import document_html
from collab.export.markdown import document_markdown
from collab.export.tree import encode_json, read_content
from collab.imports.build import build_update, one_document
from collab.imports.html import read_blocks, read_html
from collab.imports.json import read_json
from tests.collab.formats import xss
from tests.collab.formats.rich import Node, block, item, link, paragraph, task, text

TAG_NAMES = (
    "html head meta title style body p h1 h2 h3 h4 h5 h6 blockquote ul ol li pre code hr br img table tbody tr th td "
    "strong em s u sub sup mark a span div details summary label input"
)
ATTRIBUTE_NAMES = (
    "style rel title alt width height start colspan rowspan open class type disabled checked charset data-node "
    "data-mark data-type data-attrs data-checked data-id data-label data-start data-coscribe"
)
ALLOWED_TAGS = set(TAG_NAMES.split())
ALLOWED_ATTRIBUTES = set(ATTRIBUTE_NAMES.split())


def hostile_page() -> str:
    content = read_json(json.dumps({"type": "doc", "content": xss.documents()}).encode())
    return document_html(content, xss.MARKUP[1])


def test_15_hostile_documents_become_pages_with_nothing_but_allowed_elements() -> None:
    root = etree.fromstring(hostile_page().encode(), etree.HTMLParser(huge_tree=True, encoding="utf-8"))
    seen = 0
    for element in root.iter():
        assert element.tag in ALLOWED_TAGS, etree.tostring(element)
        for name, value in map(_as_text, element.items()):
            seen += 1
            if name == "href":
                assert value.lower().startswith(("http://", "https://", "mailto:"))
            elif name == "src":
                assert value.lower().startswith(("http://", "https://", "data:image/png;base64,"))
            elif name == "style":
                assert value.partition(":")[0] in ("text-align", "color", "background-color")
                assert not set(value) & set("()\"'<>;")
            else:
                assert name in ALLOWED_ATTRIBUTES, (name, value)
    assert seen > 1000, "the walk has lost the page"


def _as_text(pair: tuple[Any, Any]) -> tuple[str, str]:
    return str(pair[0]), str(pair[1])


def test_another_sanitizer_finds_nothing_to_take_away() -> None:
    """nh3, which knows nothing of our writer, on the body: it may only spell it differently."""
    body = hostile_page().partition("<body data-coscribe>")[2].removesuffix("</body></html>\n")
    attributes = {"*": ALLOWED_ATTRIBUTES | {"href", "src"}}
    tags = ALLOWED_TAGS - {"html", "head", "meta", "title", "style", "body"}
    schemes = {"http", "https", "mailto", "data"}
    clean = nh3.clean(body, tags=tags, attributes=attributes, url_schemes=schemes, link_rel=None)
    everything = nh3.clean(
        body,
        tags=tags | {"script", "style", "iframe"},
        clean_content_tags=set(),
        link_rel=None,
        attributes={"*": attributes["*"] | {"onclick", "onerror", "onload", "srcdoc"}},
        url_schemes=schemes | {"javascript", "vbscript", "file", "blob", "about", "feed", "view-source"},
    )
    assert clean == everything


def test_hostile_text_is_still_there_to_be_read() -> None:
    (attack, *_) = xss.MARKUP
    page = document_html(one_document([paragraph(text(attack))]), "")
    assert "&lt;script&gt;attack()&lt;/script&gt;" in page
    assert read_html(page.encode()) == one_document([paragraph(text(attack))])


def test_hostile_markdown_read_as_a_page_has_nothing_but_allowed_nodes() -> None:
    """Markdown allows HTML, so ours is as dangerous as a page to whoever renders it without care."""
    content = read_json(json.dumps({"type": "doc", "content": xss.documents()}).encode())
    markdown = document_markdown(content)
    assert "<script" not in markdown.replace("\\<script", "")
    assert "javascript:" not in "".join(part.partition(">")[0] for part in markdown.split("](<")[1:])


# -- what others write

FOREIGN = [
    pytest.param("<p>Hello <b>bold</b></p>", [paragraph("Hello ", text("bold", "bold"))], id="marks"),
    pytest.param("just\n  text", [paragraph("just text")], id="white space is folded"),
    pytest.param("<p> a <i> b </i> c </p>", [paragraph("a ", text("b ", "italic"), "c")], id="blanks at the edges"),
    pytest.param("a<div>b<div>c</div>d</div>", [paragraph(it) for it in "abcd"], id="divisions are paragraphs"),
    pytest.param("<script>attack()</script><p>x<style>p{}</style></p>", [paragraph("x")], id="scripts and styles go"),
    pytest.param("<p onclick=attack()>x</p>", [paragraph("x")], id="handlers go"),
    pytest.param("<a href='javascript:attack()'>x</a>", [paragraph("x")], id="links to nowhere are no links"),
    pytest.param(
        "<a href='https://e.org/' title='t'>x</a>",
        [paragraph(text("x", link("https://e.org/", title="t")))], id="links",
    ),
    pytest.param(
        "<ul><li>a<ul><li>b</ul><li>c</ul>",
        [block("bulletList", item("a", block("bulletList", item("b"))), item("c"))],
        id="lists without closing tags",
    ),
    pytest.param(
        "<ul><li>a</li><ul><li>b</li></ul></ul>",
        [block("bulletList", item("a"), item(block("bulletList", item("b"))))],
        id="a list in a list without an item",
    ),
    pytest.param(
        "<ul><li><input type=checkbox checked> a<li><input type=checkbox>b</ul>",
        [block("taskList", task(True, "a"), task(False, "b"))], id="tasks as GitHub writes them",
    ),
    pytest.param(
        '<ul data-type="taskList"><li data-type="taskItem" data-checked="true"><label><input type="checkbox" checked>'
        "<span></span></label><div><p>a</p></div></li></ul>",
        [block("taskList", task(True, "a"))], id="tasks as Tiptap writes them",
    ),
    pytest.param(
        '<span data-type="mention" data-id="7" data-label="Ada">@Ada</span>',
        [paragraph(block("mention", id="7", label="Ada"))], id="mentions as Tiptap writes them",
    ),
    pytest.param(
        '<b style="font-weight:normal"><p><span style="font-weight:700">x</span>y</p></b>',
        [paragraph(text("x", "bold"), "y")], id="Google Docs",
    ),
    pytest.param("<p>a<img src='https://e.org/i.png'>b</p>", [
        paragraph("a"), block("image", src="https://e.org/i.png"), paragraph("b"),
    ], id="an image in a paragraph"),
    pytest.param("<img src=x onerror=attack()>", [], id="an image without an address"),
    pytest.param("<pre>a\n  b</pre>", [block("codeBlock", text("a\n  b"))], id="code"),
    pytest.param("<h2></h2><p></p>", [paragraph()], id="empty blocks"),
    pytest.param(
        "<table><caption>c</caption><tr><th>a<tr><td colspan=2>b</table>",
        [
            paragraph("c"),
            block(
                "table",
                block("tableRow", block("tableHeader", paragraph("a"), colspan=1, rowspan=1)),
                block("tableRow", block("tableCell", paragraph("b"), colspan=2, rowspan=1)),
            ),
        ], id="a table without closing tags",
    ),
    pytest.param("<p>a<p>b</div></i>c", [paragraph(it) for it in ("a", "bc")], id="closing tags of nothing"),
    pytest.param("<custom-thing>x</custom-thing>", [paragraph("x")], id="unknown elements"),
    pytest.param("&lt;b&gt; &amp;amp;", [paragraph("<b> &amp;")], id="entities"),
    pytest.param("<p data-attrs='{\"a\":'>x</p><p data-attrs='[1]'>y</p>", [paragraph("x"), paragraph("y")],
                 id="broken attributes of ours"),
]  # fmt: skip


@pytest.mark.parametrize(("html", "expected"), FOREIGN)
def test_html_from_elsewhere(html: str, expected: list[Node]) -> None:
    assert encode_json(read_blocks(html, exact=False)) == encode_json(expected)


def test_what_was_read_can_be_built() -> None:
    for case in FOREIGN:
        expected: Any = case.values[1]
        state = build_update(one_document(expected))
        found = read_content(state)
        assert encode_json(found.get("default", {"content": []})["content"]) == encode_json(expected)


def test_html_that_is_nested_too_deep_is_refused() -> None:
    with pytest.raises(LimitExceeded):
        read_html(b"<div>" * 50_000 + b"x")


def test_html_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(BadFile, match="byte 3"):
        read_html(b"<p>\xff</p>")
