"""A room, or many, under an open-loop load: what it cost, how long deliveries took, and whether every one was right."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pycrdt import Doc, Text, merge_updates

from bench.generator.client import Client
from bench.generator.codec import TEXT
from bench.generator.latency import Histogram, latencies
from bench.generator.loop import Loop
from bench.generator.schedule import Schedule, Writer
from bench.generator.stream import Stream
from bench.peers.server import Server
from bench.scenarios.base import Bench, join

FIRST_CLIENT_ID = 1_000_000_000
"""Ids of five bytes, as those that Yjs chooses at random mostly are."""
_SETTLE_SECONDS = 30.0
_LATE_SECONDS = 1.0
_MERGED_AT_ONCE = 20
_LOOK_SECONDS = 0.1


@dataclass(slots=True)
class Room:
    """One document, who writes in it and who else reads."""

    name: str
    stream: Stream
    writers: list[Writer]
    clients: list[Client]
    """Everybody, the writers included."""

    @property
    def characters_due(self) -> int:
        """What there is to be had in the end."""
        return sum(writer.characters_sent for writer in self.writers)

    def settled(self) -> bool:
        """Whether all have got everything that others wrote."""
        due = self.characters_due
        for client in self.clients:
            stream = client.stream
            if stream is None or client.lacks():
                return False
            # What a client itself wrote may have come back to it or not: its private stream tells by whom things are.
            if self._missing(client) if stream.private else stream.received < due:
                return False
        return True

    def _missing(self, client: Client) -> int:
        """Characters by others that are not in a client's stream."""
        assert client.stream is not None
        others = [writer for writer in self.writers if writer.client_id != client.own_id]
        return sum(client.stream.clocks.lacking(writer.client_id, writer.characters_sent) for writer in others)

    def streams(self) -> list[Stream]:
        """The different streams of its clients; nearly always one."""
        found = {id(client.stream): client.stream for client in self.clients if client.stream is not None}
        return list(found.values())

    def faults(self) -> list[str]:
        """What is wrong with what the clients got; empty when everything came exactly once and makes the right text."""
        lost = [client.error for client in self.clients if client.error is not None]
        if lost:
            return [f"{len(lost)} connections of {self.name} lost: {lost[0]}"]
        missing = duplicates = 0
        for client in self.clients:
            assert client.stream is not None
            missing += self._missing(client) + client.lacks()
            duplicates += client.stream.clocks.duplicates
        counts = {"missing": missing, "too many": duplicates}
        texts = [f"{count} deliveries of {self.name} {what}" for what, count in counts.items() if count]
        if not texts and any(not self._reads_right(client) for client in self._samples()):
            texts.append(f"wrong text in {self.name}")
        return texts

    def _samples(self) -> list[Client]:
        """One client of each stream: the others got the very same bytes."""
        return list({id(client.stream): client for client in self.clients}.values())

    def _reads_right(self, client: Client) -> bool:
        """Whether the updates in its stream make the text that is due, with its own edits, which it has anyway."""
        assert client.stream is not None
        own = [writer.everything() for writer in self.writers if writer.client_id == client.own_id]
        return read_text(client.stream.updates + own) == self.text()

    def text(self) -> str:
        """What the document has to say now."""
        return read_text([writer.everything() for writer in self.writers])


def read_text(updates: list[bytes]) -> str:
    """The text that a document has after all these updates."""
    doc: Doc[Text] = Doc()
    for start in range(0, len(updates), _MERGED_AT_ONCE):
        # Not in one transaction: what ends one costs the square of what is in it.
        some = updates[start : start + _MERGED_AT_ONCE]
        doc.apply_update(merge_updates(*some) if len(some) > 1 else some[0])
    return str(doc.get(TEXT, type=Text))


def make_room(
    bench: Bench, server: Server, name: str, *, writers: int, readers: int = 0, characters: int = 1, number: int = 0
) -> Room:
    """A room that is not connected yet.

    Args:
        number: tells the client ids of rooms apart that are loaded together.
    """
    stream = Stream()
    dialect = server.peer.dialect(bench.room(name))
    clients = [Client(server.address, dialect, stream=stream) for _ in range(writers + readers)]
    first_id = FIRST_CLIENT_ID + number * 1000
    typists = [Writer(client, first_id + index, characters) for index, client in enumerate(clients[:writers])]
    return Room(name, stream, typists, clients)


def open_rooms(loop: Loop, rooms: list[Room]) -> None:
    """Connect everybody and have each writer make itself known, so that the load itself begins without surprises.

    Raises:
        Failed: not everybody got there.
    """
    join(loop, [client for room in rooms for client in room.clients])
    for room in rooms:
        for writer in room.writers:
            writer.client.send(writer.frame(0))
    # Whoever has not got everything is found out after the load.
    loop.run(lambda: all(room.settled() for room in rooms), _SETTLE_SECONDS)


@dataclass(slots=True)
class Load:
    """What one load gave."""

    seconds: float
    """From the first update due to the last one delivered, or until it was given up."""
    updates: int
    histogram: Histogram
    server_seconds: float
    """CPU time of the server meanwhile."""
    server_cores: float
    """CPU time of the server while updates were being sent, as a share of its core."""
    generator_cores: float
    """The same for the generator."""
    late: bool
    """Given up because deliveries fell too far behind."""
    faults: list[str] = field(default_factory=list)

    @property
    def deliveries(self) -> int:
        return self.histogram.total

    @property
    def deliveries_per_second(self) -> float:
        return self.deliveries / self.seconds

    @property
    def p50_ms(self) -> float:
        return self.histogram.percentile(0.50)

    @property
    def p99_ms(self) -> float:
        return self.histogram.percentile(0.99)


def run_load(
    bench: Bench,
    server: Server,
    loop: Loop,
    rooms: list[Room],
    *,
    rate: float,
    seconds: float,
    give_up_late: bool = False,
    until: Callable[[], bool] | None = None,
    watched: list[Room] | None = None,
) -> Load:
    """Send `rate` updates a second to rooms that are open, and wait until everybody has everything.

    Args:
        give_up_late: end as soon as deliveries are more than a second behind: for loads beyond what a server can do.
        until: ends the load before its time.
        watched: rooms whose deliveries are waited for and checked besides; `rooms` alone are measured.
    """
    everyone = rooms + (watched or [])
    schedule = Schedule([writer for room in rooms for writer in room.writers], rate, seconds)
    server_before, generator_before = server.tree.cpu_seconds(), time.process_time()
    watch = _Watch(rooms, schedule) if give_up_late else None

    def ended() -> bool:
        return schedule.finished or (watch is not None and watch.late()) or (until is not None and until())

    loop.run(ended, seconds * 2 + 5, schedule)
    schedule.stop()
    sending = time.perf_counter() - schedule.start
    generator_cores = (time.process_time() - generator_before) / sending
    server_cores = (server.tree.cpu_seconds() - server_before) / sending
    late = watch is not None and watch.is_late
    settled = _settle(loop, everyone, patient=not late)
    clients = [client for room in rooms for client in room.clients]
    load = Load(
        seconds=time.perf_counter() - schedule.start,
        updates=schedule.sent,
        histogram=latencies(clients, schedule),
        server_seconds=server.tree.cpu_seconds() - server_before,
        server_cores=server_cores,
        generator_cores=generator_cores,
        late=late,
    )
    bench.used(generator_cores)
    if settled or not late:
        load.faults = [fault for room in everyone for fault in room.faults()]
    return load


def _settle(loop: Loop, rooms: list[Room], *, patient: bool) -> bool:
    """Wait until everybody has everything; if `patient`, as long as anything still comes: after an overload that may
    take longer, and what comes late is not missing."""

    def settled() -> bool:
        return all(room.settled() for room in rooms)

    if not patient:
        return loop.run(settled, 1.0)
    received = -1
    while not loop.run(settled, _SETTLE_SECONDS):
        before, received = received, sum(stream.received for room in rooms for stream in room.streams())
        if received == before:
            return False
    return True


class _Watch:
    """Sees whether deliveries fall more than a second behind."""

    def __init__(self, rooms: list[Room], schedule: Schedule) -> None:
        self._rooms = rooms
        self._schedule = schedule
        self._next_look = schedule.start + _LATE_SECONDS
        self.is_late = False

    def late(self) -> bool:
        now = time.perf_counter()
        if now < self._next_look:
            return self.is_late
        self._next_look = now + _LOOK_SECONDS
        due = sum(room.characters_due for room in self._rooms)
        least = sum(min(stream.received for stream in room.streams()) for room in self._rooms)
        self.is_late = due - least > self._schedule.rate * _LATE_SECONDS
        return self.is_late
