"""Images that documents have: of which kind they are, and what of them is kept.

Rule P1: what an image is, its first bytes say, and nothing else. What is none of the kinds here is no image that a
    document can have, SVG among them: it is a program.
Rule P2: what a camera wrote beside the picture goes before it is kept: where and when it was taken, by whom, with what,
    thumbnails, and whatever follows behind its end. The picture itself is not touched, and stands as it stood: of all
    that only the orientation stays. Colour profiles are part of the picture.
"""

import re
import struct
import zlib
from collections.abc import Iterator

from collab.errors import BadFile

_RIFF_HEAD = 12
_PNG_HEAD = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = frozenset(
    b"IHDR PLTE IDAT IEND tRNS cHRM gAMA iCCP sBIT sRGB bKGD hIST pHYs sPLT cICP mDCV cLLI acTL fcTL fdAT".split()
)
_WEBP_KEPT = frozenset((b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"))
_WEBP_EXIF, _WEBP_XMP = 0x08, 0x04
"""Flags of VP8X."""
_EXIF = b"Exif\0\0"
_JPEG_MARKER = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])", re.DOTALL)
"""Ends the data of a scan."""
_EOI, _SOS, _APP1, _COMMENT = 0xD9, 0xDA, 0xE1, 0xFE
_ALONE = frozenset((0x01, *range(0xD0, 0xD8)))
"""Markers that have no length."""
_ORIENTATION = 0x0112


def image_type(content: bytes) -> str | None:
    """The media type of an image that documents may have (rule P1)."""
    if content.startswith(_PNG_HEAD):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    head = content[:_RIFF_HEAD]
    if head[:4] == b"RIFF" and head[8:] == b"WEBP":
        return "image/webp"
    if head[4:] in (b"ftypavif", b"ftypavis"):
        return "image/avif"
    return None


def picture_alone(content: bytes) -> bytes:
    """An image of one of those kinds by rule P2. GIF and AVIF stay as they are.

    Raises:
        BadFile: it is damaged.
    """
    strip = {"image/png": _png, "image/jpeg": _jpeg, "image/webp": _webp}.get(image_type(content) or "")
    if strip is None:
        return content
    try:
        return b"".join(strip(content))
    except (IndexError, struct.error) as error:
        raise BadFile("the image is damaged: it ends in the middle") from error


def _jpeg(data: bytes) -> Iterator[bytes]:
    yield data[:2]
    at = 2
    while True:
        if data[at] != 0xFF:
            raise BadFile("the image is damaged: a JPEG marker is missing")
        while data[at] == 0xFF:
            at += 1
        marker, at = data[at], at + 1
        if marker in _ALONE:
            continue
        if marker == _EOI:
            yield b"\xff\xd9"
            return
        (length,) = struct.unpack_from(">H", data, at)
        end = at + length
        if length < 2 or end > len(data):
            raise BadFile("the image is damaged: it ends in the middle")
        segment = data[at + 2 : end]
        if marker == _APP1 and segment.startswith(_EXIF):
            orientation = _orientation_in(segment[len(_EXIF) :])
            if orientation != 1:
                exif = _EXIF + _exif_of(orientation)
                yield b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
        elif _is_picture(marker, segment):
            yield b"\xff" + bytes((marker,)) + data[at:end]
        at = end
        if marker == _SOS:
            found = _JPEG_MARKER.search(data, at)
            if found is None:
                # It was cut off; browsers show what there is.
                yield data[at:]
                return
            yield data[at : found.start()]
            at = found.start()


def _is_picture(marker: int, segment: bytes) -> bool:
    if marker == _COMMENT:
        return False
    if not 0xE0 <= marker <= 0xEF:
        return True
    kept = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}.get(marker)
    return kept is not None and segment.startswith(kept)


def _png(data: bytes) -> Iterator[bytes]:
    yield _PNG_HEAD
    at = len(_PNG_HEAD)
    said = False
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise BadFile("the image is damaged: it ends in the middle")
        if kind in _PNG_KEPT:
            yield data[at:end]
        elif kind == b"eXIf" and not said:
            said = True
            orientation = _orientation_in(data[at + 8 : end - 4])
            if orientation != 1:
                chunk = b"eXIf" + _exif_of(orientation)
                yield struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        if kind == b"IEND":
            return
        at = end


def _webp(data: bytes) -> Iterator[bytes]:
    chunks: list[tuple[bytes, bytes]] = []
    orientation = 1
    at, whole = _RIFF_HEAD, min(len(data), struct.unpack_from("<I", data, 4)[0] + 8)
    while at + 8 <= whole:
        kind, length = struct.unpack_from("<4sI", data, at)
        content = data[at + 8 : at + 8 + length]
        if len(content) < length:
            raise BadFile("the image is damaged: it ends in the middle")
        if kind in _WEBP_KEPT:
            chunks.append((kind, content))
        elif kind == b"EXIF":
            orientation = _orientation_in(content.removeprefix(_EXIF))
        at += 8 + length + length % 2
    if orientation != 1:
        chunks.append((b"EXIF", _exif_of(orientation)))
    body = b""
    for kind, content in chunks:
        if kind == b"VP8X" and content:
            flags = content[0] & ~(_WEBP_EXIF | _WEBP_XMP) | (_WEBP_EXIF if orientation != 1 else 0)
            content = bytes((flags,)) + content[1:]
        body += kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
    yield b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _orientation_in(tiff: bytes) -> int:
    """What Exif says of how the picture stands: 1 to 8; 1, as it is, where it says nothing that counts."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (at,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, at)
        for number in range(count):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", tiff, at + 2 + number * 12)
            if tag == _ORIENTATION:
                return int(value) if kind == 3 and 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def _exif_of(orientation: int) -> bytes:
    """Exif that says that, and nothing else."""
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, _ORIENTATION, 3, 1, orientation, 0, 0)
