"""A document made of stored updates that nobody has vouched for. Each has to be what a room takes of everybody: it
passes the scanner, attaches to those before it, leaves whole what must stay whole, and applies."""

from collab.errors import BadFile, LimitExceeded
from collab.live import LiveDocument
from collab.scanner import STATE_LIMITS, ScannedUpdate, scan_update

_APPLIED_AT_ONCE = 50


class Replay:
    """
    Raises:
        Panicked: from every method: one of the updates since the last `settle` cannot be applied. It is over then.
    """

    def __init__(self, parts: list[bytes] | None = None) -> None:
        self.live = LiveDocument(parts or [])
        self._pending: list[bytes] = []

    def add(self, payload: bytes, scanned: ScannedUpdate | None = None) -> None:
        """
        Raises:
            ProtocolError: it cannot be taken; the document is as it was.
        """
        live = self.live
        if scanned is None:
            scanned = scan_update(payload, STATE_LIMITS)
        if not live.attaches(scanned):
            raise BadFile("it builds on edits that are not there")
        if scanned.levels and not live.nest(scanned.levels):
            raise LimitExceeded("shared types are nested too deep")
        if not live.admit(payload):
            raise BadFile("it would cut a character or a value in two, which this server cannot store")
        for client, _, end in scanned.ranges:
            if end > live.clocks.get(client, 0):
                live.clocks[client] = end
        self._pending.append(payload)
        if len(self._pending) == _APPLIED_AT_ONCE:
            self.settle()

    def settle(self) -> None:
        """Apply what was added."""
        if self._pending:
            self.live.apply(self._pending)
            self._pending = []

    def state(self, bytes_max: int) -> bytes:
        """All of it as one update.

        Raises:
            LimitExceeded: it is larger than a document may be.
        """
        self.settle()
        state = self.live.state()
        if len(state) > bytes_max:
            raise LimitExceeded(f"a document may have {bytes_max} bytes; this one has {len(state)}")
        return state
