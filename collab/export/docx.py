"""A document as DOCX, by python-docx. Nothing is fetched: images that are not in the document become links."""

import base64
import io
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from docx import Document
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_COLOR_INDEX
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls, qn
from docx.shared import Emu, Pt, RGBColor, Twips

from collab.docx_names import (
    CODE,
    CODE_BLOCK,
    CONTINUED,
    HEADER_CELL,
    INDENT_TWIPS,
    LEVELS,
    LINK,
    QUOTE,
    RULE,
    SUMMARY,
    TASK_SIGNS,
)
from collab.export.document import as_document
from collab.export.html import safe_image, safe_link
from collab.export.inline import INLINE, TEXT_BLOCKS, is_inline, mention_text, plain_text
from collab.export.tree import Content, Node, encode_json

_ALIGNMENTS = {
    "left": WD_ALIGN_PARAGRAPH.LEFT,
    "center": WD_ALIGN_PARAGRAPH.CENTER,
    "right": WD_ALIGN_PARAGRAPH.RIGHT,
    "justify": WD_ALIGN_PARAGRAPH.JUSTIFY,
}
_HEX_COLOUR = re.compile(r"#([0-9a-fA-F]{6}|[0-9a-fA-F]{3})")
_NOT_IN_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_TABLE_CELLS_MAX = 50_000
_IMAGE_EMU_MAX = 5_486_400
"""The text's width on a page of the default template: 6 inches."""


def document_docx(content: Content, title: str) -> bytes:
    writer = _Writer()
    writer.document.core_properties.title = _NOT_IN_XML.sub("", title)[:255]
    writer.document.core_properties.author = ""
    writer.blocks(writer.document, as_document(content)["content"], _PLACE)
    stored = io.BytesIO()
    writer.document.save(stored)
    return stored.getvalue()


class _Place(NamedTuple):
    """Where a block stands: how deep in quotations, and in which item of which list."""

    quotes: int = 0
    level: int = -1
    header: bool = False


_PLACE = _Place()


class _Writer:
    def __init__(self) -> None:
        self.document = Document()
        self._numbering: Any = self.document.part.numbering_part.element
        self._abstracts: dict[str, int] = {}
        self._add_styles()

    # -- blocks

    def blocks(self, into: Any, nodes: list[Node], place: _Place) -> None:
        for node in nodes:
            self._block(into, node, place)

    def _block(self, into: Any, node: Node, place: _Place) -> None:
        write = _BLOCKS.get(node["type"])
        children = node.get("content", [])
        if write is not None:
            write(self, into, node, place)
        elif node["type"] in INLINE or node["type"] in TEXT_BLOCKS or is_inline(children):
            self.paragraph(into, node if node["type"] not in INLINE else {"content": [node]}, place)
        elif children:
            self.blocks(into, children, place)
        elif node["type"] == "embed" or node.get("attrs"):
            self.code_block(into, {"content": [{"type": "text", "text": encode_json(node)}]}, place)

    def paragraph(self, into: Any, node: Node, place: _Place) -> Any:
        style = HEADER_CELL if place.header else QUOTE if place.quotes else None
        if place.level >= 0:
            style = CONTINUED
        paragraph = into.add_paragraph(style=style)
        steps = place.level + 1 if place.level >= 0 else place.quotes
        if steps:
            paragraph.paragraph_format.left_indent = Twips(INDENT_TWIPS * steps)
        self._align(paragraph, node)
        self._line(paragraph, node.get("content", []))
        return paragraph

    def heading(self, into: Any, node: Node, place: _Place) -> None:
        level = node.get("attrs", {}).get("level")
        known = level if type(level) is int and 1 <= level <= 9 else 1
        paragraph = into.add_paragraph(style=f"Heading {known}")
        self._align(paragraph, node)
        self._line(paragraph, node.get("content", []))

    def code_block(self, into: Any, node: Node, place: _Place) -> None:
        paragraph = into.add_paragraph(style=CODE_BLOCK)
        paragraph.add_run(_clean("".join(child.get("text", "") for child in node.get("content", []))))

    def quote(self, into: Any, node: Node, place: _Place) -> None:
        self.blocks(into, node.get("content", []), place._replace(quotes=place.quotes + 1))

    def rule(self, into: Any, node: Node, place: _Place) -> None:
        into.add_paragraph(style=RULE)

    def image(self, into: Any, node: Node, place: _Place) -> None:
        self._image(into.add_paragraph(), node)

    def summary(self, into: Any, node: Node, place: _Place) -> None:
        self._line(into.add_paragraph(style=SUMMARY), node.get("content", []))

    # -- lists

    def bullets(self, into: Any, node: Node, place: _Place) -> None:
        self._list(into, node, place, self._number("bullet", 1, place.level + 1))

    def numbers(self, into: Any, node: Node, place: _Place) -> None:
        start = node.get("attrs", {}).get("start")
        first = start if type(start) is int and 0 <= start < 32_768 else 1
        self._list(into, node, place, self._number("decimal", first, place.level + 1))

    def tasks(self, into: Any, node: Node, place: _Place) -> None:
        for item in node.get("content", []):
            sign = TASK_SIGNS[item.get("attrs", {}).get("checked") is True]
            self._item(into, item, place, self._number(sign, 1, place.level + 1))

    def _list(self, into: Any, node: Node, place: _Place, number: int) -> None:
        for item in node.get("content", []):
            self._item(into, item, place, number)

    def _item(self, into: Any, item: Node, place: _Place, number: int) -> None:
        level = min(place.level + 1, LEVELS - 1)
        inside = place._replace(level=level)
        first, *others = item.get("content", []) or [{"type": "paragraph"}]
        if first["type"] != "paragraph":
            first, others = {"type": "paragraph"}, [first, *others]
        paragraph = into.add_paragraph(style="List Paragraph")
        properties = paragraph._p.get_or_add_pPr().get_or_add_numPr()
        properties.get_or_add_ilvl().val = level
        properties.get_or_add_numId().val = number
        self._align(paragraph, first)
        self._line(paragraph, first.get("content", []))
        self.blocks(into, others, inside)

    def _number(self, kind: str, start: int, level: int) -> int:
        """A list of its own: it begins anew, and does not run into the one before."""
        if kind not in self._abstracts:
            self._abstracts[kind] = self._add_abstract(kind)
        number = self._numbering.add_num(self._abstracts[kind])
        number.add_lvlOverride(ilvl=min(level, LEVELS - 1)).add_startOverride(start)
        return int(number.numId)

    def _add_abstract(self, kind: str) -> int:
        known = [int(found.get(qn("w:abstractNumId"))) for found in self._numbering.findall(qn("w:abstractNum"))]
        identity = max(known, default=0) + 1
        signs = {"bullet": "\N{BULLET}"} | {sign: sign for sign in TASK_SIGNS.values()}
        levels = "".join(
            f'<w:lvl w:ilvl="{level}"><w:start w:val="1"/>'
            f'<w:numFmt w:val="{"decimal" if kind == "decimal" else "bullet"}"/>'
            f'<w:lvlText w:val="{signs.get(kind, f"%{level + 1}.")}"/><w:lvlJc w:val="left"/>'
            f'<w:pPr><w:ind w:left="{INDENT_TWIPS * (level + 1)}" w:hanging="360"/></w:pPr></w:lvl>'
            for level in range(LEVELS)
        )
        xml = (
            f'<w:abstractNum {nsdecls("w")} w:abstractNumId="{identity}">'
            f'<w:multiLevelType w:val="hybridMultilevel"/>{levels}</w:abstractNum>'
        )
        self._numbering.insert(0, parse_xml(xml))
        return identity

    # -- tables

    def table(self, into: Any, node: Node, place: _Place) -> None:
        placed, rows, columns = _placed_cells(node)
        if not placed:
            return
        if rows * columns > _TABLE_CELLS_MAX:
            self.paragraph(into, {"content": [{"type": "text", "text": plain_text(node)}]}, place)
            return
        table = _add_table(into, rows, columns)
        table.style = "Table Grid"
        grid = [list(row.cells) for row in table.rows]
        for row, column, height, width, cell in placed:
            target = grid[row][column]
            if height > 1 or width > 1:
                target = target.merge(grid[row + height - 1][column + width - 1])
            self._cell(target, cell)

    def _cell(self, target: Any, cell: Node) -> None:
        place = _Place(header=cell["type"] == "tableHeader")
        blank = target.paragraphs[0]
        self.blocks(target, cell.get("content", []) or [{"type": "paragraph"}], place)
        if len(target._tc) > 1:
            blank._p.getparent().remove(blank._p)
        if target._tc[-1].tag != qn("w:p"):
            target.add_paragraph()  # A cell has to end with one.

    # -- lines

    def _align(self, paragraph: Any, node: Node) -> None:
        alignment = _ALIGNMENTS.get(str(node.get("attrs", {}).get("textAlign")))
        if alignment is not None:
            paragraph.alignment = alignment

    def _line(self, paragraph: Any, nodes: list[Node]) -> None:
        for node in nodes:
            marks = {mark["type"]: mark.get("attrs", {}) for mark in node.get("marks", [])}
            if node["type"] == "image":
                self._image(paragraph, node)
                continue
            text = _shown(node)
            address = safe_link(marks.get("link", {}).get("href"))
            run = self._link(paragraph, text, address) if address else paragraph.add_run(text)
            _format(run, marks)

    def _link(self, paragraph: Any, text: str, address: str) -> Any:
        relation = paragraph.part.relate_to(address, RELATIONSHIP_TYPE.HYPERLINK, is_external=True)
        link = parse_xml(f'<w:hyperlink {nsdecls("w", "r")} r:id="{relation}"/>')
        run = paragraph.add_run(text)
        link.append(run._r)
        paragraph._p.append(link)
        run.style = LINK
        return run

    def _image(self, paragraph: Any, node: Node) -> None:
        attributes = node.get("attrs", {})
        source = safe_image(attributes.get("src"))
        alt = _clean(str(attributes.get("alt") or ""))
        if source is not None and source.lower().startswith("data:"):
            data = base64.b64decode(source.partition(",")[2] + "==")
            try:
                picture = paragraph.add_run().add_picture(io.BytesIO(data))
            except Exception:  # python-docx raises whatever its header parsers run into
                paragraph.add_run(alt or "image")
                return
            picture._inline.docPr.set("descr", alt)
            if picture.width > _IMAGE_EMU_MAX:
                picture.height = Emu(int(picture.height * _IMAGE_EMU_MAX / picture.width))
                picture.width = Emu(_IMAGE_EMU_MAX)
        elif source is not None:
            self._link(paragraph, alt or source, source)
        elif alt:
            paragraph.add_run(alt)

    def _add_styles(self) -> None:
        styles = self.document.styles
        for name in (CODE_BLOCK, RULE, HEADER_CELL, SUMMARY):
            styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH).base_style = styles["Normal"]
        code = styles.add_style(CODE, WD_STYLE_TYPE.CHARACTER)
        linked = styles.add_style(LINK, WD_STYLE_TYPE.CHARACTER)
        linked.font.color.rgb = RGBColor(0x05, 0x63, 0xC1)
        linked.font.underline = True
        for style in (styles[CODE_BLOCK], code):
            style.font.name = "Consolas"
            style.font.size = Pt(10)
        styles[HEADER_CELL].font.bold = True
        styles[SUMMARY].font.bold = True
        border = f'<w:pBdr {nsdecls("w")}><w:bottom w:val="single" w:sz="6" w:space="1" w:color="auto"/></w:pBdr>'
        styles[RULE].element.get_or_add_pPr().append(parse_xml(border))


_BLOCKS: Mapping[str, Callable[[_Writer, Any, Node, _Place], Any]] = {
    "paragraph": _Writer.paragraph,
    "heading": _Writer.heading,
    "codeBlock": _Writer.code_block,
    "blockquote": _Writer.quote,
    "horizontalRule": _Writer.rule,
    "image": _Writer.image,
    "detailsSummary": _Writer.summary,
    "bulletList": _Writer.bullets,
    "orderedList": _Writer.numbers,
    "taskList": _Writer.tasks,
    "table": _Writer.table,
}


def _add_table(into: Any, rows: int, columns: int) -> Any:
    """In the document itself, and in a cell; in a cell python-docx adds a paragraph behind it, which is not ours."""
    table = into.add_table(rows, columns)
    after = table._tbl.getnext()
    if after is not None and after.tag == qn("w:p") and len(after) == 0:
        after.getparent().remove(after)
    return table


def _placed_cells(table: Node) -> tuple[list[tuple[int, int, int, int, Node]], int, int]:
    """Row, column, height and width of each cell; then how many rows and columns there are."""
    rows = [row.get("content", []) for row in table.get("content", [])]
    taken: set[tuple[int, int]] = set()
    placed: list[tuple[int, int, int, int, Node]] = []
    for at, cells in enumerate(rows):
        column = 0
        for cell in cells:
            while (at, column) in taken:
                column += 1
            height = min(_span(cell, "rowspan"), len(rows) - at)
            width = _span(cell, "colspan")
            if len(taken) + height * width > _TABLE_CELLS_MAX:
                return placed, len(rows), _TABLE_CELLS_MAX
            taken |= {(at + down, column + right) for down in range(height) for right in range(width)}
            placed.append((at, column, height, width, cell))
            column += width
    return placed, len(rows), 1 + max((column for _, column in taken), default=-1)


def _span(cell: Node, name: str) -> int:
    value = cell.get("attrs", {}).get(name)
    return value if type(value) is int and 1 <= value <= 1000 else 1


def _shown(node: Node) -> str:
    match node["type"]:
        case "text":
            return _clean(node["text"])
        case "hardBreak":
            return "\n"
        case "mention" | "emoji":
            return _clean(mention_text(node))
    return _clean(plain_text(node) or encode_json(node.get("attrs", {})))


def _clean(text: str) -> str:
    return _NOT_IN_XML.sub("", text)


def _format(run: Any, marks: Mapping[str, Any]) -> None:
    font = run.font
    for mark, name in (("bold", "bold"), ("italic", "italic"), ("strike", "strike"), ("underline", "underline")):
        if mark in marks:
            setattr(font, name, True)
    if "subscript" in marks:
        font.subscript = True
    if "superscript" in marks:
        font.superscript = True
    if "code" in marks:
        run.style = CODE
    if "highlight" in marks:
        colour = _hex(marks["highlight"].get("color"))
        if colour is None:
            font.highlight_color = WD_COLOR_INDEX.YELLOW
        else:
            shade = f'<w:shd {nsdecls("w")} w:val="clear" w:color="auto" w:fill="{colour}"/>'
            run._r.get_or_add_rPr().append(parse_xml(shade))
    if "textStyle" in marks and (colour := _hex(marks["textStyle"].get("color"))):
        font.color.rgb = RGBColor.from_string(colour)


def _hex(value: Any) -> str | None:
    found = _HEX_COLOUR.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    digits = found[1].upper()
    return digits if len(digits) == 6 else "".join(digit * 2 for digit in digits)
