"""S1: one person writes, many watch."""

from functools import partial

from bench.generator.loop import Loop
from bench.results import Metric
from bench.scenarios.base import Bench, Scenario
from bench.scenarios.load import make_room, open_rooms, run_load
from bench.scenarios.ramp import Ramp, find_highest

_RATES = {10: 500.0, 100: 100.0, 500: 20.0}
"""Readers, and updates a second that no server has to merge: 5,000 or 10,000 deliveries a second."""


def _run(bench: Bench) -> None:
    for readers in _readers(bench.quick):
        _fixed(bench, readers)
    for readers in _readers(bench.quick):
        _highest(bench, readers)


def _readers(quick: bool) -> tuple[int, ...]:
    return (10, 100) if quick else tuple(_RATES)


def _fixed(bench: Bench, readers: int) -> None:
    with bench.server() as server, Loop() as loop:
        room = make_room(bench, server, "fixed", writers=1, readers=readers)
        open_rooms(loop, [room])
        # Half a second to warm up: compilers, caches.
        run_load(bench, server, loop, [room], rate=_RATES[readers], seconds=0.5)
        room = make_room(bench, server, "fixed", writers=1, readers=readers)
        open_rooms(loop, [room])
        load = run_load(bench, server, loop, [room], rate=_RATES[readers], seconds=1 if bench.quick else 4)
    values = bench.outcome.values
    values[f"cpu-{readers}"] = load.server_seconds / load.deliveries * 1e6
    values[f"p99-{readers}"] = load.p99_ms
    for fault in load.faults:
        bench.outcome.fault(f"cpu-{readers}", fault)


def _highest(bench: Bench, readers: int) -> None:
    key = f"rate-{readers}"
    ramp = Ramp(
        key,
        start=100.0,
        seconds=1.0 if bench.quick else 2.0,
        make_room=partial(make_room, bench, name="ramp", writers=1, readers=readers),
    )
    best = find_highest(bench, ramp)
    if best is not None:
        bench.outcome.values[key] = best.deliveries_per_second


SCENARIO = Scenario(
    "S1",
    "one writer, many readers",
    (
        *(
            Metric(f"rate-{readers}", f"{readers} readers: deliveries/s with p99 < 100 ms", "/s", "higher")
            for readers in _RATES
        ),
        *(
            Metric(f"cpu-{readers}", f"{readers} readers, {rate:.0f} updates/s: server CPU per delivery", "us")
            for readers, rate in _RATES.items()
        ),
        *(
            Metric(f"p99-{readers}", f"{readers} readers, {rate:.0f} updates/s: p99", "ms")
            for readers, rate in _RATES.items()
        ),
    ),
    _run,
)
