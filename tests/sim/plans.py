"""Which simulation a seed stands for, and many of them on every core."""

import gc
import itertools
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from random import Random
from time import monotonic

from tests.checker.invariants import Violation
from tests.sim.world import FAULTS, Plan, simulate

_CHUNK = 50
"""Seeds that a process simulates before it is asked whether to go on."""
_SWEEPS = 4
"""After so many chunks one scenario is crashed at every await there is in it."""
SHORT = Plan(seed=0, seconds=0.1, pace=0.05, faults=())
"""What is crashed at every await: some two hundred of them."""


def plan_for(seed: int) -> Plan:
    rng = Random(seed)
    return Plan(
        seed=seed,
        nodes=rng.choice((1, 1, 1, 2, 2, 3)),
        documents=rng.choice((1, 1, 1, 2)),
        seconds=rng.choice((0.3, 0.5, 0.5, 1.0)),
        faults=tuple(rng.sample(FAULTS, rng.randint(1, len(FAULTS)))),
        panics=rng.random() < 0.2,
    )


def crashes_of(seed: int) -> Iterator[Plan]:
    """One scenario, crashed before every step in turn: at every await of anything, on the first node of two or one."""
    scenario = replace(SHORT, seed=seed, nodes=1 + seed % 2)
    quiet = simulate(scenario)
    for step in range(quiet.first_step, quiet.steps + 1):
        yield replace(scenario, crash_at_step=step)


@dataclass
class Tally:
    """What many simulations have come to."""

    simulations: int = 0
    operations: int = 0
    acknowledged: int = 0
    crashes: int = 0
    sweeps: int = 0
    """Scenarios that were crashed at every await."""
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    found: tuple[Plan, Violation] | None = None
    """The plan, and the first witness."""

    def add(self, other: "Tally") -> None:
        self.simulations += other.simulations
        self.operations += other.operations
        self.acknowledged += other.acknowledged
        self.crashes += other.crashes
        self.sweeps += other.sweeps
        self.faults += other.faults
        self.found = self.found or other.found

    def __str__(self) -> str:
        faults = ", ".join(f"{name} {count}" for name, count in sorted(self.faults.items()))
        return (
            f"{self.simulations} simulations ({60 * self.simulations / self.seconds:.0f} a minute), {self.operations} "
            f"operations, {self.acknowledged} acknowledged, {self.crashes} crashes, {self.sweeps} scenarios crashed at "
            f"every await; faults: {faults}"
        )


def simulate_all(plans: Iterator[Plan]) -> Tally:
    """One after the other, until something is found."""
    tally = Tally()
    gc.disable()  # A simulation is short, and its garbage little.
    for plan in plans:
        outcome = simulate(plan)
        tally.add(Tally(1, outcome.operations, outcome.acknowledged, outcome.crashes, faults=Counter(outcome.faults)))
        if outcome.violation is not None:
            tally.found = (plan, outcome.violation)
            break
    gc.enable()
    gc.collect()
    return tally


def simulate_chunk(first: int) -> Tally:
    return simulate_all(plan_for(seed) for seed in range(first, first + _CHUNK))


def sweep(seed: int) -> Tally:
    tally = simulate_all(crashes_of(seed))
    tally.sweeps = 1
    return tally


def simulate_for(seconds: float, first: int, *, processes: int | None = None) -> Tally:
    """Simulate seeds from `first` on for so long, on all cores, or until something is found."""
    started = monotonic()
    total = Tally()
    count = processes or os.cpu_count() or 1
    chunks = itertools.count()

    def submit(pool: ProcessPoolExecutor) -> "Future[Tally]":
        nth = next(chunks)
        work = sweep if nth % (_SWEEPS + 1) == _SWEEPS else simulate_chunk
        return pool.submit(work, first + nth * _CHUNK)

    with ProcessPoolExecutor(count, get_context("spawn")) as pool:
        running = {submit(pool) for _ in range(count)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                total.add(future.result())
                if monotonic() - started < seconds and total.found is None:
                    running.add(submit(pool))
    total.seconds = monotonic() - started
    return total
