"""From HTML to the tree. nh3 reads it as browsers do and lets an allow-list through; what is left is mapped here.

White space is folded as browsers fold it, except in pages of our own export, where it means what it says.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import nh3
from lxml import etree

from collab.errors import BadFile, LimitExceeded
from collab.export.html import EXACT, safe_image, safe_link
from collab.export.tree import DEPTH_MAX, Content, Node, sorted_marks
from collab.imports.build import one_document

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_MARK_TAGS = {
    "strong": "bold",
    "b": "bold",
    "em": "italic",
    "i": "italic",
    "s": "strike",
    "del": "strike",
    "strike": "strike",
    "u": "underline",
    "ins": "underline",
    "code": "code",
    "kbd": "code",
    "samp": "code",
    "tt": "code",
    "sub": "subscript",
    "sup": "superscript",
    "mark": "highlight",
    "a": "link",
}
_STYLE_MARKS = (
    ("font-weight", re.compile(r"bold|bolder|[6-9]00"), "bold"),
    ("font-style", re.compile("italic|oblique"), "italic"),
    ("text-decoration", re.compile(".*line-through.*"), "strike"),
    ("text-decoration", re.compile(".*underline.*"), "underline"),
)
_CONTAINER_NAMES = (
    "address article aside body caption center dd div dl dt fieldset figcaption figure footer form header main nav "
    "section tbody tfoot thead"
)
_CONTAINERS = frozenset(_CONTAINER_NAMES.split())
_BLOCK_TAG_NAMES = "p pre blockquote ul ol li table tr th td details summary hr img"
_BLOCK_TAGS = frozenset(_BLOCK_TAG_NAMES.split())
_TAGS = {*_HEADINGS, *_MARK_TAGS, *_CONTAINERS, *_BLOCK_TAGS, "br", "span", "input", "label"}
_DROPPED_NAMES = (
    "script style title head template noscript iframe object embed svg math select textarea audio video canvas"
)
_DROPPED_WHOLE = set(_DROPPED_NAMES.split())
_ATTRIBUTES = {
    "*": {"style", "class"},
    "a": {"href", "title"},
    "img": {"src", "alt", "title", "width", "height"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
    "input": {"type", "checked"},
    "details": {"open"},
}
_STYLES = {"text-align", "background-color", "color", "font-weight", "font-style", "text-decoration"}
_BLANKS = " \t\n\r\f"
_SPACE = re.compile(r"[ \t\n\r\f]+")
_LANGUAGE = re.compile(r"(?:^|\s)language-([^\s]{1,40})")
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9-]*)")
_VOID_NAMES = "area base br col embed hr img input link meta param source track wbr"
_OPTIONAL_END_NAMES = "p li td th tr tbody thead tfoot dd dt option optgroup caption colgroup rp rt"
_ENDING_BY_THEMSELVES = frozenset(f"{_VOID_NAMES} {_OPTIONAL_END_NAMES}".split())
_UNCLOSED_MAX = 1_000
_OWN_PAGE = re.compile(rf"<body {EXACT}>")
_HEAD_CHARACTERS = 4096


def read_html(data: bytes) -> Content:
    """
    Raises:
        BadFile: it is not UTF-8.
        LimitExceeded: it is nested deeper than DEPTH_MAX.
    """
    text = decode_text(data)
    return one_document(read_blocks(text, exact=_OWN_PAGE.search(text, 0, _HEAD_CHARACTERS) is not None))


def decode_text(data: bytes) -> str:
    """
    Raises:
        BadFile: it is not UTF-8.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadFile(f"the text is not UTF-8: byte {error.start} is not") from None


def read_blocks(html: str, *, exact: bool) -> list[Node]:
    """The blocks of a piece of HTML; with `exact`, white space is kept.

    Raises:
        LimitExceeded: it is nested deeper than DEPTH_MAX.
    """
    _check_nesting(html)
    clean = nh3.clean(
        html,
        tags=_TAGS,
        clean_content_tags=_DROPPED_WHOLE,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto", "data"},
        generic_attribute_prefixes={"data-"},
        filter_style_properties=_STYLES,
        link_rel=None,
    )
    parser = etree.HTMLParser(huge_tree=True, encoding="utf-8", remove_comments=True, remove_pis=True)
    root = etree.fromstring(f"<body>{clean}</body>".encode(), parser)
    reader = _Reader(exact=exact)
    return reader.blocks(reader.mixed(root, [], 0))


def _check_nesting(html: str) -> None:
    """Before nh3, whose time grows with the square of how deep elements are nested. Never too strict: elements that end
    by themselves are not counted."""
    open_tags: Counter[str] = Counter()
    depth = 0
    for closing, name in _TAG.findall(html):
        tag = name.lower()
        if tag in _ENDING_BY_THEMSELVES:
            continue
        if not closing:
            open_tags[tag] += 1
            depth += 1
            if depth > _UNCLOSED_MAX:
                raise LimitExceeded(f"it is nested deeper than {DEPTH_MAX} levels")
        elif open_tags[tag]:
            open_tags[tag] -= 1
            depth -= 1


class _InLine(dict[str, Any]):
    """A node of a type that nobody knows, among text."""


class _Reader:
    """Each element becomes a mixture of inline nodes and blocks; whoever needs one kind makes it of the mixture."""

    def __init__(self, *, exact: bool) -> None:
        self._exact = exact

    def mixed(self, element: Any, marks: list[Node], depth: int) -> list[Node]:
        if depth >= DEPTH_MAX:
            raise LimitExceeded(f"it is nested deeper than {DEPTH_MAX} levels")
        nodes = _text(element.text, marks)
        for child in element:
            if isinstance(child.tag, str):
                nodes += self._element(child, marks, depth + 1)
            # Markdown puts a blank between a task's box and its text.
            nodes += _text((child.tail or "").removeprefix(" ") if child.tag == "input" else child.tail, marks)
        return nodes

    def _element(self, element: Any, marks: list[Node], depth: int) -> list[Node]:
        tag = element.tag
        if element.get("data-node"):
            node = _node(element.get("data-node"), _rest(element), self._unknown(element, depth))
            return [_InLine(node) if tag == "span" else node]
        if tag in _INLINE_TYPES and element.get("data-type") in _INLINE_TYPES[tag]:
            return [_node(element.get("data-type"), _rest(element) or _tiptap_mention(element), [])]
        read = _BLOCKS.get(tag)
        if read is not None:
            return read(self, element, depth)
        if tag in _HEADINGS:
            return self._text_block("heading", {"level": _HEADINGS[tag]}, element, depth)
        if tag in _CONTAINERS:
            return self.blocks(self.mixed(element, marks, depth)) or []
        found = [mark for mark in _marks(element) if mark not in marks]
        return self.mixed(element, marks + found, depth)

    def _unknown(self, element: Any, depth: int) -> list[Node]:
        nodes = merged(self.mixed(element, [], depth))
        return nodes if self._exact else _folded(nodes)

    # -- of mixtures

    def blocks(self, nodes: list[Node]) -> list[Node]:
        """Blocks as they are, and paragraphs of what stands between them; white space alone is nothing."""
        found: list[Node] = []
        for is_line, run in _runs(nodes):
            if not is_line:
                found += run
                continue
            line = _stripped(self._line(run))
            if line:
                found.append(_node("paragraph", {}, line))
        return found

    def _line(self, nodes: list[Node]) -> list[Node]:
        return merged(nodes) if self._exact else _folded(merged(nodes))

    def _text_block(self, kind: str, attributes: Node, element: Any, depth: int) -> list[Node]:
        """One block of this kind; several where something in it has to stand alone, such as an image."""
        attributes = attributes | _alignment(element) | _rest(element)
        nodes = self.mixed(element, [], depth)
        if self._exact and not any(node["type"] in _BLOCK_TYPES - {"image"} for node in nodes):
            return [_node(kind, attributes, merged(nodes))]
        found: list[Node] = []
        for is_line, run in _runs(nodes):
            line = self._line(run) if is_line else []
            if not is_line:
                found += run
            elif line:
                found.append(_node(kind, attributes, line))
        return found or ([_node(kind, attributes, [])] if kind == "paragraph" else [])

    # -- elements

    def paragraph(self, element: Any, depth: int) -> list[Node]:
        return self._text_block("paragraph", {}, element, depth)

    def summary(self, element: Any, depth: int) -> list[Node]:
        return [_node("detailsSummary", _rest(element), self._line(self.mixed(element, [], depth)))]

    def quote(self, element: Any, depth: int) -> list[Node]:
        content = self.blocks(self.mixed(element, [], depth))
        return [_node("blockquote", _rest(element), content or [{"type": "paragraph"}])]

    def code_block(self, element: Any, depth: int) -> list[Node]:
        inner = element[0] if len(element) == 1 and element[0].tag == "code" and not element.text else element
        language = _LANGUAGE.search(inner.get("class") or "")
        attributes = {"language": language[1]} if language else {}
        text = "".join(_code_text(inner))
        if not self._exact:
            text = text.removesuffix("\n")
        return [_node("codeBlock", attributes | _rest(inner), _text(text, []))]

    def bullet_list(self, element: Any, depth: int) -> list[Node]:
        return self._list(element, "bulletList", _rest(element), depth)

    def ordered_list(self, element: Any, depth: int) -> list[Node]:
        attributes = {} if element.get("data-start") else {"start": _integer(element.get("start"), 1)}
        return self._list(element, "orderedList", attributes | _rest(element), depth)

    def _list(self, element: Any, kind: str, attributes: Node, depth: int) -> list[Node]:
        items = [item for child in element for item in self._element(child, [], depth + 1)]
        items = [_as_item(item) for item in items if item["type"] != "text" or item["text"].strip(_BLANKS)]
        if element.get("data-type") == "taskList" and not items:
            return [_node("taskList", attributes, [])]
        lists: list[Node] = []
        for item in items:
            wanted = "taskList" if item["type"] == "taskItem" else kind
            if not lists or lists[-1]["type"] != wanted:
                own = attributes if wanted == kind or element.get("data-type") == "taskList" else {}
                lists.append(_node(wanted, own, []) | {"content": []})
            lists[-1]["content"].append(item)
        return lists or [_node(kind, attributes, [])]

    def item(self, element: Any, depth: int) -> list[Node]:
        checked = _checked(element)
        content = self.blocks(self.mixed(element, [], depth)) or [{"type": "paragraph"}]
        if checked is None:
            return [_node("listItem", _rest(element), content)]
        return [_node("taskItem", {"checked": checked} | _rest(element), content)]

    def table(self, element: Any, depth: int) -> list[Node]:
        parts = self.mixed(element, [], depth)
        rows = [node for node in parts if node["type"] == "tableRow"]
        beside = self.blocks([node for node in parts if node["type"] != "tableRow"])  # a caption
        return beside + ([_node("table", _rest(element), rows)] if rows else [])

    def row(self, element: Any, depth: int) -> list[Node]:
        cells = [node for node in self.mixed(element, [], depth) if node["type"] in ("tableCell", "tableHeader")]
        return [_node("tableRow", _rest(element), cells)] if cells else []

    def cell(self, element: Any, depth: int) -> list[Node]:
        kind = "tableHeader" if element.tag == "th" else "tableCell"
        attributes = {name: _integer(element.get(name), 1) for name in ("colspan", "rowspan")}
        content = self.blocks(self.mixed(element, [], depth)) or [{"type": "paragraph"}]
        return [_node(kind, attributes | _alignment(element) | _rest(element), content)]

    def details(self, element: Any, depth: int) -> list[Node]:
        summary: Node | None = None
        attributes: Node = {}
        content: list[Node] = []
        for node in self.mixed(element, [], depth):
            if node["type"] == "detailsContent":
                attributes = attributes or node.get("attrs", {})
                content += node.get("content", [])
            elif node["type"] != "detailsSummary":
                content.append(node)
            elif summary is None:
                summary = node
            else:
                content.append(_node("paragraph", {}, node.get("content", [])))
        inside = _node("detailsContent", attributes, self.blocks(content) or [{"type": "paragraph"}])
        own = {"open": element.get("open") is not None} | _rest(element)
        return [_node("details", own, [summary or {"type": "detailsSummary"}, inside])]

    def division(self, element: Any, depth: int) -> list[Node]:
        content = self.blocks(self.mixed(element, [], depth))
        if element.get("data-type") == "detailsContent":
            return [_node("detailsContent", _rest(element), content or [{"type": "paragraph"}])]
        return content

    def image(self, element: Any, depth: int) -> list[Node]:
        attributes: Node = {}
        if safe_image(element.get("src")):
            attributes["src"] = element.get("src")
        for name in ("alt", "title"):
            if element.get(name) is not None:
                attributes[name] = element.get(name)
        for name in ("width", "height"):
            if _integer(element.get(name), 0):
                attributes[name] = _integer(element.get(name), 0)
        attributes |= _rest(element)
        return [_node("image", attributes, [])] if attributes else []

    def rule(self, element: Any, depth: int) -> list[Node]:
        return [_node("horizontalRule", _rest(element), [])]

    def line_break(self, element: Any, depth: int) -> list[Node]:
        return [_node("hardBreak", _rest(element), [])]

    def nothing(self, element: Any, depth: int) -> list[Node]:
        return []


_BLOCKS: Mapping[str, Callable[[_Reader, Any, int], list[Node]]] = {
    "p": _Reader.paragraph,
    "summary": _Reader.summary,
    "blockquote": _Reader.quote,
    "pre": _Reader.code_block,
    "ul": _Reader.bullet_list,
    "ol": _Reader.ordered_list,
    "li": _Reader.item,
    "table": _Reader.table,
    "tr": _Reader.row,
    "td": _Reader.cell,
    "th": _Reader.cell,
    "details": _Reader.details,
    "div": _Reader.division,
    "img": _Reader.image,
    "hr": _Reader.rule,
    "br": _Reader.line_break,
    "input": _Reader.nothing,
}
_INLINE_TYPES = {"span": frozenset({"mention", "emoji"}), "a": frozenset({"mention"})}
_LINE_TYPES = frozenset({"text", "hardBreak", "mention", "emoji", "embed"})
_BLOCK_TYPE_NAMES = (
    "paragraph heading blockquote codeBlock bulletList orderedList taskList listItem taskItem table tableRow tableCell "
    "tableHeader details detailsSummary detailsContent image horizontalRule"
)
_BLOCK_TYPES = frozenset(_BLOCK_TYPE_NAMES.split())


def _runs(nodes: list[Node]) -> Iterator[tuple[bool, list[Node]]]:
    """Runs of what belongs into a line, and of blocks."""
    run: list[Node] = []
    is_line: bool | None = None
    for node in nodes:
        kind = node["type"]
        line = kind in _LINE_TYPES or isinstance(node, _InLine)
        if run and line != is_line:
            yield bool(is_line), run
            run = []
        is_line = line
        run.append(node)
    if run:
        yield bool(is_line), run


def merged(nodes: list[Node]) -> list[Node]:
    """Neighbouring texts with the same marks become one."""
    found: list[Node] = []
    for node in nodes:
        before = found[-1] if found else None
        if before and node["type"] == before["type"] == "text" and node.get("marks") == before.get("marks"):
            found[-1] = before | {"text": before["text"] + node["text"]}
        else:
            found.append(node)
    return found


def _folded(nodes: list[Node]) -> list[Node]:
    """White space as a browser shows it: runs of it as one blank, none at either end of a line."""
    found: list[Node] = []
    at_start = True
    for node in nodes:
        if node["type"] == "text":
            text = _SPACE.sub(" ", node["text"])
            text = text.removeprefix(" ") if at_start else text
            if text:
                found.append(node | {"text": text})
                at_start = text.endswith(" ")
            continue
        if node["type"] == "hardBreak":
            _trim_end(found)
        found.append(node)
        at_start = node["type"] == "hardBreak"
    _trim_end(found)
    return found


def _stripped(nodes: list[Node]) -> list[Node]:
    """Without white space at either end: between blocks it only lays out the source."""
    nodes = nodes[:]
    while nodes and nodes[0]["type"] == "text" and nodes[0]["text"] != (text := nodes[0]["text"].lstrip(_BLANKS)):
        nodes[:1] = [nodes[0] | {"text": text}] if text else []
    while nodes and nodes[-1]["type"] == "text" and nodes[-1]["text"] != (text := nodes[-1]["text"].rstrip(_BLANKS)):
        nodes[-1:] = [nodes[-1] | {"text": text}] if text else []
    return nodes


def _trim_end(nodes: list[Node]) -> None:
    if nodes and nodes[-1]["type"] == "text":
        nodes[-1] = nodes[-1] | {"text": nodes[-1]["text"].removesuffix(" ")}
        if not nodes[-1]["text"]:
            nodes.pop()


def _text(text: str | None, marks: list[Node]) -> list[Node]:
    if not text:
        return []
    return [{"type": "text", "text": text} | ({"marks": sorted_marks(marks)} if marks else {})]


def _code_text(element: Any) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        if child.tag == "br":
            yield "\n"
        yield from _code_text(child)
        yield child.tail or ""


def _node(kind: str, attributes: Node, content: list[Node]) -> Node:
    node: Node = {"type": kind}
    if attributes:
        node["attrs"] = dict(sorted(attributes.items()))
    if content:
        node["content"] = content
    return node


def _as_item(node: Node) -> Node:
    if node["type"] in ("listItem", "taskItem"):
        return node
    return _node("listItem", {}, [node if node["type"] in _BLOCK_TYPES else _node("paragraph", {}, [node])])


def _rest(element: Any) -> Node:
    """What our own export had no HTML for (rule X3 of `collab.export.html`)."""
    text = element.get("data-attrs")
    if text is None:
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _tiptap_mention(element: Any) -> Node:
    names = {"data-id": "id", "data-label": "label", "data-mention-suggestion-char": "mentionSuggestionChar"}
    found = {ours: element.get(theirs) for theirs, ours in names.items() if element.get(theirs) is not None}
    return found or {"label": "".join(element.itertext()).removeprefix("@")}


def _marks(element: Any) -> list[Node]:
    styles = _styles(element)
    name = element.get("data-mark") or _MARK_TAGS.get(element.tag)
    if name == "bold" and styles.get("font-weight") in ("normal", "400"):
        name = None  # how Google Docs wraps a whole document
    found: list[Node] = []
    if name is not None:
        attributes = (_link(element) if name == "link" else {}) | _rest(element)
        if name == "highlight" and not attributes and "background-color" in styles:
            attributes = {"color": styles["background-color"]}
        if name != "link" or attributes:
            found.append({"type": name} | ({"attrs": attributes} if attributes else {}))
    if element.get("data-mark") is None:
        known = {mark["type"] for mark in found}
        found += [
            {"type": mark}
            for style, pattern, mark in _STYLE_MARKS
            if mark not in known and pattern.fullmatch(styles.get(style, ""))
        ]
    return found


def _link(element: Any) -> Node:
    attributes: Node = {}
    if safe_link(element.get("href")):
        attributes["href"] = element.get("href")
    if attributes and element.get("title") is not None:
        attributes["title"] = element.get("title")
    return attributes


def _styles(element: Any) -> dict[str, str]:
    pairs = (part.partition(":") for part in (element.get("style") or "").split(";"))
    return {name.strip().lower(): value.strip().lower() for name, _, value in pairs}


def _alignment(element: Any) -> Node:
    alignment = _styles(element).get("text-align")
    return {"textAlign": alignment} if alignment in ("left", "center", "right", "justify") else {}


def _checked(element: Any) -> bool | None:
    """Whether a task is done; None for an item that is no task. Tiptap says it in `data-checked`, others in a box."""
    if element.get("data-type") == "taskItem" or element.get("data-checked") is not None:
        return bool(element.get("data-checked") == "true")
    for candidate in (element, *element[:1], *(element[0][:1] if len(element) else ())):
        for box in candidate:
            if box.tag == "input" and box.get("type") == "checkbox":
                return box.get("checked") is not None
            break
    return None


def _integer(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 6 else default
