"""Open WebSockets, and whether those behind them may still be there.

    W1  What is taken away is taken away from open sockets too: within a second of an event on this server, of the
        moment at which a credential or link expires, and of a change by another server of the same database.
    W2  Whatever was heard of or not, every socket is looked at again every `recheck_seconds`.
    W3  While the database, or the application that this is embedded in, cannot say, nothing changes.
    W4  A message costs nothing here: the transport calls the session itself.
    W5  A document that went into the bin is closed on every server of the database, by the same news.

A socket also takes a place: there are so many for each address, and for each person.
"""

import asyncio
import contextlib
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

import structlog

from collab.companions import commented_by
from collab.errors import CollabError, NotAuthenticated, PermissionDenied, StoreError, StoreUnavailable
from collab.session import Session
from collab.types import DocumentId
from storage.credentials import SqlCredentials
from web.settings import Settings
from web.throttle import TooManyRequests
from web.visitor import Authority, Found, Standing, Visitor

log = structlog.get_logger(__name__)

_TICK_SECONDS = 0.5
_NEWS_SECONDS = 1.0
_BATCH = 200
_RETRY_AFTER = 5


class Places:
    """How many sockets each address and each person has open."""

    def __init__(self, settings: Settings) -> None:
        self._of_address: Counter[str] = Counter()
        self._of_user: Counter[str] = Counter()
        self._address_max = None if settings.local_only else settings.connections_per_address_max
        self._user_max = settings.connections_per_user_max
        self.refused = 0

    def take_address(self, address: str | None) -> Callable[[], None]:
        """Take a place, before anything is known of who is asking. Returns what gives it back.

        Raises:
            TooManyRequests.
        """
        return self._take(self._of_address, address, self._address_max, "from your address")

    def take_user(self, user_id: str | None) -> Callable[[], None]:
        """
        Raises:
            TooManyRequests.
        """
        return self._take(self._of_user, user_id, self._user_max, "of yours")

    def _take(self, taken: Counter[str], key: str | None, most: int | None, whose: str) -> Callable[[], None]:
        if key is None or most is None:
            return _nothing
        if taken[key] >= most:
            self.refused += 1
            raise TooManyRequests(f"{most} connections {whose} are open already", _RETRY_AFTER)
        taken[key] += 1

        def give_back() -> None:
            taken[key] -= 1
            if taken[key] <= 0:
                del taken[key]

        return give_back


def _nothing() -> None:
    pass


class Seat:
    """One open socket: the transport's Receiver, which is the session but for its end."""

    __slots__ = ("_left", "due", "receive", "session", "visitor", "writable")

    def __init__(self, session: Session, visitor: Visitor, due: float, left: "Callable[[Seat], None]") -> None:
        self.session = session
        self.visitor = visitor
        self.due = due
        """Seconds since 1970 at which it is to be looked at again."""
        self._left = left
        self.receive = session.receive
        self.writable = session.writable

    def closed(self) -> None:
        self.session.closed()
        self._left(self)

    @property
    def document(self) -> DocumentId:
        return self.session.grant.document


class Watch:
    def __init__(
        self,
        authority: Authority,
        settings: Settings,
        credentials: SqlCredentials,
        *,
        other_servers: bool,
        close_deleted: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """
        Args:
            other_servers: the database may have some, whose changes are looked for.
            close_deleted: closes what other servers have put into the bin.
        """
        self._close_deleted = close_deleted
        self._closed_deleted_at = time.monotonic()
        self._authority = authority
        self._recheck_seconds = settings.recheck_seconds
        self._credentials = credentials
        self._other_servers = other_servers
        self._version: str | None = None
        self._announce = False
        self._seats: set[Seat] = set()
        self._wake = asyncio.Event()
        self.ended = 0
        """Sockets that were ended because somebody may not be there any more."""
        self.changed_roles = 0
        self.moment = 0
        """Grows with every news."""

    def seat(
        self,
        session: Session,
        visitor: Visitor,
        standing: Standing,
        moment: int,
        places: Iterable[Callable[[], None]] = (),
    ) -> Seat:
        """Watch over a session from now on.

        Args:
            moment: `self.moment` before the door looked at who is asking. What changed since then is looked at again.
            places: each is called when the socket is gone.
        """

        def leave(seat: Seat) -> None:
            self._seats.discard(seat)
            for give_back in places:
                give_back()

        due = self._due(standing) if moment == self.moment else 0.0
        seat = Seat(session, visitor, due, leave)
        self._seats.add(seat)
        return seat

    def renew(self, seat: Seat, visitor: Visitor, standing: Standing, moment: int) -> None:
        """Somebody has shown another credential: it is what counts from now on. `moment` as for `seat`."""
        seat.visitor = visitor
        seat.due = self._due(standing) if moment == self.moment else 0.0

    def news(self, *, document: DocumentId | None = None, user_id: str | None = None, token: bool = False) -> None:
        """Who may do what has changed: with this document, of this person, of tokens; of everything when nothing is
        given. Returns at once; the sockets concerned are looked at in a moment."""
        self.moment += 1
        everything = document is None and user_id is None and not token
        for seat in self._seats:
            if (
                everything
                or (document is not None and document in (seat.document, commented_by(seat.document)))
                or (user_id is not None and seat.visitor.user_id == user_id)
                or (token and seat.visitor.token_digest is not None)
            ):
                seat.due = 0.0
        self._announce = self._other_servers
        self._wake.set()

    async def run(self) -> None:
        """Look at what is due, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK_SECONDS):  # Not wait_for; see `web.recorder`.
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self.exchange_news()
                await self._look()
            except StoreError as error:
                log.warning("open connections cannot be checked just now", error=str(error))
                await asyncio.sleep(_NEWS_SECONDS)

    async def exchange_news(self) -> None:
        """Tell the other servers of this database that something has changed, and hear it from them."""
        if not self._other_servers:
            return
        version = await self._credentials.version()
        # The first time, too: whoever connected before it may have missed something.
        heard = version != self._version
        if heard:
            self.moment += 1
            for seat in self._seats:
                seat.due = 0.0
        if self._close_deleted is not None:
            now = time.monotonic()
            if heard or now - self._closed_deleted_at >= self._recheck_seconds:
                self._closed_deleted_at = now
                await self._close_deleted()
        self._version = version
        if self._announce:
            self._announce = False
            self._version = secrets.token_hex(8)
            await self._credentials.set_version(self._version)

    async def _look(self) -> None:
        now = time.time()
        due = [seat for seat in self._seats if seat.due <= now]
        for start in range(0, len(due), _BATCH):
            batch = due[start : start + _BATCH]
            found = await self._authority.again([(seat.visitor, seat.document) for seat in batch])
            for seat, standing in zip(batch, found, strict=True):
                self._apply(seat, standing)
            # Others get their turn: a thousand sockets may be due at once.
            await asyncio.sleep(0)

    def _apply(self, seat: Seat, found: Found) -> None:
        session = seat.session
        if isinstance(found, NotAuthenticated):
            self._end(seat, found)
        elif isinstance(found, StoreUnavailable):
            seat.due = time.time() + _NEWS_SECONDS  # Rule W3.
        elif found.role is None:
            self._end(seat, PermissionDenied("you may not open this document any more"))
        else:
            seat.due = self._due(found)
            if found.role != session.given.role:
                self.changed_roles += 1
                session.regrant(replace(session.given, role=found.role))

    def _end(self, seat: Seat, error: CollabError) -> None:
        self.ended += 1
        seat.due = float("inf")
        seat.session.end(error)

    def _due(self, standing: Standing) -> float:
        regular = time.time() + self._recheck_seconds
        return regular if standing.until is None else min(regular, standing.until)
