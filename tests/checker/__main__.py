"""`python -m tests.checker`: run the checker on real server processes.

The exit code is 0 when nothing was found, 1 when something was (the first witness is printed, the history is kept), and
2 when it could not run.
"""

import argparse
import asyncio
import json
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from tests.checker.mutants import MUTANTS
from tests.checker.nemesis import FAULTS
from tests.checker.run import Options, Report, Run
from tests.postgres import NoPostgres


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.checker", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long to run (a round that has begun is ended)")
    parser.add_argument("--seed", type=int, help="a new one by default; it is printed")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--faults", help=f"which, separated by commas: {','.join(FAULTS)}; all by default")
    parser.add_argument("--round-seconds", type=float, default=20, help="how long each round writes under faults")
    parser.add_argument("--mutant", choices=sorted(MUTANTS), help="plant this fault, which must be found")
    parser.add_argument("--keep", type=Path, default=Path("tests/artifacts/checker"), help="where a finding is kept")
    parser.add_argument("--report", type=Path, help="append the figures to this file, one JSON object a line")
    given = parser.parse_args(arguments)
    seed = secrets.randbits(32) if given.seed is None else given.seed
    faults = tuple(given.faults.split(",")) if given.faults is not None else FAULTS
    print(f"seed {seed}, {given.database}, {given.seconds:.0f} s", flush=True)
    with tempfile.TemporaryDirectory(prefix="coscribe-checker-") as scratch:
        run = Run(
            Options(
                seed,
                given.seconds,
                given.database,
                Path(scratch),
                faults,
                round_seconds=given.round_seconds,
                mutant=given.mutant,
            )
        )
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
    faults = ", ".join(f"{name} {count}" for name, count in sorted(report.faults.items()))
    crashes = ", ".join(f"{name} {count}" for name, count in sorted(report.crashes.items()))
    print(
        f"{report.seconds:.0f} s, {report.rounds} rounds: {report.operations} operations, "
        f"{report.acknowledged} acknowledged, {report.kills} kills, {report.readings} readings, "
        f"{report.honesty_checks} acknowledgements looked up at once, {report.corrupted} chunks corrupted\n"
        f"faults: {faults or 'none'}\ndied at: {crashes or 'no crash point'}"
    )


def _append(report: Report, path: Path, seed: int, database: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figures = {
        **{name: value for name, value in vars(report).items() if name != "violation"},
        "violation": None if report.violation is None else str(report.violation),
        "seed": seed,
        "database": database,
    }
    with path.open("a") as file:
        file.write(json.dumps(figures) + "\n")


def _keep(run: Run, target: Path, scratch: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    run.history.write(target / "history.jsonl")
    for log in scratch.glob("*.log"):
        shutil.copy(log, target)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
