"""ZIP files of strangers: every trick is refused by name, and nothing but the truth is read."""

import io
import random
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable

import pytest

from collab.errors import BadFile, CollabError, LimitExceeded
from collab.zips import SafeZip, ZipLimits

CONTENT = {"one.txt": b"the first entry " * 20, "folder/two.txt": b"the second"}


def packed(entries: dict[str, bytes] | None = None, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w", compression) as target:
        for name, content in (CONTENT if entries is None else entries).items():
            target.writestr(zipfile.ZipInfo(name), content, compress_type=compression)
    return stored.getvalue()


def read_all(data: bytes, limits: ZipLimits | None = None) -> dict[str, bytes]:
    opened = SafeZip(io.BytesIO(data), limits or ZipLimits())
    return {name: opened.read(name) for name in opened.names}


def test_a_good_file_is_read() -> None:
    assert read_all(packed()) == CONTENT
    assert read_all(packed(compression=zipfile.ZIP_STORED)) == CONTENT


def test_a_flipped_bit_anywhere_changes_nothing_or_is_refused() -> None:
    """What it never does is give other content. Inside an entry's data, the entry is named."""
    data = packed()
    places = []
    for info in zipfile.ZipFile(io.BytesIO(data)).infolist():
        start = info.header_offset + 30 + len(info.filename)
        places.append((range(start, start + info.compress_size), info.filename))
    refused = 0
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 0x10
        try:
            found = read_all(bytes(damaged))
        except CollabError as error:
            refused += 1
            said = str(error)
        else:
            said = ""
            assert {*found.values()} == {*CONTENT.values()}, at
        assert not said or all(at not in place or name in said for place, name in places), at
    assert refused > len(data) // 2


def named(name: str) -> bytes:
    return packed({"good.txt": b"x", name: b"y"})


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../up",
        "a/../../b",
        "a/..",
        "./a",
        "a//b",
        "C:/windows",
        "a\\b",
        "..\\up",
        "a:b",
        "nul\x01",
        "line\nbreak",
        "",
        "x" * 300,
    ],
)
def test_tricks_with_names_are_refused(name: str) -> None:
    with pytest.raises(BadFile):
        read_all(named(name))


def test_a_name_that_says_something_else_behind_a_nul_is_refused() -> None:
    with pytest.raises(BadFile):
        read_all(named("good.txtX/../../etc").replace(b"good.txtX", b"good.tx\x00X"))


def test_the_same_name_twice_is_refused() -> None:
    with pytest.raises(BadFile, match="twice"):
        read_all(named("gooX.txt").replace(b"gooX", b"good"))


def test_a_link_is_refused() -> None:
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w") as target:
        info = zipfile.ZipInfo("link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        target.writestr(info, "/etc/passwd")
    with pytest.raises(BadFile, match="link"):
        read_all(stored.getvalue())


@pytest.mark.parametrize(
    "magic", [b"PK\x03\x04", b"\x1f\x8b\x08", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"\xfd7zXZ\x00"]
)
def test_archives_inside_are_refused_by_what_they_are(magic: bytes) -> None:
    with pytest.raises(BadFile, match="innocent.txt is an archive"):
        read_all(packed({"innocent.txt": magic + bytes(300)}))


def test_a_tar_file_inside_is_refused() -> None:
    with pytest.raises(BadFile, match="innocent.txt is an archive"):
        read_all(packed({"innocent.txt": bytes(257) + b"ustar" + bytes(300)}))


@pytest.mark.parametrize("name", ["a.zip", "A.ZIP", "deep/x.docx", "x.tar.gz"])
def test_archives_inside_are_refused_by_name(name: str) -> None:
    with pytest.raises(BadFile, match="archive"):
        read_all(packed({name: b"x"}))


def overlapping() -> bytes:
    """The bomb of Fifield: every entry of the directory points at the same compressed data."""
    kernel = zlib.compressobj(9, zlib.DEFLATED, -15)
    content = bytes(60_000)
    data = kernel.compress(content) + kernel.flush()
    crc = zlib.crc32(content)
    local = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 20, 0, 8, 0, 33, crc, len(data), len(content), 1, 0) + b"0"
    central = b"".join(
        struct.pack(
            "<4sHHHHHHIIIHHHHHII", b"PK\x01\x02", 20, 20, 0, 8, 0, 33, crc, len(data), len(content), 1, 0, 0, 0, 0, 0, 0
        )
        + bytes([0x30 + number])
        for number in range(10)
    )
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 10, 10, len(central), len(local) + len(data), 0)
    return local + data + central + end


def lying_about_its_size() -> bytes:
    """Declares ten bytes where a million come out."""
    data = bytearray(packed({"bomb": bytes(1_000_000)}))
    size = struct.pack("<I", 1_000_000)
    while (at := data.find(size)) >= 0:
        data[at : at + 4] = struct.pack("<I", 10)
    return bytes(data)


BOMBS: list[tuple[str, Callable[[], bytes], str]] = [
    ("one entry of zeros", lambda: packed({"bomb": bytes(20_000_000)}), "times its size"),
    (
        "beside honest entries",
        lambda: packed({"a": random.Random(1).randbytes(200_000), "bomb": bytes(9_000_000)}),
        "'bomb'",
    ),
    (
        "more than the limit",
        lambda: packed({"a": bytes(101 * 1024 * 1024)}, zipfile.ZIP_STORED),
        "unpacks to 105906176",
    ),
    ("too many entries", lambda: packed({f"{n}": b"" for n in range(10_001)}), "10001 entries"),
    ("overlapping entries", overlapping, "overlaps"),
    ("lying about its size", lying_about_its_size, "bomb is damaged"),
]


@pytest.mark.parametrize(("make", "says"), [case[1:] for case in BOMBS], ids=[case[0] for case in BOMBS])
def test_14_bombs_are_refused(make: Callable[[], bytes], says: str) -> None:
    with pytest.raises((BadFile, LimitExceeded), match=says):
        read_all(make())


def test_small_entries_may_be_as_empty_as_they_like() -> None:
    assert read_all(packed({"page.xml": bytes(60_000)})) == {"page.xml": bytes(60_000)}


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_of_packing_are_refused(method: int) -> None:
    with pytest.raises(BadFile, match="packed in a way"):
        read_all(packed(compression=method))


def test_an_encrypted_entry_is_refused() -> None:
    data = bytearray(packed({"a": b"x"}))
    at = data.find(b"PK\x01\x02")
    data[at + 8] |= 1
    with pytest.raises(BadFile, match="encrypted"):
        read_all(bytes(data))


@pytest.mark.parametrize("end", [0, 1, 10, 50, -1, -22])
def test_a_cut_file_is_refused(end: int) -> None:
    with pytest.raises(BadFile):
        read_all(packed()[:end])
