"""Decodes what items hold, for people and programs that read it. The bytes passed `scan_update` before.

Values that JSON does not know are written as objects with one key: `{"$bytes": base64}`, `{"$number": "NaN"}`,
`{"$document": guid}`.
"""

import base64
import json
import re
import struct
from math import isfinite
from typing import Any, Final

from collab.codec import read_long_var_uint
from collab.contents import ANY, BINARY, DOC, EMBED, FORMAT, TYPE_XML_ELEMENT, span

_FLOAT32, _FLOAT64, _BIGINT = struct.Struct(">f"), struct.Struct(">d"), struct.Struct(">q")
_CONSTANTS: Final = {120: True, 121: False, 126: None, 127: None}
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_HALF = re.compile("[\ud800-\udfff]")
_WIDE = re.compile("[\U00010000-\U0010ffff]")


def to_units(text: str) -> str:
    """One character for each UTF-16 unit, as Yjs counts clocks."""
    return text if text.isascii() else _WIDE.sub(_halves, text)


def from_units(units: str) -> str:
    """The characters again; a half without its other one is shown as U+FFFD, as browsers do."""
    return units if units.isascii() else _HALF.sub("\ufffd", _PAIR.sub(_whole, units))


def _halves(match: re.Match[str]) -> str:
    beyond = ord(match[0]) - 0x10000
    return chr(0xD800 + (beyond >> 10)) + chr(0xDC00 + (beyond & 0x3FF))


def _whole(match: re.Match[str]) -> str:
    pair = match[0]
    return chr(0x10000 + ((ord(pair[0]) - 0xD800) << 10) + ord(pair[1]) - 0xDC00)


def any_spans(data: bytes, position: int, count: int) -> tuple[bytes, ...]:
    """`count` lib0 "any" values one after another, each as its bytes."""
    found = []
    for _ in range(count):
        _, end = _read_any(data, position)
        found.append(data[position:end])
        position = end
    return tuple(found)


def decode(kind: int, content: bytes) -> Any:
    """What an item that is no text and no shared type holds, in JSON's values. An ANY is a single value here."""
    if kind == ANY:
        return _read_any(content, 0)[0]
    if kind == EMBED:
        return json.loads(_string(content, 0)[0])
    if kind == FORMAT:
        return format_of(content)[1]
    if kind == BINARY:
        start, end = span(content, 0)
        return {"$bytes": base64.b64encode(content[start:end]).decode()}
    if kind == DOC:
        return {"$document": _string(content, 0)[0]}
    return None


def format_of(content: bytes) -> tuple[str, Any]:
    """Name and value of a FORMAT; the value None ends the mark."""
    name, position = _string(content, 0)
    return name, json.loads(_string(content, position)[0])


def tag_of(content: object) -> tuple[int, str | None]:
    """Which shared type a TYPE is (a TYPE_ number), and the tag of an XML element."""
    assert isinstance(content, bytes)
    return content[0], _string(content, 1)[0] if content[0] == TYPE_XML_ELEMENT else None


def _string(data: bytes, position: int) -> tuple[str, int]:
    start, end = span(data, position)
    return data[start:end].decode(), end


def _var_uint(data: bytes, position: int) -> tuple[int, int]:
    value = data[position]
    position += 1
    return read_long_var_uint(data, position) if value > 127 else (value, position)


def _read_any(data: bytes, position: int) -> tuple[Any, int]:
    # Recursion is safe: the scan bounds how deep values are nested.
    tag = data[position]
    position += 1
    if tag in _CONSTANTS:
        return _CONSTANTS[tag], position
    if tag == 119:
        return _string(data, position)
    if tag == 125:
        return _integer(data, position)
    if tag == 124:
        return _number(_FLOAT32.unpack_from(data, position)[0]), position + 4
    if tag == 123:
        return _number(_FLOAT64.unpack_from(data, position)[0]), position + 8
    if tag == 122:
        return _BIGINT.unpack_from(data, position)[0], position + 8
    if tag == 116:
        start, end = span(data, position)
        return {"$bytes": base64.b64encode(data[start:end]).decode()}, end
    count, position = _var_uint(data, position)
    if tag == 117:
        items = []
        for _ in range(count):
            item, position = _read_any(data, position)
            items.append(item)
        return items, position
    pairs = {}
    for _ in range(count):
        name, position = _string(data, position)
        pairs[name], position = _read_any(data, position)
    return pairs, position


def _integer(data: bytes, position: int) -> tuple[int, int]:
    byte = data[position]
    position += 1
    value, negative, shift = byte & 63, byte & 64, 6
    while byte > 127:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        shift += 7
    return -value if negative else value, position


def _number(value: float) -> Any:
    if not isfinite(value):
        return {"$number": str(value)}
    return int(value) if value.is_integer() and abs(value) < 2**53 else value
