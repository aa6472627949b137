"""When which update is due: an open loop, in which a slow server is not spared what comes next."""

import time
from collections.abc import Sequence

from bench.generator.client import Client
from bench.generator.codec import insert, letter, typed


class Writer:
    """A client that types: the update that makes it known in the document first, then one after the other.

    Args:
        client_id: its Yjs client id.
        characters: how many characters each update inserts.
    """

    __slots__ = ("_frames", "_offsets", "characters", "client", "client_id", "sent")

    def __init__(self, client: Client, client_id: int, characters: int = 1) -> None:
        self.client = client
        self.client_id = client_id
        client.own_id = client_id
        self.characters = characters
        self.sent = 0
        """Updates sent so far, the first one not counted."""
        self._frames = memoryview(b"")
        self._offsets = [0]

    @property
    def characters_sent(self) -> int:
        """Everything it has inserted."""
        return (self.sent + 1) * self.characters

    def everything(self) -> bytes:
        """One update with everything it has inserted."""
        return insert(self.client_id, 0, typed(self.client_id, self.sent + 1, self.characters))

    def frame(self, index: int) -> bytes:
        """The frame with this client's update number `index`; 0 is the one before the schedule begins."""
        text = letter(self.client_id, index) * self.characters
        return self.client.dialect.update(insert(self.client_id, index * self.characters, text))

    def prepare(self, count: int) -> None:
        """Make the frames of `count` scheduled updates."""
        frames = [self.frame(index) for index in range(1, count + 1)]
        offsets = [0] * (count + 1)
        for index, frame in enumerate(frames):
            offsets[index + 1] = offsets[index] + len(frame)
        self._frames, self._offsets, self.sent = memoryview(b"".join(frames)), offsets, 0

    def send_until(self, due: int) -> None:
        """Send, in one go, whatever of the first `due` scheduled updates is not sent yet."""
        if due > self.sent:
            frames = self._frames[self._offsets[self.sent] : self._offsets[due]]
            self.sent = due
            self.client.send(frames)


class Schedule:
    """`rate` updates a second for `seconds`, evenly spread over the writers, who take turns.

    The clock starts when the schedule is made.
    """

    def __init__(self, writers: Sequence[Writer], rate: float, seconds: float) -> None:
        self.writers = writers
        self.rate = rate
        self.total = max(1, round(rate * seconds))
        self.sent = 0
        self._stopped = False
        self._index = {writer.client_id: index for index, writer in enumerate(writers)}
        for index, writer in enumerate(writers):
            writer.prepare(self._share(index, self.total))
        self.start = time.perf_counter()

    def _share(self, index: int, total: int) -> int:
        """How many of the first `total` updates are the writer's number `index`."""
        return (total - index + len(self.writers) - 1) // len(self.writers)

    @property
    def finished(self) -> bool:
        return self._stopped or self.sent == self.total

    def stop(self) -> None:
        """Send nothing more."""
        self._stopped = True

    def send_due(self, now: float) -> float:
        """Send what is due and return the seconds until more is."""
        if self.finished:
            return 1.0
        due = min(self.total, int((now - self.start) * self.rate) + 1)
        count = len(self.writers)
        # Only those whose turn it was; after a long turn of the loop that is everybody, some more than once.
        for index in range(min(due - self.sent, count)):
            turn = (self.sent + index) % count
            self.writers[turn].send_until(self._share(turn, due))
        self.sent = due
        return max(0.0, self.start + due / self.rate - now)

    def sent_at(self, client_id: int, first: int, end: int) -> list[float]:
        """When the updates with these clocks were due; those from before the schedule are left out."""
        index = self._index.get(client_id)
        if index is None:
            return []
        size, count = self.writers[index].characters, len(self.writers)
        turns = range(max(1, first // size), end // size)
        return [self.start + ((turn - 1) * count + index) / self.rate for turn in turns]
