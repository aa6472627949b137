"""S11: what signing in costs those who are connected: Coscribe with each way of it beside Coscribe without."""

from bench.generator.loop import Loop
from bench.peers import WAYS_TO_SIGN_IN
from bench.peers.server import Server
from bench.results import Metric
from bench.scenarios.base import Bench, Scenario
from bench.scenarios.load import Room, make_room, open_rooms, run_load


def _run(bench: Bench) -> None:
    pairs, seconds = (50, 2.0) if bench.quick else (500, 10.0)
    with bench.server() as server, Loop() as loop:
        small = [make_room(bench, server, "pair", writers=2, number=number) for number in range(pairs)]
        _measure(bench, server, loop, small, 2.0 * pairs, seconds, "small")
    with bench.server() as server, Loop() as loop:
        large = make_room(bench, server, "large", writers=1, readers=100)
        _measure(bench, server, loop, [large], 100.0, seconds, "large")


def _measure(
    bench: Bench, server: Server, loop: Loop, rooms: list[Room], rate: float, seconds: float, key: str
) -> None:
    open_rooms(loop, rooms)
    load = run_load(bench, server, loop, rooms, rate=rate, seconds=seconds)
    bench.outcome.values[f"cpu-{key}"] = load.server_seconds / load.updates * 1e6
    bench.outcome.values[f"p99-{key}"] = load.p99_ms
    for fault in load.faults:
        bench.outcome.fault(f"cpu-{key}", fault)


SCENARIO = Scenario(
    "S11",
    "what signing in costs those who are connected",
    (
        Metric("cpu-small", "500 rooms of two: server CPU per update", "us"),
        Metric("p99-small", "500 rooms of two: p99", "ms"),
        Metric("cpu-large", "one writes, 100 read: server CPU per update", "us"),
        Metric("p99-large", "one writes, 100 read: p99", "ms"),
    ),
    _run,
    servers=WAYS_TO_SIGN_IN,
)
