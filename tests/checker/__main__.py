"""`python -m tests.checker`: run the checker on real server processes.

The exit code is 0 when nothing was found, 1 when something was (the first witness is printed, the history is kept), and
2 when it could not run.
"""

import argparse
import asyncio
import json
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.checker.mutants import MUTANTS
from tests.checker.nemesis import FAULTS
from tests.checker.run import Options, Report, Run
from tests.postgres import NoPostgres

_ARTIFACTS = Path("tests/artifacts/checker")
_MUTANT_SECONDS = 60
_OVERTIME_SECONDS = 10
"""A round that has begun is ended: so much longer than asked a run takes, on the average."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.checker", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="one run with one seed")
    run.add_argument("--seconds", type=float, default=60, help="how long (a round that has begun is ended)")
    run.add_argument("--seed", type=int, help="a new one by default; it is printed")
    run.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    run.add_argument("--faults", help=f"which, separated by commas: {','.join(FAULTS)}; all by default")
    run.add_argument("--round-seconds", type=float, default=20, help="how long each round writes under faults")
    run.add_argument("--mutant", choices=sorted(MUTANTS), help="plant this fault, which must be found")
    run.add_argument("--hostile", action="store_true", help="96 writers, and one client in a hundred attacks")
    run.add_argument("--keep", type=Path, default=_ARTIFACTS, help="where a finding is kept")
    run.add_argument("--report", type=Path, help="append the figures to this file, one JSON object a line")
    check = commands.add_parser("check", help="both databases, hostile clients and the simulation, on two cores")
    check.add_argument("--seconds", type=float, default=180)
    long = commands.add_parser("long", help="run after run with new seeds, on both databases in turn")
    long.add_argument("--seconds", type=float, default=3600)
    long.add_argument("--slice", type=float, default=210, help="how long each run is")
    long.add_argument("--report", type=Path, default=_ARTIFACTS / "figures.jsonl", help="figures, added to")
    total = commands.add_parser("total", help="add up what `long` has reported")
    total.add_argument("--report", type=Path, default=_ARTIFACTS / "figures.jsonl")
    commands.add_parser("mutants", help="plant every fault into a server; each must be found within 60 s")
    given = parser.parse_args(arguments)
    return {"run": _run, "check": _check, "long": _long, "total": _total, "mutants": _mutants}[given.command](given)


def _run(given: argparse.Namespace) -> int:
    seed = secrets.randbits(32) if given.seed is None else given.seed
    faults = tuple(given.faults.split(",")) if given.faults is not None else FAULTS
    print(f"seed {seed}, {given.database}, {given.seconds:.0f} s", flush=True)
    with tempfile.TemporaryDirectory(prefix="coscribe-checker-") as scratch:
        options = Options(
            seed,
            given.seconds,
            given.database,
            Path(scratch),
            faults,
            round_seconds=given.round_seconds,
            mutant=given.mutant,
            hostile=given.hostile,
        )
        run = Run(options)
        try:
            report = asyncio.run(run.execute())
        except NoPostgres as reason:
            print(reason, file=sys.stderr)
            return 2
        except BaseException:
            _keep(run, given.keep / str(seed), Path(scratch))
            raise
        _print(report)
        if given.report is not None:
            _append(report, given.report, seed, given.database)
        if report.violation is None:
            return 0
        _keep(run, given.keep / str(seed), Path(scratch))
        print(f"VIOLATED {report.violation}\nseed {seed}; history and server log in {given.keep / str(seed)}")
        return 1


def _print(report: Report) -> None:
    print(
        f"{report.seconds:.0f} s, {report.rounds} rounds: {report.operations} operations, "
        f"{report.acknowledged} acknowledged, {report.kills} kills, {report.readings} readings, "
        f"{report.honesty_checks} acknowledgements looked up at once, {report.backups} backups restored, "
        f"{report.corrupted} chunks corrupted"
    )
    for what in ("faults", "crashes", "attacks"):
        counts = getattr(report, what)
        if counts:
            print(f"{what}: {', '.join(f'{name} {count}' for name, count in sorted(counts.items()))}")


def _append(report: Report, path: Path, seed: int, database: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    violation = None if report.violation is None else str(report.violation)
    figures = {**vars(report), "violation": violation, "seed": seed, "database": database}
    with path.open("a") as file:
        file.write(json.dumps(figures) + "\n")


def _keep(run: Run, target: Path, scratch: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    run.history.write(target / "history.jsonl")
    for log in scratch.glob("*.log"):
        shutil.copy(log, target)


# -- several runs


def _check(given: argparse.Namespace) -> int:
    """The simulation on one core, server processes on the other."""
    simulation = subprocess.Popen(_python("tests.sim", "--processes", 1, "--seconds", given.seconds * 0.9))
    share = max(given.seconds / 3 - _OVERTIME_SECONDS, 1)
    codes = [
        subprocess.run(_python("tests.checker", "run", "--seconds", share, *options)).returncode
        for options in (("--database", "sqlite"), ("--database", "postgresql"), ("--hostile",))
    ]
    codes.append(simulation.wait())
    print("nothing found" if not any(codes) else "something was found")
    return int(any(codes))


def _long(given: argparse.Namespace) -> int:
    until = time.monotonic() + given.seconds
    code = 0
    for number in range(10**6):
        left = until - time.monotonic()
        if left <= 0 or code:
            break
        options = [("--database", "sqlite"), ("--database", "postgresql"), ("--hostile",)][number % 7 % 3]
        command = ("run", "--seconds", min(given.slice, left), "--report", given.report, *options)
        code = subprocess.run(_python("tests.checker", *command)).returncode
    _total(given)
    return code


def _total(given: argparse.Namespace) -> int:
    lines = [json.loads(line) for line in given.report.read_text().splitlines()]
    for database in ("sqlite", "postgresql"):
        reports = [line for line in lines if line["database"] == database]
        sums = {
            name: sum(line[name] for line in reports) for name in ("seconds", "operations", "acknowledged", "kills")
        }
        faults: Counter[str] = Counter()
        for line in reports:
            faults.update({**line["faults"], **line.get("attacks", {})})
        found = sum(line["violation"] is not None for line in reports)
        print(
            f"{database}: {len(reports)} runs, {sums['seconds'] / 60:.0f} minutes, {sums['operations']} operations, "
            f"{sums['acknowledged']} acknowledged, {sums['kills']} kills, {faults.total()} faults, {found} findings"
        )
    return 0


def _mutants(_given: argparse.Namespace) -> int:
    """Print a table; the exit code is 1 when one was not found."""
    missed = 0
    for name, mutant in MUTANTS.items():
        if not mutant.in_processes:
            continue
        started = time.monotonic()
        command = ("run", "--seconds", _MUTANT_SECONDS - 10, "--round-seconds", 6, "--mutant", name)
        done = subprocess.run(_python("tests.checker", *command), capture_output=True, text=True)
        seconds = time.monotonic() - started
        witness = next((line for line in done.stdout.splitlines() if line.startswith("VIOLATED ")), "nothing found")
        invariant = witness.removeprefix("VIOLATED ").split(":")[0]
        found = done.returncode == 1 and witness != "nothing found"
        missed += not found
        print(f"{name:28} {invariant:16} {seconds:5.1f} s", flush=True)
    return int(missed > 0)


def _python(module: str, *arguments: Any) -> list[str]:
    return [sys.executable, "-m", module, *map(str, arguments)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
