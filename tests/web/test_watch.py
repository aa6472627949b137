"""The watch over open sockets: what it hears of, what it looks at by itself, and what it does while nobody can say."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from collab.errors import CollabError, NotAuthenticated, PermissionDenied, StoreUnavailable
from collab.types import Grant, Role, parse_document_id
from tests.support import eventually
from web.settings import Settings
from web.throttle import TooManyRequests
from web.visitor import Found, Standing, Visitor
from web.watch import Places, Seat, Watch

PLANS = parse_document_id("plans")


class FakeSession:
    """What a watch touches of a session."""

    def __init__(self) -> None:
        self.given = self.grant = Grant(PLANS, Role.EDITOR, "ann", "Ann", may_create=True)
        self.error: CollabError | None = None
        self.gone = False

    def receive(self, message: bytes) -> None: ...

    def writable(self, ready: bool) -> None: ...

    def closed(self) -> None:
        self.gone = True

    def regrant(self, grant: Grant) -> None:
        self.given = self.grant = grant

    def end(self, error: CollabError) -> None:
        self.error = error


class FakeAuthority:
    def __init__(self) -> None:
        self.answer: Found = Standing(Role.EDITOR)
        self.failure: StoreUnavailable | None = None
        self.asked = 0

    async def again(self, seats: list[Any]) -> list[Found]:
        self.asked += len(seats)
        if self.failure is not None:
            raise self.failure
        return [self.answer for _ in seats]


class FakeCredentials:
    """What servers of one database see of each other."""

    value = ""

    async def version(self) -> str:
        return self.value

    async def set_version(self, version: str) -> None:
        self.value = version


class Guarded:
    """A watch with one seat."""

    def __init__(self, credentials: Any = None, **settings: Any) -> None:
        self.authority = FakeAuthority()
        self.session: Any = FakeSession()
        chosen: dict[str, Any] = {"auth": "accounts", "recheck_seconds": 3600}
        given = Settings(**(chosen | settings))
        authority: Any = self.authority
        shared: Any = credentials or FakeCredentials()
        self.watch = Watch(authority, given, shared, other_servers=credentials is not None)
        self.left = 0

    def sit(self, standing: Standing = Standing(Role.EDITOR), moment: int | None = None) -> Seat:  # noqa: B008
        def left() -> None:
            self.left += 1

        visitor = Visitor("ann", "Ann", by="cookie", known=True)
        since = self.watch.moment if moment is None else moment
        return self.watch.seat(self.session, visitor, standing, since, [left])

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.watch.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def looked(guarded: Guarded, times: int) -> None:
    await eventually(lambda: guarded.authority.asked >= times, f"looked at {times} times")


@pytest.mark.rule("W1")
@pytest.mark.parametrize("about", [{"document": PLANS}, {"user_id": "ann"}, {}])
async def test_news_is_looked_at_at_once(about: dict[str, Any]) -> None:
    guarded = Guarded()
    guarded.sit()
    async with guarded.running():
        guarded.authority.answer = Standing(Role.READER)
        guarded.watch.news(**about)
        await eventually(lambda: guarded.session.grant.role is Role.READER, "demoted")
        assert guarded.session.grant == Grant(PLANS, Role.READER, "ann", "Ann", may_create=True)
        guarded.watch.news(document=parse_document_id("another"))
        guarded.watch.news(user_id="bob")
        guarded.watch.news(token=True)
        guarded.watch.news(document=PLANS)
        await looked(guarded, 2)
        assert guarded.authority.asked == 2, "what concerns others is no reason to look"


@pytest.mark.rule("W1")
@pytest.mark.parametrize(
    ("answer", "error"), [(Standing(None), PermissionDenied), (NotAuthenticated("gone"), NotAuthenticated)]
)
async def test_who_may_not_be_there_any_more_is_sent_away_once(answer: Any, error: type[CollabError]) -> None:
    guarded = Guarded()
    seat = guarded.sit()
    async with guarded.running():
        guarded.authority.answer = answer
        guarded.watch.news()
        await eventually(lambda: isinstance(guarded.session.error, error), "sent away")
    seat.closed()
    assert (guarded.session.gone, guarded.left) == (True, 1)


@pytest.mark.rule("W1")
async def test_what_changed_while_somebody_came_in_is_looked_at_again() -> None:
    """Between the door and the seat lies the loading of the document; who lost a role meanwhile must not stay."""
    guarded = Guarded()
    moment = guarded.watch.moment
    guarded.watch.news(document=PLANS)
    guarded.sit(moment=moment)
    async with guarded.running():
        await looked(guarded, 1)


@pytest.mark.rule("W1")
async def test_an_end_that_is_known_is_looked_at_when_it_comes() -> None:
    guarded = Guarded()
    guarded.sit(Standing(Role.EDITOR, until=time.time() + 0.2))
    guarded.authority.answer = NotAuthenticated("expired")
    async with guarded.running():
        await eventually(lambda: guarded.session.error is not None, "sent away")


@pytest.mark.rule("W1")
async def test_servers_of_one_database_hear_of_each_others_changes() -> None:
    shared = FakeCredentials()
    here, there = Guarded(shared), Guarded(shared)
    there.sit()
    async with here.running(), there.running():
        await eventually(lambda: there.watch._version is not None, "listening")
        here.watch.news(document=PLANS)
        await looked(there, 1)
    assert here.authority.asked == 0


@pytest.mark.rule("W2")
async def test_everybody_is_looked_at_again_and_again() -> None:
    guarded = Guarded(recheck_seconds=0.1)
    guarded.sit()
    async with guarded.running():
        await looked(guarded, 3)
    assert guarded.session.error is None


@pytest.mark.rule("W3")
async def test_while_the_database_cannot_say_nothing_changes() -> None:
    guarded = Guarded()
    guarded.sit()
    guarded.authority.failure = StoreUnavailable("away")
    async with guarded.running():
        guarded.watch.news()
        await looked(guarded, 2)
        assert guarded.session.error is None
        guarded.authority.failure = None
        guarded.authority.answer = Standing(None)
        await eventually(lambda: guarded.session.error is not None, "sent away when it can say again")


@pytest.mark.rule("W4")
async def test_a_message_costs_nothing_here() -> None:
    """The transport keeps what it calls for each message: that is the session's own method, with nothing in between."""
    guarded = Guarded()
    seat = guarded.sit()
    assert seat.receive == guarded.session.receive
    assert seat.writable == guarded.session.writable


@pytest.mark.parametrize("take", [Places.take_address, Places.take_user])
def test_places_are_counted_and_given_back(take: Callable[[Places, str | None], Callable[[], None]]) -> None:
    places = Places(Settings(auth="accounts", connections_per_address_max=2, connections_per_user_max=2))
    first, _second = take(places, "a"), take(places, "a")
    with pytest.raises(TooManyRequests):
        take(places, "a")
    take(places, "b")
    take(places, None)
    assert places.refused == 1
    first()
    take(places, "a")


def test_on_this_machine_only_nobody_is_counted_by_address() -> None:
    places = Places(Settings(auth="none", connections_per_address_max=1))
    for _ in range(3):
        places.take_address("127.0.0.1")
