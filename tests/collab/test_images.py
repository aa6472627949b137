"""What is kept of an image: the picture, as it stood, and nothing of what a camera wrote beside it."""

import random
import struct
import zlib

import pytest

from collab.errors import BadFile
from collab.images import image_type, picture_alone

PLACE = b"48.8584 N 2.2945 E"


def exif(orientation: int, *, order: str = "<") -> bytes:
    """Exif as a phone writes it: orientation among other things, and where it was."""
    head = b"II*\0" if order == "<" else b"MM\0*"
    entries = struct.pack(f"{order}HHII", 0x010F, 2, 6, 50) + struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    return head + struct.pack(f"{order}IH", 8, 2) + entries + struct.pack(f"{order}I", 0) + b"Maker\0" + PLACE


def segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content


JFIF = segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
PROFILE = segment(0xE2, b"ICC_PROFILE\0\1\1" + b"colours")
ADOBE = segment(0xEE, b"Adobe\0d\0\0\0\0\1")
TABLES = segment(0xDB, bytes(65)) + segment(0xC2, bytes(15)) + segment(0xC4, bytes(20))
SCAN = segment(0xDA, bytes(8)) + b"\x12\xff\x00\x34\xff\xd3\x56\xff\x00"
PICTURE = JFIF + PROFILE + ADOBE + TABLES + SCAN + segment(0xC4, bytes(3)) + SCAN + b"\xff\xd9"
BESIDE = [
    segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x>" + PLACE),
    segment(0xED, b"Photoshop 3.0\0" + PLACE),
    segment(0xE2, b"MPF\0" + PLACE),
    segment(0xE5, PLACE),
    segment(0xFE, PLACE),
]


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


PNG = b"\x89PNG\r\n\x1a\n"
PNG_START = PNG + chunk(b"IHDR", bytes(13)) + chunk(b"iCCP", b"colours")
PNG_END = chunk(b"IDAT", b"picture") + chunk(b"IEND", b"")


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(
        kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2) for kind, content in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


@pytest.mark.rule("P2")
def test_of_a_photo_the_picture_stays_to_the_last_byte() -> None:
    photo = b"\xff\xd8" + segment(0xE1, b"Exif\0\0" + exif(1)) + b"".join(BESIDE) + PICTURE + b"a film with " + PLACE
    assert picture_alone(photo) == b"\xff\xd8" + PICTURE
    assert picture_alone(picture_alone(photo)) == picture_alone(photo)


@pytest.mark.rule("P2")
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("orientation", range(10))
def test_a_photo_stands_as_it_stood(orientation: int, order: str) -> None:
    camera = exif(orientation, order=order)
    kept = picture_alone(b"\xff\xd8" + JFIF + segment(0xE1, b"Exif\0\0" + camera) + TABLES + SCAN + b"\xff\xd9")
    png = picture_alone(PNG_START + chunk(b"eXIf", camera) + PNG_END)
    webp = picture_alone(riff((b"VP8X", b"\x0c" + bytes(9)), (b"VP8 ", b"odd"), (b"EXIF", camera), (b"XMP ", PLACE)))
    for image in (kept, png, webp):
        assert PLACE not in image
        assert b"Maker" not in image
    if orientation in range(2, 9):
        said = b"\x01\x12\x00\x03\x00\x00\x00\x01\x00" + bytes((orientation,))
        assert all(image.count(said) == 1 for image in (kept, png, webp))
        assert webp[20] == 0x08
    else:
        assert kept == b"\xff\xd8" + JFIF + TABLES + SCAN + b"\xff\xd9"
        assert png == PNG_START + PNG_END
        assert webp == riff((b"VP8X", bytes(10)), (b"VP8 ", b"odd"))


@pytest.mark.rule("P2")
def test_of_a_png_nothing_is_kept_that_is_no_picture() -> None:
    texts = [chunk(kind, PLACE) for kind in (b"tEXt", b"iTXt", b"zTXt", b"tIME", b"prIv")]
    assert picture_alone(PNG_START + b"".join(texts) + PNG_END + PLACE) == PNG_START + PNG_END


def test_what_is_cut_off_is_damaged_or_shown_as_far_as_it_goes(rng: random.Random) -> None:
    images = [
        b"\xff\xd8" + segment(0xE1, b"Exif\0\0" + exif(6)) + PICTURE,
        PNG_START + chunk(b"eXIf", exif(6)) + PNG_END,
        riff((b"VP8X", bytes(10)), (b"EXIF", exif(6)), (b"VP8 ", b"picture")),
    ]
    for image in images:
        kind = image_type(image)
        for end in range(12, len(image)):
            broken = bytearray(image[:end])
            broken[rng.randrange(12, len(image)) % end] = rng.randrange(256)
            for attempt in (image[:end], bytes(broken)):
                try:
                    assert len(picture_alone(attempt)) <= len(image) + 64
                except BadFile:
                    continue
        assert image_type(picture_alone(image)) == kind
