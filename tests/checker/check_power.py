"""The disk of the power cuts: what was synced stays, of the rest each sector for itself."""

from pathlib import Path
from random import Random

import pytest

from tests.checker.power import SECTOR, Disk, Event, Unreadable, events

RECORD = r"""7 pwrite64(5</data/db-wal>, "\x61\x62", 2, 4096) = 2
7 fdatasync(5</data/db-wal> <unfinished ...>
9 write(1</dev/pts/0>, "\x34\x0a", 2) = 2
7 <... fdatasync resumed>) = 0
7 pwrite64(6</data/db-shm>, "\x00", 1, 0) = 1
7 ftruncate(5</data/db-wal>, 0) = 0
7 +++ exited with 0 +++
"""


def test_a_record_of_strace_is_read() -> None:
    assert events(RECORD, Path("/data")) == [
        Event("write", "/data/db-wal", b"ab", 4096),
        Event("said", "", b"4\n"),
        Event("sync", "/data/db-wal"),
        Event("truncate", "/data/db-wal"),
    ]


def test_a_line_that_is_not_understood_is_not_passed_over() -> None:
    with pytest.raises(Unreadable):
        events("7 pwritev(5</data/db-wal>, [...], 2) = 2\n", Path("/data"))


def test_what_was_synced_stays_and_of_the_rest_any_sector_may_be_missing(tmp_path: Path, rng: Random) -> None:
    path = tmp_path / "db"
    path.write_bytes(b"old" + bytes(SECTOR * 4))
    disk = Disk(tmp_path)
    disk.apply(Event("write", str(path), b"new", 0))
    assert disk.after_power_cut(rng, 0.0)[str(path)][:3] == b"old"
    disk.apply(Event("sync", str(path)))
    assert disk.after_power_cut(rng, 0.0)[str(path)][:3] == b"new"
    disk.apply(Event("write", str(path), b"x" * SECTOR * 4, 3))
    assert disk.after_power_cut(rng, 1.0)[str(path)] == b"new" + b"x" * SECTOR * 4 + bytes(0)
    torn = {disk.after_power_cut(rng, 0.5)[str(path)].count(b"x") for _ in range(100)}
    assert len(torn) > 3, "a write of several sectors can be torn anywhere between them"
