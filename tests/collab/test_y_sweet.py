"""The y-sweet dialect over a room in memory: when a version comes back, and what is said meanwhile."""

import pytest

from collab.codec import write_var_uint
from collab.dialects.y_sweet import Y_SWEET
from collab.errors import StoreUnavailable
from collab.types import Role
from tests.collab.pairs import MemoryConnection, Peer, World

NEWS_OF_NOBODY = b"\x01\x01\x00"


class Client(Peer):
    """A y-sweet client: it sends its version when it opens, and with each edit."""

    def attach(self) -> "Client":
        self.connection = MemoryConnection()
        self.session = Y_SWEET.session(self.world.room, self.grant, self.connection)
        self.world.room.attach(self.session)
        self.send(Y_SWEET.sync_step_1(self.doc.get_state()))
        self.ask_ack(len(self.outbox))
        # What it did offline goes with its sync step 2.
        self.outbox.clear()
        return self

    def type(self, text: str, version: int) -> None:
        self.text += text
        self.push()
        self.ask_ack(version)

    @property
    def versions(self) -> list[int]:
        self.pull()
        return [payload[0] for payload in self.acks]

    @property
    def signs_of_life(self) -> int:
        return self.connection.inbox.count(NEWS_OF_NOBODY)


@pytest.fixture
def world() -> World:
    return World()


def open_client(world: World, role: Role = Role.EDITOR) -> Client:
    client = Client(world, role=role).attach()
    client.pull()
    return client


@pytest.mark.rule("Y1")
def test_what_it_did_offline_is_not_saved_because_the_socket_is_open(world: World) -> None:
    """It sends the version with its offline edits counted in before it sends the edits. y-sweet's server says yes."""
    client = Client(world)
    client.text += "offline"
    client.attach()
    world.log.commit(world.room)
    # The first thing it reads of what the server sent; its answer to it brings the edits.
    sync_step_1, *rest = client.connection.inbox
    assert Y_SWEET.acknowledgement(write_var_uint(1)) not in rest
    client.pull()
    assert client.versions == []
    world.log.commit(world.room)
    assert client.versions == [1]
    assert world.stored_text() == "offline"
    assert sync_step_1[:2] == b"\x00\x00"


@pytest.mark.rule("Y1")
def test_a_version_comes_back_after_the_commit_and_not_before(world: World) -> None:
    client = open_client(world)
    assert client.versions == [0]
    client.type("a", 1)
    world.clock.advance(0.03)
    assert client.versions == [0]
    world.log.commit(world.room)
    assert client.versions == [0, 1]


@pytest.mark.rule("Y1")
def test_a_version_behind_an_edit_that_waits_for_another_one_waits_as_well(world: World) -> None:
    client = open_client(world)
    assert client.versions == [0]
    client.text += "a"
    client.text += "b"
    first, second = client.outbox
    client.outbox.clear()
    client.send(Y_SWEET.update(second))
    client.ask_ack(1)
    client.ask_ack(2)
    world.clock.advance(0.03)
    world.log.commit(world.room)
    for version in (b"\x01", b"\x02"):
        assert Y_SWEET.acknowledgement(version) not in client.connection.inbox
    client.send(Y_SWEET.update(first))
    world.clock.advance(0.03)
    world.log.commit(world.room)
    assert client.versions == [0, 2]


@pytest.mark.rule("Y2")
def test_of_versions_for_one_commit_the_newest_comes_back(world: World) -> None:
    client = open_client(world)
    for version in range(1, 5):
        client.type("x", version)
    world.clock.advance(0.03)
    world.log.commit(world.room)
    assert client.versions[-1] == 4
    assert len(client.versions) <= 3


@pytest.mark.rule("Y3")
def test_while_a_version_waits_the_client_hears_that_the_server_is_alive(world: World) -> None:
    """Its database may be away for longer than the three seconds after which a y-sweet client hangs up."""
    client = open_client(world)
    client.type("a", 1)
    world.clock.advance(0.03)
    assert client.signs_of_life == 0
    for _ in range(3):
        client.ask_ack(1)
    assert client.signs_of_life == 3
    assert client.versions == [0]
    world.log.commit(world.room)
    assert client.versions == [0, 1]


@pytest.mark.rule("Y3")
def test_what_could_not_be_saved_is_never_called_saved(world: World) -> None:
    client = open_client(world)
    client.type("a", 1)
    world.clock.advance(0.03)
    batches, world.log.submitted = world.log.submitted, []
    for batch in batches:
        batch.finish(StoreUnavailable("gone"))
    client.ask_ack(1)
    assert client.signs_of_life == 1
    assert client.versions == [0]


@pytest.mark.rule("Y4")
@pytest.mark.rule("S3")
def test_a_readers_version_comes_back_until_something_was_refused(world: World) -> None:
    reader = open_client(world, Role.READER)
    reader.ask_ack(0)
    assert reader.versions == [0, 0]
    reader.type("no", 1)
    assert (reader.versions, reader.refusals) == ([0, 0], 1)
    reader.ask_ack(1)
    assert reader.signs_of_life == 1
    assert world.log.rows == []


@pytest.mark.rule("Y4")
def test_a_reader_who_comes_with_edits_of_its_own_is_not_told_that_they_are_saved(world: World) -> None:
    reader = Client(world, role=Role.READER)
    reader.text += "mine"
    reader.attach()
    reader.pull()
    assert reader.versions == []
    assert reader.refusals == 1
