"""`python -m tests.sim`: simulate many seeds on all cores; the exit code is 1 when one of them breaks an invariant."""

import argparse
import secrets
import sys

from tests.sim.plans import crashes_of, plan_for, simulate_for
from tests.sim.world import simulate


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="go on with new seeds for so long")
    parser.add_argument("--processes", type=int, help="one for each core by default")
    parser.add_argument("--seed", type=int, help="simulate this one alone")
    parser.add_argument("--sweep", type=int, help="crash the scenario of this seed at every await")
    parser.add_argument("--step", type=int, help="with --sweep: at this one alone")
    given = parser.parse_args(arguments)
    if given.seed is not None or given.sweep is not None:
        plans = crashes_of(given.sweep) if given.seed is None else [plan_for(given.seed)]
        chosen = [plan for plan in plans if given.step in (None, plan.crash_at_step)]
        for plan in chosen:
            outcome = simulate(plan)
            if outcome.violation is not None or len(chosen) == 1:
                print(f"{plan}\n{outcome}")
            if outcome.violation is not None:
                return 1
        print(f"{len(chosen)} simulations")
        return 0
    first = secrets.randbits(40) << 8
    tally = simulate_for(given.seconds, first, processes=given.processes)
    print(f"seeds from {first}: {tally}")
    if tally.found is None:
        return 0
    plan, violation = tally.found
    swept = plan.crash_at_step is not None
    again = f"--sweep {plan.seed} --step {plan.crash_at_step}" if swept else f"--seed {plan.seed}"
    print(f"VIOLATED {violation}\nrepeat: python -m tests.sim {again}")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
