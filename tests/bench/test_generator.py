"""What clients received is judged rightly: every edit exactly once, however the server cuts, merges and orders it."""

import random

import pytest
from pycrdt import merge_updates

from bench.generator.client import Client
from bench.generator.codec import insert, letter
from bench.generator.dialects import hocuspocus, y_websocket
from bench.generator.latency import latencies
from bench.generator.schedule import Schedule, Writer
from bench.generator.stream import Clocks, Stream
from bench.scenarios.load import Room

DIALECT = y_websocket("room")
ANNA, BERT = 1_000_000_000, 1_000_000_001


def keystroke(client_id: int, clock: int) -> bytes:
    return insert(client_id, clock, letter(client_id, clock))


def sent(update: bytes, step: int = 2) -> bytes:
    """The frame in which a server sends an update."""
    message = bytes((0, step)) + varbytes(update)
    head = bytes((0x82, len(message))) if len(message) < 126 else b"\x82\x7e" + len(message).to_bytes(2, "big")
    return head + message


def varbytes(data: bytes) -> bytes:
    size = len(data)
    return (bytes((size,)) if size < 128 else bytes((size & 0x7F | 0x80, size >> 7))) + data


class Table:
    """Two who write and one who reads, all synced; nothing goes over a network."""

    def __init__(self) -> None:
        self.stream = Stream()
        self.anna, self.bert, self.reader = (Client(("127.0.0.1", 1), DIALECT, stream=self.stream) for _ in range(3))
        self.clients = [self.anna, self.bert, self.reader]
        for client in self.clients:
            client.opened, client.synced_at = True, 1.0
            client.sock.close()
        self.writers = [Writer(self.anna, ANNA), Writer(self.bert, BERT)]
        self.room = Room("room", self.stream, self.writers, self.clients)

    def everybody_gets(self, *frames: bytes) -> None:
        for client in self.clients:
            for frame in frames:
                client.received(frame, 2.0)

    def wrote(self, anna: int, bert: int) -> None:
        """How many updates each has sent, the first included."""
        self.writers[0].sent, self.writers[1].sent = anna - 1, bert - 1


@pytest.fixture
def table() -> Table:
    return Table()


def test_everything_once_is_right(table: Table) -> None:
    table.wrote(anna=2, bert=1)
    table.everybody_gets(*(sent(keystroke(*key)) for key in ((ANNA, 0), (BERT, 0), (ANNA, 1))))
    assert table.room.settled()
    assert table.room.faults() == []


def test_news_of_what_is_stored_is_counted_wherever_it_stands(rng: random.Random) -> None:
    dialect = hocuspocus("room")
    frames = [dialect.saved] * 3
    stream = Stream()
    reader = Client(("127.0.0.1", 1), dialect, stream=stream)
    reader.opened, reader.synced_at = True, 1.0
    reader.sock.close()
    first = Client(("127.0.0.1", 1), dialect, stream=stream)
    first.opened, first.synced_at = True, 1.0
    first.sock.close()
    for clock in range(20):
        message = dialect.prefix + bytes((0, 2)) + varbytes(keystroke(ANNA, clock))
        frame = bytes((0x82, len(message))) + message
        first.received(frame, 2.0)
        frames += [frame] + [dialect.saved] * rng.randrange(4)
    data = b"".join(frames)
    position = 0
    while position < len(data):
        size = rng.randrange(1, 90)
        reader.received(data[position : position + size], 2.0)
        position += size
    assert reader.stream is stream
    assert reader.lacks() == 0
    assert len(reader.saved) == frames.count(dialect.saved)
    assert set(reader.saved) == {b"\x01"}


def test_bytes_may_be_cut_anywhere(table: Table, rng: random.Random) -> None:
    table.wrote(anna=20, bert=20)
    data = b"".join(sent(keystroke(client_id, clock)) for clock in range(20) for client_id in (ANNA, BERT))
    for client in table.clients:
        position = 0
        while position < len(data):
            size = rng.randrange(1, 60)
            client.received(data[position : position + size], 2.0)
            position += size
    assert table.room.settled()
    assert table.room.faults() == []
    assert table.room.streams() == [table.stream]


def test_an_author_need_not_get_what_it_wrote(table: Table) -> None:
    table.wrote(anna=2, bert=1)
    first, second, third = (sent(keystroke(*key)) for key in ((ANNA, 0), (BERT, 0), (ANNA, 1)))
    table.anna.received(second, 2.0)
    table.reader.received(first + second + third, 2.0)
    table.bert.received(first, 2.0)
    assert not table.room.settled()
    table.bert.received(third, 2.0)
    assert table.room.settled()
    assert table.room.faults() == []


def test_what_others_wrote_must_not_be_missing(table: Table) -> None:
    table.wrote(anna=2, bert=1)
    first, second, third = (sent(keystroke(*key)) for key in ((ANNA, 0), (BERT, 0), (ANNA, 1)))
    table.anna.received(first + second + third, 2.0)
    table.bert.received(first + second + third, 2.0)
    table.reader.received(first + third, 2.0)
    assert not table.room.settled()
    assert table.room.faults() == ["1 deliveries of room missing"]
    table.reader.received(second, 3.0)
    assert table.room.faults() == []


def test_what_comes_back_of_ones_own_is_none_of_what_others_wrote(table: Table) -> None:
    """Readers that had been too slow were believed to have everything, and the run was ended on their way to it."""
    table.wrote(anna=3, bert=2)
    own = [keystroke(ANNA, clock) for clock in range(3)]
    others = [keystroke(BERT, clock) for clock in range(2)]
    for client in (table.bert, table.reader):
        client.received(b"".join(map(sent, own + others)), 2.0)
    table.anna.received(sent(merge_updates(*own)) + sent(others[0]), 2.0)
    assert not table.room.settled()
    assert table.room.faults() == ["1 deliveries of room missing"]
    table.anna.received(sent(others[1]), 2.0)
    assert table.room.settled()
    assert table.room.faults() == []


def test_what_nobody_got_is_missing(table: Table) -> None:
    table.wrote(anna=3, bert=1)
    table.everybody_gets(sent(keystroke(ANNA, 0)), sent(keystroke(BERT, 0)), sent(keystroke(ANNA, 2)))
    assert not table.room.settled()
    assert table.room.faults() == ["2 deliveries of room missing"]


def test_nothing_may_come_twice(table: Table) -> None:
    table.wrote(anna=2, bert=1)
    frames = [sent(keystroke(*key)) for key in ((ANNA, 0), (BERT, 0), (ANNA, 1))]
    table.everybody_gets(*frames)
    table.reader.received(frames[1], 3.0)
    assert table.room.faults() == ["1 deliveries of room too many"]


def test_one_receiver_may_get_the_same_edits_in_other_frames(table: Table) -> None:
    table.wrote(anna=3, bert=1)
    updates = [keystroke(*key) for key in ((ANNA, 0), (BERT, 0), (ANNA, 1), (ANNA, 2))]
    for client in (table.anna, table.bert):
        client.received(b"".join(sent(update) for update in updates), 2.0)
    table.reader.received(sent(updates[0]), 2.0)
    table.reader.received(sent(merge_updates(*updates[1:]), step=1), 2.0)
    assert table.room.settled()
    assert table.room.faults() == []
    assert len(table.room.streams()) == 2


def test_other_letters_than_those_sent_are_wrong(table: Table) -> None:
    table.wrote(anna=1, bert=1)
    table.everybody_gets(sent(keystroke(ANNA, 0)), sent(insert(BERT, 0, "?")))
    assert table.room.faults() == ["wrong text in room"]


def test_late_edits_close_gaps_and_later_ones_are_duplicates() -> None:
    clocks = Clocks()
    for first, end in ((0, 3), (5, 8), (3, 4), (2, 6)):
        clocks.add(ANNA, first, end)
    assert (clocks.gaps, clocks.duplicates, clocks.next[ANNA]) == (0, 3, 8)
    assert clocks.lacking(ANNA, 10) == 2


def test_latency_counts_from_when_an_update_was_due_and_leaves_the_author_out(table: Table) -> None:
    schedule = Schedule(table.writers, rate=10.0, seconds=0.4)
    table.wrote(anna=3, bert=3)
    start = schedule.start
    for index, (client_id, clock) in enumerate([(ANNA, 0), (BERT, 0), (ANNA, 1), (BERT, 1), (ANNA, 2), (BERT, 2)]):
        due = start + (index - 2) / 10.0
        frame = sent(keystroke(client_id, clock))
        for client, delay in zip(table.clients, (0.001, 0.002, 0.050), strict=True):
            client.received(frame, due + delay)
    histogram = latencies(table.clients, schedule)
    assert histogram.total == 4 * 2
    assert histogram.percentile(0.99) == pytest.approx(50, abs=0.2)
    assert histogram.percentile(0.25) == pytest.approx(1, abs=0.2)


def test_every_writer_sends_its_share_at_its_time(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    got: dict[Client, bytes] = dict.fromkeys(table.clients, b"")
    monkeypatch.setattr(Client, "send", lambda self, data: got.update({self: got[self] + bytes(data)}))
    schedule = Schedule(table.writers, rate=10.0, seconds=0.7)
    schedule.send_due(schedule.start)
    assert [writer.sent for writer in table.writers] == [1, 0]
    schedule.send_due(schedule.start + 0.31)
    assert [writer.sent for writer in table.writers] == [2, 2]
    schedule.send_due(schedule.start + 60)
    assert [writer.sent for writer in table.writers] == [4, 3]
    assert schedule.finished
    for writer in table.writers:
        assert got[writer.client] == b"".join(writer.frame(index) for index in range(1, writer.sent + 1))
    assert schedule.sent_at(BERT, 2, 4) == pytest.approx([schedule.start + 0.3, schedule.start + 0.5])
