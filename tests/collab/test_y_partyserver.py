"""The y-partyserver dialect over a room in memory: custom messages, and presence that nobody renews."""

import pytest

from collab.awareness import RENEW_S
from collab.codec import write_var_string
from collab.dialects.hocuspocus import dialect_for, read_key
from collab.dialects.y_partyserver import Y_PARTYSERVER, YPartyServerSession
from collab.limits import RoomLimits
from collab.types import Role
from tests.collab.pairs import DOCUMENT, TEXT_FRAME, MemoryConnection, Peer, World

UNKNOWN, TOO_LARGE = 1008, 1009


class Client(Peer):
    session: YPartyServerSession

    def attach(self) -> "Client":
        self.connection = MemoryConnection()
        self.session = Y_PARTYSERVER.session(self.world.room, self.grant, self.connection)
        self.world.room.attach(self.session)
        self.send(Y_PARTYSERVER.sync_step_1(self.doc.get_state()))
        return self

    def say(self, text: str) -> None:
        self.session.receive_text(f"__YPS:{text}")

    @property
    def heard(self) -> list[str]:
        start = TEXT_FRAME + b"__YPS:"
        return [frame[len(start) :].decode() for frame in self.connection.inbox if frame.startswith(start)]


@pytest.fixture
def world() -> World:
    return World(limits=RoomLimits(stateless_bytes_max=100))


def test_custom_messages_reach_everybody_else_who_may_write(world: World) -> None:
    sender, other = Client(world).attach(), Client(world).attach()
    reader = Client(world, role=Role.READER).attach()
    plain = world.peer()
    sender.say("hello 🧑‍🚀")
    reader.say("from a reader")
    assert (sender.heard, other.heard, reader.heard) == ([], ["hello 🧑‍🚀"], [])
    assert not any(b"hello" in frame for frame in plain.connection.inbox)


def test_they_are_the_stateless_messages_of_hocuspocus(world: World) -> None:
    client, line = Client(world).attach(), MemoryConnection()
    dialect = dialect_for(read_key(write_var_string(DOCUMENT)))
    provider = dialect.session(world.room, client.grant, line)
    world.room.attach(provider)
    client.say("to you")
    assert dialect.prefix + b"\x05\x06to you" in line.inbox
    provider.receive(dialect.prefix + b"\x05\x08and back")
    assert client.heard == ["and back"]


@pytest.mark.parametrize(("text", "code"), [("hello", UNKNOWN), ("", UNKNOWN), ("__YPS:" + "é" * 51, TOO_LARGE)])
def test_other_text_and_too_much_of_it_end_the_session(world: World, text: str, code: int) -> None:
    client, other = Client(world).attach(), Client(world).attach()
    client.session.receive_text(text)
    assert client.connection.close_code == code
    assert other.heard == []
    client.session.receive_text("__YPS:more")
    assert other.heard == []


@pytest.mark.rule("A6")
def test_its_presence_is_renewed_by_the_room(world: World) -> None:
    client, other = Client(world).attach(), world.peer()
    client.announce(client.doc.client_id, 1, '{"user":1}')
    world.clock.advance(0.03)
    other.pull()
    assert world.log.renewed == {world.room}
    before = len(other.awareness)
    world.clock.advance(RENEW_S + 1)
    assert world.room.renew_presence()
    world.clock.advance(0.03)
    other.pull()
    assert len(other.awareness) == before + 1
    client.drop()
    world.clock.advance(0.03)
    other.pull()
    assert client.doc.client_id not in other.present()
    assert not world.room.renew_presence()
