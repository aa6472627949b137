"""From DOCX to the tree. The package is checked before python-docx opens it; what is linked from it is never fetched.

Word has paragraphs where editors have nested blocks: lists are put together again from the numbering of their
paragraphs, code and quotations from styles.
"""

import base64
import io
import re
from collections.abc import Iterator, Mapping
from typing import Any

import defusedxml.ElementTree
from defusedxml.common import DefusedXmlException
from docx import Document
from docx.enum.text import WD_COLOR_INDEX
from docx.oxml.ns import qn
from docx.text.paragraph import Paragraph
from docx.text.run import Run

from collab.docx_names import CODE, CODE_BLOCK, CONTINUED, HEADER_CELL, INDENT_TWIPS, RULE, TASK_SIGNS
from collab.errors import BadFile, LimitExceeded
from collab.export.html import safe_image, safe_link
from collab.export.tree import DEPTH_MAX, Content, Node, sorted_marks
from collab.imports.build import one_document
from collab.imports.html import merged
from collab.zips import SafeZip, ZipLimits

_MAIN_PART = "word/document.xml"
_CODE_STYLE = re.compile(r"code|preformatted|source|verbatim", re.IGNORECASE)
_QUOTE_STYLE = re.compile(r"quot", re.IGNORECASE)
_HEADING_STYLE = re.compile(r"heading ([1-9])", re.IGNORECASE)
_TITLE_STYLES = {"title": 1, "subtitle": 2}
_SIGNS = {TASK_SIGNS[False]: False, TASK_SIGNS[True]: True, "\N{BALLOT BOX WITH X}": True}
_WRAPPERS = frozenset(
    map(qn, ("w:ins", "w:smartTag", "w:sdt", "w:sdtContent", "w:fldSimple", "w:moveTo", "w:customXml"))
)
_ALIGNMENTS = {"CENTER": "center", "RIGHT": "right", "JUSTIFY": "justify", "LEFT": "left"}


def read_docx(data: bytes, limits: ZipLimits | None = None) -> Content:
    """
    Raises:
        BadFile: it is no DOCX, or is damaged.
        LimitExceeded: it unpacks to more than it may.
    """
    _check_package(data, limits or ZipLimits())
    try:
        document = Document(io.BytesIO(data))
        return one_document(_Reader(document).blocks(document.element.body, 0))
    except (BadFile, LimitExceeded, MemoryError):
        raise
    except Exception as error:  # python-docx raises whatever a strange package makes it run into
        raise BadFile(f"this DOCX cannot be read: {type(error).__name__}") from error


def _check_package(data: bytes, limits: ZipLimits) -> None:
    package = SafeZip(io.BytesIO(data), limits)
    if _MAIN_PART not in package.names:
        raise BadFile(f"this is no DOCX: {_MAIN_PART} is missing")
    for name in package.names:
        content = package.read(name)
        if name.endswith((".xml", ".rels")):
            try:
                defusedxml.ElementTree.fromstring(content, forbid_dtd=True)
            except DefusedXmlException:
                raise BadFile(f"{name} defines entities, which no DOCX needs") from None
            except defusedxml.ElementTree.ParseError as error:
                raise BadFile(f"{name} is damaged: {error}") from None


class _Reader:
    def __init__(self, document: Any) -> None:
        self._document = document
        self._levels = _numbering(document)

    def blocks(self, parent: Any, depth: int) -> list[Node]:
        if depth >= DEPTH_MAX:
            raise LimitExceeded(f"tables are nested deeper than {DEPTH_MAX} levels")
        outline = _Outline()
        for element in _block_elements(parent):
            if element.tag == qn("w:tbl"):
                outline.add(self._table(element, depth))
            else:
                self._paragraph(Paragraph(element, self._document), outline)
        return outline.blocks

    # -- paragraphs

    def _paragraph(self, paragraph: Paragraph, outline: "_Outline") -> None:
        style = _style_name(paragraph)
        numbered = self._list_of(paragraph)
        line = self._line(paragraph)
        if style == RULE:
            outline.add({"type": "horizontalRule"})
        elif _CODE_STYLE.search(style):
            outline.add_code("".join(_code_text(line)), joined=style != CODE_BLOCK)
        elif numbered is not None:
            sign, number, level, start = numbered
            outline.add_item(sign, number, level, start, [*_split(line, _attributes(paragraph))])
        elif style == CONTINUED:
            outline.continue_item(_steps(paragraph) - 1, [*_split(line, _attributes(paragraph))])
        elif _QUOTE_STYLE.search(style):
            outline.add_quote(max(1, _steps(paragraph)), [*_split(line, _attributes(paragraph))])
        else:
            for block in _split(line, _attributes(paragraph), _heading_level(style)):
                outline.add(block)

    def _list_of(self, paragraph: Paragraph) -> tuple[str, int, int, int] | None:
        """Sign or kind, number and level of the list a paragraph belongs to, and where that list starts."""
        for properties in (paragraph._p.pPr, *_style_properties(paragraph)):
            found = properties.numPr if properties is not None else None
            if found is not None and found.numId is not None:
                level = found.ilvl.val if found.ilvl is not None else 0
                known = self._levels.get(found.numId.val, {}).get(level)
                return None if known is None else (known[0], found.numId.val, level, known[1])
        return None

    # -- lines

    def _line(self, paragraph: Paragraph) -> list[Node]:
        nodes: list[Node] = []
        for run, address in _runs(paragraph, paragraph._p, None):
            marks = _marks(run, address)
            for node in self._pieces(run):
                nodes.append(node | {"marks": marks} if marks and node["type"] == "text" else node)
        return merged(nodes)

    def _pieces(self, run: Run) -> Iterator[Node]:
        for child in run._r:
            if child.tag == qn("w:t"):
                if child.text:
                    yield {"type": "text", "text": child.text}
            elif child.tag == qn("w:tab"):
                yield {"type": "text", "text": "\t"}
            elif child.tag == qn("w:noBreakHyphen"):
                yield {"type": "text", "text": "\N{NON-BREAKING HYPHEN}"}
            elif child.tag in (qn("w:br"), qn("w:cr")):
                if child.get(qn("w:type")) in (None, "textWrapping"):
                    yield {"type": "hardBreak"}
            elif child.tag == qn("w:drawing"):
                yield from self._images(child, run)

    def _images(self, drawing: Any, run: Run) -> Iterator[Node]:
        alt = next((found.get("descr") for found in drawing.iter(qn("wp:docPr")) if found.get("descr")), None)
        for blip in drawing.iter(qn("a:blip")):
            part: Any = run.part.related_parts.get(blip.get(qn("r:embed")))
            if part is not None and part.content_type.startswith("image/"):
                source = f"data:{part.content_type};base64,{base64.b64encode(part.blob).decode()}"
                if safe_image(source):
                    yield {"type": "image", "attrs": ({"alt": alt} if alt else {}) | {"src": source}}

    # -- tables

    def _table(self, element: Any, depth: int) -> Node:
        rows = [[*_cells(row)] for row in element.iter(qn("w:tr")) if row.getparent() is element]
        table: Node = {"type": "table", "content": []}
        for at, row in enumerate(rows):
            cells = []
            for column, cell in row:
                if cell.vMerge == "continue":
                    continue
                height = 1
                if cell.vMerge == "restart":
                    for below in rows[at + 1 :]:
                        if not any(start == column and other.vMerge == "continue" for start, other in below):
                            break
                        height += 1
                cells.append(self._cell(cell, height, depth))
            table["content"].append({"type": "tableRow"} | ({"content": cells} if cells else {}))
        return table

    def _cell(self, cell: Any, height: int, depth: int) -> Node:
        first = next((Paragraph(p, self._document) for p in cell.iter(qn("w:p")) if p.getparent() is cell), None)
        repeated = cell.getparent().find(f"{qn('w:trPr')}/{qn('w:tblHeader')}") is not None
        is_header = repeated or (first is not None and _style_name(first) == HEADER_CELL)
        content = self.blocks(cell, depth + 1)
        if len(content) > 1 and content[-1] == {"type": "paragraph"} and content[-2]["type"] == "table":
            content.pop()  # A cell has to end with a paragraph.
        return {
            "type": "tableHeader" if is_header else "tableCell",
            "attrs": {"colspan": cell.grid_span, "rowspan": height},
            "content": content or [{"type": "paragraph"}],
        }


class _Outline:
    """Blocks as they come, put into the lists and quotations that their paragraphs say they belong to."""

    def __init__(self) -> None:
        self.blocks: list[Node] = []
        self._lists: list[tuple[int | str, Node]] = []
        """The list at each level that the next item may go on with, and its number."""
        self._after: Any = None

    def add(self, block: Node) -> None:
        self._lists = []
        self._after = None
        self.blocks.append(block)

    def add_code(self, text: str, *, joined: bool) -> None:
        if joined and self._after == "code":
            self.blocks[-1]["content"] = [{"type": "text", "text": _code_of(self.blocks[-1]) + "\n" + text}]
            return
        self.add({"type": "codeBlock"} | ({"content": [{"type": "text", "text": text}]} if text else {}))
        self._after = "code" if joined else None

    def add_quote(self, steps: int, blocks: list[Node]) -> None:
        if self._after != "quote":
            self.add({"type": "blockquote", "content": []})
            self._after = "quote"
        content: list[Node] = self.blocks[-1]["content"]
        for _ in range(min(steps, DEPTH_MAX // 2) - 1):
            if not content or content[-1]["type"] != "blockquote":
                content.append({"type": "blockquote", "content": []})
            content = content[-1]["content"]
        content += blocks

    def add_item(self, sign: str, number: int, level: int, start: int, blocks: list[Node]) -> None:
        # Tasks that are done and tasks that are not have signs, and therefore numbers, of their own.
        key: int | str = "tasks" if sign in _SIGNS else number
        del self._lists[level + 1 :]
        if len(self._lists) == level + 1 and self._lists[level][0] != key:
            self._lists.pop()
        while len(self._lists) <= level:
            self._begin_list(key, sign, start)
        attributes = {"attrs": {"checked": _SIGNS[sign]}} if sign in _SIGNS else {}
        kind = "taskItem" if sign in _SIGNS else "listItem"
        self._lists[level][1]["content"].append({"type": kind} | attributes | {"content": blocks})
        self._after = None

    def _begin_list(self, key: int | str, sign: str, start: int) -> None:
        kind = "taskList" if sign in _SIGNS else "orderedList" if sign == "" else "bulletList"
        begun: Node = {"type": kind} | ({"attrs": {"start": start}} if kind == "orderedList" else {}) | {"content": []}
        if not self._lists:
            self.blocks.append(begun)
        else:
            items = self._lists[-1][1]["content"]
            if not items:  # a level was left out
                item = "taskItem" if kind == "taskList" else "listItem"
                items.append({"type": item, "content": [{"type": "paragraph"}]})
            items[-1]["content"].append(begun)
        self._lists.append((key, begun))

    def continue_item(self, level: int, blocks: list[Node]) -> None:
        if not self._lists:
            for block in blocks:
                self.add(block)
            return
        del self._lists[max(level, 0) + 1 :]
        self._lists[-1][1]["content"][-1]["content"] += blocks


def _code_of(block: Node) -> str:
    return "".join(node["text"] for node in block.get("content", []))


def _code_text(line: list[Node]) -> Iterator[str]:
    for node in line:
        yield "\n" if node["type"] == "hardBreak" else node.get("text", "")


def _split(line: list[Node], attributes: Node, level: int = 0) -> Iterator[Node]:
    """One paragraph or heading; several where images stand in it, which are blocks of their own."""
    base: Node = {"type": "heading" if level else "paragraph"}
    attributes = ({"level": level} if level else {}) | attributes
    if attributes:
        base["attrs"] = attributes
    run: list[Node] = []
    found = False
    for node in line:
        if node["type"] == "image":
            if run:
                yield base | {"content": run}
            yield node
            run, found = [], True
        else:
            run.append(node)
    if run or not found:
        yield base | ({"content": run} if run else {})


def _block_elements(parent: Any) -> Iterator[Any]:
    for child in parent:
        if child.tag in (qn("w:p"), qn("w:tbl")):
            yield child
        elif child.tag in _WRAPPERS:
            yield from _block_elements(child)


def _cells(row: Any) -> Iterator[tuple[int, Any]]:
    column = 0
    for cell in row.tc_lst:
        yield column, cell
        column += cell.grid_span


def _runs(paragraph: Paragraph, parent: Any, address: str | None) -> Iterator[tuple[Run, str | None]]:
    """Runs in order, those in links and in tracked insertions too; deletions are gone."""
    for child in parent:
        if child.tag == qn("w:r"):
            yield Run(child, paragraph), address
        elif child.tag == qn("w:hyperlink"):
            yield from _runs(paragraph, child, _target(paragraph, child))
        elif child.tag in _WRAPPERS:
            yield from _runs(paragraph, child, address)


def _target(paragraph: Paragraph, link: Any) -> str | None:
    relation = paragraph.part.rels.get(link.get(qn("r:id"))) if link.get(qn("r:id")) else None
    return safe_link(relation.target_ref) if relation is not None and relation.is_external else None


def _marks(run: Run, address: str | None) -> list[Node]:
    font = run.font
    marks: list[Node] = [{"type": name} for name in ("bold", "italic", "strike") if getattr(font, name)]
    if font.underline:
        marks.append({"type": "underline"})
    if font.subscript:
        marks.append({"type": "subscript"})
    if font.superscript:
        marks.append({"type": "superscript"})
    style = run.style.name if run.style is not None else None
    if style and (style == CODE or _CODE_STYLE.search(style)):
        marks.append({"type": "code"})
    shade = run._r.find(f"{qn('w:rPr')}/{qn('w:shd')}")
    fill = None if shade is None else shade.get(qn("w:fill"))
    if font.highlight_color not in (None, WD_COLOR_INDEX.AUTO):
        marks.append({"type": "highlight"})
    elif fill and re.fullmatch("[0-9A-Fa-f]{6}", fill):
        marks.append({"type": "highlight", "attrs": {"color": f"#{fill.lower()}"}})
    if font.color is not None and font.color.rgb is not None:
        marks.append({"type": "textStyle", "attrs": {"color": f"#{str(font.color.rgb).lower()}"}})
    if address is not None:
        marks.append({"type": "link", "attrs": {"href": address}})
    return sorted_marks(marks)


def _attributes(paragraph: Paragraph) -> Node:
    alignment = paragraph.paragraph_format.alignment
    name = None if alignment is None else _ALIGNMENTS.get(alignment.name)
    return {"textAlign": name} if name else {}


def _steps(paragraph: Paragraph) -> int:
    indent = paragraph.paragraph_format.left_indent
    return 0 if indent is None else min(round(indent.twips / INDENT_TWIPS), DEPTH_MAX // 2)


def _style_name(paragraph: Paragraph) -> str:
    return (paragraph.style.name if paragraph.style is not None else None) or ""


def _style_properties(paragraph: Paragraph) -> Iterator[Any]:
    style: Any = paragraph.style
    for _ in range(10):
        if style is None:
            return
        yield style.element.pPr
        style = style.base_style


def _heading_level(style: str) -> int:
    found = _HEADING_STYLE.fullmatch(style)
    return min(int(found[1]), 6) if found else _TITLE_STYLES.get(style.lower(), 0)


def _numbering(document: Any) -> Mapping[int, Mapping[int, tuple[str, int]]]:
    """By number and level: the bullet, or "" for numbers; and where they start."""
    try:
        root = document.part.numbering_part.element
    except (KeyError, NotImplementedError):
        return {}
    abstracts: dict[str, dict[int, tuple[str, int]]] = {}
    for abstract in root.iter(qn("w:abstractNum")):
        levels = {int(level.get(qn("w:ilvl"))): _level(level) for level in abstract.iter(qn("w:lvl"))}
        abstracts[abstract.get(qn("w:abstractNumId"))] = {
            level: known for level, known in levels.items() if known is not None
        }
    found: dict[int, Mapping[int, tuple[str, int]]] = {}
    for number in root.iter(qn("w:num")):
        abstract = number.find(qn("w:abstractNumId"))
        levels_of = dict(abstracts.get("" if abstract is None else abstract.get(qn("w:val")), {}))
        for override in number.iter(qn("w:lvlOverride")):
            start, level = override.find(qn("w:startOverride")), int(override.get(qn("w:ilvl")))
            if start is not None and level in levels_of:
                levels_of[level] = (levels_of[level][0], int(start.get(qn("w:val"))))
        found[int(number.get(qn("w:numId")))] = levels_of
    return found


def _level(level: Any) -> tuple[str, int] | None:
    kind, sign, start = (level.find(qn(name)) for name in ("w:numFmt", "w:lvlText", "w:start"))
    first = 1 if start is None else int(start.get(qn("w:val")))
    if kind is None or kind.get(qn("w:val")) == "none":
        return None
    if kind.get(qn("w:val")) != "bullet":
        return "", first
    return ("" if sign is None else sign.get(qn("w:val"))) or "\N{BULLET}", first
