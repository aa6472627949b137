"""The updates of one room that cannot be applied yet: bounded in number, bytes and time, and never stored.

An update waits because it builds on edits the document does not have, or because it adds edits under a client id that
another open connection owns. Its sender keeps its acknowledgements until nothing of it waits any more.
"""

from collections.abc import Callable, Mapping

from collab.errors import ClientIdInUse, CollabError, LimitExceeded, UpdateGap
from collab.limits import RoomLimits
from collab.scanner import scan_update
from collab.session import Held, Session
from collab.turns import SPLIT_STRUCTS_MAX, Part, in_turns, split, takable


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
        if held.from_sync and held.scanned.structs <= SPLIT_STRUCTS_MAX:
            held.sections = split(held.payload)

    def discard(self, session: Session) -> None:
        session.held.clear()
        self._sessions.pop(session, None)

    def take_turns(
        self,
        clocks: Mapping[int, int],
        may_bring: Callable[[Session, int], bool],
        accept: Callable[[Session, bytes, bool], bool],
    ) -> bool:
        """Offer to `accept` what may be taken of the sync steps 2 that wait, in an order in which all of it attaches.

        Args:
            may_bring: whether nobody else owns a client id.
            accept: takes an update of a session, at least one for each; with `True`, one that only repeats which
                deletions there are.

        Returns:
            Whether anything has changed: call `retry`.
        """
        parts = {
            part: (session, held)
            for session in self._sessions
            for held in session.held
            if (part := _part(session, held, clocks, may_bring)) is not None
        }
        parts = {part: parts[part] for part in takable(clocks, list(parts))}
        pieces, stuck = in_turns(clocks, list(parts))
        while stuck:
            for part in stuck:
                parts.pop(part)[1].sections = None  # as a whole, or it would be walked through at every flush
            parts = {part: parts[part] for part in takable(clocks, list(parts))}
            pieces, stuck = in_turns(clocks, list(parts))
        bringing = set()
        for part, payload in pieces:
            session = parts[part][0]
            if payload[0]:
                bringing.add(part)
            try:
                if not accept(session, payload, part not in bringing):
                    return False
            except CollabError as error:
                session.end(error)
                return True
        for part, (session, held) in parts.items():
            if held in session.held:
                at = session.held.index(held)
                session.held[at : at + 1] = _rest(part, held)
        return bool(parts)

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
            progress = True  # what it owned is free
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


def _part(
    session: Session, held: Held, clocks: Mapping[int, int], may_bring: Callable[[Session, int], bool]
) -> Part | None:
    """What may be taken of it, if that brings anything."""
    if held.sections is None:
        return None
    own = tuple(section for section in held.sections.sections if may_bring(session, section.client))
    if any(section.has_gap and section.end > clocks.get(section.client, 0) for section in own):
        return None
    if not held.sections.deletes and all(section.end <= clocks.get(section.client, 0) for section in own):
        return None
    return Part(held.sections, own)


def _rest(part: Part, held: Held) -> list[Held]:
    """What of it others have to bring."""
    others = {section.client for section in part.whole.sections} - {section.client for section in part.sections}
    if not others:
        return []
    payload = part.whole.only(others)
    rest = Held(payload, scan_update(payload), held.since, contested=True, from_sync=True)
    rest.probed = held.probed
    rest.sections = split(payload)
    return [rest]
