"""From Markdown (CommonMark with tables, task lists and strikethrough) to the tree, by way of HTML."""

from functools import cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from mdit_py_plugins.tasklists import tasklists_plugin

from collab.errors import LimitExceeded
from collab.export.tree import DEPTH_MAX, Content, Node
from collab.imports.build import one_document
from collab.imports.html import decode_text, read_blocks


def read_markdown(data: bytes) -> Content:
    """
    Raises:
        BadFile: it is not UTF-8.
        LimitExceeded: it is nested deeper than DEPTH_MAX.
    """
    return one_document(markdown_blocks(decode_text(data)))


def markdown_blocks(markdown: str) -> list[Node]:
    """
    Raises:
        LimitExceeded: it is nested deeper than DEPTH_MAX.
    """
    return read_blocks(_parser().render(markdown), exact=True)


@cache
def _parser() -> MarkdownIt:
    # Of blocks that stand deeper than `maxNesting`, 20 by default, the parser says nothing at all: their words would be
    # gone. As deep as documents may be it is, and what is deeper is refused.
    parser = MarkdownIt("commonmark", {"html": True, "langPrefix": "language-", "maxNesting": DEPTH_MAX})
    parser.enable(["table", "strikethrough"])
    parser.use(tasklists_plugin)
    parser.core.ruler.after("block", "nesting", _refuse_what_was_left_out)
    parser.core.ruler.push("lone_images", _free_lone_images)
    parser.add_render_rule("softbreak", lambda *_: " ")
    parser.add_render_rule("hardbreak", lambda *_: "<br>")
    parser.add_render_rule("fence", _fence)
    parser.add_render_rule("code_block", _fence)
    return parser


def _refuse_what_was_left_out(state: StateCore) -> None:
    """Something may have stood in the blocks that could hold no other."""
    if any(token.nesting == 1 and token.level >= DEPTH_MAX - 1 for token in state.tokens):
        raise LimitExceeded(f"it is nested deeper than {DEPTH_MAX} levels")


def _free_lone_images(state: StateCore) -> None:
    """An image on a line of its own is a block, as editors have it, not a word in a paragraph."""
    for opening, line, closing in zip(state.tokens, state.tokens[1:], state.tokens[2:], strict=False):
        if opening.type == "paragraph_open" and [child.type for child in line.children or []] == ["image"]:
            opening.hidden = closing.hidden = True


def _fence(renderer: Any, tokens: Any, index: int, options: Any, env: Any) -> str:
    """As by default, without the line break that ends the last line of code."""
    token = tokens[index]
    token.content = token.content.removesuffix("\n")
    render: str = type(renderer).fence(renderer, tokens, index, options, env)
    return render.replace("</code></pre>\n", "</code></pre>")
