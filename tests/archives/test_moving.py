"""Everything moves from one database to the other by way of one file: history, order, authorship, names, the bin."""

import random
import sys
import time
from pathlib import Path

import pytest

from collab.types import Seq
from storage.engine import Database
from tests.archives.conftest import FULL, Scale
from tests.archives.world import authors, fill, past, see
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


@pytest.mark.timeout(3600 if FULL else 120)
async def test_an_archive_moves_everything_from_sqlite_to_postgresql(
    sqlite: Database, postgres: Database, settings: Settings, tmp_path: Path, rng: random.Random, scale: Scale
) -> None:
    clock = Clock()
    names = await fill(sqlite, rng, scale.documents, scale.updates)
    report(f"{scale.documents} documents, {scale.updates} updates written in {clock.lap()}")
    file = tmp_path / "everything.zip"
    done = await export_archive(settings.database_url, file, chosen=None)
    report(f"exported in {clock.lap()}: {done}")
    assert (done["documents"], done["left_out"]) == (len(names), [])
    workers = Workers(settings.archive_limits)
    found = await import_archive(postgres, workers, file, tmp_path / "spool", settings)
    report(f"imported in {clock.lap()}: {found}")
    assert found == {"documents": len(names), "updates": done["updates"], "left_out": [], "present": 0}
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
    again = await import_archive(postgres, workers, file, tmp_path / "spool", settings)
    assert again["present"] == len(names)


async def test_an_archive_moves_back_from_postgresql_to_sqlite_under_other_names(
    sqlite: Database, postgres: Database, postgres_url: str, settings: Settings, tmp_path: Path, rng: random.Random
) -> None:
    names = await fill(postgres, rng, 4, 60)
    file = tmp_path / "some.zip"
    await export_archive(postgres_url, file, chosen=[names[1], names[2]], content=False)
    workers = Workers(settings.archive_limits)
    await import_archive(sqlite, workers, file, tmp_path / "spool", settings, prefix="from/afar/")
    for name in names[1:3]:
        copy = await see(sqlite, type(name)(f"from/afar/{name}"))
        original = await see(postgres, name)
        assert copy.rows == original.rows
        assert copy.info[1:] == original.info[1:]
    assert len(await sqlite.documents.list(limit=10)) + len(await sqlite.documents.list(limit=10, deleted=True)) == 2
    assert not (tmp_path / "spool").exists()
