"""A document as Markdown: CommonMark with GitHub's tables, task lists and strikethrough.

Rule M1: every block is read back as soon as it is written. Where that does not give the block again, it is written as
HTML instead, which Markdown allows and our own reader takes: merged cells, blanks at the end of a line, an emphasis
that Markdown's delimiters cannot open. So nothing of what the web client knows is lost.
Rule M2: nodes that are nobody's become their text, marks that are nobody's fall away: Markdown is for reading.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from collab.export.document import as_document, is_language, markdown_source
from collab.export.html import blocks_html, line_html, safe_image, safe_link
from collab.export.inline import INLINE, TEXT_BLOCKS, Inline, Marked, group, is_inline, plain_text
from collab.export.tree import Content, Node, encode_json
from collab.imports.markdown import markdown_blocks

_NODE_NAMES = (
    "blockquote bulletList orderedList listItem taskList taskItem horizontalRule image table tableRow tableHeader "
    "tableCell details detailsContent"
)
_KNOWN_NODES = INLINE - {"inlineMath"} | TEXT_BLOCKS | set(_NODE_NAMES.split())
_MARK_NAMES = "bold italic strike underline code link highlight subscript superscript textStyle"
_KNOWN_MARKS = frozenset(_MARK_NAMES.split())
_DELIMITERS = {"bold": "**", "italic": "*", "strike": "~~"}
_SPECIAL = re.compile(r"[\\`*\[\]]|(?<!\w)_|_(?!\w)|<(?=[A-Za-z/!?])|&(?=#?\w+;)|~(?=~)|(?<=~)~|!(?=\[)")
"""What could be taken for Markdown. What this misses, rule M1 finds."""
_LINE_START = re.compile(r"^( *)([-+=#>])")
_ORDERED_START = re.compile(r"^( *\d+)([.)])")
_FENCE = re.compile(r"`{3,}")
_TICKS = re.compile(r"`+")


def document_markdown(content: Content) -> str:
    source = markdown_source(content)
    if source is not None:
        return source if source.endswith("\n") else f"{source}\n"
    blocks = [block for node in as_document(content)["content"] for block in degraded(node)]
    written = [_verified(block, bullet) for block, bullet in _with_bullets(blocks)]
    return "".join(f"{text}\n\n" for text in written).rstrip("\n") + "\n" if written else ""


def degraded(node: Node) -> list[Node]:
    """The node without what Markdown is not to show (rule M2)."""
    kind = node["type"]
    if kind not in _KNOWN_NODES:
        text = _words_of(node)
        return [_paragraph(line) for line in text.split("\n")] if text else []
    kept = dict(node)
    if "content" in node:
        line = kind in TEXT_BLOCKS or is_inline(node["content"])
        kept["content"] = [part for child in node["content"] for part in (_piece(child) if line else degraded(child))]
    return [kept]


def _piece(node: Node) -> list[Node]:
    if node["type"] not in INLINE and node["type"] != "image" or node["type"] == "inlineMath":
        text = _words_of(node)
        return [{"type": "text", "text": text}] if text else []
    if "marks" not in node:
        return [node]
    marks = [mark for mark in node["marks"] if mark["type"] in _KNOWN_MARKS]
    return [{name: value for name, value in node.items() if name != "marks"} | ({"marks": marks} if marks else {})]


def _words_of(node: Node) -> str:
    """The text of a node that Markdown does not know; of one that has none, what it is as JSON."""
    attributes = node.get("attrs", {})
    shown = attributes.get("value") if node["type"] == "embed" else attributes
    return plain_text(node) or (encode_json(shown) if shown else "")


def _paragraph(text: str) -> Node:
    return {"type": "paragraph"} | ({"content": [{"type": "text", "text": text}]} if text else {})


def _verified(block: Node, bullet: str) -> str:
    """Rule M1."""
    write = _BLOCKS.get(block["type"])
    if write is not None:
        text = write(block, bullet)
        if encode_json(markdown_blocks(text)) == encode_json([_merged(block)]):
            return text
    # A blank line would end it.
    return re.sub(r"\n", "&#10;", blocks_html([block]))


def _merged(node: Node) -> Node:
    """As a reader gives it: neighbouring texts with the same marks in one node."""
    if "content" not in node:
        return node
    content: list[Node] = []
    for child in map(_merged, node["content"]):
        if (
            content
            and child["type"] == content[-1]["type"] == "text"
            and child.get("marks") == content[-1].get("marks")
        ):
            content[-1] = child | {"text": content[-1]["text"] + child["text"]}
        else:
            content.append(child)
    return node | {"content": content}


def _with_bullets(blocks: list[Node]) -> Iterator[tuple[Node, str]]:
    """Two lists in a row would be one if they had the same bullets."""
    bullet = "-"
    before = ""
    for block in blocks:
        bullet = "+" if bullet == "-" and before in _LISTS and block["type"] in _LISTS else "-"
        yield block, bullet
        before = block["type"]


_LISTS = frozenset({"bulletList", "taskList", "orderedList"})

# -- blocks


def _blocks(nodes: list[Node]) -> str:
    return "\n\n".join(_block(node, bullet) for node, bullet in _with_bullets(nodes))


def _block(node: Node, bullet: str) -> str:
    write = _BLOCKS.get(node["type"])
    return blocks_html([node]) if write is None else write(node, bullet)


def _write_paragraph(node: Node, bullet: str) -> str:
    return _line(node.get("content", [])) or "<p></p>"


def _write_heading(node: Node, bullet: str) -> str:
    level = node.get("attrs", {}).get("level")
    return f"{'#' * level if type(level) is int else '#'} {_line(node.get('content', []))}"


def _write_code(node: Node, bullet: str) -> str:
    text = "".join(child.get("text", "") for child in node.get("content", []))
    fence = "`" * max([3, *(len(run) + 1 for run in _FENCE.findall(text))])
    language = node.get("attrs", {}).get("language")
    known = language if is_language(language) else ""
    return f"{fence}{known}\n{text}\n{fence}" if text else f"{fence}{known}\n{fence}"


def _write_quote(node: Node, bullet: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in _blocks(node.get("content", [])).split("\n"))


def _write_bullets(node: Node, bullet: str) -> str:
    return _items(node, [f"{bullet} "] * len(node.get("content", [])))


def _write_numbers(node: Node, bullet: str) -> str:
    start = node.get("attrs", {}).get("start")
    first = start if type(start) is int else 1
    sign = ")" if bullet == "+" else "."
    return _items(node, [f"{first + at}{sign} " for at in range(len(node.get("content", [])))])


def _write_tasks(node: Node, bullet: str) -> str:
    return _items(node, [f"{bullet} "] * len(node.get("content", [])))


def _items(node: Node, markers: list[str]) -> str:
    tight = all(_is_tight(item) for item in node.get("content", []))
    written = []
    for item, marker in zip(node.get("content", []), markers, strict=True):
        content = item.get("content", [])
        empty = content == [{"type": "paragraph"}]
        text = (
            "" if empty else ("\n" if tight else "\n\n").join(map(_block, *zip(*_with_bullets(content), strict=False)))
        )
        if item["type"] == "taskItem":
            text = f"[{'x' if item.get('attrs', {}).get('checked') is True else ' '}] {text}"
        indent = " " * len(marker)
        lines = "\n".join(line and f"{indent}{line}" for line in text.split("\n"))
        written.append((marker + lines.removeprefix(indent)).rstrip(" "))
    return ("\n" if tight else "\n\n").join(written)


def _is_tight(item: Node) -> bool:
    """Whether its lines can follow one another without blank lines: a text, and at most one list below it. A list that
    does not begin with 1 cannot follow a text."""
    kinds = [child["type"] for child in item.get("content", [])]
    if kinds[:1] != ["paragraph"] or len(kinds) > 2 or not all(kind in _LISTS for kind in kinds[1:]):
        return False
    return all(child.get("attrs", {}).get("start", 1) == 1 for child in item["content"][1:])


def _write_rule(node: Node, bullet: str) -> str:
    return "---"


def _write_image(node: Node, bullet: str) -> str:
    attributes = node.get("attrs", {})
    source = safe_image(attributes.get("src"))
    if source is None:
        return blocks_html([node])
    title = attributes.get("title")
    tail = f' "{_escape_title(title)}"' if isinstance(title, str) else ""
    return f"![{_escape(str(attributes.get('alt', '')))}](<{source}>{tail})"


def _write_table(node: Node, bullet: str) -> str:
    rows = [[_cell(cell) for cell in row.get("content", [])] for row in node.get("content", [])]
    if not rows:
        return ""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines.insert(1, f"|{' --- |' * len(rows[0])}")
    return "\n".join(lines)


def _cell(cell: Node) -> str:
    content = cell.get("content", [])
    return _line(content[0].get("content", [])).replace("|", "\\|") if content else ""


_BLOCKS: Mapping[str, Callable[[Node, str], str]] = {
    "paragraph": _write_paragraph,
    "heading": _write_heading,
    "codeBlock": _write_code,
    "blockquote": _write_quote,
    "bulletList": _write_bullets,
    "orderedList": _write_numbers,
    "taskList": _write_tasks,
    "horizontalRule": _write_rule,
    "image": _write_image,
    "table": _write_table,
}

# -- lines


def _line(children: list[Node]) -> str:
    text = _inlines(group(children))
    return _ORDERED_START.sub(r"\1\\\2", _LINE_START.sub(r"\1\\\2", text))


def _inlines(items: list[Inline]) -> str:
    return "".join(_inline(item, items, at) for at, item in enumerate(items))


def _inline(item: Inline, beside: list[Inline], at: int) -> str:
    if isinstance(item, Marked):
        return _marked(item, beside, at)
    match item["type"]:
        case "text":
            return _escape(item["text"])
        case "hardBreak" if not item.get("attrs") and 0 < at < len(beside) - 1:
            return "\\\n"
        case "image" if safe_image(item.get("attrs", {}).get("src")):
            return _write_image(item, "")
    return line_html([item])


def _marked(item: Marked, beside: list[Inline], at: int) -> str:
    kind, attributes = item.mark["type"], item.mark.get("attrs", {})
    if kind == "code" and not attributes and all(not isinstance(child, Marked) for child in item.children):
        return _code(item)
    if kind == "link" and attributes.keys() <= {"href", "title"} and safe_link(attributes.get("href")):
        title = attributes.get("title")
        tail = f' "{_escape_title(title)}"' if isinstance(title, str) else ""
        return f"[{_inlines(item.children)}](<{attributes['href']}>{tail})"
    delimiter = _DELIMITERS.get(kind)
    if delimiter and not attributes and _delimits(item, beside, at):
        return f"{delimiter}{_inlines(item.children)}{delimiter}"
    opening, closing = _tags(item.mark)
    return f"{opening}{_inlines(item.children)}{closing}"


def _tags(mark: Node) -> tuple[str, str]:
    opening, _, closing = line_html([{"type": "text", "text": "\x00", "marks": [mark]}]).partition("\x00")
    return opening, closing


def _code(item: Marked) -> str:
    text = "".join(child["text"] for child in item.children if not isinstance(child, Marked) and "text" in child)
    fence = "`" * max([1, *(len(run) + 1 for run in _TICKS.findall(text))])
    pad = " " if text[:1] in "` " or text[-1:] in "` " else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _delimits(item: Marked, beside: list[Inline], at: int) -> bool:
    """Whether Markdown takes `**` and its like here for what they are meant, without weighing its rules on flanks."""
    inner = _shown(item)
    before = _shown(beside[at - 1])[-1:] if at else ""
    after = _shown(beside[at + 1])[:1] if at + 1 < len(beside) else ""
    return inner[:1].isalnum() and inner[-1:].isalnum() and not before.isalnum() and not after.isalnum()


def _shown(item: Inline) -> str:
    if isinstance(item, Marked):
        return "".join(map(_shown, item.children))
    return str(item.get("text", ""))


def _escape_title(text: str) -> str:
    return _escape(text).replace('"', '\\"')


def _escape(text: str) -> str:
    text = _SPECIAL.sub(r"\\\g<0>", text)
    return text.replace("\n", "&#10;").replace("\t", "&#9;").replace("\r", "&#13;")
