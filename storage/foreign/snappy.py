"""Snappy's raw format, unpacked: https://github.com/google/snappy, format_description.txt."""

from collab.errors import BadFile, LimitExceeded

_LITERAL, _NEAR, _FAR = 0, 1, 2
_LENGTH_FOLLOWS = 60


def unpack(data: bytes, size_max: int) -> bytes:
    """
    Raises:
        BadFile: it is damaged.
        LimitExceeded: there would be more than `size_max` bytes.
    """
    try:
        size, at = _size(data)
        if size > size_max:
            raise LimitExceeded(f"a block unpacks to {size} bytes; {size_max} are allowed")
        out = _unpack(data, at, size)
    except IndexError:
        raise BadFile("a compressed block ends too early") from None
    if len(out) != size:
        raise BadFile("a compressed block is not as long as it says")
    return bytes(out)


def _size(data: bytes) -> tuple[int, int]:
    size = shift = at = 0
    while True:
        byte = data[at]
        at += 1
        size |= (byte & 0x7F) << shift
        if byte < 0x80:
            return size, at
        shift += 7
        if shift > 28:
            raise BadFile("a compressed block is too long")


def _unpack(data: bytes, at: int, size: int) -> bytearray:
    out = bytearray()
    end = len(data)
    while at < end and len(out) <= size:
        tag = data[at]
        at += 1
        kind, count = tag & 3, (tag >> 2) + 1
        if kind == _LITERAL:
            if count > _LENGTH_FOLLOWS:
                width = count - _LENGTH_FOLLOWS
                count = int.from_bytes(data[at : at + width], "little") + 1
                at += width
            if at + count > end:
                raise BadFile("a compressed block ends too early")
            out += data[at : at + count]
            at += count
            continue
        if kind == _NEAR:
            count = ((tag >> 2) & 7) + 4
            offset = (tag >> 5) << 8 | data[at]
            at += 1
        else:
            width = 2 if kind == _FAR else 4
            offset = int.from_bytes(data[at : at + width], "little")
            at += width
        start = len(out) - offset
        if offset == 0 or start < 0 or at > end:
            raise BadFile("a compressed block refers to what is not there")
        if offset >= count:
            out += out[start : start + count]
        else:  # It repeats what it is just writing.
            out += (out[start:] * (count // offset + 1))[:count]
    return out
