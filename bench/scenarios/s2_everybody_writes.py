"""S2: everybody in one document writes."""

from functools import partial

from bench.generator.loop import Loop
from bench.results import Metric
from bench.scenarios.base import Bench, Scenario
from bench.scenarios.load import make_room, open_rooms, run_load
from bench.scenarios.ramp import Ramp, find_highest

_SIZES = (50, 200)
_UPDATES_PER_WRITER = 5.0


def _run(bench: Bench) -> None:
    for writers in _SIZES[:1] if bench.quick else _SIZES:
        _fixed(bench, writers)
    for writers in _SIZES[:1] if bench.quick else _SIZES:
        _highest(bench, writers)


def _fixed(bench: Bench, writers: int) -> None:
    rate = writers * _UPDATES_PER_WRITER
    with bench.server() as server, Loop() as loop:
        room = make_room(bench, server, "warm-up", writers=4)
        open_rooms(loop, [room])
        run_load(bench, server, loop, [room], rate=50, seconds=0.5)
        room = make_room(bench, server, "fixed", writers=writers)
        open_rooms(loop, [room])
        load = run_load(bench, server, loop, [room], rate=rate, seconds=1 if bench.quick else 4)
    bench.outcome.values[f"p99-{writers}"] = load.p99_ms
    bench.outcome.values[f"cpu-{writers}"] = load.server_seconds / load.deliveries * 1e6
    for fault in load.faults:
        bench.outcome.fault(f"p99-{writers}", fault)


def _highest(bench: Bench, writers: int) -> None:
    key = f"rate-{writers}"
    ramp = Ramp(
        key,
        start=writers * 0.5,
        seconds=1.0 if bench.quick else 2.0,
        make_room=partial(make_room, bench, name="ramp", writers=writers),
    )
    best = find_highest(bench, ramp)
    if best is not None:
        bench.outcome.values[key] = best.updates / best.seconds


SCENARIO = Scenario(
    "S2",
    "everybody in one document writes",
    (
        *(
            Metric(f"rate-{writers}", f"{writers} writers: updates/s with p99 < 100 ms", "/s", "higher")
            for writers in _SIZES
        ),
        *(
            Metric(f"p99-{writers}", f"{writers} writers, {_UPDATES_PER_WRITER:.0f}/s each: p99", "ms")
            for writers in _SIZES
        ),
        *(
            Metric(
                f"cpu-{writers}", f"{writers} writers, {_UPDATES_PER_WRITER:.0f}/s each: server CPU per delivery", "us"
            )
            for writers in _SIZES
        ),
    ),
    _run,
)
