"""S3: many rooms of two people each, the way most documents are edited."""

from bench.generator.loop import Loop
from bench.results import Metric
from bench.scenarios.base import Bench, Scenario
from bench.scenarios.load import make_room, open_rooms, run_load


def _run(bench: Bench) -> None:
    count, seconds = (100, 2.0) if bench.quick else (1000, 10.0)
    with bench.server() as server, Loop() as loop:
        rooms = [make_room(bench, server, "pair", writers=2, number=number) for number in range(count)]
        open_rooms(loop, rooms)
        load = run_load(bench, server, loop, rooms, rate=2.0 * count, seconds=seconds)
        memory = server.tree.memory_bytes()
    values = bench.outcome.values
    values["cpu"] = load.server_seconds / load.updates * 1e6
    values["p50"] = load.p50_ms
    values["p99"] = load.p99_ms
    values["memory"] = memory / 1e6
    if load.faults:
        for key in ("cpu", "p50", "p99"):
            bench.outcome.fault(key, f"{len(load.faults)} of {count} rooms were wrong after 30 s: {load.faults[0]}")


SCENARIO = Scenario(
    "S3",
    "1,000 rooms of two people, each of whom writes once a second",
    (
        Metric("cpu", "server CPU per update", "us"),
        Metric("p50", "p50", "ms"),
        Metric("p99", "p99", "ms"),
        Metric("memory", "memory of the server", "MB"),
    ),
    _run,
)
