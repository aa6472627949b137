"""Latency of every delivery: from the moment an update was due to be sent until it arrived, for each receiver."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable

from bench.generator.client import Client
from bench.generator.codec import Range
from bench.generator.schedule import Schedule
from bench.generator.stream import Stream

TICKS_PER_SECOND = 10_000
"""Latencies are counted in tenths of a millisecond."""


class Histogram:
    """How many deliveries took how long."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def add(self, ticks: int, count: int = 1) -> None:
        self._counts[ticks] += count

    @property
    def total(self) -> int:
        return sum(self._counts.values())

    def percentile(self, share: float) -> float:
        """Milliseconds within which `share` of the deliveries arrived; NaN when there were none."""
        wanted = share * self.total
        seen = 0
        for ticks, count in sorted(self._counts.items()):
            seen += count
            if seen >= wanted and count:
                return ticks * 1000 / TICKS_PER_SECOND
        return float("nan")


def latencies(clients: Iterable[Client], schedule: Schedule) -> Histogram:
    """Every pair of a scheduled update and a client that received it, its author apart."""
    histogram = Histogram()
    members: dict[int, list[Client]] = defaultdict(list)
    streams: dict[int, Stream] = {}
    for client in clients:
        if client.stream is not None:
            members[id(client.stream)].append(client)
            streams[id(client.stream)] = client.stream
    for key, stream in streams.items():
        _add_stream(histogram, stream, members[key], schedule)
    return histogram


def _add_stream(histogram: Histogram, stream: Stream, members: list[Client], schedule: Schedule) -> None:
    due = [_due_ticks(found, schedule) for found in stream.ranges]
    arrived: list[Counter[int]] = [Counter() for _ in stream.ends]
    own = _own_frames(stream)
    for client in members:
        frame_ticks = _frame_ticks(stream, client)
        for frame, tick in frame_ticks.items():
            arrived[frame][tick] += 1
        if client.own_id is None:
            continue
        for frame, first, end in own.get(client.own_id, ()):
            if frame in frame_ticks:
                for tick in _to_ticks(schedule.sent_at(client.own_id, first, end)):
                    histogram.add(frame_ticks[frame] - tick, -1)
    for sent, ticks in zip(due, arrived, strict=True):
        for tick, receivers in ticks.items():
            for due_tick, updates in sent.items():
                histogram.add(tick - due_tick, receivers * updates)


def _to_ticks(times: Iterable[float]) -> list[int]:
    return [int(moment * TICKS_PER_SECOND) for moment in times]


def _due_ticks(found: list[Range], schedule: Schedule) -> Counter[int]:
    counter: Counter[int] = Counter()
    for client_id, first, end in found:
        counter.update(_to_ticks(schedule.sent_at(client_id, first, end)))
    return counter


def _own_frames(stream: Stream) -> dict[int, list[tuple[int, int, int]]]:
    """For each author the frames with something of theirs: index, first clock, clock after the last."""
    own: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for frame, found in enumerate(stream.ranges):
        for client_id, first, end in found:
            own[client_id].append((frame, first, end))
    return own


def _frame_ticks(stream: Stream, client: Client) -> dict[int, int]:
    """When which frame of the stream had arrived at the client."""
    ticks: dict[int, int] = {}
    seen = 0
    for moment, position in client.arrivals:
        frames = bisect_right(stream.ends, position, seen)
        tick = int(moment * TICKS_PER_SECOND)
        for frame in range(seen, frames):
            ticks[frame] = tick
        seen = frames
    for frame in client.missed.values():
        ticks.pop(frame, None)
    for moment, frame in client.late:
        ticks[frame] = int(moment * TICKS_PER_SECOND)
    return ticks
