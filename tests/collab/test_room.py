"""The rules of collab.room, collab.session and collab.waiting, one room and its clients in memory."""

import json

import pytest
from pycrdt import Array, Doc, Map, Text

import collab.session as session_module
from collab.awareness import ENTRIES_PER_MESSAGE
from collab.codec import write_var_bytes, write_var_uint
from collab.dialects.y_websocket import Y_WEBSOCKET
from collab.fanout import FanOut
from collab.guard import Panicked, merge
from collab.limits import RoomLimits
from collab.live import LEVELS_MAX, LiveDocument
from collab.ports import Checkpoint, LoadedDocument, NewUpdate, StoredUpdate
from collab.room import Room
from collab.scanner import ScannedUpdate, scan_update
from collab.types import Grant, Role, Seq
from tests.collab.pairs import DOCUMENT, Peer, World
from tests.hostile import SHARED_STATE, SPLIT_EMOJI, heap_bomb


@pytest.fixture
def world() -> World:
    return World()


def in_bad_order() -> tuple[bytes, bytes, bytes]:
    """Three updates of one client, newest first: pycrdt loses map key `x` when it sees them in this order."""
    return (
        bytes.fromhex("010105012801016d0179017c3f80000000"),
        bytes.fromhex("01010502a80500017c400000000105010001"),
        bytes.fromhex("010105002801016d0178017c0000000000"),
    )


# -- sync --------------------


def test_two_clients_see_each_others_edits(world: World) -> None:
    a, b = world.peer(), world.peer()
    a.text += "hello "
    world.settle()
    b.text += "world 🌍"
    world.settle()
    assert str(a.text) == str(b.text) == world.stored_text() == "hello world 🌍"


def test_our_sync_step_1_comes_before_our_sync_step_2(world: World) -> None:
    first, second = world.peer().connection.inbox
    assert first[:2] == b"\x00\x00"
    assert second[:2] == b"\x00\x01"


def test_a_late_joiner_gets_everything_and_brings_its_offline_edits(world: World) -> None:
    a = world.peer()
    a.text += "here"
    world.settle()
    late = Peer(world)
    late.text += "offline "
    late.outbox.clear()
    late.attach()
    world.peers.append(late)
    world.settle()
    assert str(a.text) == str(late.text) == world.stored_text()
    assert "offline" in str(a.text)


@pytest.mark.rule("R3")
def test_edits_of_one_turn_become_one_frame_and_one_row(world: World) -> None:
    a, b = world.peer(), world.peer()
    world.settle()
    rows = len(world.log.rows)
    for word in ["one", "two", "three"]:
        a.text += word
    a.push()
    world.clock.advance()
    assert len(b.connection.inbox) == 1
    b.pull()
    assert str(b.text) == "onetwothree"
    world.log.commit(world.room)
    assert len(world.log.rows) == rows + 1


@pytest.mark.rule("R3")
def test_the_author_alone_in_a_flush_gets_no_echo_of_it(world: World) -> None:
    a, b = world.peer(), world.peer()
    world.settle()
    a.text += "x"
    a.push()
    world.clock.advance()
    assert a.connection.inbox == []
    assert len(b.connection.inbox) == 1


def writing_takes(world: World, peer: Peer, seconds: float) -> None:
    """Let time pass in every write to a peer."""
    write = peer.connection.write

    def slow(frame: bytes) -> None:
        world.clock.now += seconds
        write(frame)

    peer.connection.write = slow  # type: ignore[method-assign]


def test_a_flush_that_the_machine_held_up_does_not_slow_down_those_after_it(world: World) -> None:
    """A moment in which the process did not run was taken for the cost of a flush: the next dozen waited up to 25 ms
    each, and the slowest of a hundred edits took four times as long as with a server that sends each by itself."""
    a, b = world.peer(), world.peer()
    world.settle()
    pass_on = b.connection.write
    writing_takes(world, b, 0.2)
    a.text += "slow"
    a.push()
    world.clock.advance()
    b.connection.write = pass_on  # type: ignore[method-assign]
    b.pull()
    a.text += "next"
    a.push()
    world.clock.advance(0.001)
    b.pull()
    assert str(b.text) == "slownext"


def test_a_room_whose_every_flush_is_dear_rests_between_them(world: World) -> None:
    a, b = world.peer(), world.peer()
    world.settle()
    writing_takes(world, b, 0.005)
    for _ in range(40):
        a.text += "."
        a.push()
        world.clock.advance(0.03)
    b.connection.inbox.clear()
    a.text += "!"
    a.push()
    world.clock.advance(0.001)
    assert b.connection.inbox == []
    world.clock.advance(0.025)
    assert len(b.connection.inbox) == 1


@pytest.mark.rule("C3")
def test_rows_of_two_people_are_never_merged_and_keep_their_order(world: World) -> None:
    anna, ben = world.peer(user="anna"), world.peer(user="ben")
    world.settle()
    for peer in (anna, ben, anna):
        peer.text += peer.grant.user_id or ""
        peer.push()
    world.clock.advance()
    world.log.commit(world.room)
    assert [row.user_id for row in world.log.rows] == ["anna", "ben", "anna"]


def test_an_update_the_document_has_is_not_stored_again(world: World) -> None:
    a, b = world.peer(), world.peer()
    a.text += "once"
    del a.text[0:1]
    world.settle()
    rows = len(world.log.rows)
    b.send(Y_WEBSOCKET.sync_step_2(a.doc.get_update()))
    b.send(Y_WEBSOCKET.update(a.doc.get_update()))
    world.settle()
    assert len(world.log.rows) == rows


def test_a_step_2_that_carries_old_deletions_stores_only_what_is_new(world: World) -> None:
    a = world.peer()
    for kept in range(50):
        a.text += "ab"
        del a.text[kept : kept + 1]
    world.settle()
    offline = Peer(world)
    offline.doc.apply_update(a.doc.get_update())
    offline.outbox.clear()
    offline.text += "!"
    offline.outbox.clear()
    sent = len(offline.doc.get_update(a.doc.get_state()))
    offline.attach()
    world.peers.append(offline)
    world.settle()
    assert len(world.log.rows[-1].payload) < sent / 2
    assert world.stored_text() == str(offline.text)


def test_everybody_coming_back_with_the_same_deletions_is_checked_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand people with their copies of one paper took 9 s to be synced after a restart: each sent all deletions
    there are, and each time they were scanned and applied."""
    author = world.peer()
    for kept in range(50):
        author.text += "ab"
        del author.text[kept : kept + 1]
    world.settle()
    copies = [Peer(world) for _ in range(5)]
    for copy in copies:
        copy.doc.apply_update(author.doc.get_update())
        copy.outbox.clear()
    scans: list[bytes] = []

    def counted(update: bytes) -> ScannedUpdate:
        scans.append(update)
        return scan_update(update)

    monkeypatch.setattr(session_module, "scan_update", counted)
    for copy in copies:
        copy.attach()
        copy.pull()
        copy.ask_ack(1)
        copy.pull()
        assert copy.acks == [b"\x01"]
    assert len(scans) == 1
    last = copies[-1]
    last.text += "and one more"
    world.peers.append(last)
    world.settle()
    assert "and one more" in world.stored_text()


@pytest.mark.rule("R3")
def test_an_update_known_but_not_committed_is_not_acknowledged(world: World) -> None:
    a, b = world.peer(), world.peer()
    a.text += "abc"
    world.settle()
    b.pull()
    del a.text[0:1]
    a.push()
    world.clock.advance()
    b.pull()
    for version in (1, 2):
        b.send(Y_WEBSOCKET.sync_step_2(b.doc.get_update(b.doc.get_state())))
        b.ask_ack(version)
    b.pull()
    assert b.acks == []
    world.log.commit(world.room)
    b.pull()
    assert b.acks == [b"\x01", b"\x02"]


# -- acknowledgements --------------------


@pytest.mark.rule("R3")
def test_an_acknowledgement_waits_for_the_commit_and_the_relay_does_not(world: World) -> None:
    a, b = world.peer(), world.peer()
    world.settle()
    a.text += "x"
    a.push()
    a.ask_ack(7)
    world.clock.advance()
    b.pull()
    a.pull()
    assert str(b.text) == "x"
    assert a.acks == []
    world.log.commit(world.room)
    a.pull()
    assert a.acks == [b"\x07"]


def test_an_acknowledgement_with_nothing_before_it_comes_at_once(world: World) -> None:
    a = world.peer()
    a.ask_ack(1)
    a.pull()
    assert a.acks == [b"\x01"]


def test_repeating_somebodys_uncommitted_edit_is_acknowledged_with_that_edit(world: World) -> None:
    a, b = world.peer(), world.peer()
    world.settle()
    a.text += "x"
    a.push()
    world.clock.advance()
    b.pull()
    b.send(Y_WEBSOCKET.sync_step_2(b.doc.get_update()))
    b.ask_ack(1)
    b.pull()
    assert b.acks == []
    world.log.commit(world.room)
    b.pull()
    assert b.acks == [b"\x01"]


@pytest.mark.rule("S2")
@pytest.mark.rule("S3")
def test_a_reader_changes_nothing_is_told_so_and_gets_no_acknowledgement(world: World) -> None:
    writer, reader = world.peer(), world.peer(role=Role.READER)
    writer.text += "mine"
    world.settle()
    rows = len(world.log.rows)
    reader.text += " and yours"
    reader.push()
    reader.send(Y_WEBSOCKET.sync_step_2(reader.doc.get_update()))
    reader.ask_ack(1)
    world.settle()
    assert str(writer.text) == "mine"
    assert len(world.log.rows) == rows
    assert reader.refusals == 1
    assert reader.acks == []
    writer.text += "!"
    world.settle()
    assert "!" in str(reader.text)


@pytest.mark.rule("S2")
def test_a_reader_whose_sync_step_2_deletes_is_told_so(world: World) -> None:
    """Deletions have no clock of their own: whether they are news is in no state vector. Dropped without a word, the
    reader's page went on without the text."""
    writer, reader = world.peer(), world.peer(role=Role.READER)
    writer.text += "abcdefgh"
    del writer.text[1:3]
    del writer.text[4:5]
    world.settle()
    reader.send(Y_WEBSOCKET.sync_step_2(reader.doc.get_update()))
    # Another range of the same deletions, in which nothing is new either.
    reader.send(Y_WEBSOCKET.sync_step_2(b"\x00" + ranges(writer, (1, 1))))
    world.settle()
    assert reader.refusals == 0, "it brought only what it had from here"
    rows = len(world.log.rows)
    del reader.text[0:1]
    reader.outbox.clear()
    reader.send(Y_WEBSOCKET.sync_step_2(reader.doc.get_update(reader.doc.get_state())))
    reader.ask_ack(1)
    world.settle()
    assert (str(writer.text), len(world.log.rows)) == ("adefh", rows)
    assert (reader.refusals, reader.acks) == (1, [])


@pytest.mark.rule("S2")
@pytest.mark.parametrize("deleted", [(0, 1), (2, 2), (7, 3), (100, 1)])
def test_a_deletion_is_news_if_any_part_of_it_is(world: World, deleted: tuple[int, int]) -> None:
    writer, reader = world.peer(), world.peer(role=Role.READER)
    writer.text += "abcdefgh"
    del writer.text[1:3]
    world.settle()
    reader.send(Y_WEBSOCKET.sync_step_2(b"\x00" + ranges(writer, deleted)))
    world.settle()
    assert reader.refusals == 1


def ranges(peer: Peer, *deleted: tuple[int, int]) -> bytes:
    """A delete set: ranges (clock, length) of what `peer` wrote."""
    pairs = b"".join(write_var_uint(number) for pair in deleted for number in pair)
    return b"\x01" + write_var_uint(peer.doc.client_id) + write_var_uint(len(deleted)) + pairs


# -- what would stay pending --------------------


@pytest.mark.rule("R1")
def test_updates_in_a_bad_order_from_three_clients_end_as_in_order(world: World) -> None:
    senders = [world.peer() for _ in range(3)]
    world.settle()
    for peer, update in zip(senders, in_bad_order(), strict=True):
        peer.send(Y_WEBSOCKET.update(update))
    world.settle()
    reference = LiveDocument(list(reversed(in_bad_order())))
    assert world.room.live.clocks == reference.clocks
    assert LiveDocument([row.payload for row in world.log.rows]).state() == reference.state()
    assert all(peer.session.open for peer in senders)


@pytest.mark.rule("R1")
def test_a_gap_is_asked_for_and_never_stored_before_it_is_filled(world: World) -> None:
    a, b = world.peer(), world.peer()
    world.settle()
    a.text += "one "
    a.text += "two"
    first, second = a.outbox
    a.outbox.clear()
    a.send(Y_WEBSOCKET.update(second))
    a.ask_ack(2)
    world.clock.advance()
    world.log.commit(world.room)
    assert world.log.rows == []
    assert a.connection.inbox[-1][:2] == b"\x00\x00"
    a.connection.inbox.clear()
    a.send(Y_WEBSOCKET.update(first))
    world.clock.advance()
    assert a.acks == []
    world.settle()
    assert a.acks == [b"\x02"]
    assert str(b.text) == world.stored_text() == "one two"


@pytest.mark.rule("R1")
def test_an_insert_next_to_unknown_text_and_a_deletion_of_it_wait_as_well(world: World) -> None:
    author, other = Doc[Text](client_id=10), Doc[Text](client_id=20)
    text = author.get("text", type=Text)
    text += "known"
    base = author.get_update()
    other.apply_update(base)
    before = other.get_state()
    other.get("text", type=Text).insert(2, "-")
    insertion = other.get_update(before)
    before = other.get_state()
    del other.get("text", type=Text)[0:1]
    deletion = other.get_update(before)
    a = world.peer()
    a.send(Y_WEBSOCKET.update(insertion))
    a.send(Y_WEBSOCKET.update(deletion))
    world.clock.advance()
    assert world.room.live.clocks == {}
    a.send(Y_WEBSOCKET.update(base))
    world.settle()
    assert world.stored_text() == str(other.get("text", type=Text))


@pytest.mark.rule("R1")
def test_a_gap_that_is_never_filled_ends_the_session_alone(world: World) -> None:
    a, b = world.peer(), world.peer()
    world.settle()
    a.connection.inbox.clear()
    a.send(Y_WEBSOCKET.update(in_bad_order()[0]))
    world.clock.advance(world.room.limits.held_seconds_max + 1)
    assert not world.room.expire_held()
    assert a.connection.close_code == 1008
    assert b.session.open


def test_too_many_gaps_end_the_session() -> None:
    world = World(limits=RoomLimits(held_updates_max=4))
    a = world.peer()
    for _ in range(5):
        a.send(Y_WEBSOCKET.update(in_bad_order()[0]))
    assert a.connection.close_code == 1008
    assert world.log.rows == []


# -- client ids --------------------


@pytest.mark.rule("R2")
def test_whoever_comes_to_own_a_held_client_id_is_probed_too() -> None:
    """Found by simulation: a client was cut off twice in a row, and the server had not noticed either. When the first
    connection was found dead, what the second had sent was taken and the id became its own; nobody asked whether it
    was still there, so the client waited 10 s and was sent away with 1008.
    """
    world = World()
    first = world.peer(client_id=77)
    first.text += "a"
    world.settle()
    second = world.peer(client_id=77)
    second.pull()
    second.text += "b"
    second.push()
    third = world.peer(client_id=77)
    third.doc.apply_update(second.doc.get_update())
    third.outbox.clear()
    third.text += "c"
    third.push()
    assert first.connection.probes
    assert second.connection.probes == []
    first.drop()
    world.clock.advance(0.03)
    assert second.connection.probes, "it owns the id now, and may be gone as well"
    second.drop()
    world.clock.advance(0.03)
    world.log.commit(world.room)
    assert world.stored_text() == "abc"


@pytest.mark.rule("R2")
def test_a_room_that_takes_nothing_more_takes_nothing_that_was_held_either() -> None:
    """Found by the checker: SIGTERM soon after a proxy had dropped its clients. Each had come back while its old
    connection was still believed to be open, so what it sent was held. Saying goodbye to the old connections set it
    free: it was accepted after the last commit, and the server waited 10 s for a commit that could not come and
    ended with code 1.
    """
    world = World()
    owner = world.peer(client_id=77)
    owner.text.insert(0, "a")
    world.settle()
    again = world.peer(client_id=77)
    again.pull()
    again.text.insert(1, "b")
    again.push()
    world.clock.advance(0.03)
    assert world.log.submitted == [], "held: another open connection owns the client id"

    world.room.freeze()
    owner.drop()
    world.clock.advance(0.03)

    assert world.log.submitted == []
    assert world.room.covered


@pytest.mark.rule("R2")
def test_edits_under_a_connected_clients_id_are_not_taken(world: World) -> None:
    victim = world.peer(client_id=77)
    victim.text += "v"
    world.settle()
    thief = world.peer()
    fake = Doc[Text](client_id=77)
    fake.apply_update(victim.doc.get_update())
    before = fake.get_state()
    fake.get("text", type=Text).insert(0, "stolen")
    thief.send(Y_WEBSOCKET.update(fake.get_update(before)))
    thief.ask_ack(1)
    victim.text += "ictim"
    world.settle()
    assert world.stored_text() == "victim"
    assert thief.acks == []
    assert victim.connection.probes
    world.clock.advance(world.room.limits.held_seconds_max + 1)
    world.room.expire_held()
    assert thief.connection.close_code == 1008
    assert victim.session.open


@pytest.mark.rule("R2")
def test_an_announced_id_is_protected_before_its_first_edit(world: World) -> None:
    victim = world.peer(client_id=77)
    victim.announce(77, 1)
    thief = world.peer()
    fake = Doc[Text](client_id=77)
    fake.get("text", type=Text).insert(0, "stolen")
    thief.send(Y_WEBSOCKET.update(fake.get_update()))
    world.settle()
    assert world.stored_text() == ""


@pytest.mark.rule("R2")
def test_a_client_that_comes_back_beside_its_dead_connection_is_heard_when_that_is_gone(world: World) -> None:
    old = world.peer(client_id=5)
    old.text += "before"
    world.settle()
    again = Peer(world, client_id=5)
    again.doc.apply_update(old.doc.get_update())
    again.outbox.clear()
    again.text += " after"
    again.attach()
    world.peers = [again]
    again.pull()
    again.ask_ack(3)
    world.settle()
    assert world.stored_text() == "before"
    assert again.acks == []
    old.drop()
    world.settle()
    assert world.stored_text() == "before after"
    assert again.acks == [b"\x03"]


def test_another_client_may_bring_the_edits_of_somebody_who_is_not_here(world: World) -> None:
    author = world.peer(client_id=5)
    author.text += "a"
    world.settle()
    author.drop()
    author.text += "bc"
    carrier = world.peer()
    carrier.doc.apply_update(author.doc.get_update())
    carrier.push()
    world.settle()
    assert world.stored_text() == "abc"


@pytest.mark.rule("R2")
def test_who_lost_unsaved_edits_with_the_server_is_not_locked_out_by_who_brought_them_back(world: World) -> None:
    """Boris's edit was relayed and not committed when the server died. Anna came back first and brought it along in
    her sync step 2. It made her connection the owner of his client id, and everything he sent was held, then refused.
    """
    anna, boris = Peer(world), Peer(world, client_id=5)
    boris.text += "b1 "
    anna.doc.apply_update(boris.doc.get_update())
    anna.outbox.clear()
    boris.outbox.clear()
    world.peers = [anna.attach()]
    world.settle()
    assert world.stored_text() == "b1 "
    world.peers.append(boris.attach())
    world.settle()
    boris.text += "b2"
    boris.push()
    boris.ask_ack(1)
    world.settle()
    assert str(anna.text) == world.stored_text() == "b1 b2"
    assert boris.acks == [b"\x01"]


@pytest.mark.rule("R2")
def test_passing_on_what_came_from_a_peer_gives_no_claim_to_its_id(world: World) -> None:
    """y-websocket sends on what other providers (WebRTC, another tab) brought, as ordinary updates."""
    anna, boris = world.peer(client_id=4), world.peer(client_id=5)
    anna.announce(4, 1)
    world.settle()
    boris.text += "b1 "
    (update,) = boris.outbox
    anna.send(Y_WEBSOCKET.update(update))
    world.settle()
    boris.text += "b2"
    world.settle()
    assert world.stored_text() == "b1 b2"


def exchange(*peers: Peer) -> None:
    """What a server relayed before it died, to everybody, without committing it."""
    updates = [update for peer in peers for update in peer.outbox]
    for peer in peers:
        for update in updates:
            peer.doc.apply_update(update)
        peer.outbox.clear()


def come_back(world: World, *peers: Peer) -> None:
    """Everybody is connected and has said who he is before anybody's sync step 2 arrives."""
    for clock, peer in enumerate(peers, 1):
        peer.attach()
        peer.announce(peer.doc.client_id, clock)
        world.peers.append(peer)


@pytest.mark.rule("R2")
def test_two_who_bring_back_each_others_lost_edits_do_not_wait_for_each_other(world: World) -> None:
    """Found by the checker: the server was killed after it had relayed what two people wrote in turns, before it
    committed any of it. Both came back at once, and the sync step 2 of each held the other's edits as well. Both were
    held, because the other was connected and had not sent his: after 10 s one was closed with 1008.
    """
    anna, ben = (Peer(world, client_id=n, user=name) for n, name in ((4, "anna"), (5, "ben")))
    for word in ("one ", "two ", "three "):
        for peer in (anna, ben):
            peer.text.insert(len(peer.text) // 2, word)
            exchange(anna, ben)
    del ben.text[3:7]
    exchange(anna, ben)

    come_back(world, anna, ben)
    anna.pull()
    anna.ask_ack(1)
    assert world.room.live.clocks == {}, "nothing of it attaches without what ben wrote"
    ben.pull()
    ben.ask_ack(1)
    world.clock.advance()
    anna.pull()
    ben.pull()
    assert anna.acks == ben.acks == []
    world.settle()

    assert world.stored_text() == str(anna.text) == str(ben.text)
    assert anna.acks == ben.acks == [b"\x01"]
    assert not world.room.expire_held()
    live = LiveDocument([])
    for row in world.log.rows:
        assert live.attaches(scan_update(row.payload)), "rows are replayed one after the other"
        live.apply([row.payload])
        live.refresh_clocks()
    assert [row.user_id for row in world.log.rows[:4]] == ["anna", "ben", "anna", "ben"]


@pytest.mark.rule("R2")
def test_a_gap_in_the_edits_of_somebody_else_does_not_hold_back_ones_own(world: World) -> None:
    """Found by simulation: a client had missed one of Anna's edits before the crash, so its sync step 2 held hers with
    a gap. It waited as a whole for Anna's, and hers built on what stood in it: 10 s later it was closed with 1008.
    """
    anna, ben = (Peer(world, client_id=n, user=name) for n, name in ((4, "anna"), (5, "ben")))
    for peer, word in ((anna, "one "), (ben, "two ")):
        peer.text.insert(len(peer.text) // 2, word)
        exchange(anna, ben)
    anna.text.insert(3, "Ben misses this ")
    anna.outbox.clear()
    anna.text.insert(5, "and has that ")
    (later,) = anna.outbox

    come_back(world, anna, ben)
    anna.pull()
    anna.ask_ack(1)
    ben.connection.inbox.clear()
    ben.send(Y_WEBSOCKET.sync_step_2(merge([ben.doc.get_update(), later])))
    ben.ask_ack(1)
    world.clock.advance()
    world.settle()

    assert world.stored_text() == str(anna.text)
    assert anna.acks == ben.acks == [b"\x01"]
    assert not world.room.expire_held()


@pytest.mark.rule("T1")
def test_of_what_somebody_brings_back_all_is_taken_or_nothing(world: World) -> None:
    """Anna's second transaction builds on something of Carl's, who is connected and has not sent it yet: a crash just
    now must not leave half of hers."""
    anna, ben, carl = (Peer(world, client_id=n) for n in (4, 5, 6))
    carl.text.insert(0, "carl")
    exchange(anna, ben, carl)
    with anna.doc.transaction():
        anna.doc.get("notes", type=Text).insert(0, "see the text")
        anna.text.insert(2, "anna")
    exchange(anna, ben, carl)

    come_back(world, anna, ben, carl)
    anna.pull()
    ben.pull()
    world.clock.advance()
    assert world.room.live.clocks == {}
    carl.pull()
    world.settle()
    assert world.stored_text() == "caannarl"
    assert not world.room.expire_held()


@pytest.mark.rule("R2")
def test_somebodys_own_edits_are_taken_at_once_though_he_also_brings_anothers(world: World) -> None:
    """A connected client's edits come from that client alone, also beside others in one sync step 2."""
    victim = world.peer(client_id=77)
    victim.announce(77, 1)
    thief = Peer(world, client_id=5)
    fake = Doc[Text](client_id=77)
    fake.get("text", type=Text).insert(0, "stolen")
    thief.doc.apply_update(fake.get_update())
    thief.outbox.clear()
    thief.doc.get("notes", type=Text).insert(0, "his own")
    come_back(world, thief)
    thief.pull()
    thief.ask_ack(1)
    victim.text.insert(0, "mine")
    world.settle()
    assert world.room.live.clocks == {5: 7, 77: 4}
    assert world.stored_text() == "mine"
    assert thief.acks == []


@pytest.mark.rule("R2")
def test_what_is_left_of_a_sync_step_2_is_taken_when_its_author_is_gone(world: World) -> None:
    anna, carl = Peer(world, client_id=4), Peer(world, client_id=6)
    carl.text.insert(0, "carl")
    exchange(anna, carl)
    anna.text.insert(0, "anna ")
    anna.doc.get("notes", type=Text).insert(0, "also")
    come_back(world, anna, carl)
    anna.pull()
    anna.ask_ack(1)
    carl.drop()
    world.settle()
    assert world.stored_text() == "anna carl"
    assert anna.acks == [b"\x01"]


@pytest.mark.rule("R2")
def test_a_deletion_that_comes_back_within_its_item_reaches_those_who_still_have_the_item(world: World) -> None:
    """Found by simulation while two learned to bring back each other's edits: what Ben had written and then deleted
    came back as an item that is deleted, and his deletions by themselves, after it, were no news to the server. Anna,
    who had seen the item and not its deletion, was never told.
    """
    anna, ben = Peer(world, client_id=4), Peer(world, client_id=5)
    ben.text.insert(0, "gone")
    exchange(anna, ben)
    anna.text.insert(0, "anna ")
    exchange(anna, ben)
    ben.text.insert(9, " ben")
    del ben.text[5:9]
    ben.outbox.clear()

    come_back(world, anna, ben)
    anna.pull()
    ben.pull()
    world.settle()
    assert str(anna.text) == str(ben.text) == world.stored_text() == "anna  ben"


@pytest.mark.rule("R3")
def test_what_another_brings_at_the_same_moment_is_acknowledged_after_its_commit(world: World) -> None:
    """Anna and Carla both bring what Dora wrote, who is not here. It is taken from Anna as soon as Ben has brought what
    it builds on, and none of what Carla sent is new any more; but it is not saved yet either."""
    anna, ben, carla, dora = (Peer(world, client_id=n) for n in (4, 5, 6, 7))
    for peer in (anna, ben, anna, dora):
        peer.text += "x"
        exchange(anna, ben, carla, dora)
    come_back(world, anna, ben, carla)
    for peer in (anna, carla, ben):
        peer.pull()
        peer.ask_ack(1)
    world.clock.advance(0.03)
    assert world.room.live.clocks == {4: 2, 5: 1, 7: 1}
    carla.pull()
    assert carla.acks == []
    world.settle()
    assert carla.acks == anna.acks == ben.acks == [b"\x01"]


@pytest.mark.rule("R2")
def test_everybody_coming_back_with_the_same_deletions_stores_them_once(world: World) -> None:
    """All hold what two have to bring, so all are held; of most there is nothing but the deletions they know of."""
    anna, ben = Peer(world, client_id=4), Peer(world, client_id=5)
    for kept in range(50):
        anna.text += "ab"
        del anna.text[kept : kept + 1]
    world.peers = [anna.attach()]
    world.settle()
    anna.drop()
    world.peers.clear()
    rows = len(world.log.rows)
    ben.doc.apply_update(anna.doc.get_update())
    ben.outbox.clear()
    anna.text += "lost"
    exchange(anna, ben)
    ben.text += "lost too"
    exchange(anna, ben)
    copies = [Peer(world) for _ in range(5)]
    for copy in copies:
        copy.doc.apply_update(anna.doc.get_update())
        copy.outbox.clear()
    come_back(world, anna, ben, *copies)
    for peer in (*copies, anna, ben):
        peer.pull()
        peer.ask_ack(1)
        world.clock.advance(0.03)
    world.settle()
    assert world.stored_text() == "b" * 50 + "lostlost too"
    assert all(peer.acks == [b"\x01"] for peer in world.peers)
    assert len(world.log.rows) - rows == 2, "one for each author"


# -- presence --------------------


@pytest.mark.rule("A1")
def test_presence_is_seen_and_gone_with_the_connection(world: World) -> None:
    a, b = world.peer(), world.peer()
    a.announce(11, 1, '{"name":"Anna"}')
    world.settle()
    assert b.present() == {11: '{"name":"Anna"}'}
    late = world.peer()
    late.pull()
    assert late.present() == {11: '{"name":"Anna"}'}
    a.drop()
    world.clock.advance()
    b.pull()
    assert b.present() == {}


@pytest.mark.rule("A1")
def test_nobody_speaks_for_somebody_elses_presence(world: World) -> None:
    a, b, c = world.peer(), world.peer(), world.peer()
    a.announce(11, 1, '{"name":"Anna"}')
    b.announce(22, 1)
    world.settle()
    b.announce(11, 9, '{"name":"Mallory"}')
    b.announce(11, 9, "null")
    world.settle()
    assert c.present()[11] == '{"name":"Anna"}'
    a.announce(11, 2, '{"name":"Anna!"}')
    world.settle()
    assert c.present()[11] == '{"name":"Anna!"}'


@pytest.mark.rule("A5")
@pytest.mark.parametrize(
    ("said", "name", "guest", "seen"),
    [
        ({"user": {"name": "Ada", "color": "red"}}, "Mallory", False, {"user": {"name": "Mallory", "color": "red"}}),
        (
            {"user": {"name": {"a": 1}}, "x": [1e3, "\ud83d"]},
            "Ann",
            False,
            {"user": {"name": "Ann"}, "x": [1e3, "\ud83d"]},
        ),
        ({"user": {"name": "Ada"}}, "Guest", True, {"user": {"name": "Ada (guest)"}}),
        ({"user": {"name": None}}, None, True, {"user": {"name": "(guest)"}}),
        ({"user": {"name": "Ada"}}, None, False, {"user": {"name": "Ada"}}),
        ({"user": "Ada"}, "Mallory", False, {"user": "Ada"}),
        ([], "Mallory", False, []),
    ],
)
def test_8_nobody_goes_by_anothers_name(
    world: World, said: object, name: str | None, guest: bool, seen: object
) -> None:
    a, b = world.peer(), world.peer()
    a.session.regrant(Grant(DOCUMENT, Role.READER, "u1", name, guest=guest))
    a.announce(11, 1, json.dumps(said))
    world.settle()
    assert json.loads(b.present()[11]) == seen
    a.announce(11, 2, b.present()[11])
    world.settle()
    assert json.loads(b.present()[11]) == seen, "nothing is added twice"


@pytest.mark.rule("A5")
def test_a_state_that_is_right_goes_on_as_it_is(world: World) -> None:
    a, b = world.peer(), world.peer()
    a.session.regrant(Grant(DOCUMENT, Role.EDITOR, "u1", "Ann"))
    a.announce(11, 1, '{ "user" : {"name":"Ann"}}')
    world.settle()
    assert b.present()[11] == '{ "user" : {"name":"Ann"}}'
    # Read as infinity, which could not be written again.
    a.announce(11, 2, '{"user": {"name": "x"}, "y": 1e400}')
    world.settle()
    assert a.connection.close_code == 1007


@pytest.mark.rule("A4")
@pytest.mark.parametrize("state", ["{", "NaN", "\ufeff{}", "[" * 5000])
def test_a_state_that_is_no_json_ends_its_sender_only(world: World, state: str) -> None:
    a, b = world.peer(), world.peer()
    a.announce(11, 1, state)
    world.settle()
    assert a.connection.close_code == 1007
    assert b.session.open
    assert b.present() == {}


def test_a_large_room_is_described_in_messages_a_client_may_repeat(world: World) -> None:
    for client in range(ENTRIES_PER_MESSAGE + 10):
        world.peer().announce(1000 + client, 1)
    world.clock.advance()
    late = world.peer()
    late.pull()
    assert len(late.present()) == ENTRIES_PER_MESSAGE + 10
    assert len(late.awareness) == 2
    for payload in late.awareness:
        late.send(Y_WEBSOCKET.awareness(payload))
    assert late.session.open


def test_an_awareness_message_with_too_many_entries_is_refused(world: World) -> None:
    a = world.peer()
    entry = write_var_uint(1) + write_var_uint(1) + write_var_bytes(b"{}")
    a.send(Y_WEBSOCKET.awareness(write_var_uint(100_000) + entry * 100_000))
    assert a.connection.close_code == 1008


# -- fan-out and slow readers --------------------


@pytest.mark.rule("F2")
def test_a_dead_socket_keeps_nothing_from_anybody_else(world: World) -> None:
    """uvloop raises RuntimeError on a handle that died in an earlier write, before it reports the loss."""
    a, before, dead, after = (world.peer() for _ in range(4))
    world.settle()

    def write(_frame: bytes) -> None:
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")

    dead.connection.write = write  # type: ignore[assignment,method-assign]
    world.room.set_writable(dead.session, False)
    world.room.set_writable(dead.session, True)
    a.text += "for the living"
    a.push()
    dead.ask_ack(1)
    world.clock.advance(0.1)
    world.log.commit(world.room)
    for peer in (before, after):
        peer.pull()
        assert str(peer.text) == "for the living"


@pytest.mark.rule("R4")
def test_11_a_slow_reader_gets_nothing_until_it_reads_again_and_then_everything(world: World) -> None:
    a, slow = world.peer(), world.peer()
    world.settle()
    slow.session.writable(False)
    for _ in range(10):
        a.text += "text "
        a.push()
        world.clock.advance(0.1)
    assert slow.connection.inbox == []
    slow.session.writable(True)
    assert len(slow.connection.inbox) == 1
    slow.pull()
    assert str(slow.text) == "text " * 10
    a.text += "."
    world.settle()
    assert str(slow.text) == "text " * 10 + "."


@pytest.mark.rule("R4")
def test_a_slow_reader_that_asks_again_and_again_is_answered_once(world: World) -> None:
    a, slow = world.peer(), world.peer()
    a.text += "body"
    world.settle()
    slow.session.writable(False)
    for _ in range(100):
        slow.send(Y_WEBSOCKET.sync_step_1(b"\x00"))
    assert slow.connection.inbox == []
    slow.session.writable(True)
    assert [message[:2] for message in slow.connection.inbox] == [b"\x00\x01"]


# -- faults --------------------


@pytest.mark.rule("S4")
@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"", 1007),
        (b"\x00", 1007),
        (b"\x00\x02\x05ab", 1007),
        (b"\x00\x02\x02\x00\x00trailing", 1007),
        (b"\x00\x07\x00", 1008),
        (b"\x09", 1008),
        (b"\x00\x02\x03\x00\x00\x00", 1007),
    ],
)
def test_a_bad_message_ends_its_session_alone(world: World, message: bytes, code: int) -> None:
    a, b = world.peer(), world.peer()
    a.send(message)
    assert a.connection.close_code == code
    assert b.session.open
    b.text += "still works"
    world.settle()
    assert world.stored_text() == "still works"


def test_a_large_update_is_refused_but_a_large_step_2_is_not() -> None:
    world = World(limits=RoomLimits(message_bytes_max=1000, sync_bytes_max=5000))
    a, b = world.peer(), world.peer()
    world.settle()
    a.text += "x" * 2000
    update = a.outbox.pop()
    b.send(Y_WEBSOCKET.sync_step_2(update))
    world.settle()
    assert world.stored_text() == "x" * 2000
    # pycrdt's Provider sends back whatever it was sent; a document larger than a message would cost it its connection.
    a.send(Y_WEBSOCKET.update(update))
    assert a.connection.close_code is None
    a.text += "y" * 2000
    a.send(Y_WEBSOCKET.update(a.outbox.pop()))
    assert a.connection.close_code == 1009


def test_a_full_document_takes_no_more_but_is_still_read() -> None:
    world = World(limits=RoomLimits(document_bytes_max=3000))
    a, b = world.peer(), world.peer()
    a.text += "x" * 2500
    world.settle()
    a.text += "y" * 1000
    a.push()
    assert a.connection.close_code == 1009
    assert b.session.open
    assert world.stored_text() == "x" * 2500


@pytest.mark.rule("R5")
def test_after_a_panic_the_document_goes_on_without_the_update_that_caused_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = world.peer(), world.peer()
    good.text += "committed "
    world.settle()
    good.text += "relayed "
    good.push()
    world.clock.advance()
    poison = Doc[Text](client_id=666)
    poison.get("text", type=Text).insert(0, "poison")
    make_poisonous(monkeypatch)
    good.text += "pending "
    good.push()
    good.ask_ack(5)
    bad.send(Y_WEBSOCKET.update(poison.get_update()))
    world.clock.advance()
    assert world.log.reloads == 1
    good.text += "meanwhile"
    good.push()
    world.room.reloaded(loaded_again(world))
    world.settle()
    assert bad.connection.close_code == 1007
    assert good.session.open
    assert good.acks == [b"\x05"]
    assert str(good.text) == world.stored_text() == "committed relayed pending meanwhile"


def make_poisonous(monkeypatch: pytest.MonkeyPatch) -> None:
    """pycrdt panics at every update with "poison" in it."""
    original = LiveDocument.apply

    def panics(live: LiveDocument, updates: list[bytes]) -> bytes:
        if any(b"poison" in update for update in updates):
            raise Panicked("block parent")
        return original(live, updates)

    monkeypatch.setattr(LiveDocument, "apply", panics)


def loaded_again(world: World) -> LoadedDocument:
    rows = [StoredUpdate(Seq(i + 1), None, 0, row.payload) for i, row in enumerate(world.log.rows)]
    return LoadedDocument("e", None, rows, Seq(len(rows)))


@pytest.mark.rule("R5")
def test_what_a_panic_sets_free_is_not_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sent what pycrdt cannot take is closed, and so frees a client id that somebody else waits for. What had
    waited was accepted in the middle of going on with what had been accepted before, and overwritten by it."""
    culprit, waiting, other = world.peer(client_id=77), world.peer(client_id=77), world.peer(client_id=5)
    culprit.text.insert(0, "a")
    world.settle()
    waiting.text += "b"
    waiting.push()
    waiting.ask_ack(1)
    other.doc.get("notes", type=Text).insert(0, "pending")
    poison = Doc[Text](client_id=666)
    poison.get("text", type=Text).insert(0, "poison")
    make_poisonous(monkeypatch)
    other.push()
    other.ask_ack(1)
    culprit.send(Y_WEBSOCKET.update(poison.get_update()))
    world.clock.advance(0.03)
    assert world.log.reloads == 1
    world.room.reloaded(loaded_again(world))
    world.settle()
    assert world.stored_text() == "ab"
    assert waiting.acks == other.acks == [b"\x01"]


@pytest.mark.rule("R5")
def test_a_panic_while_going_on_after_a_panic_loses_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = world.peer(client_id=4), world.peer(client_id=5)
    world.settle()
    panics = {2: "when it is applied", 5: "when it is applied once more, after it was tried on a scratch document"}
    calls = 0
    original = LiveDocument.apply

    def apply(live: LiveDocument, updates: list[bytes]) -> bytes:
        nonlocal calls
        calls += 1
        if calls in panics:
            raise Panicked(panics[calls])
        return original(live, updates)

    monkeypatch.setattr(LiveDocument, "apply", apply)
    a.text += "first "
    a.push()
    world.clock.advance()
    for peer, word in ((a, "second "), (b, "third ")):
        peer.pull()
        peer.text += word
        peer.push()
        peer.ask_ack(1)
    world.clock.advance()
    for reload in (1, 2):
        assert world.log.reloads == reload
        world.room.reloaded(loaded_again(world))
    world.log.commit(world.room)
    assert sorted(world.stored_text().split()) == ["first", "second", "third"], "nobody has had to send it again"
    world.settle()
    assert str(a.text) == str(b.text) == world.stored_text()
    assert sorted(world.stored_text().split()) == ["first", "second", "third"]
    assert a.acks == b.acks == [b"\x01"]


# -- checkpoints and other writers --------------------


def test_a_checkpoint_covers_exactly_the_rows_it_says() -> None:
    world = World(limits=RoomLimits(checkpoint_rows=3))
    a = world.peer()
    for i in range(7):
        a.text += str(i)
        world.settle()
    assert [through for through, _ in world.log.checkpoints] == [3, 6]
    through, merged = world.log.checkpoints[-1]
    rows = LiveDocument([row.payload for row in world.log.rows[:through]])
    assert LiveDocument([merged.state]).clocks == rows.clocks
    cold = World(
        LoadedDocument(
            "e", Checkpoint(Seq(6), merged.state), [StoredUpdate(Seq(7), None, 0, world.log.rows[6].payload)], Seq(7)
        )
    )
    reader = cold.peer()
    reader.pull()
    assert str(reader.text) == "0123456"


def test_rows_of_another_writer_are_noticed_and_relayed(world: World) -> None:
    a = world.peer()
    world.settle()
    elsewhere = Doc[Text](client_id=3)
    elsewhere.get("text", type=Text).insert(0, "elsewhere")
    row = NewUpdate(None, elsewhere.get_update())
    world.log.rows.append(row)
    a.text += "here"
    world.settle()
    assert world.log.gaps == [(0, 1)]
    world.room.integrate([StoredUpdate(Seq(1), None, 0, row.payload)])
    world.settle()
    assert "elsewhere" in str(a.text)


# -- edits without a connection --------------------


def test_an_update_without_a_connection_is_relayed_and_told_its_seq(world: World) -> None:
    a = world.peer()
    world.settle()
    doc = Doc[Text]()
    doc.get("text", type=Text).insert(0, "posted")
    update = doc.get_update()
    outcomes: list[object] = []
    grant = Grant(DOCUMENT, Role.EDITOR, "script")
    world.room.apply(grant, update, scan_update(update), outcomes.append)
    assert outcomes == []
    world.log.commit(world.room)
    assert outcomes == [1]
    world.room.apply(grant, update, scan_update(update), outcomes.append)
    assert outcomes == [1, 1]
    world.settle()
    assert str(a.text) == "posted"
    assert [row.user_id for row in world.log.rows] == ["script"]


# -- other writers --------------------


def foreign(world: World, text: str) -> StoredUpdate:
    """A row that another node has just committed."""
    doc = Doc[Text]()
    doc.get("text", type=Text).insert(0, text)
    world.log.rows.append(NewUpdate(None, doc.get_update()))
    return StoredUpdate(Seq(len(world.log.rows)), None, 0, world.log.rows[-1].payload)


def test_no_checkpoint_is_written_that_lacks_what_another_node_has_committed() -> None:
    """Found by simulating two nodes: the checkpoint was made before its node knew of the other's row, and written after
    it. Whoever loaded the document from it never saw that row again.
    """
    world = World(limits=RoomLimits(checkpoint_rows=2))
    a = world.peer()
    world.settle()
    row = foreign(world, "theirs ")
    a.text += "1"
    a.push()
    world.clock.advance(0.03)
    first, world.log.submitted = world.log.submitted, []
    a.text += "2"
    a.push()
    world.clock.advance(0.03)
    assert world.log.submitted[0].checkpoint is not None
    world.log.rows += first[0].updates
    world.room.committed(first, Seq(len(world.log.rows)), 1)
    world.log.commit(world.room)
    assert world.log.checkpoints == []
    assert not world.room.covered, "an evicted room would leave such a checkpoint behind as well"
    world.room.integrate([row])
    assert world.room.gap is None
    world.settle()
    assert str(a.text) == world.stored_text()


def test_what_other_nodes_have_committed_is_read_in_order(world: World) -> None:
    """Found by simulating two nodes: two gaps were filled at the same time, the later one first. What it held built on
    the earlier one, and pycrdt may lose what it has to keep pending.
    """
    a = world.peer()
    world.settle()
    for text in ("one ", "two "):
        foreign(world, text)
        a.text += "x"
        a.push()
        world.clock.advance(0.03)
        world.log.commit(world.room)
    assert world.log.gaps == [(0, 1)], "the second one waits until the first is closed"
    world.room.integrate([StoredUpdate(Seq(1), None, 0, world.log.rows[0].payload)])
    assert world.room.gap == (2, 3)


@pytest.mark.rule("R5")
def test_what_a_fault_hid_of_another_nodes_rows_reaches_everybody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by simulating two nodes with a CRDT that panics: the rows were in the document that was read again, so
    nobody was told of them, and whoever was connected went on without them.
    """
    a = world.peer()
    world.settle()
    row = foreign(world, "theirs ")
    a.text += "mine"
    a.push()
    world.clock.advance(0.03)
    world.log.commit(world.room)
    with monkeypatch.context() as faulty:
        faulty.setattr(LiveDocument, "apply_news", _panic)
        world.room.integrate([row])
    assert world.log.reloads == 1
    updates = [StoredUpdate(Seq(seq), None, 0, stored.payload) for seq, stored in enumerate(world.log.rows, 1)]
    world.room.reloaded(LoadedDocument("e", None, updates, Seq(len(updates))))
    world.settle()
    assert str(a.text) == world.stored_text()
    assert "theirs" in str(a.text)


def _panic(*_: object) -> None:
    raise Panicked("for no reason")


# -- depth --------------------


def test_types_nested_by_many_updates_together_end_before_they_can_overflow_the_stack(world: World) -> None:
    """Each update is fine by itself; yrs dies when it deletes some 33,000 levels of arrays in arrays."""
    a, b = world.peer(), world.peer()
    client = 9
    head = b"\x01\x01" + write_var_uint(client)
    a.send(Y_WEBSOCKET.update(head + b"\x00\x07\x01\x01t\x00\x00"))
    clock = 1
    while a.session.open and clock < 5_000:
        a.send(
            Y_WEBSOCKET.update(
                head
                + write_var_uint(clock)
                + b"\x07\x00"
                + write_var_uint(client)
                + write_var_uint(clock - 1)
                + b"\x00\x00"
            )
        )
        clock += 1
    assert a.connection.close_code == 1008
    assert clock <= LEVELS_MAX + 1
    assert b.session.open
    b.text += "others go on"
    world.settle()
    assert "others go on" in world.stored_text()


def test_many_types_side_by_side_are_not_taken_for_deep(world: World) -> None:
    a = world.peer()
    array = a.doc.get("list", type=Array)
    for _ in range(LEVELS_MAX + 100):
        array.append(Map())
        a.push()
    world.settle()
    assert a.session.open


# -- what must stay whole ----------------------------------------------------------------------------------------------


@pytest.mark.rule("R1")
@pytest.mark.parametrize("first_time", [True, False], ids=["typed just now", "loaded"])
def test_half_an_emoji_cannot_be_deleted(world: World, first_time: bool) -> None:
    """yrs moves the cut behind the character but not the clocks: the neighbour is lost, and states it encodes
    afterwards have other clocks than the document."""
    a = world.peer()
    a.send(Y_WEBSOCKET.update(SHARED_STATE))
    world.settle()
    rows = [StoredUpdate(Seq(1), None, 0, world.log.rows[0].payload)]
    here = world if first_time else World(LoadedDocument("e", None, rows, Seq(1)))
    vandal, other = here.peer(), here.peer()
    before = len(here.log.rows)
    vandal.send(Y_WEBSOCKET.update(SPLIT_EMOJI))
    here.settle()
    assert vandal.connection.close_code == 1008
    assert other.session.open
    assert len(here.log.rows) == before


@pytest.mark.rule("R1")
def test_a_value_under_a_key_cannot_be_cut_into_a_dangling_pointer(world: World) -> None:
    """About a thousand updates of some twenty bytes, each well-formed, ended the process at some later time."""
    vandal, other = world.peer(), world.peer()
    for update in heap_bomb(20):
        if vandal.session.open:
            vandal.send(Y_WEBSOCKET.update(update))
            world.clock.advance(0.03)
    assert vandal.connection.close_code == 1008
    other.text += "unharmed"
    world.settle()
    assert "unharmed" in world.stored_text()


# -- what nobody expected --------------------


@pytest.mark.rule("R5")
def test_an_edit_that_half_took_effect_when_memory_ran_out_is_not_taken_for_known(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clocks had moved and the edit was queued nowhere: sent again, it would have been acknowledged as known."""
    a = world.peer()
    a.text += "saved "
    world.settle()
    enqueue = Room._enqueue

    def out_of_memory(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Room, "_enqueue", out_of_memory)
    a.text += "lost?"
    with pytest.raises(MemoryError):
        a.push()
    monkeypatch.setattr(Room, "_enqueue", enqueue)
    assert world.log.reloads == 1
    a.drop()
    rows = [StoredUpdate(Seq(i + 1), None, 0, row.payload) for i, row in enumerate(world.log.rows)]
    world.room.reloaded(LoadedDocument("e", None, rows, Seq(len(rows))))
    a.attach()
    a.pull()
    a.ask_ack(1)
    assert a.acks == []
    world.settle()
    assert world.stored_text() == "saved lost?"
    assert len(a.acks) == 1


@pytest.mark.rule("H3")
def test_a_flush_that_fails_ends_the_hub_for_a_later_acknowledgement_would_cover_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, _ = world.peer(), world.peer()
    world.settle()

    def out_of_memory(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(FanOut, "send", out_of_memory)
    a.text += "relayed to nobody"
    a.push()
    with pytest.raises(MemoryError):
        world.clock.advance()
    assert [type(error) for error in world.log.failures] == [MemoryError]
