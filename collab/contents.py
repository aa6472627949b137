"""What an item of a Yjs v1 update may hold: checks one content and says where it ends and how many clocks it takes.

Only what both Yjs 13 and yrs read alike is let through. Where they differ, bytes that one takes for a string are
structs to the other, and could carry past this check what it exists to keep out:

- ContentJSON (before Yjs 13): yrs reads one string more than is declared.
- XmlHook: Yjs reads a name behind it, yrs does not.
- type numbers from 7 up: some versions of yrs know them, Yjs 13 throws.

Text of embeds and formats is JSON that yrs parses at once, so it is parsed here first, with yrs' limits.
"""

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from math import isinf
from typing import Any, Final, NoReturn

from collab.codec import read_long_var_uint
from collab.errors import LimitExceeded, MalformedMessage

DELETED: Final = 1
JSON: Final = 2
BINARY: Final = 3
STRING: Final = 4
EMBED: Final = 5
FORMAT: Final = 6
TYPE: Final = 7
ANY: Final = 8
DOC: Final = 9

TYPE_ARRAY: Final = 0
TYPE_MAP: Final = 1
TYPE_TEXT: Final = 2
TYPE_XML_ELEMENT: Final = 3
TYPE_XML_FRAGMENT: Final = 4
TYPE_XML_TEXT: Final = 6
_TYPES_WITHOUT_NAME = frozenset((TYPE_ARRAY, TYPE_MAP, TYPE_TEXT, TYPE_XML_FRAGMENT, TYPE_XML_TEXT))

_ANY_BUFFER, _ANY_ARRAY, _ANY_MAP, _ANY_STRING, _ANY_INTEGER = 116, 117, 118, 119, 125
_ANY_BYTES = {120: 0, 121: 0, 126: 0, 127: 0, 124: 4, 123: 8, 122: 8}
"""Bytes behind the tag of: true, false, null, undefined, float32, float64, bigint."""


@dataclass(slots=True)
class Allowance:
    """What the contents of one update may hold; `values` counts down."""

    depth: int
    name_bytes: int
    values: int

    def spend(self, values: int) -> None:
        """Raises:
        LimitExceeded: more values than are left.
        """
        self.values -= values
        if self.values < 0:
            raise LimitExceeded("too many values in one update")


def span(data: bytes, position: int) -> tuple[int, int]:
    """Where the bytes of a byte array or string start and end.

    Raises:
        MalformedMessage: it is longer than what is left.
        IndexError: the data ends inside its length.
    """
    length = data[position]
    position += 1
    if length > 127:
        length, position = read_long_var_uint(data, position)
    end = position + length
    if end > len(data):
        raise MalformedMessage("a value is longer than what is left of the update")
    return position, end


def skip_string(data: bytes, position: int, bytes_max: int | None = None) -> int:
    """Step over a string and return where it ends.

    Raises:
        MalformedMessage: it is longer than what is left, or not UTF-8 (yrs takes it unchecked).
        LimitExceeded: it is longer than `bytes_max`.
        IndexError: the data ends inside its length.
    """
    start, end = span(data, position)
    if bytes_max is not None and end - start > bytes_max:
        raise LimitExceeded(f"a name is longer than {bytes_max} bytes")
    text = data[start:end]
    if not text.isascii():
        _decode(text)
    return end


def utf16_length(text: bytes) -> int:
    """Number of clocks a string takes: its length in UTF-16 units.

    Raises:
        MalformedMessage: it is not UTF-8.
    """
    return len(text) if text.isascii() else len(_decode(text).encode("utf-16-le")) // 2


def skip_content(data: bytes, position: int, kind: int, allowance: Allowance) -> tuple[int, int]:
    """Step over one content.

    Returns:
        Where it ends, and its length in clocks.

    Raises:
        MalformedMessage: it is not a content that Yjs 13 and yrs both read.
        LimitExceeded: values are nested too deep or too many, or a name is too long.
        IndexError: the data ends inside it.
    """
    if kind == STRING:
        start, end = span(data, position)
        return end, utf16_length(data[start:end])
    if kind in (ANY, DELETED):
        length = data[position]
        position += 1
        if length > 127:
            length, position = read_long_var_uint(data, position)
        if length == 0:
            raise MalformedMessage("a struct without length")
        if kind == ANY:
            position = skip_values(data, position, length, allowance)
        return position, length
    if kind == TYPE:
        return _skip_type(data, position, allowance.name_bytes), 1
    if kind == FORMAT:
        return _skip_json(data, skip_string(data, position, allowance.name_bytes), allowance), 1
    if kind == EMBED:
        return _skip_json(data, position, allowance), 1
    if kind == BINARY:
        return span(data, position)[1], 1
    if kind == DOC:
        position = skip_string(data, position, allowance.name_bytes)
        if data[position] != _ANY_MAP:
            raise MalformedMessage("the options of a subdocument are not a map")
        return skip_values(data, position, 1, allowance), 1
    if kind == JSON:
        raise MalformedMessage("ContentJSON, written before Yjs 13, is not supported")
    raise MalformedMessage(f"content of unknown kind {kind}")


def _decode(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise MalformedMessage(f"a string is not UTF-8: {error.reason}") from None


def _skip_type(data: bytes, position: int, name_bytes_max: int) -> int:
    number = data[position]
    position += 1
    if number in _TYPES_WITHOUT_NAME:
        return position
    if number == TYPE_XML_ELEMENT:
        return skip_string(data, position, name_bytes_max)
    raise MalformedMessage(f"shared type {number} is not supported")


def skip_values(data: bytes, position: int, count: int, allowance: Allowance) -> int:
    """Step over `count` lib0 "any" values, without recursion: yrs recurses, and 26,400 levels end its process."""
    size = len(data)
    allowance.spend(count)
    left, in_map = count, False
    around: list[tuple[int, bool]] = []
    while True:
        while left == 0:
            if not around:
                return position
            left, in_map = around.pop()
        left -= 1
        if in_map:
            position = skip_string(data, position)
        tag = data[position]
        position += 1
        if tag == _ANY_STRING:
            position = skip_string(data, position)
        elif tag == _ANY_INTEGER:
            position = _skip_integer(data, position)
        elif tag in (_ANY_ARRAY, _ANY_MAP):
            inner = data[position]
            position += 1
            if inner > 127:
                inner, position = read_long_var_uint(data, position)
            if len(around) >= allowance.depth:
                raise LimitExceeded(f"values are nested more than {allowance.depth} deep")
            allowance.spend(inner)
            around.append((left, in_map))
            left, in_map = inner, tag == _ANY_MAP
        elif tag == _ANY_BUFFER:
            _, position = span(data, position)
        elif (length := _ANY_BYTES.get(tag)) is not None:
            position += length
            if position > size:
                raise MalformedMessage("the update ends inside a number")
        else:
            raise MalformedMessage(f"a value of unknown type {tag}")


def _skip_integer(data: bytes, position: int) -> int:
    """A signed integer: six bits and the sign first, then seven a byte; eight bytes hold 53 bits and more."""
    byte = data[position]
    position += 1
    if byte < 128:
        return position
    last = position + 6
    byte = data[position]
    while byte > 127:
        if position == last:
            raise MalformedMessage("an integer is 2**53 or larger")
        position += 1
        byte = data[position]
    if byte == 0:
        raise MalformedMessage("an integer is not in its shortest form")
    if position == last and byte > 31:
        raise MalformedMessage("an integer is 2**53 or larger")
    return position + 1


def _skip_json(data: bytes, position: int, allowance: Allowance) -> int:
    start, end = span(data, position)
    text = data[start:end]
    brackets = text.count(b"[") + text.count(b"{")
    if len(text) > _SMALL_JSON:
        allowance.spend(brackets + text.count(b","))
    if brackets > allowance.depth:
        _check_json_depth(text, allowance.depth)
    (_check_json if len(text) > _SMALL_JSON else _check_small_json)(text)
    return end


_SMALL_JSON = 64
"""Bytes of marks and embeds that repeat: `true`, `null`, a handful of colours."""


@lru_cache(maxsize=1024)
def _check_small_json(text: bytes) -> None:
    _check_json(text)


def _check_json(text: bytes) -> None:
    """Accept only what serde_json, inside yrs, parses into a value.

    Python's parser differs in constants, in numbers out of range and in halves of surrogate pairs.
    """
    try:
        value = _PARSER.decode(_decode(text))
        if b"\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except ValueError as error:
        raise MalformedMessage(f"an embed or format is not JSON: {error}") from None


_JSON_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
"""A string that never ends is one up to the end of the text: looking for another in it would take quadratic time."""


def _check_json_depth(text: bytes, depth_max: int) -> None:
    depth = 0
    for token in _JSON_STRING_OR_BRACKET.finditer(text):
        first = text[token.start()]
        if first in b"[{":
            depth += 1
            if depth > depth_max:
                raise LimitExceeded(f"values are nested more than {depth_max} deep")
        elif first in b"]}":
            depth -= 1


def _json_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _json_float(number: str) -> int:
    if isinf(float(number)):
        raise ValueError("a number is out of range")
    return 0


def _json_integer(digits: str) -> int:
    # serde_json reads these as u64, and yrs has no value for one beyond i64; larger ones it reads as floats.
    if len(digits) in (19, 20) and 2**63 <= int(digits) < 2**64:
        raise ValueError("a number is out of range")
    return _json_float(digits)


def _json_pairs(pairs: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Keep the values of repeated keys, which a dict would hide from the check."""
    return pairs


_PARSER = json.JSONDecoder(
    parse_constant=_json_constant, parse_float=_json_float, parse_int=_json_integer, object_pairs_hook=_json_pairs
)
