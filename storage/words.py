"""Cuts texts into what a search compares: words, and pairs of characters in scripts that put no space between words."""

import re
from collections.abc import Iterator

from storage.rows import fold

WORD_CHARACTERS_MAX = 32
"""What is longer is found by its beginning."""
WORDS_MAX = 50_000
"""Different ones of one text. A novel has 20,000; what has more is a table of random keys."""

# Thai, Lao, Myanmar, Khmer, kana, Bopomofo, ideographs.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u312f\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_RUN = re.compile(f"[{_UNSPACED}]+|[^\\W_{_UNSPACED}]+")
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")


def words_of(text: str) -> set[str]:
    """What of a text is kept to find it again. Every character of a run without spaces begins a word."""
    found: set[str] = set()
    for run, unspaced in _runs(text):
        if unspaced:
            found.update(run[at : at + 2] for at in range(len(run)))
        else:
            found.add(run[:WORD_CHARACTERS_MAX])
        if len(found) >= WORDS_MAX:
            break
    return found


def beginnings_of(query: str) -> list[str]:
    """With what words have to begin, all of them, for a text to be found."""
    found: list[str] = []
    for run, unspaced in _runs(query):
        if unspaced and len(run) > 1:
            found += [run[at : at + 2] for at in range(len(run) - 1)]
        else:
            found.append(run[:WORD_CHARACTERS_MAX])
    return list(dict.fromkeys(found))


def excerpt(text: str, query: str, characters: int) -> str | None:
    """What stands round the first place in which the query, or a word of it, occurs."""
    folded = fold(text)
    # Folding may change the length of a text; then the place is off by as much.
    for wanted in (fold(query).strip(), *beginnings_of(query)):
        at = folded.find(wanted) if wanted else -1
        if at >= 0:
            return _round(text, at, characters)
    return None


def _round(text: str, at: int, characters: int) -> str:
    start, end = max(0, at - characters // 3), at + characters * 2 // 3
    if start > 0:
        space = text.find(" ", start, at)
        start = space + 1 if space >= 0 else start
    piece = " ".join(text[start:end].split())
    return f"{'…' if start > 0 else ''}{piece}{'…' if end < len(text) else ''}"


def _runs(text: str) -> Iterator[tuple[str, bool]]:
    for match in _RUN.finditer(fold(text)):
        yield match[0], _IS_UNSPACED.match(match[0]) is not None
