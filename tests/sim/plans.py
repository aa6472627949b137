"""Which simulation a seed stands for, and many of them on every core."""

import os
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from multiprocessing import get_context
from random import Random
from time import monotonic

from tests.checker.invariants import Violation
from tests.sim.world import FAULTS, Plan, simulate

_CHUNK = 20
"""Seeds that a process simulates before it is asked whether to go on."""


def plan_for(seed: int) -> Plan:
    rng = Random(seed)
    return Plan(
        seed=seed,
        nodes=rng.choice((1, 1, 1, 2, 2, 3)),
        documents=rng.choice((1, 1, 1, 2)),
        seconds=rng.choice((0.5, 1.0, 1.0, 2.0)),
        faults=tuple(rng.sample(FAULTS, rng.randint(1, len(FAULTS)))),
        panics=rng.random() < 0.2,
    )


@dataclass
class Tally:
    """What many simulations have come to."""

    simulations: int = 0
    operations: int = 0
    acknowledged: int = 0
    crashes: int = 0
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    found: tuple[int, Violation] | None = None
    """The seed, and the first witness."""

    def add(self, other: "Tally") -> None:
        self.simulations += other.simulations
        self.operations += other.operations
        self.acknowledged += other.acknowledged
        self.crashes += other.crashes
        self.faults += other.faults
        self.found = self.found or other.found

    def __str__(self) -> str:
        faults = ", ".join(f"{name} {count}" for name, count in sorted(self.faults.items()))
        return (
            f"{self.simulations} simulations ({60 * self.simulations / self.seconds:.0f} a minute), {self.operations} "
            f"operations, {self.acknowledged} acknowledged, {self.crashes} crashes; faults: {faults}"
        )


def simulate_chunk(first: int) -> Tally:
    tally = Tally()
    for seed in range(first, first + _CHUNK):
        outcome = simulate(plan_for(seed))
        tally.add(Tally(1, outcome.operations, outcome.acknowledged, outcome.crashes, 0.0, Counter(outcome.faults)))
        if outcome.violation is not None:
            tally.found = (seed, outcome.violation)
            break
    return tally


def simulate_for(seconds: float, first: int, *, processes: int | None = None) -> Tally:
    """Simulate seeds from `first` on for so long, on all cores, or until something is found."""
    started = monotonic()
    total = Tally()
    count = processes or os.cpu_count() or 1
    starts = iter(range(first, first + (1 << 40), _CHUNK))
    with ProcessPoolExecutor(count, get_context("spawn")) as pool:
        running = {pool.submit(simulate_chunk, next(starts)) for _ in range(count)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                total.add(future.result())
                if monotonic() - started < seconds and total.found is None:
                    running.add(pool.submit(simulate_chunk, next(starts)))
    total.seconds = monotonic() - started
    return total
