"""Whose a comment is: nobody writes one in another's name, whatever they speak and however they write it."""

from typing import Any

import pytest
from pycrdt import Array, Map

from collab.codec import write_var_bytes, write_var_string
from collab.comment_authors import forgers
from collab.companions import comments_of
from collab.contents import EMBED
from collab.dialects.hocuspocus import dialect_for, read_key
from collab.dialects.y_partyserver import Y_PARTYSERVER
from collab.dialects.y_sweet import Y_SWEET
from collab.dialects.y_websocket import Y_WEBSOCKET
from collab.errors import CollabError, ForgedAuthor
from collab.messages import Dialect
from collab.scanner import scan_update
from collab.types import Grant, Role
from tests import hostile
from tests.collab.pairs import DOCUMENT, MemoryConnection, Peer, World

COMMENTS = comments_of(DOCUMENT)
AGAINST_THE_RULES = 1008
DIALECTS = [Y_WEBSOCKET, Y_SWEET, Y_PARTYSERVER, dialect_for(read_key(write_var_string(COMMENTS)))]
ANN = {"id": "ann", "color": "#123456"}


class Line(MemoryConnection):
    """Takes the end of one document on a shared socket for the end of the socket."""

    def part(self, error: CollabError) -> None:
        self.close(error.close_code, str(error))


def comment(text: str, **by: Any) -> dict[str, Any]:
    return {"by": by, "at": 1, "text": text}


def begin(peer: Peer, thread: str, value: Any) -> None:
    threads = peer.doc.get("threads", type=Map)
    threads[thread] = Map({"comments": Array([value]), "resolved": False})


def reply(peer: Peer, thread: str, value: Any) -> None:
    peer.doc.get("threads", type=Map)[thread]["comments"].append(value)


def read(peer: Peer) -> dict[str, list[str]]:
    threads = peer.doc.get("threads", type=Map)
    return {name: [one["text"] for one in threads[name]["comments"]] for name in threads}


@pytest.fixture
def world() -> World:
    return World(document=COMMENTS)


FORGED = [
    comment("pay him", id="ann"),
    comment("pay him", name="Ann"),
    comment("pay him", id=None, name="Ann"),
    comment("pay him", id=["ben"]),
    {"by": "ann", "text": "pay him"},
    {"by": None, "text": "pay him"},
    {"__proto__": comment("pay him", id="ann")},
    {"by": {"id": "ben", "__proto__": {"id": "ann"}}, "text": "pay him"},
    [{"__proto__": {}}],
]


@pytest.mark.rule("N2")
@pytest.mark.parametrize("forged", FORGED, ids=str)
def test_8_no_comment_comes_in_anothers_name(world: World, forged: Any) -> None:
    ann, ben = world.peer(user="ann"), world.peer(user="ben")
    begin(ann, "one", comment("why?", **ANN))
    world.settle()
    reply(ben, "one", forged)
    world.settle()
    assert ben.connection.close_code == AGAINST_THE_RULES
    assert ann.session.open
    assert read(ann) == {"one": ["why?"]}
    assert {row.user_id for row in world.log.rows} == {"ann"}


@pytest.mark.rule("N2")
@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("kind", ["update", "sync_step_2"])
def test_8_in_no_dialect_and_no_message(world: World, dialect: Dialect, kind: str) -> None:
    ann, attacker = world.peer(user="ann"), Peer(world, user="ben")
    begin(attacker, "forged", comment("pay him", **ANN))
    connection = Line()
    session = dialect.session(world.room, attacker.grant, connection)
    world.room.attach(session)
    encode = dialect.update if kind == "update" else dialect.sync_step_2
    session.receive(encode(attacker.doc.get_update()))
    world.settle()
    assert (read(ann), world.log.rows) == ({}, [])
    assert (connection.close_code is None) == (kind == "sync_step_2")


@pytest.mark.rule("N2")
def test_8_nor_as_an_embed_nor_beside_others_nor_by_a_post(world: World) -> None:
    by_ann = b'{"by": {"id": "ben"}, "by": {"id": "ann"}, "text": "pay him"}'
    embed = hostile.item(EMBED, write_var_bytes(by_ann), parent="list")
    for update in (
        hostile.update(hostile.section(7, 0, embed)),
        hostile.update(hostile.section(7, 0, hostile.text("x"), embed)),
    ):
        scan_update(update)
        assert forgers(update, {}, "ben") == {7}
        assert forgers(update, {}, "ann") == set()
        assert forgers(update, {7: 9}, "ben") == set()
        with pytest.raises(ForgedAuthor):
            world.room.apply(Grant(COMMENTS, Role.EDITOR, "ben"), update, scan_update(update), lambda _: None)


def test_everybody_answers_in_their_own_name_and_guests_in_none(world: World) -> None:
    ann, ben, guest = world.peer(user="ann"), world.peer(user="ben"), world.peer()
    begin(ann, "one", comment("why?", **ANN))
    world.settle()
    reply(ben, "one", comment("because", id="ben"))
    world.settle()
    reply(guest, "one", comment("hm", name="Ann"))
    ann.doc.get("threads", type=Map)["one"]["resolved"] = True
    world.settle()
    assert read(ann) == read(guest) == {"one": ["why?", "because", "hm"]}


@pytest.mark.rule("N3")
def test_after_a_crash_everybody_brings_back_their_own_comments(world: World) -> None:
    """What was relayed and not committed is lost to the server, and everybody has it."""
    before = world
    ann, ben = before.peer(user="ann"), before.peer(user="ben")
    begin(ann, "one", comment("why?", **ANN))
    for peer in (ann, ben):
        peer.push()
        before.clock.advance(0.03)
        peer.pull()
    ben.pull()
    assert read(ben) == {"one": ["why?"]}
    begin(ben, "two", comment("mine", id="ben"))

    after = World(document=COMMENTS)
    for peer in (ben, ann):
        peer.world, peer.outbox = after, []
        after.peers.append(peer)
    ben.attach()
    ben.pull()
    after.clock.advance(0.03)
    after.log.commit(after.room)
    # Ben's own is saved; of Ann's comment, which he has too, nobody can say that it is hers.
    assert ben.session.open
    assert ben.session.held == []
    late = after.peer(user="cleo")
    late.pull()
    assert read(late) == {"two": ["mine"]}
    ann.attach()
    after.settle()
    assert read(late) == read(ann) == read(ben) == {"one": ["why?"], "two": ["mine"]}


@pytest.mark.rule("N3")
def test_an_answer_to_what_its_author_has_not_sent_again_waits_on_its_device(world: World) -> None:
    ann, ben = Peer(world, user="ann"), Peer(world, user="ben")
    begin(ann, "one", comment("why?", **ANN))
    ben.doc.apply_update(ann.doc.get_update())
    reply(ben, "one", comment("because", id="ben"))
    for peer in (ben, ann, ben):
        peer.outbox = []
        world.peers = [peer]
        peer.attach()
        world.settle()
        if peer is ben and not world.log.rows:
            assert ben.connection.close_code == AGAINST_THE_RULES
    assert ben.session.open
    reader = world.peer(role=Role.READER)
    world.settle()
    assert read(reader) == {"one": ["why?", "because"]}


def test_in_a_document_that_is_no_companion_by_is_a_word_like_any_other() -> None:
    world = World()
    ann, ben = world.peer(user="ann"), world.peer(user="ben")
    begin(ben, "one", comment("quoted", id="ann"))
    world.settle()
    assert read(ann) == {"one": ["quoted"]}
