"""DOCX: packages from strangers are checked first, and what Word writes is understood."""

import io
import zipfile
from collections.abc import Callable

import pytest
from docx import Document
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from collab.errors import BadFile, CollabError, LimitExceeded
from collab.export.docx import document_docx
from collab.imports.build import one_document
from collab.imports.docx import read_docx
from collab.zips import ZipLimits
from tests.collab.formats import xss
from tests.collab.formats.rich import Node, block, item, link, paragraph, text


def saved(document: object) -> bytes:
    stored = io.BytesIO()
    document.save(stored)  # type: ignore[attr-defined]
    return stored.getvalue()


def blocks_of(data: bytes) -> list[Node]:
    blocks: list[Node] = read_docx(data)["default"]["content"]
    return blocks


def repacked(data: bytes, change: Callable[[dict[str, bytes]], None]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        parts = {name: package.read(name) for name in package.namelist()}
    change(parts)
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in parts.items():
            package.writestr(name, content)
    return stored.getvalue()


def test_what_word_writes_with_its_own_styles() -> None:
    document = Document()
    document.add_paragraph("The title", style="Title")
    document.add_heading("Chapter", 2)
    document.add_paragraph("one", style="List Bullet")
    document.add_paragraph("below", style="List Bullet")
    document.add_paragraph("first", style="List Number")
    document.add_paragraph("said", style="Intense Quote")
    assert blocks_of(saved(document)) == [
        block("heading", text("The title"), level=1),
        block("heading", text("Chapter"), level=2),
        block("bulletList", item("one"), item("below")),
        block("orderedList", item("first"), start=1),
        block("blockquote", paragraph("said")),
    ]


def test_tracked_changes_are_taken_as_accepted() -> None:
    document = Document()
    changed = document.add_paragraph("kept ")
    for xml in (
        f'<w:ins {nsdecls("w")} w:id="1"><w:r><w:t>added</w:t></w:r></w:ins>',
        f'<w:del {nsdecls("w")} w:id="2"><w:r><w:delText>removed</w:delText></w:r></w:del>',
    ):
        changed._p.append(parse_xml(xml))
    assert blocks_of(saved(document)) == [paragraph("kept added")]


def test_links_lead_only_where_links_may_lead() -> None:
    hostile = [paragraph(text(f"word {number}", link("https://a.example/"))) for number in range(2)]
    written = document_docx(one_document(hostile), "")

    def redirect(parts: dict[str, bytes]) -> None:
        name = "word/_rels/document.xml.rels"
        parts[name] = parts[name].replace(b"https://a.example/", b"javascript:attack()")

    assert blocks_of(repacked(written, redirect)) == [paragraph("word 0"), paragraph("word 1")]


def test_a_hostile_document_makes_a_package_that_opens() -> None:
    written = document_docx(one_document(xss.documents()[::7]), xss.MARKUP[-10])
    assert len(Document(io.BytesIO(written)).paragraphs) > 150
    opened = Document(io.BytesIO(written))
    targets = [relation.target_ref for relation in opened.part.rels.values() if relation.is_external]
    assert targets
    assert all(target.startswith(("http://", "https://", "mailto:")) for target in targets)
    assert len(blocks_of(written)) > 150


def entity(parts: dict[str, bytes]) -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
    parts["word/document.xml"] = parts["word/document.xml"].replace(b"<w:document", bomb + b"<w:document", 1)


def external_entity(parts: dict[str, bytes]) -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    parts["word/styles.xml"] = parts["word/styles.xml"].replace(b"<w:styles", bomb + b"<w:styles", 1)


def broken_xml(parts: dict[str, bytes]) -> None:
    parts["word/document.xml"] = parts["word/document.xml"][:-20]


def archive_inside(parts: dict[str, bytes]) -> None:
    parts["word/embeddings/x.bin"] = b"PK\x03\x04" + bytes(100)


def spreadsheet_inside(parts: dict[str, bytes]) -> None:
    parts["word/embeddings/x.xlsx"] = b"anything"


def no_document(parts: dict[str, bytes]) -> None:
    del parts["word/document.xml"]


def bomb(parts: dict[str, bytes]) -> None:
    parts["word/media/image.png"] = bytes(30_000_000)


def outside(parts: dict[str, bytes]) -> None:
    parts["../../etc/cron.d/x"] = b"x"


@pytest.mark.parametrize(
    ("change", "error", "named"),
    [
        (entity, BadFile, "word/document.xml defines entities"),
        (external_entity, BadFile, "word/styles.xml defines entities"),
        (broken_xml, BadFile, "word/document.xml is damaged"),
        (archive_inside, BadFile, "word/embeddings/x.bin is an archive"),
        (spreadsheet_inside, BadFile, "x.xlsx' is an archive"),
        (no_document, BadFile, "word/document.xml is missing"),
        (bomb, LimitExceeded, "times its size"),
        (outside, BadFile, "is no name"),
    ],
)
def test_14_a_package_that_is_not_what_it_should_be_is_refused_with_its_part_named(
    change: Callable[[dict[str, bytes]], None], error: type[CollabError], named: str
) -> None:
    package = repacked(document_docx(one_document([paragraph("x")]), ""), change)
    with pytest.raises(error, match=named):
        read_docx(package)


def test_a_package_larger_than_it_may_be_is_refused() -> None:
    package = document_docx(one_document([paragraph("x")]), "")
    with pytest.raises(LimitExceeded, match="unpacks to"):
        read_docx(package, ZipLimits(bytes_max=10_000))
    with pytest.raises(LimitExceeded, match="entries"):
        read_docx(package, ZipLimits(entries_max=3))


@pytest.mark.parametrize("data", [b"", b"PK", b"no zip", b"PK\x05\x06" + bytes(18), b"PK\x03\x04" + bytes(60)])
def test_what_is_no_package_is_refused(data: bytes) -> None:
    with pytest.raises(BadFile):
        read_docx(data)
