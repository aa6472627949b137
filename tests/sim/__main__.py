"""`python -m tests.sim`: simulate many seeds on all cores; the exit code is 1 when one of them breaks an invariant."""

import argparse
import secrets
import sys

from tests.sim.plans import plan_for, simulate_for
from tests.sim.world import simulate


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="go on with new seeds for so long")
    parser.add_argument("--processes", type=int, help="one for each core by default")
    parser.add_argument("--seed", type=int, help="simulate this one alone")
    given = parser.parse_args(arguments)
    if given.seed is not None:
        outcome = simulate(plan_for(given.seed))
        print(f"{plan_for(given.seed)}\n{outcome}")
        return 0 if outcome.violation is None else 1
    first = secrets.randbits(40) << 8
    tally = simulate_for(given.seconds, first, processes=given.processes)
    print(f"seeds from {first}: {tally}")
    if tally.found is None:
        return 0
    seed, violation = tally.found
    print(f"VIOLATED {violation}\nrepeat: python -m tests.sim --seed {seed}")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
