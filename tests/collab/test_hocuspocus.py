"""The Hocuspocus dialect over a room in memory: what a provider counts, and what it is told."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Map

from collab.codec import write_var_string
from collab.dialects.hocuspocus import KEEP_ALIVE, dialect_for, read_key, read_token
from collab.errors import CollabError, LimitExceeded, MalformedMessage, ProtocolError, UnknownMessage
from collab.limits import RoomLimits
from collab.messages import AWARENESS, LEAVE, QUERY_AWARENESS, STATELESS, SYNC_STEP_1, SYNC_STEP_2, TOKEN, UPDATE
from collab.types import Grant, Role
from tests.collab.pairs import DOCUMENT, MemoryConnection, Peer, World

KEY = read_key(write_var_string(DOCUMENT))
FUZZ = settings(deadline=None, print_blob=True)
SESSION_KEY = read_key(write_var_string(f"{DOCUMENT}\0k3j9"))


class Line(MemoryConnection):
    """A `DocumentConnection`."""

    def __init__(self) -> None:
        super().__init__()
        self.parted: CollabError | None = None
        self.left = False
        self.tokens: list[str] = []
        self.stops_at_zero = True

    def part(self, error: CollabError) -> None:
        self.parted = error

    def leave(self) -> None:
        self.left = True

    def renew(self, token: str) -> None:
        self.tokens.append(token)


class Provider(Peer):
    """A Hocuspocus provider that counts as the published ones do, but takes a status too many for a failure."""

    connection: Line

    def __init__(self, world: World, *, key: Any = KEY, **options: Any) -> None:
        super().__init__(world, **options)
        self.dialect = dialect_for(key)
        self.unsynced = 0
        self.told = 0
        self.heard: list[bytes] = []
        self.roles: list[bytes] = []
        self.unanswered: list[bytes] = []
        self.may_be_told_more = False
        self.silent = False
        """It does not get round to answering sync steps 1."""

    def attach(self) -> "Provider":
        self.connection = Line()
        self.session = self.dialect.session(self.world.room, self.grant, self.connection)
        self.world.room.attach(self.session)
        self.start_sync()
        return self

    def start_sync(self) -> None:
        self.unsynced = 1
        self.send(self.dialect.sync_step_1(self.doc.get_state()))

    def push(self, *, counts: bool = True) -> None:
        updates, self.outbox = self.outbox, []
        for update in updates:
            self.unsynced += counts
            self.send(self.dialect.update(update))

    def pull(self) -> None:
        inbox, self.connection.inbox = self.connection.inbox, []
        if not self.silent:
            inbox, self.unanswered = self.unanswered + inbox, []
        for message in inbox:
            assert message.startswith(self.dialect.prefix)
            body = message[len(self.dialect.prefix) :]
            if body[0] == 8:
                one = message[: len(self.dialect.prefix) + 2]
                count = len(message) // len(one)
                assert message == one * count
                self.told += count
                for _ in range(count if body[1] else 0):
                    if self.unsynced or not self.may_be_told_more:
                        assert self.unsynced > 0, "told of one more than it counts"
                        self.unsynced -= 1
                continue
            if body[0] == 2:
                self.roles.append(body[3:])
                continue
            kind, payload = self.dialect.decode(message)
            if kind == SYNC_STEP_1:
                if self.silent:
                    self.unanswered.append(message)
                else:
                    self.send(self.dialect.sync_step_2(self.doc.get_update(payload)))
            elif kind in (SYNC_STEP_2, UPDATE):
                self._remote = True
                self.doc.apply_update(payload)
                self._remote = False
            elif kind == STATELESS:
                self.heard.append(payload)


def provider(world: World, **options: Any) -> Provider:
    peer = Provider(world, **options).attach()
    world.peers.append(peer)
    return peer


@pytest.fixture
def world() -> World:
    return World()


def relay(world: World) -> None:
    """Everything both ways, but no commit."""
    for _ in range(5):
        world.clock.advance(0.03)
        for peer in world.peers:
            peer.pull()


# -- framing ----------------------------------------------------------------------------------------------------------


def test_messages_read_as_they_stand_in_the_published_clients() -> None:
    assert read_key(bytes.fromhex("02643102000374 6f6b 05342e382e30")).document == "d1"
    assert read_token(bytes.fromhex("026431020003746f6b05342e382e30"), b"\x02d1") == ("tok", "4.8.0")
    assert read_token(bytes.fromhex("026431020003746f6b"), b"\x02d1") == ("tok", None)
    d1 = dialect_for(read_key(b"\x02d1"))
    assert d1.decode(b"\x02d1\x00\x00\x01\x00") == (SYNC_STEP_1, b"\x00")
    assert d1.decode(b"\x02d1\x00\x01\x02\x00\x00") == (SYNC_STEP_2, b"\x00\x00")
    assert d1.decode(b"\x02d1\x00\x02" + b"\x82\x01" + bytes(130)) == (UPDATE, bytes(130))
    assert d1.decode(b"\x02d1\x01\x01\x00") == (AWARENESS, b"\x00")
    assert d1.decode(b"\x02d1\x03") == (QUERY_AWARENESS, b"")
    assert d1.decode(b"\x02d1\x05\x02hi") == (STATELESS, b"hi")
    assert d1.decode(b"\x02d1\x07") == (LEAVE, b"")
    assert d1.decode(b"\x02d1\x02\x00\x03tok\x054.8.0") == (TOKEN, b"tok")
    assert d1.acknowledgement(b"") == b"\x02d1\x08\x01"
    assert d1.refusal("") == b"\x02d1\x08\x00"
    assert d1.role("commenter") == b"\x02d1\x02\x02\x08readonly"
    assert d1.role("editor") == b"\x02d1\x02\x02\x0aread-write"
    assert d1.denied("no") == b"\x02d1\x02\x01\x02no"
    assert d1.token_wanted() == b"\x02d1\x02\x00"
    assert d1.closed("so") == b"\x02d1\x07\x02so"
    assert KEEP_ALIVE == b"\x00\x01" + b"\x01\x00"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", MalformedMessage),
        (b"\x00", MalformedMessage),
        (b"\x00\x03\x00", UnknownMessage),
        (b"\x00\x02\x05\x00", MalformedMessage),
        (b"\x00\x02\x01\x00\x00", MalformedMessage),
        (b"\x02\x01\x02no", UnknownMessage),
        (b"\x02\x02\x08readonly", UnknownMessage),
        (b"\x03\x00", MalformedMessage),
        (b"\x04\x00\x01\x00", UnknownMessage),
        (b"\x05\x02\xff\xff", MalformedMessage),
        (b"\x06\x02hi", UnknownMessage),
        (b"\x08\x01", UnknownMessage),
        (b"\x09", UnknownMessage),
        (b"\x66\x00", UnknownMessage),
    ],
)
def test_what_a_client_does_not_send_is_refused(body: bytes, error: type[CollabError]) -> None:
    with pytest.raises(error):
        dialect_for(KEY).decode(KEY.prefix + body)


@pytest.mark.parametrize(
    ("key", "error"),
    [
        ("a\0", UnknownMessage),
        ("a\0b\0c", UnknownMessage),
        ("a\0 b", UnknownMessage),
        ("a\0" + "b" * 65, UnknownMessage),
        ("a" * 400, LimitExceeded),
    ],
)
def test_keys_that_could_be_taken_for_others_are_none(key: str, error: type[CollabError]) -> None:
    with pytest.raises(error):
        read_key(write_var_string(key))


@FUZZ
@given(st.binary(max_size=60))
def test_nothing_but_refusals_comes_of_any_bytes(message: bytes) -> None:
    try:
        key = read_key(message)
        dialect_for(key).decode(message)
    except ProtocolError:
        return
    assert message.startswith(key.prefix)


def test_sessions_of_one_key_share_an_instance_and_so_their_frames() -> None:
    framed: list[bytes] = []
    world = World()
    writer, same, other, plain = (
        provider(world),
        provider(world),
        provider(world, key=SESSION_KEY),
        world.peer(),
    )
    world.settle()
    assert writer.dialect is same.dialect is not other.dialect
    assert dialect_for(KEY) is writer.dialect
    world.room._fanout._frame = lambda message: framed.append(message) or message  # type: ignore[func-returns-value]
    writer.text += "one edit"
    writer.push()
    world.clock.advance(0.03)
    assert len(framed) == 3, "one for each key, and one for y-websocket"
    for peer in (same, other, plain):
        peer.pull()
        assert str(peer.text) == "one edit"


def test_two_documents_of_one_socket_that_are_one_document_hear_each_other() -> None:
    """They write through the same method of the same transport, by which an author is told from the others."""
    world = World()
    left = Provider(world, key=read_key(write_var_string(f"{DOCUMENT}\0left")))
    right = Provider(world, key=read_key(write_var_string(f"{DOCUMENT}\0right")))
    for peer in (left, right):
        peer.attach()
        world.peers.append(peer)
    world.settle()
    wire: list[bytes] = []
    shared = wire.append
    left.connection.write = right.connection.write = shared  # type: ignore[method-assign, assignment]
    world.room._fanout.discard(left.session)
    world.room._fanout.add(left.session)
    left.text += "to the right"
    left.push()
    world.clock.advance(0.03)
    assert [message for message in wire if message.startswith(right.dialect.prefix)]
    assert not [message for message in wire if message.startswith(left.dialect.prefix)]


# -- counting ---------------------------------------------------------------------------------------------------------


@pytest.mark.rule("P1")
def test_saved_is_said_after_the_commit_of_everything_before(world: World) -> None:
    ann = provider(world)
    relay(world)
    assert ann.unsynced == 0, "an empty sync step 2 is answered"
    ann.text += "a"
    ann.push()
    ann.text += "b"
    ann.push()
    relay(world)
    assert ann.unsynced == 2
    world.log.commit(world.room)
    ann.pull()
    assert ann.unsynced == 0


@pytest.mark.rule("P1")
def test_offline_edits_are_saved_after_the_commit(world: World) -> None:
    ann = Provider(world)
    ann.text += "offline"
    ann.outbox.clear()
    ann.attach()
    world.peers.append(ann)
    relay(world)
    assert ann.unsynced == 1
    world.log.commit(world.room)
    ann.pull()
    assert (ann.unsynced, world.stored_text()) == (0, "offline")


@pytest.mark.rule("P2")
def test_a_sync_step_2_that_we_asked_for_on_our_own_account_is_not_counted(world: World) -> None:
    ann = provider(world)
    world.settle()
    ann.text += "lost on the way; "
    ann.outbox.clear()
    ann.text += "builds on it"
    ann.push()
    relay(world)
    assert ann.unsynced == 1, "it waits, and so does its status"
    world.settle()
    assert (ann.unsynced, ann.told) == (0, 2)
    assert world.stored_text() == "lost on the way; builds on it"


@pytest.mark.rule("P3")
def test_what_was_sent_before_the_client_asked_again_is_not_answered_any_more(world: World) -> None:
    ann = provider(world)
    world.settle()
    ann.text += "typed"
    ann.push()
    relay(world)
    ann.start_sync()  # As `forceSync` does: the count is 1 again, for the sync step 2 alone.
    world.settle()
    assert ann.unsynced == 0


@pytest.mark.rule("P3")
def test_updates_that_waited_for_the_connection_are_covered_by_the_sync(world: World) -> None:
    ann = Provider(world)
    for word in ("these ", "were ", "offline "):
        ann.text += word
    ann.attach()
    world.peers.append(ann)
    ann.push(counts=False)
    world.settle()
    assert (ann.unsynced, ann.told) == (0, 1)
    ann.text += "and this was not"
    ann.push()
    world.settle()
    assert (ann.unsynced, ann.told) == (0, 2)


@pytest.mark.rule("P3")
@pytest.mark.parametrize("version", [4, 2])
def test_deletions_that_waited_for_the_connection_make_no_later_edit_saved(world: World, version: int) -> None:
    """Nobody can say whether the provider counts them. Version 2 went on to -1 when it was told of each, and called
    what was typed next saved before it was."""
    bob, ann = provider(world), Provider(world)
    bob.text += "words"
    world.settle()
    ann.attach()
    world.peers.append(ann)
    world.settle()
    ann.drop()
    for _ in range(3):
        del ann.text[0:1]
    ann.attach()
    ann.connection.stops_at_zero = ann.may_be_told_more = version == 4
    ann.push(counts=False)
    relay(world)
    ann.text += " typed meanwhile"
    ann.push()
    assert ann.unsynced == 2, "its sync step 2 and what was typed since"
    world.settle()
    assert ann.unsynced == 0
    ann.text += " typed next"
    ann.push()
    relay(world)
    assert ann.unsynced == 1
    world.settle()
    assert (ann.unsynced, world.stored_text()) == (0, "ds typed meanwhile typed next")


@pytest.mark.rule("P4")
def test_nothing_is_answered_before_the_sync_step_2(world: World) -> None:
    """A status would bring the count to 0 while what was done offline, here a deletion, is on its way."""
    bob, ann = provider(world), provider(world)
    bob.text += "words to delete"
    world.settle()
    ann.drop()
    ann.text.clear()
    ann.outbox.clear()
    ann.told, ann.silent = 0, True
    ann.attach()
    ann.doc.get("map", type=Map)["typed"] = "since"
    world.settle()
    assert (ann.unsynced, ann.told, len(world.log.rows)) == (2, 0, 2)
    ann.silent = False
    world.settle()
    assert (ann.unsynced, ann.told, str(bob.text)) == (0, 2, "")


def test_asking_to_sync_twice_before_answering_is_counted_once(world: World) -> None:
    ann = provider(world)
    ann.start_sync()
    world.settle()
    assert (ann.unsynced, ann.told) == (0, 1)


def test_who_asks_without_ever_answering_is_stopped(world: World) -> None:
    ann = provider(world)
    ann.silent = True
    for _ in range(300):
        ann.start_sync()
    assert isinstance(ann.connection.parted, LimitExceeded)
    assert not ann.session.open


def test_a_reader_gets_a_no_for_each_edit_and_a_yes_when_it_may(world: World) -> None:
    bob, ann = provider(world, role=Role.READER, user="bob"), provider(world, user="ann")
    world.settle()
    assert bob.unsynced == 0
    for word in ("not ", "yet ", "allowed"):
        bob.text += word
    bob.push()
    world.settle()
    assert (bob.unsynced, bob.told, str(ann.text)) == (3, 4, "")
    bob.session.regrant(Grant(DOCUMENT, Role.EDITOR, "bob"))
    world.settle()
    assert (bob.unsynced, str(ann.text), world.stored_text()) == (0, "not yet allowed", "not yet allowed")
    assert bob.roles == [b"read-write"]
    bob.session.regrant(Grant(DOCUMENT, Role.COMMENTER, "bob"))
    bob.text += "; too late"
    bob.push()
    world.settle()
    assert (bob.unsynced, world.stored_text()) == (1, "not yet allowed")
    assert bob.roles == [b"read-write", b"readonly"]
    bob.start_sync()
    world.settle()
    assert bob.unsynced == 1, "what is only in its own copy is not saved"


def test_what_waits_when_somebody_loses_the_right_to_write_is_not_taken(world: World) -> None:
    ann = provider(world)
    world.settle()
    ann.silent = True
    ann.text += "missing; "
    ann.outbox.clear()
    ann.text += "waits"
    ann.push()
    relay(world)
    ann.session.regrant(Grant(DOCUMENT, Role.READER, None))
    ann.silent = False
    world.settle()
    assert (ann.unsynced, world.stored_text()) == (1, "")
    ann.session.regrant(Grant(DOCUMENT, Role.EDITOR, None))
    world.settle()
    assert (ann.unsynced, world.stored_text()) == (0, "missing; waits")


@FUZZ
@given(data=st.data())
def test_the_count_comes_to_nothing_and_never_below(data: st.DataObject) -> None:
    """Whatever comes in between: a status too many fails in `Provider.pull`, one too few at the end."""
    world = World()
    ann, bob = provider(world), provider(world)
    for _ in range(data.draw(st.integers(1, 25))):
        peer = data.draw(st.sampled_from([ann, bob]))
        match data.draw(st.sampled_from(["type", "push", "pull", "commit", "advance", "lose", "sync"])):
            case "type":
                peer.text.insert(data.draw(st.integers(0, len(str(peer.text)))), "x")
            case "push":
                peer.push()
            case "pull":
                peer.pull()
            case "commit":
                world.log.commit(world.room)
            case "advance":
                world.clock.advance(0.03)
            case "lose":
                peer.outbox.clear()
            case "sync" if not peer.connection.inbox:
                world.settle()
                peer.start_sync()
    world.settle()
    assert (ann.unsynced, bob.unsynced) == (0, 0)
    # Before anything stands on it, what was lost is asked for only by a sync.
    for peer in (ann, bob):
        peer.start_sync()
    world.settle()
    assert str(ann.text) == str(bob.text) == world.stored_text()
    assert (ann.unsynced, bob.unsynced) == (0, 0)


# -- the rest ---------------------------------------------------------------------------------------------------------


def test_stateless_messages_go_to_those_who_may_write_and_know_them(world: World) -> None:
    sender, other, reader = provider(world), provider(world, key=SESSION_KEY), provider(world, role=Role.READER)
    plain = world.peer()
    world.settle()
    before = len(world.log.rows)
    sender.send(sender.dialect.stateless("hé".encode()) or b"")
    reader.send(reader.dialect.stateless(b"from a reader") or b"")
    plain.connection.inbox.clear()
    world.settle()
    assert [peer.heard for peer in (sender, other, reader)] == [[], ["hé".encode()], []]
    assert (plain.connection.inbox, len(world.log.rows)) == ([], before)


def test_who_reads_too_slowly_does_not_get_stateless_messages(world: World) -> None:
    sender, slow = provider(world), provider(world)
    world.settle()
    slow.session.writable(False)
    sender.send(sender.dialect.stateless(b"missed") or b"")
    slow.session.writable(True)
    world.settle()
    assert slow.heard == []


def test_a_stateless_message_has_a_size_limit() -> None:
    world = World(limits=RoomLimits(stateless_bytes_max=8))
    sender, other = provider(world), provider(world)
    world.settle()
    sender.send(sender.dialect.stateless(b"12345678") or b"")
    sender.send(sender.dialect.stateless(b"123456789") or b"")
    world.settle()
    assert other.heard == [b"12345678"]
    assert not sender.session.open


def test_a_token_and_a_goodbye_go_to_the_socket(world: World) -> None:
    ann = provider(world)
    ann.send(KEY.prefix + b"\x02\x00\x03tok\x054.8.0")
    ann.send(KEY.prefix + b"\x07")
    assert (ann.connection.tokens, ann.connection.left) == (["tok"], True)
