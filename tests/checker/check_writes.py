"""Killed at every write, and the power cut at every fsync: not in `make test`, but in `make check-system`."""

import shutil
import subprocess
from pathlib import Path
from random import Random

import pytest

from tests.checker.power import SYSCALLS, Disk, events
from tests.checker.system import acknowledged, appender, check_promises, prepare, require_strace

COMMITS = 4
KILLS_LEAST = 30
CUTS_LEAST = 100
_WRITING = "pwrite64,ftruncate,fsync,fdatasync,unlink"


@pytest.mark.timeout(900)
def test_a_process_killed_at_its_nth_write_has_lost_nothing_it_acknowledged(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """For n = 1, 2, … through four commits, a checkpoint of the document and the two of the WAL."""
    strace = require_strace()
    template = prepare(tmp_path / "template")
    died = 0
    while True:
        directory = tmp_path / f"run-{died}"
        shutil.copytree(template.parent, directory)
        file = directory / template.name
        paths = [option for suffix in ("", "-wal") for option in ("-P", f"{file}{suffix}")]
        inject = f"inject={_WRITING}:signal=KILL:when={died + 1}"
        command = [strace, "-f", "-qq", "-o", "/dev/null", "-e", f"trace={_WRITING}", *paths, "-e", inject]
        done = subprocess.run([*command, *appender(file, COMMITS)], capture_output=True)
        check_promises(file, acknowledged(done.stdout))
        shutil.rmtree(directory)
        if done.returncode == 0:
            break
        died += 1
    assert acknowledged(done.stdout) == 2 + 2 * COMMITS
    request.node.user_properties.append(("kills", died))
    assert died >= KILLS_LEAST, f"killed at {died} writes only; the test shows nothing"


@pytest.mark.timeout(600)
def test_what_was_acknowledged_survives_a_power_cut_at_any_fsync(
    tmp_path: Path, rng: Random, request: pytest.FixtureRequest
) -> None:
    strace = require_strace()
    file = prepare(tmp_path / "database")
    disk = Disk(file.parent)
    record = tmp_path / "record"
    command = [strace, "-f", "-qq", "-y", "-xx", "-s", "1000000", "-o", str(record), "-e", SYSCALLS]
    subprocess.run([*command, *appender(file, COMMITS)], check=True, stdout=subprocess.DEVNULL)
    said, cuts = 2, 0
    for event in events(record.read_text(), file.parent):
        if event.kind == "said":
            said = acknowledged(event.data)
            continue
        if event.kind == "sync":
            cuts += _cut(tmp_path / "cut", file, disk, rng, said)
        disk.apply(event)
        if event.kind == "sync":
            cuts += _cut(tmp_path / "cut", file, disk, rng, said)
    assert said == 2 + 2 * COMMITS
    request.node.user_properties.append(("cuts", cuts))
    assert cuts >= CUTS_LEAST, f"{cuts} power cuts only; the test shows nothing"


def _cut(directory: Path, file: Path, disk: Disk, rng: Random, said: int) -> int:
    """What the disk may hold now: nothing of what was not synced, all of it, and torn in between."""
    chances = (0.0, 1.0, 0.5, *(rng.random() for _ in range(5)))
    for kept in chances:
        directory.mkdir()
        for path, content in disk.after_power_cut(rng, kept).items():
            (directory / Path(path).name).write_bytes(content)
        check_promises(directory / file.name, said)
        shutil.rmtree(directory)
    return len(chances)
