"""A comparison, a blame and a timeline for a terminal: colours where there are any, marks in the text where not."""

from collections.abc import Iterator
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from collab.history.html import author_name

Node = dict[str, Any]

_STYLES: Final = {"added": "green underline", "removed": "red strike", "formatted": "yellow"}
_SIGNS: Final = {"added": ("{+", "+}"), "removed": ("[-", "-]"), "formatted": ("{~", "~}")}
_AUTHOR_COLOURS: Final = ("cyan", "magenta", "green", "yellow", "blue", "red", "bright_cyan", "bright_magenta")
_CONTEXT: Final = 60
"""Characters of an unchanged text that are shown on each side of a change."""


class _Printer:
    def __init__(self, found: Node, console: Console, *, changes: bool, ids: bool = False) -> None:
        self._authors = found["authors"]
        self._console = console
        self._changes = changes
        """Show what changed; otherwise who wrote it."""
        self._ids = ids

    def roots(self, roots: list[Node]) -> Iterator[Text]:
        for root in roots:
            if self._changes and "change" not in root:
                continue
            yield Text(f"{root['name']} ({root['type']})", style="bold")
            yield from self._inside(root, 1)

    def _inside(self, node: Node, depth: int) -> Iterator[Text]:
        for key, found in node.get("entries", {}).items():
            for entry in found if isinstance(found, list) else [found]:
                if self._is_shown(entry):
                    yield from self._node(entry, depth, f"{key}: ")
        line = Text()
        skipped = 0
        for child in node.get("content", ()):
            if "type" not in child:
                line += self._piece(child)
            elif self._is_shown(child):
                yield from self._skipped(skipped, depth)
                skipped = 0
                yield from self._node(child, depth, "")
            else:
                skipped += 1
        if line:
            yield self._indented(depth, line)
        yield from self._skipped(skipped, depth)

    def _is_shown(self, node: Node) -> bool:
        return not self._changes or "change" in node

    def _skipped(self, number: int, depth: int) -> Iterator[Text]:
        if number:
            yield self._indented(depth, Text(f"… {number} unchanged", style="dim"))

    def _node(self, node: Node, depth: int, label: str) -> Iterator[Text]:
        if "type" not in node:
            yield self._indented(depth, Text(label) + self._piece(node))
            return
        head = Text(label)
        change = node.get("change")
        name = f"<{node['tag']}>" if "tag" in node else node["type"]
        head += self._styled(name, change, node) if change in _SIGNS else Text(name, style="dim")
        if self._ids:
            head += Text(f" {node['id']}", style="dim")
        yield self._indented(depth, head)
        yield from self._inside(node, depth + 1)

    def _piece(self, node: Node) -> Text:
        if "text" not in node:
            return self._styled(str(node["embed" if "embed" in node else "value"]), node.get("change"), node)
        shown = node["text"]
        if self._changes and "change" not in node and len(shown) > 2 * _CONTEXT:
            shown = f"{shown[:_CONTEXT]} … {shown[-_CONTEXT:]}"
        return self._styled(shown, node.get("change"), node)

    def _styled(self, shown: str, change: str | None, node: Node) -> Text:
        if not self._changes:
            number = node["author"]
            if self._console.is_terminal:
                return Text(shown, style=_AUTHOR_COLOURS[number % len(_AUTHOR_COLOURS)])
            return Text(f"[{author_name(self._authors[number])}: {shown}]")
        if change not in _SIGNS:
            return Text(shown)
        if self._console.is_terminal:
            return Text(shown, style=_STYLES[change])
        opening, closing = _SIGNS[change]
        return Text(f"{opening}{shown}{closing}")

    def _indented(self, depth: int, line: Text) -> Text:
        return Text("  " * depth) + line


def print_diff(found: Node, console: Console) -> None:
    lines = [*_Printer(found, console, changes=True).roots(found["roots"])]
    for line in lines:
        console.print(line, soft_wrap=True)
    if not lines:
        console.print("Nothing has changed.")


def print_blame(found: Node, console: Console, *, ids: bool) -> None:
    for line in _Printer(found, console, changes=False, ids=ids).roots(found["roots"]):
        console.print(line, soft_wrap=True)
    for number, author in enumerate(found["authors"]):
        colour = _AUTHOR_COLOURS[number % len(_AUTHOR_COLOURS)]
        console.print(Text(f"{author_name(author)}", style=colour if console.is_terminal else ""))


def print_timeline(entries: list[Node], console: Console) -> None:
    table = Table(box=None)
    for heading in ("when", "who", "what", "seq"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "seq" else "left")
    for entry in entries:
        # Plain strings would be searched for markup.
        cells = (entry["at"], entry["user_name"] or "somebody", _what(entry), _seqs(entry))
        table.add_row(*(Text(cell) for cell in cells))
    console.print(table)


def _what(entry: Node) -> str:
    match entry["kind"]:
        case "session":
            return f"wrote {entry['added']}, removed {entry['removed']} characters"
        case "version":
            return f"named “{entry['name']}”"
        case "restore":
            return f"brought back {entry['detail'] or 'the document'} as it was at {entry['seq']}"
        case kind:
            return f"{kind} {entry['detail']}".rstrip()


def _seqs(entry: Node) -> str:
    if entry["kind"] == "session":
        return f"{entry['from_seq']}–{entry['to_seq']}"
    return str(entry.get("row", entry["seq"]))
