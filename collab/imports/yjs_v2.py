"""Yjs updates of version 2 as version 1: the same structs in the same order, for files that applications have kept.

Version 2 puts like to like: client ids, clocks, lengths, strings and so on in a column each, read side by side.
Source: yjs 13, src/utils/UpdateDecoder.js; lib0, decoding.js.
"""

import json
from collections.abc import Callable

from collab.codec import Reader, read_long_var_uint, write_var_bytes, write_var_uint
from collab.contents import (
    ANY,
    BINARY,
    DELETED,
    DOC,
    EMBED,
    FORMAT,
    STRING,
    TYPE,
    TYPE_XML_ELEMENT,
    Allowance,
    skip_values,
)
from collab.errors import BadFile, LimitExceeded, MalformedMessage
from collab.history.values import decode
from collab.structs import GC, SKIP

_KIND, _HAS_PARENT_KEY, _HAS_RIGHT, _HAS_LEFT = 31, 32, 64, 128
_VALUES, _DEPTH = 50_000_000, 100


def to_version_1(update: bytes, bytes_max: int) -> bytes:
    """
    Raises:
        BadFile: it is no update of version 2, or has something in it that version 1 cannot say.
        LimitExceeded: it would be larger than `bytes_max`.
    """
    try:
        return _Converter(update, bytes_max).convert()
    except (IndexError, ValueError, MalformedMessage) as error:
        raise BadFile(f"this is no Yjs update: {error}") from None


class _Column:
    """Values of one kind, each with how often it is repeated."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._left = 0

    def _var_uint(self) -> int:
        value = self._data[self._at]
        self._at += 1
        if value > 127:
            value, self._at = read_long_var_uint(self._data, self._at)
        return value

    def _var_int(self) -> tuple[int, bool]:
        """Its size, and whether there is a sign: there is a negative zero."""
        byte = self._data[self._at]
        self._at += 1
        value, shift = byte & 63, 6
        negative = bool(byte & 64)
        while byte > 127:
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & 127) << shift
            shift += 7
            if shift > 60:
                raise MalformedMessage("an integer is too large")
        return value, negative


class _Bytes(_Column):
    _value = 0

    def read(self) -> int:
        if self._left == 0:
            self._value = self._data[self._at]
            self._at += 1
            # The last one goes on for ever.
            self._left = self._var_uint() + 1 if self._at < len(self._data) else -1
        self._left -= 1
        return self._value


class _Numbers(_Column):
    _value = 0

    def read(self) -> int:
        if self._left == 0:
            self._value, repeated = self._var_int()
            self._left = self._var_uint() + 2 if repeated else 1
        self._left -= 1
        return self._value


class _Differences(_Column):
    _value = 0
    _step = 0

    def read(self) -> int:
        if self._left == 0:
            size, negative = self._var_int()
            number = -size if negative else size
            self._step = number >> 1
            self._left = self._var_uint() + 2 if number & 1 else 1
        self._left -= 1
        self._value += self._step
        if self._value < 0:
            raise MalformedMessage("a negative clock")
        return self._value


class _Strings:
    """All strings one after another, and their lengths in UTF-16 units."""

    def __init__(self, data: bytes) -> None:
        reader = Reader(data)
        self._units = reader.var_string().encode("utf-16-le")
        self._lengths = _Numbers(data[reader.position :])
        self._at = 0

    def read(self) -> bytes:
        start, self._at = self._at, self._at + 2 * self._lengths.read()
        if self._at > len(self._units):
            raise MalformedMessage("a string is cut off")
        return self._units[start : self._at].decode("utf-16-le").encode()


class _Converter:
    def __init__(self, update: bytes, bytes_max: int) -> None:
        reader = Reader(update)
        if reader.var_uint() != 0:
            raise MalformedMessage("it has features that are unknown")
        self._keys: list[bytes] = []
        self._key_numbers = _Differences(reader.var_bytes())
        self._clients = _Numbers(reader.var_bytes())
        self._left_clocks = _Differences(reader.var_bytes())
        self._right_clocks = _Differences(reader.var_bytes())
        self._infos = _Bytes(reader.var_bytes())
        self._strings = _Strings(reader.var_bytes())
        self._parent_infos = _Bytes(reader.var_bytes())
        self._types = _Numbers(reader.var_bytes())
        self._lengths = _Numbers(reader.var_bytes())
        self._rest = reader
        self._allowance = Allowance(_DEPTH, 0, _VALUES)
        self._bytes_max = bytes_max
        self._out = bytearray()
        self._contents: dict[int, Callable[[], None]] = {
            DELETED: lambda: self._number(self._lengths.read()),
            BINARY: lambda: self._text(self._rest.var_bytes()),
            STRING: lambda: self._text(self._strings.read()),
            EMBED: lambda: self._json(self._any()),
            FORMAT: self._format,
            TYPE: self._type,
            ANY: self._values,
            DOC: self._document,
        }

    def convert(self) -> bytes:
        for _ in range(self._copy_number()):
            self._section()
        self._deletions()
        if not self._rest.at_end:
            raise MalformedMessage("something follows after its end")
        return bytes(self._out)

    # -- what is written

    def _number(self, value: int) -> None:
        self._out += write_var_uint(value)

    def _text(self, data: bytes) -> None:
        self._out += write_var_bytes(data)

    def _copy_number(self) -> int:
        value = self._rest.var_uint()
        self._number(value)
        return value

    # -- structs

    def _section(self) -> None:
        structs = self._copy_number()
        self._number(self._clients.read())
        self._copy_number()
        for _ in range(structs):
            self._struct()
            if len(self._out) > self._bytes_max:
                raise LimitExceeded(f"a document may have {self._bytes_max} bytes; this one has more")

    def _struct(self) -> None:
        info = self._infos.read()
        self._out.append(info)
        if info == GC:
            self._number(self._lengths.read())
            return
        if info == SKIP:
            self._copy_number()
            return
        if info & _HAS_LEFT:
            self._id(self._left_clocks)
        if info & _HAS_RIGHT:
            self._id(self._right_clocks)
        if not info & (_HAS_LEFT | _HAS_RIGHT):
            in_root = self._parent_infos.read() == 1
            self._number(int(in_root))
            if in_root:
                self._text(self._strings.read())
            else:
                self._id(self._left_clocks)
            if info & _HAS_PARENT_KEY:
                self._text(self._strings.read())
        content = self._contents.get(info & _KIND)
        if content is None:
            raise MalformedMessage(f"content of unknown kind {info & _KIND}")
        content()

    def _id(self, clocks: _Differences) -> None:
        self._number(self._clients.read())
        self._number(clocks.read())

    # -- contents

    def _any(self) -> bytes:
        start = self._rest.position
        self._rest.position = skip_values(self._rest.data, start, 1, self._allowance)
        return self._rest.data[start : self._rest.position]

    def _json(self, value: bytes) -> None:
        self._text(json.dumps(decode(ANY, value), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode())

    def _key(self) -> bytes:
        number = self._key_numbers.read()
        if number >= len(self._keys):
            self._keys.append(self._strings.read())
            return self._keys[-1]
        return self._keys[number]

    def _format(self) -> None:
        self._text(self._key())
        self._json(self._any())

    def _type(self) -> None:
        kind = self._types.read()
        self._number(kind)
        if kind == TYPE_XML_ELEMENT:
            self._text(self._key())

    def _values(self) -> None:
        count = self._lengths.read()
        self._number(count)
        for _ in range(count):
            self._out += self._any()

    def _document(self) -> None:
        self._text(self._strings.read())
        self._out += self._any()

    # -- deletions

    def _deletions(self) -> None:
        for _ in range(self._copy_number()):
            self._copy_number()
            clock = 0
            for _ in range(self._copy_number()):
                clock += self._rest.var_uint()
                length = self._rest.var_uint() + 1
                self._number(clock)
                self._number(length)
                clock += length
