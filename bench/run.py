"""Runs scenarios against servers, in turns, and keeps what came out."""

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import machine
from bench.floor import send_floor
from bench.machine import Cores, Others
from bench.peers.base import Peer, Unavailable
from bench.results import Metric, Outcome
from bench.scenarios.base import Bench, Failed, Scenario


@dataclass(slots=True)
class Participant:
    """One server in the results of a scenario."""

    title: str
    absent: str | None = None
    """Why it was not measured."""
    runs: list[Outcome] = field(default_factory=list)


@dataclass(slots=True)
class Results:
    """Everything about one scenario: what is written to its JSON file."""

    scenario: str
    title: str
    metrics: list[Metric]
    about: dict[str, str]
    """Date, commit, machine, command."""
    quick: bool
    participants: dict[str, Participant]
    """By the name of the server, Coscribe first."""
    floor_us: list[float] = field(default_factory=list)
    """CPU of one bare send, measured once in every repetition."""

    def save(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{self.scenario}.json").write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Results":
        raw: dict[str, Any] = json.loads(path.read_text())
        raw["metrics"] = [Metric(**metric) for metric in raw["metrics"]]
        raw["participants"] = {
            name: Participant(one["title"], one["absent"], [Outcome.from_json(run) for run in one["runs"]])
            for name, one in raw["participants"].items()
        }
        return cls(**raw)


def install(peers: Sequence[Peer]) -> dict[str, str]:
    """Make the servers ready; returns why some are not, by name."""
    absent: dict[str, str] = {}
    for peer in peers:
        print(f"{peer.title}: ", end="", flush=True)
        try:
            peer.install()
        except Unavailable as reason:
            absent[peer.name] = str(reason)
        print(absent.get(peer.name, "ready"))
    return absent


def run_scenario(
    scenario: Scenario, peers: Sequence[Peer], absent: dict[str, str], cores: Cores, *, repetitions: int, quick: bool
) -> Results:
    """All servers in turn, and that `repetitions` times: A B C A B C."""
    results = Results(
        scenario.name,
        scenario.title,
        list(scenario.metrics),
        _about(),
        quick,
        {peer.name: Participant(peer.title, absent.get(peer.name) or scenario.asks(peer)) for peer in peers},
    )
    for repetition in range(1, repetitions + 1):
        results.floor_us.append(send_floor(cores))
        for peer in peers:
            participant = results.participants[peer.name]
            if participant.absent is None:
                print(f"{scenario.name} {repetition}/{repetitions} {peer.title}: ", end="", flush=True)
                outcome = _run_once(scenario, peer, cores, quick)
                participant.runs.append(outcome)
                print(_in_short(outcome), flush=True)
    return results


def _run_once(scenario: Scenario, peer: Peer, cores: Cores, quick: bool) -> Outcome:
    bench, others = Bench(peer, cores, quick), Others()
    try:
        scenario.run(bench)
    except (Failed, Unavailable, ValueError, TimeoutError) as failure:
        bench.outcome.failure = str(failure) or type(failure).__name__
    bench.outcome.other_cores = others.cores()
    return bench.outcome


def _in_short(outcome: Outcome) -> str:
    values = " ".join(f"{key}={value:.4g}" for key, value in outcome.values.items())
    faults = "; ".join(fault for faults in outcome.faults.values() for fault in faults)
    parts = (values, faults and f"WRONG: {faults}", outcome.failure and f"FAILED: {outcome.failure}")
    return " ".join(part for part in parts if part)


def _about() -> dict[str, str]:
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": machine.commit(),
        "command": shlex.join(["python", "-m", "bench", *sys.argv[1:]]),
        **machine.describe(),
    }
