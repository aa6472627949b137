"""The updates of one room that cannot be applied yet: bounded in number, bytes and time, and never stored.

An update waits because it builds on edits the document does not have, or because it adds edits under a client id that
another open connection owns. Its sender keeps its acknowledgements until nothing of it waits any more.
"""

from collections.abc import Callable

from collab.errors import ClientIdInUse, CollabError, LimitExceeded, UpdateGap
from collab.limits import RoomLimits
from collab.session import Held, Session


class Waiting:
    def __init__(self, limits: RoomLimits) -> None:
        self._limits = limits
        self._sessions: dict[Session, None] = {}

    def __bool__(self) -> bool:
        return bool(self._sessions)

    def hold(self, session: Session, held: Held) -> None:
        """Keep `held` for later.

        Raises:
            LimitExceeded: too much of this session waits already. A first update may have any size.
        """
        size = len(held.payload) + sum(len(other.payload) for other in session.held)
        if session.held and (size > self._limits.held_bytes_max or len(session.held) >= self._limits.held_updates_max):
            raise LimitExceeded("too many updates that build on edits this document does not have")
        session.held.append(held)
        self._sessions[session] = None

    def discard(self, session: Session) -> None:
        session.held.clear()
        self._sessions.pop(session, None)

    def retry(self, accept: Callable[[Session, Held], bool]) -> None:
        """Offer everything to `accept`, in order, until it takes no more."""
        while any([self._retry_session(session, accept) for session in list(self._sessions)]):  # noqa: C419
            pass

    def _retry_session(self, session: Session, accept: Callable[[Session, Held], bool]) -> bool:
        progress = False
        try:
            for held in list(session.held):
                if accept(session, held):
                    session.held.remove(held)
                    progress = True
        except CollabError as error:
            session.end(error)
        if not session.held and session in self._sessions:
            del self._sessions[session]
            session.release_acks()
        return progress

    def expire(self, now: float) -> None:
        """End sessions whose updates have waited too long."""
        oldest = now - self._limits.held_seconds_max
        for session in list(self._sessions):
            expired = next((held for held in session.held if held.since <= oldest), None)
            if expired is not None and expired.contested:
                session.end(ClientIdInUse("another open connection uses this client id"))
            elif expired is not None:
                session.end(UpdateGap("updates build on edits that never came; sync again"))
