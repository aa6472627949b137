"""Sync steps 2 that build on one another are put in order, with authors and edits that are random."""

from random import Random

import pytest

from collab.guard import merge
from collab.live import LiveDocument
from collab.scanner import scan_update
from collab.structs import StructTable
from collab.turns import Part, Sections, in_turns, split, takable
from tests.collab.editing import session
from tests.hostile import deletions, section, skip, text, update

SESSIONS = 30


def sections_of(payload: bytes) -> Sections:
    scan_update(payload)
    return split(payload)


def part_of(payload: bytes, *clients: int) -> Part:
    sections = sections_of(payload)
    return Part(sections, tuple(one for one in sections.sections if one.client in clients))


def canonical(live: LiveDocument) -> tuple[dict[int, int], list[tuple[int, int, int]]]:
    return live.clocks, sorted(StructTable(live.state()).deletions())


@pytest.mark.rule("T2")
def test_what_everybody_brings_back_is_what_everybody_had(rng: Random) -> None:
    """A server has a beginning of what was written; each author comes back with all of it, and his own is taken."""
    for _ in range(SESSIONS):
        people, log = session(rng, replicas=4, edits=25)
        everything = merge(log)
        live = LiveDocument(log[: rng.randrange(len(log))])
        for person in people:
            person.receive(everything)
        parts = [
            part_of(person.doc.get_update(live.vector()), person.doc.client_id) for person in rng.sample(people, 4)
        ]
        assert takable(live.clocks, parts) == parts
        pieces, stuck = in_turns(live.clocks, parts)
        assert stuck == []
        for part, payload in pieces:
            scanned = scan_update(payload)
            assert live.attaches(scanned)
            assert {client for client, _, _ in scanned.ranges} <= {one.client for one in part.sections}
            live.apply([payload])
            live.refresh_clocks()
        whole = LiveDocument(log)
        assert canonical(live) == canonical(whole)
        assert live.since(whole.vector()) == whole.since(whole.vector())


@pytest.mark.rule("T1")
def test_without_one_of_them_what_is_taken_is_whole_and_attaches(rng: Random) -> None:
    taken = left = 0
    for _ in range(SESSIONS):
        people, log = session(rng, replicas=4, edits=15)
        live = LiveDocument(log[: rng.randrange(len(log))])
        parts = [part_of(person.doc.get_update(live.vector()), person.doc.client_id) for person in people]
        chosen = takable(live.clocks, parts[1:])
        pieces, stuck = in_turns(live.clocks, chosen)
        assert stuck == []
        for _, payload in pieces:
            assert live.attaches(scan_update(payload))
            live.apply([payload])
            live.refresh_clocks()
        for part in chosen:
            assert all(live.clocks.get(one.client, 0) >= one.end for one in part.sections)
        taken += len(chosen)
        left += 3 - len(chosen)
    assert taken
    assert left, "nobody built on the one who is missing; the test shows nothing"


def test_an_update_of_two_who_brought_the_same_is_taken_once() -> None:
    both = update(section(1, 0, text("ab"), text("cd", origin=(1, 1))))
    longer = update(section(1, 0, text("abcd")), section(2, 0, text("x", origin=(1, 3))))
    pieces, stuck = in_turns({}, [part_of(both, 1), part_of(longer, 1, 2)])
    assert stuck == []
    assert [scan_update(payload).ranges for _, payload in pieces] == [[(1, 0, 4)], [(2, 0, 1)], [], []]


def test_what_the_document_has_is_not_brought_again() -> None:
    known = update(section(1, 0, text("ab"), text("cd", origin=(1, 1)), text("ef", origin=(1, 3))))
    pieces, _ = in_turns({1: 3}, [part_of(known, 1)])
    assert pieces[0][1] == update(section(1, 2, text("cd", origin=(1, 1)), text("ef", origin=(1, 3))))


def test_edits_that_build_on_one_another_in_a_circle_are_left_out() -> None:
    """No client writes them; two that lie to the server can."""
    one = part_of(update(section(1, 0, text("a", origin=(2, 0)))), 1)
    two = part_of(update(section(2, 0, text("b", origin=(1, 0)))), 2)
    honest = part_of(update(section(3, 0, text("c"))), 3)
    parts = takable({}, [one, two, honest])
    assert parts == [one, two, honest]
    _, stuck = in_turns({}, parts)
    assert set(stuck) == {one, two}


def test_deletions_come_last_and_only_if_what_they_delete_is_there() -> None:
    deleting = part_of(update(section(1, 0, text("a")), deletions=deletions({2: [(0, 1)]})), 1)
    assert takable({}, [deleting]) == []
    deleted = part_of(update(section(2, 0, text("b", origin=(1, 0)))), 2)
    pieces, _ = in_turns({}, takable({}, [deleting, deleted]))
    assert [part for part, _ in pieces] == [deleting, deleted, deleting, deleted]
    assert [scan_update(payload).deletes for _, payload in pieces] == [False, False, True, False]


def test_a_gap_is_noticed() -> None:
    payload = update(section(1, 0, text("a"), skip(3), text("b", origin=(1, 3))), section(2, 0, text("c")))
    assert [(one.client, one.has_gap) for one in split(payload).sections] == [(1, True), (2, False)]


def test_what_is_left_is_the_others_edits() -> None:
    sections = sections_of(
        update(section(1, 0, text("a")), section(2, 5, text("b", origin=(2, 4))), deletions=deletions({1: [(0, 1)]}))
    )
    assert sections.only({2}) == update(section(2, 5, text("b", origin=(2, 4))))
