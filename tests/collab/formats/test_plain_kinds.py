"""Markdown and code documents of the web app as files: their text, and no word of how they are kept."""

import io
from typing import Any

import pytest
from docx import Document
from pycrdt import Doc, Map, Text, XmlElement, XmlFragment, XmlText

from collab.export.formats import EXPORT_FORMATS
from collab.history.html import comparison_html

CODE = "def hours(km):\n\treturn km / 4  # <b>\n\n\n```\n"
MARKDOWN = "# Plan\r\n\n* one\n* *two*\n\n```\na = 1 \n```"


def plain(text: str, kind: str, language: object = None) -> bytes:
    doc: Doc[Any] = Doc()
    said = doc.get("coscribe", type=Map)
    said["kind"] = kind
    if language is not None:
        said["language"] = language
    doc.get("codemirror", type=Text).insert(0, text)
    # The app looks at it whenever it opens a document, and writes nothing into it.
    doc.get("default", type=XmlFragment)
    return doc.get_update()


def rendered(format: str, state: bytes) -> str:
    return EXPORT_FORMATS[format].render(state, "hours").decode()


def test_code_is_one_block_in_its_language() -> None:
    state = plain(CODE, "code", "python")
    assert rendered("text", state) == CODE
    assert rendered("markdown", state) == f"````python\n{CODE}\n````\n"
    body = "def hours(km):\n\treturn km / 4  # &lt;b&gt;\n\n\n```\n"
    assert f'<pre><code class="language-python">{body}</code></pre></body>' in rendered("html", state)
    read = Document(io.BytesIO(EXPORT_FORMATS["docx"].render(state, "hours")))
    assert [paragraph.text for paragraph in read.paragraphs] == [CODE]


@pytest.mark.parametrize("language", [None, "", "x y", 'a"><script>', 7, ["python"]])
def test_code_in_no_language_that_can_be_said(language: object) -> None:
    state = plain("a < b", "code", language)
    assert rendered("text", state) == "a < b"
    assert rendered("markdown", state) == "```\na < b\n```\n"
    assert "<script" not in rendered("html", state)
    assert "a &lt; b</code></pre>" in rendered("html", state)


def test_markdown_is_its_own_source_and_what_it_means_elsewhere() -> None:
    state = plain(MARKDOWN, "markdown")
    assert rendered("text", state) == MARKDOWN
    assert rendered("markdown", state) == MARKDOWN + "\n"
    html = rendered("html", state)
    assert "<h1>Plan</h1><ul><li><p>one</p></li><li><p><em>two</em></p></li></ul>" in html
    assert "<pre><code>a = 1 </code></pre>" in html
    read = Document(io.BytesIO(EXPORT_FORMATS["docx"].render(state, "plan")))
    assert [(p.style.name, p.text) for p in read.paragraphs if p.style is not None][:2] == [
        ("Heading 1", "Plan"),
        ("List Paragraph", "one"),
    ]


@pytest.mark.parametrize("kind", ["markdown", "code"])
@pytest.mark.parametrize("format", ["text", "markdown", "html", "docx"])
def test_nothing_written_is_nothing(format: str, kind: str) -> None:
    content = EXPORT_FORMATS[format].render(plain("", kind), "hours")
    if format == "docx":
        assert [paragraph.text for paragraph in Document(io.BytesIO(content)).paragraphs] == []
    else:
        assert b"codemirror" not in content
        assert b"coscribe<" not in content
        assert content == b"" or b"></body>" in content


def test_what_else_a_document_holds_comes_with_it_under_its_name() -> None:
    doc: Doc[Any] = Doc()
    doc.apply_update(plain("x = 1", "code"))
    doc.get("default", type=XmlFragment).children.append(XmlElement("paragraph", {}, [XmlText("words")]))
    assert rendered("markdown", doc.get_update()) == "# codemirror\n\n```\nx = 1\n```\n\n# default\n\nwords\n"


def test_of_a_kind_that_nobody_knows_the_text_is_given() -> None:
    assert rendered("markdown", plain("a drawing", "drawing")) == "a drawing\n"


def test_what_changed_is_a_page_of_the_text_alone() -> None:
    said = {"name": "coscribe", "type": "map", "entries": {"kind": {"value": "code", "author": 0}}}
    runs = [{"text": "a = 1\n  ", "author": 0}, {"text": "b<", "author": 0, "change": "added"}]
    text = {"name": "codemirror", "type": "text", "content": runs}
    authors = [{"user": "ann", "client": None, "name": "Ann"}]
    page = comparison_html({"from": 1, "to": 2, "authors": authors, "roots": [text, said]})
    assert '<section class="text source">a = 1\n  <ins title="added by Ann">b&lt;</ins></section>' in page
    assert "<h2>" not in page
    both = comparison_html({"from": 1, "to": 2, "authors": authors, "roots": [text, {**text, "name": "notes"}]})
    assert '<h2>codemirror</h2><section class="text">a = 1' in both
