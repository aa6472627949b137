"""A document as HTML that is safe to open: built from an allow-list, never copied from what people wrote.

X1  Every tag and attribute name written here is a constant of this module; everything else is escaped text.
X2  Links lead to http, https and mailto addresses; images come from http, https, or are raster data in the document.
    An address that leads elsewhere is not written at all.
X3  What HTML has no element for, nodes, marks and attributes alike, stands in `data-` attributes, which browsers
    ignore: reading the page back gives the same document.
"""

import re
from collections.abc import Callable, Mapping
from html import escape
from typing import Any, NamedTuple

from collab.export.document import as_document, is_language
from collab.export.inline import INLINE, TEXT_BLOCKS, Inline, Marked, group, is_inline, mention_text
from collab.export.tree import Content, Node, encode_json

EXACT = "data-coscribe"
"""Marks HTML of ours: white space in it means what it says."""

_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:45rem;margin:2rem auto;padding:0 1rem;white-space:pre-wrap;"
    "overflow-wrap:break-word}table{border-collapse:collapse}td,th{border:1px solid #999;padding:.25rem .5rem;"
    "text-align:left}pre{background:#f4f4f4;padding:.75rem;overflow:auto}blockquote{margin-left:0;padding-left:1rem;"
    "border-left:3px solid #ccc}ul[data-type=taskList]{list-style:none;padding-left:0}li[data-type=taskItem]{"
    "display:flex;gap:.5rem}img{max-width:100%}"
)
_LINK = re.compile(r"(?:https?://|mailto:)[^\s\x00-\x1f\x7f]+", re.IGNORECASE)
_IMAGE = re.compile(
    r"https?://[^\s\x00-\x1f\x7f]+|data:image/(?:png|jpeg|gif|webp|avif);base64,[A-Za-z0-9+/]+=*", re.IGNORECASE
)
_COLOUR = re.compile(r"#[0-9a-fA-F]{3,8}|[a-zA-Z]{1,30}|rgba?\([0-9., %]{1,40}\)")
_ADDRESSES = frozenset({"href", "src"})
"""Rule X2."""
_ALIGNMENTS = frozenset({"left", "center", "right", "justify"})


class Element(NamedTuple):
    """How one node or mark is written: its tag, its attributes, and those of the node that these express."""

    tag: str
    attributes: Mapping[str, str] = {}
    expressed: Mapping[str, Any] = {}


def document_html(content: Content, title: str) -> str:
    """A whole page."""
    return (
        '<!doctype html>\n<html><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body {EXACT}>{blocks_html(as_document(content)['content'])}</body></html>\n"
    )


def blocks_html(nodes: list[Node]) -> str:
    return "".join(_block(node) for node in nodes)


def line_html(children: list[Node]) -> str:
    """The content of a paragraph."""
    return _line(children)


def safe_link(value: Any) -> str | None:
    """The address if a link may lead there. Browsers ignore white space in an address, so none is let through."""
    return value if isinstance(value, str) and _LINK.fullmatch(value) else None


def safe_image(value: Any) -> str | None:
    return value if isinstance(value, str) and _IMAGE.fullmatch(value) else None


def _block(node: Node) -> str:
    children = node.get("content", [])
    kind = node["type"]
    if kind in _VOID:
        return _open(node)
    if kind in INLINE:
        return _line([node])
    if kind == "codeBlock":
        return f"<pre>{_open(node)}{_line(children)}</code></pre>"
    inner = _line(children) if kind in TEXT_BLOCKS or is_inline(children) else blocks_html(children)
    if kind == "table":
        inner = f"<tbody>{inner}</tbody>"
    elif kind == "taskItem":
        box = "<input type=checkbox disabled checked>" if node.get("attrs", {}).get("checked") is True else _BOX
        inner = f"<label>{box}</label><div>{inner}</div>"
    return _wrap(_element(node), node, inner)


_BOX = "<input type=checkbox disabled>"


def _line(children: list[Node]) -> str:
    return "".join(map(_inline, group(children)))


def _inline(item: Inline) -> str:
    if isinstance(item, Marked):
        return _wrap(_mark(item.mark), item.mark, "".join(map(_inline, item.children)))
    match item["type"]:
        case "text":
            return escape(item["text"], quote=False)
        case "mention" | "emoji":
            return _wrap(_element(item), item, escape(mention_text(item), quote=False))
        case "hardBreak" | "image":
            return _open(item)
    # Also blocks that stand in a line, which no editor makes: an element for them would end the paragraph.
    return _wrap(Element("span", {"data-node": item["type"]}), item, _line(item.get("content", [])))


def _wrap(element: Element, source: Node, inner: str) -> str:
    return f"{_tag(element, source)}{inner}</{element.tag}>"


def _open(node: Node) -> str:
    return _tag(_element(node), node)


def _tag(element: Element, source: Node) -> str:
    attributes = dict(element.attributes)
    rest = {
        name: value
        for name, value in source.get("attrs", {}).items()
        if name not in _ADDRESSES and (name not in element.expressed or not _same(element.expressed[name], value))
    }
    if rest:
        attributes["data-attrs"] = encode_json(rest)
    written = "".join(f' {name}="{escape(value)}"' for name, value in attributes.items())
    return f"<{element.tag}{written}>"


def _same(expressed: Any, value: Any) -> bool:
    """Equal as JSON: in Python, 1 equals true."""
    return type(expressed) is type(value) and expressed == value


# -- nodes and marks


def _element(node: Node) -> Element:
    write = _NODES.get(node["type"])
    if write is None:
        return Element("div", {"data-node": node["type"]})
    return write(node.get("attrs", {}))


def _mark(mark: Node) -> Element:
    write = _MARKS.get(mark["type"])
    if write is None:
        return Element("span", {"data-mark": mark["type"]})
    return write(mark.get("attrs", {}))


def _plain(tag: str, **attributes: str) -> Callable[[Node], Element]:
    element = Element(tag, {name.replace("_", "-"): value for name, value in attributes.items()})
    return lambda attrs: element


def _aligned(tag: str, attrs: Node, expressed: Node | None = None) -> Element:
    alignment = attrs.get("textAlign")
    known = dict(expressed or {})
    if alignment in _ALIGNMENTS:
        return Element(tag, {"style": f"text-align:{alignment}"}, known | {"textAlign": alignment})
    return Element(tag, {}, known)


def _heading(attrs: Node) -> Element:
    level = attrs.get("level")
    if type(level) is int and 1 <= level <= 6:
        return _aligned(f"h{level}", attrs, {"level": level})
    return _aligned("h1", attrs)


def _ordered_list(attrs: Node) -> Element:
    start = attrs.get("start")
    if type(start) is int:
        return Element("ol", {} if start == 1 else {"start": str(start)}, {"start": start})
    return Element("ol", {"data-start": "none"})


def _task_item(attrs: Node) -> Element:
    checked = attrs.get("checked") is True
    text = "true" if checked else "false"
    return Element("li", {"data-type": "taskItem", "data-checked": text}, {"checked": checked})


def _code_block(attrs: Node) -> Element:
    language = attrs.get("language")
    if is_language(language):
        return Element("code", {"class": f"language-{language}"}, {"language": language})
    return Element("code")


def _image(attrs: Node) -> Element:
    written: dict[str, str] = {}
    expressed: Node = {}
    source = safe_image(attrs.get("src"))
    if source is not None:
        written["src"] = expressed["src"] = source
    for name in ("alt", "title"):
        if isinstance(attrs.get(name), str):
            written[name] = expressed[name] = attrs[name]
    for name in ("width", "height"):
        value = attrs.get(name)
        if type(value) is int and 0 < value < 100_000:
            written[name] = str(value)
            expressed[name] = value
    return Element("img", written, expressed)


def _cell(tag: str) -> Callable[[Node], Element]:
    def write(attrs: Node) -> Element:
        written: dict[str, str] = {}
        expressed: Node = {}
        for name in ("colspan", "rowspan"):
            value = attrs.get(name)
            if type(value) is int and 1 <= value <= 1000:
                written |= {} if value == 1 else {name: str(value)}
                expressed[name] = value
        aligned = _aligned(tag, attrs, expressed)
        return aligned._replace(attributes=dict(aligned.attributes) | written)

    return write


def _mention(attrs: Node) -> Element:
    """The whole of it in `data-attrs`; Tiptap's own names beside, for editors into which it is pasted."""
    written = {"data-type": "mention"}
    for name in ("id", "label"):
        if isinstance(attrs.get(name), str):
            written[f"data-{name}"] = attrs[name]
    return Element("span", written)


def _details(attrs: Node) -> Element:
    if attrs.get("open") is True:
        return Element("details", {"open": ""}, {"open": True})
    return Element("details", {}, {"open": False})


_VOID = frozenset({"horizontalRule", "hardBreak", "image"})
_NODES: Mapping[str, Callable[[Node], Element]] = {
    "paragraph": lambda attrs: _aligned("p", attrs),
    "heading": _heading,
    "blockquote": _plain("blockquote"),
    "bulletList": _plain("ul"),
    "orderedList": _ordered_list,
    "listItem": _plain("li"),
    "taskList": _plain("ul", data_type="taskList"),
    "taskItem": _task_item,
    "codeBlock": _code_block,
    "horizontalRule": _plain("hr"),
    "hardBreak": _plain("br"),
    "image": _image,
    "table": _plain("table"),
    "tableRow": _plain("tr"),
    "tableHeader": _cell("th"),
    "tableCell": _cell("td"),
    "mention": _mention,
    "emoji": _plain("span", data_type="emoji"),
    "details": _details,
    "detailsSummary": _plain("summary"),
    "detailsContent": _plain("div", data_type="detailsContent"),
}


def _link(attrs: Node) -> Element:
    """Without an address that may be followed it is a link to nowhere."""
    written: dict[str, str] = {}
    expressed: dict[str, str] = {}
    address = safe_link(attrs.get("href"))
    if address is not None:
        written = {"href": address, "rel": "noopener noreferrer nofollow"}
        expressed = {"href": address}
    if isinstance(attrs.get("title"), str):
        written["title"] = expressed["title"] = attrs["title"]
    return Element("a", written, expressed)


def _highlight(attrs: Node) -> Element:
    colour = attrs.get("color")
    if isinstance(colour, str) and _COLOUR.fullmatch(colour):
        return Element("mark", {"style": f"background-color:{colour}"})
    return Element("mark")


def _text_style(attrs: Node) -> Element:
    colour = attrs.get("color")
    if isinstance(colour, str) and _COLOUR.fullmatch(colour):
        return Element("span", {"data-mark": "textStyle", "style": f"color:{colour}"})
    return Element("span", {"data-mark": "textStyle"})


_MARKS: Mapping[str, Callable[[Node], Element]] = {
    "bold": _plain("strong"),
    "italic": _plain("em"),
    "strike": _plain("s"),
    "underline": _plain("u"),
    "code": _plain("code"),
    "subscript": _plain("sub"),
    "superscript": _plain("sup"),
    "highlight": _highlight,
    "textStyle": _text_style,
    "link": _link,
}
