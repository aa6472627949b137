"""The Jupyter dialect over a room in memory: what "save" is answered, and when."""

import json
from dataclasses import replace

import pytest

from collab.codec import Reader, write_var_string, write_var_uint
from collab.dialects.jupyter import JUPYTER
from collab.errors import DocumentNotFound, RoomClosed
from collab.types import Role
from tests.collab.pairs import MemoryConnection, Peer, World


def save(number: int) -> bytes:
    return b"\x02" + write_var_string("save") + write_var_uint(number)


class Client(Peer):
    def attach(self) -> "Client":
        self.connection = MemoryConnection()
        self.session = JUPYTER.session(self.world.room, self.grant, self.connection)
        self.world.room.attach(self.session)
        self.send(JUPYTER.sync_step_1(self.doc.get_state()))
        return self

    def answers(self) -> list[tuple[int, str]]:
        """To its saves, since this was last asked."""
        raw = [message for message in self.connection.inbox if message[0] == 2 and message[1] != 0]
        self.pull()
        said = [json.loads(Reader(message[1:]).var_string()) for message in raw]
        assert all(each["type"] == "save" for each in said)
        return [(each["responseTo"], each["status"]) for each in said]


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.rule("J1")
def test_a_save_succeeds_after_the_commit_and_not_before(world: World) -> None:
    client = Client(world).attach()
    client.pull()
    client.text += "a"
    client.push()
    client.send(save(300))
    world.clock.advance(0.03)
    assert client.answers() == []
    world.log.commit(world.room)
    assert client.answers() == [(300, "success")]
    assert world.stored_text() == "a"


@pytest.mark.rule("J2")
def test_what_was_done_offline_and_is_not_here_is_not_saved(world: World) -> None:
    client = Client(world)
    client.text += "offline"
    client.attach()
    client.send(save(1))
    assert client.answers() == [(1, "failed")]  # Its answer to sync step 1 brings the edit.
    client.send(save(2))
    world.clock.advance(0.03)
    world.log.commit(world.room)
    assert client.answers() == [(2, "success")]
    assert world.stored_text() == "offline"


@pytest.mark.rule("J1")
@pytest.mark.rule("J2")
def test_a_reader_has_nothing_to_save_until_something_is_refused(world: World) -> None:
    client = Client(world, role=Role.READER).attach()
    client.pull()
    client.send(save(1))
    assert client.answers() == [(1, "success")]
    client.text += "a"
    client.push()
    client.send(save(2))
    assert client.answers() == [(2, "failed")]
    assert client.refusals == 1 + 2  # `Peer` counts the answers, too.
    assert world.log.submitted == []


@pytest.mark.rule("J1")
def test_who_may_not_write_any_more_is_told_what_became_of_what_they_wrote(world: World) -> None:
    client = Client(world).attach()
    client.pull()
    client.text += "a"
    client.push()
    client.session.regrant(replace(client.grant, role=Role.READER))
    client.answers()
    client.send(save(1))
    world.clock.advance(0.03)
    assert client.answers() == []
    world.log.commit(world.room)
    assert client.answers() == [(1, "success")]


# -- every save is answered --------------------


def out_of_order(world: World) -> tuple[Client, bytes]:
    """A client whose second edit has come and whose first has not, which is the other one here."""
    client = Client(world).attach()
    client.pull()
    client.text += "a"
    client.text += "b"
    first, second = client.outbox
    client.outbox.clear()
    client.send(JUPYTER.update(second))
    client.connection.inbox.clear()  # Our sync step 1 is not answered.
    return client, first


def last_words(client: Client) -> list[tuple[int, str]]:
    """To its saves, from a connection that is closed."""
    assert client.connection.close_code is not None
    return client.answers()


@pytest.mark.rule("J3")
def test_a_save_behind_an_edit_that_waits_succeeds_when_that_is_saved(world: World) -> None:
    client, first = out_of_order(world)
    client.send(save(1))
    world.clock.advance(0.03)
    world.log.commit(world.room)
    assert client.answers() == []
    client.send(JUPYTER.update(first))
    world.clock.advance(0.03)
    assert client.answers() == []
    world.log.commit(world.room)
    assert client.answers() == [(1, "success")]
    assert world.stored_text() == "ab"


@pytest.mark.rule("J3")
def test_a_save_behind_an_edit_that_waited_too_long_fails(world: World) -> None:
    client, _ = out_of_order(world)
    client.send(save(1))
    client.send(save(2))
    world.clock.advance(world.room.limits.held_seconds_max / 2)
    assert world.room.expire_held()
    assert client.answers() == []
    world.clock.advance(world.room.limits.held_seconds_max)
    assert not world.room.expire_held()
    assert last_words(client) == [(1, "failed"), (2, "failed")]
    assert world.stored_text() == ""


@pytest.mark.rule("J3")
def test_a_save_fails_when_too_much_waits(world: World) -> None:
    client, _ = out_of_order(world)
    client.send(save(1))
    for number in range(world.room.limits.held_updates_max):
        client.text += str(number)
        client.push()
    assert last_words(client) == [(1, "failed")]
    assert client.connection.close_code == 1008


@pytest.mark.rule("J3")
def test_a_save_fails_when_what_it_waits_for_is_dropped_with_the_right_to_write(world: World) -> None:
    client, first = out_of_order(world)
    client.send(save(1))
    client.session.regrant(replace(client.grant, role=Role.READER))
    assert client.answers() == [(1, "failed")]
    client.send(JUPYTER.update(first))
    client.send(save(2))
    assert client.answers() == [(2, "failed")]
    assert client.connection.close_code is None
    world.clock.advance(0.03)
    world.log.commit(world.room)
    assert client.answers() == []


@pytest.mark.rule("J3")
def test_whoever_is_sent_away_hears_first_that_nothing_is_known_of_the_save(world: World) -> None:
    client = Client(world).attach()
    client.pull()
    client.text += "a"
    client.push()
    client.send(save(1))
    client.send(b"\x7d\x00")
    assert last_words(client) == [(1, "failed")]
    world.clock.advance(0.03)
    world.log.commit(world.room)
    assert client.answers() == []
    assert world.stored_text() == "a"


@pytest.mark.rule("J3")
def test_a_save_fails_when_the_document_is_deleted_before_the_commit(world: World) -> None:
    client = Client(world).attach()
    client.pull()
    client.text += "a"
    client.push()
    client.send(save(1))
    world.clock.advance(0.03)
    world.room.lost(DocumentNotFound("this document has been deleted"))
    assert last_words(client) == [(1, "failed")]


@pytest.mark.rule("J3")
def test_a_server_that_stops_answers_the_saves_that_it_was_asked_for(world: World) -> None:
    waiting, _ = out_of_order(world)
    waiting.send(save(1))
    client = Client(world).attach()
    client.pull()
    client.text += "x"
    client.push()
    client.send(save(2))
    world.room.freeze()
    client.send(save(3))
    client.send(b"\x02")
    assert waiting.answers() == [(1, "failed")]
    assert client.answers() == [(3, "failed")]
    world.log.commit(world.room)
    assert client.answers() == [(2, "success")]


@pytest.mark.rule("J3")
def test_a_save_that_came_while_the_document_was_read_again_fails_when_it_cannot_be(world: World) -> None:
    client = Client(world).attach()
    client.pull()
    world.room.fault()
    client.send(save(1))
    assert client.answers() == []
    world.room.close(RoomClosed("the document cannot be read"))
    assert last_words(client) == [(1, "failed")]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"\x02", 1007),
        (b"\x02\x00", 1008),
        (b"\x02\x05save", 1007),
        (b"\x02\x04save", 1007),
        (save(1) + b"\x00", 1007),
        (b"\x02\x04save" + b"\xff" * 20, 1007),
        (b"\x02\x02\xff\xfe\x01", 1007),
        (b"\x02" + write_var_string("x" * 100_000), 1008),
        (b"\x7d\x00", 1008),
        # The request of y-websocket's clients: its payload is no number, and was answered as if it were one.
        (b"\x66\x01\x80", 1008),
    ],
    ids=lambda value: value[:8].hex() if isinstance(value, bytes) else "",
)
def test_nonsense_ends_the_session(world: World, message: bytes, code: int) -> None:
    client, other = Client(world).attach(), world.peer()
    client.pull()
    client.send(message)
    assert client.connection.close_code == code
    assert other.connection.close_code is None
