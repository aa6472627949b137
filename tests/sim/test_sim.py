"""The engine in virtual time: fresh seeds, a crash at every step, and planted faults that must be found."""

from dataclasses import replace

import pytest

from tests.checker.invariants import Violation
from tests.checker.mutants import MUTANTS
from tests.checker.plant import uprooted
from tests.sim.plans import crashes_of, plan_for
from tests.sim.world import simulate

pytestmark = pytest.mark.xdist_group("sim")

SEEDS = 25
STEPS_LEAST = 100
"""Awaits at which one scenario is crashed, each in a simulation of its own; `python -m tests.sim` takes others."""
MUTANT_SEEDS = 60


def test_fresh_seeds_break_no_invariant(seed: int) -> None:
    for offset in range(SEEDS):
        outcome = simulate(plan_for(seed + offset))
        assert outcome.violation is None, f"seed {seed + offset}: {outcome.violation}"
        assert outcome.acknowledged > 0


def test_the_same_seed_is_the_same_simulation(seed: int) -> None:
    assert simulate(plan_for(seed)) == simulate(plan_for(seed))


def test_a_crash_at_any_await_loses_nothing(seed: int) -> None:
    steps = 0
    for plan in crashes_of(seed):
        outcome = simulate(plan)
        assert outcome.violation is None, f"seed {seed}, crash at step {plan.crash_at_step}: {outcome.violation}"
        assert outcome.crashes == 1
        steps += 1
    assert steps >= STEPS_LEAST, f"{steps} awaits only; the test shows little"


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_fault_is_found(name: str, seed: int) -> None:
    assert hunt(name, seed) is not None, f"{MUTANTS[name].story}, and nothing was found in {MUTANT_SEEDS} seeds"


def hunt(name: str, seed: int) -> Violation | None:
    """The first witness of a planted fault."""
    for offset in range(MUTANT_SEEDS):
        plan = plan_for(seed + offset)
        with uprooted():
            MUTANTS[name].plant()
            violation = simulate(replace(plan, nodes=max(plan.nodes, MUTANTS[name].nodes))).violation
        if violation is not None:
            return violation
    return None
