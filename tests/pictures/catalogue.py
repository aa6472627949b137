"""The app's own translations, so that one scene finds its buttons in every language."""

import re
from functools import cache
from typing import Self

from tests.setup import ROOT

_LINE = re.compile(r"^  (?:'((?:[^'\\]|\\.)*)'|([a-zA-Z]+)): '((?:[^'\\]|\\.)*)',$", re.M)


def _plain(quoted: str) -> str:
    return re.sub(r"\\(.)", r"\1", quoted)


class Catalogue:
    def __init__(self, words: dict[str, str]) -> None:
        self._words = words

    @classmethod
    @cache
    def of(cls, name: str | None) -> Self:
        """The one in a file of the client; English when that is None."""
        if name is None:
            return cls({})
        text = (ROOT / "web" / "client" / "src" / "catalogues" / name).read_text()
        found = ((quoted or bare, words) for quoted, bare, words in _LINE.findall(text))
        return cls({_plain(message): _plain(words) for message, words in found})

    def __call__(self, message: str, /, **values: object) -> str:
        words = self._words.get(message, message)
        for name, value in values.items():
            words = words.replace(f"{{{name}}}", str(value))
        return words
