"""Everything moves from one database to the other by way of one file: history, order, authorship, names, the bin."""

import hashlib
import random
import shutil
import sys
import time
from pathlib import Path

import pytest

from collab.history.historian import Historian
from collab.history.thinning import Keep
from collab.history.timeline import TimelineQuery
from collab.ports import Append, NewUpdate
from collab.types import DocumentId, Seq
from storage.audit_log import Actor
from storage.blobs import DiskBlobs
from storage.engine import Database
from storage.files import File
from storage.tables import files
from tests.archives.conftest import FULL, Scale
from tests.archives.world import authors, fill, past, see, session
from tests.support import eventually
from web.archiving import export_archive, import_archive
from web.settings import Settings
from web.workers import Workers


def report(line: str) -> None:
    """A figure for whoever runs the full size."""
    if FULL:
        sys.stdout.write(f"{line}\n")


class Clock:
    def __init__(self) -> None:
        self.started = time.monotonic()

    def lap(self) -> str:
        self.started, before = time.monotonic(), self.started
        return f"{self.started - before:.1f} s"


PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


async def illustrate(database: Database, blobs: DiskBlobs, name: DocumentId) -> None:
    """An image, and another one that has been lost."""
    epoch = (await database.documents.get(name)).epoch
    for content in (PNG, PNG + b"lost"):
        file = File(hashlib.sha256(content).hexdigest(), "image/png", len(content))
        await database.files.add(name, file, "ann", 2**20)
        if content is PNG:
            await blobs.put(epoch, file.digest, content)


@pytest.mark.timeout(3600 if FULL else 120)
async def test_an_archive_moves_everything_from_sqlite_to_postgresql(
    sqlite: Database, postgres: Database, settings: Settings, tmp_path: Path, rng: random.Random, scale: Scale
) -> None:
    clock = Clock()
    names = await fill(sqlite, rng, scale.documents, scale.updates)
    report(f"{scale.documents} documents, {scale.updates} updates written in {clock.lap()}")
    file = tmp_path / "everything.zip"
    here, there = DiskBlobs(tmp_path / "here"), DiskBlobs(tmp_path / "there")
    await illustrate(sqlite, here, names[1])
    done = await export_archive(settings.database_url, file, here, chosen=None)
    report(f"exported in {clock.lap()}: {done}")
    assert (done["documents"], done["left_out"]) == (len(names), [])
    assert (done["images"], len(done["images_missing"])) == (1, 1)
    workers = Workers(settings.archive_limits)
    found = await import_archive(postgres, workers, file, tmp_path / "spool", settings, there)
    report(f"imported in {clock.lap()}: {found}")
    counts = {name: done[name] for name in ("documents", "updates", "images", "left_out")}
    assert found == counts | {"present": 0}
    (image,) = await postgres.archives.images(names[1])
    assert image in await sqlite.archives.images(names[1])
    assert await there.get((await postgres.documents.get(names[1])).epoch, image.digest) == PNG
    for name in names:
        assert await see(postgres, name) == await see(sqlite, name)
    report(f"equal heads and rows: all of {len(names)} documents ({clock.lap()})")
    for _ in range(scale.seqs):
        name = rng.choice(names[1:])
        at = Seq(rng.randint(0, (await sqlite.documents.get(name)).head))
        assert await past(postgres, name, at) == await past(sqlite, name, at)
    report(f"equal past states: {scale.seqs} random ones ({clock.lap()})")
    sample = names if FULL else names[1:6]
    for name in sample:
        assert await authors(postgres, name) == await authors(sqlite, name)
    report(f"equal authorship: {len(sample)} documents ({clock.lap()})")
    # Whoever has the documents without their images gets those.
    shutil.rmtree(tmp_path / "there")
    await postgres._transactions.write(lambda connection: connection.execute(files.delete()))
    again = await import_archive(postgres, workers, file, tmp_path / "spool", settings, there)
    assert again["present"] == len(names)
    assert await postgres.archives.images(names[1]) == (image,)
    assert await there.get((await postgres.documents.get(names[1])).epoch, image.digest) == PNG


async def test_an_archive_moves_back_from_postgresql_to_sqlite_under_other_names(
    sqlite: Database, postgres: Database, postgres_url: str, settings: Settings, tmp_path: Path, rng: random.Random
) -> None:
    names = await fill(postgres, rng, 4, 60)
    file = tmp_path / "some.zip"
    blobs = DiskBlobs(tmp_path / "files")
    await export_archive(postgres_url, file, blobs, chosen=[names[1], names[2]], content=False)
    workers = Workers(settings.archive_limits)
    await import_archive(sqlite, workers, file, tmp_path / "spool", settings, blobs, prefix="from/afar/")
    for name in names[1:3]:
        copy = await see(sqlite, type(name)(f"from/afar/{name}"))
        original = await see(postgres, name)
        assert copy.rows == original.rows
        assert copy.info[1:] == original.info[1:]
    assert len(await sqlite.documents.list(limit=10)) + len(await sqlite.documents.list(limit=10, deleted=True)) == 2
    assert not (tmp_path / "spool").exists()


@pytest.mark.parametrize("keep", Keep)
async def test_what_was_thinned_out_moves_as_it_is(
    sqlite: Database, postgres: Database, settings: Settings, tmp_path: Path, rng: random.Random, keep: Keep
) -> None:
    """Who wrote it is told by no row any more, and still comes along."""
    names = await fill(sqlite, rng, 4, 150)
    middle = sqlite.now_ms() + 1

    async def over() -> bool:
        return sqlite.now_ms() >= middle

    await eventually(over, "the next millisecond: what was written in the same is not older")
    for name in names[1:]:
        await sqlite.log.append([Append(name, (NewUpdate("late", later(rng)),))]) if name != names[2] else None
        thinning = await Historian(sqlite.log, sqlite.history).thinning(name, middle, keep)
        assert thinning is not None
        assert await sqlite.retention.thin(name, thinning, Actor())
    file = tmp_path / "thinned.zip"
    blobs = DiskBlobs(tmp_path / "files")
    done = await export_archive(settings.database_url, file, blobs, chosen=None)
    assert done["left_out"] == []
    await import_archive(postgres, Workers(settings.archive_limits), file, tmp_path / "spool", settings, blobs)
    for name in names:
        assert await see(postgres, name) == await see(sqlite, name)
        assert await authors(postgres, name) == await authors(sqlite, name)
        for at in await sqlite.history.kept(name):
            assert await past(postgres, name, at) == await past(sqlite, name, at)
        assert await timeline(postgres, name) == await timeline(sqlite, name)
    assert [*await postgres.history.kept(names[1])] == [*await sqlite.history.kept(names[1])] != []


def later(rng: random.Random) -> bytes:
    return session(rng, 1)[0].payload


async def timeline(database: Database, name: DocumentId) -> list[object]:
    _, entries, _ = await Historian(database.log, database.history).timeline(name, TimelineQuery(60_000, 100))
    return [(entry.user_id, entry.at_ms, {**entry.fields, "id": 0}) for entry in entries]
