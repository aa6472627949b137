"""An archive that is not what it should be is refused as a whole, and the file in it that is wrong is named."""

import base64
import hashlib
import io
import json
import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from collab.archive.model import ArchivedEvent, ArchivedImage, ArchivedVersion
from collab.archive.reader import check_archive
from collab.archive.spool import read_documents
from collab.archive.writer import ArchiveWriter
from collab.errors import BadFile, CollabError, CorruptUpdate, LimitExceeded
from collab.history.copies import Copy as Copied
from collab.history.copies import encode_copies
from collab.history.ports import EventKind
from collab.ports import StoredUpdate
from collab.types import Seq
from collab.zips import ZipLimits
from tests.archives.world import COPIES, archived, session
from tests.hostile import nested_types

FOLDER = "documents/000001"
Entries = dict[str, bytes]


def rows(rng: random.Random, count: int) -> list[StoredUpdate]:
    start = 1_800_000_000_000
    return [
        StoredUpdate(Seq(number), new.user_id, start + number, new.payload)
        for number, new in enumerate(session(rng, count), start=1)
    ]


@pytest.fixture(scope="module")
def updates() -> list[StoredUpdate]:
    return rows(random.Random(7), 12)


@pytest.fixture(scope="module")
def good(updates: list[StoredUpdate], tmp_path_factory: pytest.TempPathFactory) -> bytes:
    file = tmp_path_factory.mktemp("archive") / "good.zip"
    writer = ArchiveWriter(file, now_ms=1_800_000_000_000)
    named = ArchivedVersion(Seq(3), "First draft", "ann", 1_800_000_000_004)
    happened = ArchivedEvent(EventKind.RESTORE, "ann", 1_800_000_000_005, Seq(2), "", Seq(9), 77, COPIES)
    writer.add(archived("plans", 12, title="Plans", versions=(named,), events=(happened,)), updates)
    writer.add(archived("empty"), [])
    writer.finish()
    return file.read_bytes()


def check(data: bytes, directory: Path, limits: ZipLimits | None = None) -> list[tuple[Any, list[StoredUpdate]]]:
    file, spool = directory / "archive.zip", directory / "spool"
    file.write_bytes(data)
    with spool.open("wb") as target:
        check_archive(file, target, limits or ZipLimits(), 50 * 2**20, lambda *_: None)
    with spool.open("rb") as source:
        return [
            (document, [row for chunk in chunks for row in chunk]) for document, chunks, _ in read_documents(source)
        ]


def test_a_good_archive_gives_back_what_went_in(good: bytes, updates: list[StoredUpdate], tmp_path: Path) -> None:
    (plans, found), (empty, nothing) = check(good, tmp_path)
    assert found == updates
    assert (plans.id, plans.title, plans.head, plans.versions[0].name) == ("plans", "Plans", 12, "First draft")
    assert (plans.events[0].kind, plans.events[0].copies, plans.events[0].client) == (EventKind.RESTORE, COPIES, 77)
    assert (empty.id, empty.head, nothing) == ("empty", 0, [])


def test_a_state_of_an_archive_opens_in_any_yjs_client(good: bytes, updates: list[StoredUpdate]) -> None:
    from collab.export.tree import read_content
    from collab.guard import document_from

    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        state = archive.read(f"{FOLDER}/state.yjs")
        content = json.loads(archive.read(f"{FOLDER}/content.json"))
    assert read_content(state) == content == read_content(document_from([row.payload for row in updates]).get_update())


def places(data: bytes) -> Iterator[tuple[range, str]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for info in archive.infolist():
            start = info.header_offset + 30 + len(info.filename)
            yield range(start, start + info.compress_size), info.filename


def test_a_flipped_byte_anywhere_is_refused_and_its_file_named(good: bytes, rng: random.Random, tmp_path: Path) -> None:
    """Some in every file of the archive, and everywhere between them: headers, directory, seal."""
    # Packed data has bits that mean nothing, most of them in its last byte, and there are several ways to pack a text.
    # Flipped, they are the archive's damage and no file's.
    within = [(at, name) for place, name in places(good) for at in rng.sample(place[:-1], min(6, len(place) - 1))]
    inside = {at for place, _ in places(good) for at in place}
    between = [(at, "") for at in rng.sample(sorted({*range(len(good))} - inside), 60)]
    assert len({name for _, name in within}) == 7
    unnamed: list[int] = []
    for at, name in within + between:
        damaged = bytearray(good)
        damaged[at] ^= 1 << rng.randrange(8)
        with pytest.raises((BadFile, LimitExceeded)) as refused:
            check(bytes(damaged), tmp_path)
        if name not in str(refused.value):
            assert "its files are whole" in str(refused.value), at
            unnamed.append(at)
    assert len(unnamed) <= len(within) / 10


# -- archives that somebody has made to be wrong: every checksum holds


def forged(good: bytes, change: Callable[[Entries, dict[str, Any]], None], *, manifest_too: bool = True) -> bytes:
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(entries.pop("manifest.json"))
    change(entries, manifest)
    if manifest_too:
        manifest["files"] = {
            name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in entries.items()
        }
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (entries | {"manifest.json": json.dumps(manifest).encode()}).items():
            archive.writestr(name, content)
    return stored.getvalue()


def test_an_archive_that_was_packed_anew_is_taken_without_its_seal(good: bytes, tmp_path: Path) -> None:
    assert len(check(forged(good, lambda entries, manifest: None), tmp_path)) == 2


def lines(**changes: Any) -> Callable[[Entries, dict[str, Any]], None]:
    """Change the fifth update."""

    def change(entries: Entries, manifest: dict[str, Any]) -> None:
        name = f"{FOLDER}/updates.ndjson"
        found = [json.loads(line) for line in entries[name].splitlines()]
        found[4] |= changes
        entries[name] = "\n".join(map(json.dumps, found)).encode()

    return change


def listed(**changes: Any) -> Callable[[Entries, dict[str, Any]], None]:
    return lambda entries, manifest: manifest["documents"][0].update(changes)


def without(name: str) -> Callable[[Entries, dict[str, Any]], None]:
    def change(entries: Entries, manifest: dict[str, Any]) -> None:
        del entries[name]

    return change


def beside(name: str, content: bytes = b"x") -> Callable[[Entries, dict[str, Any]], None]:
    return lambda entries, manifest: entries.update({name: content})


def events(copies: bytes) -> Callable[[Entries, dict[str, Any]], None]:
    def change(entries: Entries, manifest: dict[str, Any]) -> None:
        name = f"{FOLDER}/events.ndjson"
        entries[name] = json.dumps(json.loads(entries[name]) | {"copies": encoded(copies)}).encode()

    return change


def cut(entries: Entries, manifest: dict[str, Any]) -> None:
    name = f"{FOLDER}/updates.ndjson"
    entries[name] = b"\n".join(entries[name].splitlines()[:-1])


def twice(entries: Entries, manifest: dict[str, Any]) -> None:
    manifest["documents"].append(manifest["documents"][0])


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


FORGED: list[tuple[str, Callable[[Entries, dict[str, Any]], None], str]] = [
    ("a seq that is missing", lines(seq=6), "updates.ndjson: line 5: its seq should be 5"),
    ("an update that is none", lines(payload=encoded(b"none")), "updates.ndjson: seq 5"),
    ("an update that kills pycrdt", lines(payload=encoded(nested_types(30_000))), "updates.ndjson: seq 5"),
    ("an update of nothing", lines(payload=encoded(b"\x00\x00")), "attach|builds on|not the document"),
    ("no base64", lines(payload="%%"), "line 5: payload is not base64"),
    ("a time that is none", lines(at="yesterday"), "line 5: a time is written"),
    ("an author that cannot be stored", lines(user="\x00"), "line 5: user is no name"),
    ("an author that is a number", lines(user=7), "line 5: user is missing or of the wrong kind"),
    ("a thinned row behind others", lines(first=5), "line 5: it cannot stand for the rows from 5 on"),
    ("a client of no thinned row", beside(f"{FOLDER}/clients.ndjson", b'{"client": 1, "user": null, "first": 3}'),
     "clients.ndjson: a client"),
    ("a session of no thinned row", beside(f"{FOLDER}/sessions.ndjson", b'{"user": null, "first": 1, "last": 3, '
     b'"started_at": "2026-01-01T00:00:00.000Z", "ended_at": "2026-01-01T00:00:00.000Z", "updates": 1, "added": 1, '
     b'"removed": 0}'), "sessions.ndjson: two end"),
    ("the last update left out", cut, "should end with seq 12 and end with 11"),
    ("a name that is none", listed(id="../x"), "manifest.json: '../x'"),
    ("a title with a control character", listed(title="a\nb"), "manifest.json: 'plans': title"),
    ("a head that is none", listed(head="12"), "manifest.json: 'plans': head"),
    ("an epoch that is none", listed(epoch="<b>"), "manifest.json: 'plans': epoch"),
    ("a folder elsewhere", listed(folder="../documents"), "belongs to no document"),
    ("a document twice", twice, "plans is in it twice"),
    ("no state", without(f"{FOLDER}/state.yjs"), f"{FOLDER}/state.yjs is missing"),
    ("a file of nobody", beside("documents/000009/updates.ndjson"), "belongs to no document"),
    ("a file that nobody knows", beside(f"{FOLDER}/run.sh"), "belongs to no document"),
    ("a state of another document", beside(f"{FOLDER}/state.yjs", b"\x00\x00"), "is not the document"),
    ("an archive inside", beside(f"{FOLDER}/content.md", b"PK\x03\x04xx"), "content.md is an archive"),
    ("a version of no seq", beside(f"{FOLDER}/versions.ndjson", b'{"seq": 99, "name": "x", "user": null, '
     b'"at": "2026-01-01T00:00:00.000Z"}'), "versions.ndjson: there is no seq 99"),
    ("events that are none", beside(f"{FOLDER}/events.ndjson", b'{"kind": "party"}'), "events.ndjson: line 1"),
    ("copies that are none", events(b"\x01"), "events.ndjson: copies are none"),
    ("a restore that copies itself", events(encode_copies([Copied(0, 1, 77, 0)])), "copies itself"),
    ("lines that are none", beside(f"{FOLDER}/events.ndjson", b"[[[["), "events.ndjson: line 1 is not JSON"),
    ("a newer version", lambda entries, manifest: manifest.update(version=4), "version 1 to 3"),
    ("another format", lambda entries, manifest: manifest.update(format="x"), "no Coscribe archive"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "says"), [case[1:] for case in FORGED], ids=[case[0] for case in FORGED])
def test_14_a_forged_archive_is_refused(
    good: bytes, change: Callable[[Entries, dict[str, Any]], None], says: str, tmp_path: Path
) -> None:
    with pytest.raises(CollabError, match=says):
        check(forged(good, change), tmp_path)


def test_a_file_that_does_not_match_its_checksum_is_named(good: bytes, tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"content\.md does not match its checksum"):
        check(forged(good, beside(f"{FOLDER}/content.md"), manifest_too=False), tmp_path)
    with pytest.raises(BadFile, match=r"extra\.md is not in manifest\.json"):
        check(forged(good, beside(f"{FOLDER}/extra.md"), manifest_too=False), tmp_path)


@pytest.mark.parametrize("limits", [ZipLimits(bytes_max=2_000), ZipLimits(entries_max=4)])
def test_an_archive_larger_than_it_may_be_is_refused(good: bytes, limits: ZipLimits, tmp_path: Path) -> None:
    with pytest.raises(LimitExceeded):
        check(good, tmp_path, limits)


def test_a_zip_bomb_is_refused(good: bytes, tmp_path: Path) -> None:
    with pytest.raises(LimitExceeded, match="times its size"):
        check(forged(good, beside(f"{FOLDER}/content.md", bytes(20_000_000))), tmp_path)


def test_our_own_archives_are_never_taken_for_bombs(tmp_path: Path) -> None:
    """A document of one letter a million times packs a thousandfold."""
    from collab.imports.build import build_update, one_document
    from tests.collab.formats.rich import paragraph

    update = build_update(one_document([paragraph("a" * 1_000_000)]))
    writer = ArchiveWriter(tmp_path / "archive.zip", now_ms=0)
    writer.add(archived("long", 1), [StoredUpdate(Seq(1), None, 0, update)])
    writer.finish()
    ((document, _),) = check((tmp_path / "archive.zip").read_bytes(), tmp_path)
    assert document.id == "long"


PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4
DIGEST = hashlib.sha256(PNG).hexdigest()
IMAGE = f"{FOLDER}/images/{DIGEST}"


@pytest.fixture(scope="module")
def illustrated(updates: list[StoredUpdate], tmp_path_factory: pytest.TempPathFactory) -> bytes:
    file = tmp_path_factory.mktemp("archive") / "illustrated.zip"
    writer = ArchiveWriter(file, now_ms=1_800_000_000_000, content=False)
    writer.add(archived("plans", 12), updates)
    writer.add_image(ArchivedImage(DIGEST, "image/png", len(PNG), "ann", 1_800_000_000_000), PNG)
    writer.add(archived("empty"), [])
    writer.finish()
    return file.read_bytes()


def test_images_come_out_as_they_went_in(illustrated: bytes, updates: list[StoredUpdate], tmp_path: Path) -> None:
    (plans, found), (empty, _) = check(illustrated, tmp_path)
    image = ArchivedImage(DIGEST, "image/png", len(PNG), "ann", 1_800_000_000_000)
    assert (plans.images, empty.images, found) == ((image,), (), updates)
    with (tmp_path / "spool").open("rb") as source:
        # Whether the rows before them were read or not.
        assert [[*images] for _, _, images in read_documents(source)] == [[PNG], []]
    assert manifest_of(illustrated)["version"] == 3


def manifest_of(data: bytes) -> Any:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return json.loads(archive.read("manifest.json"))


def _other_content(entries: Entries, manifest: Any) -> None:
    entries[IMAGE] += b"!"


def _a_program(entries: Entries, manifest: Any) -> None:
    svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    digest = hashlib.sha256(svg).hexdigest()
    manifest["documents"][0]["images"][0]["sha256"] = digest
    del entries[IMAGE]
    entries[f"{FOLDER}/images/{digest}"] = svg


def _a_path(entries: Entries, manifest: Any) -> None:
    manifest["documents"][0]["images"][0]["sha256"] = "../state.yjs"


def _missing(entries: Entries, manifest: Any) -> None:
    del entries[IMAGE]


def _twice(entries: Entries, manifest: Any) -> None:
    manifest["documents"][0]["images"] *= 2


def _of_nobody(entries: Entries, manifest: Any) -> None:
    del manifest["documents"][0]["images"]


def _no_list(entries: Entries, manifest: Any) -> None:
    manifest["documents"][0]["images"] = {"sha256": DIGEST}


def _no_author(entries: Entries, manifest: Any) -> None:
    manifest["documents"][0]["images"][0]["user"] = 7


def _nonsense(entries: Entries, manifest: Any) -> None:
    manifest["documents"][0]["images"] = 7


@pytest.mark.parametrize(
    "change",
    [_other_content, _a_program, _a_path, _missing, _twice, _of_nobody, _no_list, _no_author, _nonsense],
    ids=lambda change: change.__name__,
)
def test_14_an_image_that_is_not_what_it_should_be_is_refused(
    illustrated: bytes, tmp_path: Path, change: Callable[[Entries, Any], None]
) -> None:
    with pytest.raises(BadFile):
        check(forged(illustrated, change), tmp_path)
    check(forged(illustrated, lambda *_: None), tmp_path)


def test_14_a_bomb_among_the_images_is_refused_before_it_is_unpacked(illustrated: bytes, tmp_path: Path) -> None:
    def grow(entries: Entries, manifest: Any) -> None:
        bomb = PNG + bytes(20 * 2**20)
        digest = hashlib.sha256(bomb).hexdigest()
        manifest["documents"][0]["images"].append(manifest["documents"][0]["images"][0] | {"sha256": digest})
        entries[f"{FOLDER}/images/{digest}"] = bomb

    with pytest.raises(LimitExceeded):
        check(forged(illustrated, grow), tmp_path)
    with pytest.raises(LimitExceeded):
        check(illustrated, tmp_path, ZipLimits(bytes_max=len(PNG)))


def test_an_image_that_is_damaged_is_not_written(tmp_path: Path) -> None:
    writer = ArchiveWriter(tmp_path / "a.zip", now_ms=0)
    writer.add(archived("plans"), [])
    with pytest.raises(CorruptUpdate):
        writer.add_image(ArchivedImage(DIGEST, "image/png", 3, None, 0), b"not")
    assert writer.images == 0
    writer.abandon()
