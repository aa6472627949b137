"""The scanner lets through what pycrdt writes and what pycrdt survives, and knows what an update builds on."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from pycrdt import Doc, Map, Text, get_update, merge_updates

from collab.codec import decode_state_vector, encode_state_vector
from collab.errors import LimitExceeded, MalformedMessage, ProtocolError
from collab.scanner import DEFAULT_LIMITS, ScannedUpdate, scan_update
from collab.scanner import _scan as scan_without_shortcut
from collab.shape import DocumentShape
from collab.structs import StructTable
from tests.collab.editing import Replica, session
from tests.collab.mutants import damaged, random_update
from tests.collab.survive import CUTS, OK, PANIC, Died, Victim, populated_state
from tests.e2e.wire import sized, varuint
from tests.hostile import (
    ANY,
    BAD_ORDER,
    BAD_ORDER_RESULT,
    DELETED,
    DOC,
    EMBED,
    FORMAT,
    MAP_TYPE,
    NULL,
    PARENT_IS_TEXT_THERE,
    REFUSED,
    SELF_ORIGIN,
    SHARED_STATE,
    STRING,
    TYPE,
    deletions,
    gap_updates,
    gc,
    item,
    nested_arrays,
    nested_json,
    nested_maps,
    nested_types,
    nested_types_in_steps,
    same_place,
    section,
    shared_type,
    skip,
    stolen_id,
    text,
    truncations,
    update,
    value,
)

seeds = st.integers(0, 2**64 - 1).map(random.Random)
fuzz = settings(deadline=None, print_blob=True)


def attaches(scanned: ScannedUpdate, clocks: Mapping[int, int]) -> bool:
    """Rule S3, word for word."""
    reached = dict(clocks)
    if any(reached.get(client, 0) < clock for client, clock in scanned.needs.items()):
        return False
    for client, start, end in scanned.ranges:
        if start > reached.get(client, 0):
            return False
        reached[client] = max(end, reached.get(client, 0))
    return True


def clocks_after(scanned: ScannedUpdate, clocks: Mapping[int, int]) -> dict[int, int]:
    reached = dict(clocks)
    for client, _, end in scanned.ranges:
        reached[client] = max(end, reached.get(client, 0))
    return reached


def clocks_of(doc: Doc[Any]) -> dict[int, int]:
    return decode_state_vector(doc.get_state())


def facts(scanned: ScannedUpdate) -> dict[str, object]:
    return {name: getattr(scanned, name) for name in ScannedUpdate.__slots__}


# -- refused


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_update_is_refused(name: str) -> None:
    with pytest.raises(ProtocolError) as refusal:
        scan_update(REFUSED[name].update)
    assert type(refusal.value) is REFUSED[name].error, REFUSED[name].why


def test_every_incomplete_update_is_refused() -> None:
    _, log = session(random.Random(4), replicas=3, edits=12)
    for prefix in truncations(merge_updates(*log)):
        with pytest.raises(MalformedMessage):
            scan_update(prefix)


@pytest.mark.parametrize(
    ("limit", "allowed", "one_more"),
    [
        ("structs", update(section(1, 0, *[gc(1)] * 5)), update(section(1, 0, *[gc(1)] * 6))),
        (
            "structs",
            update(deletions=deletions({1: [(nth * 2, 1) for nth in range(5)]})),
            update(deletions=deletions({1: [(nth * 2, 1) for nth in range(6)]})),
        ),
        (
            "clients",
            update(*[section(client, 0, gc(1)) for client in range(5)]),
            update(*[section(client, 0, gc(1)) for client in range(6)]),
        ),
        ("depth", update(section(1, 0, value(nested_arrays(5)))), update(section(1, 0, value(nested_arrays(6))))),
        ("depth", update(section(1, 0, value(nested_maps(5)))), update(section(1, 0, value(nested_maps(6))))),
        (
            "depth",
            update(section(1, 0, item(EMBED, sized(b'{"a":"[[[[[[","b":[[[[]]]],"c":{"d":{}}}')))),
            update(section(1, 0, item(EMBED, sized(nested_json(6))))),
        ),
        (
            "depth",
            update(section(1, 0, item(FORMAT, sized(b"b") + sized(nested_json(5))))),
            update(section(1, 0, item(FORMAT, sized(b"b") + sized(nested_json(6))))),
        ),
        (
            "values",
            update(section(1, 0, item(ANY, b"\x05" + NULL * 5))),
            update(section(1, 0, item(ANY, b"\x06" + NULL * 6))),
        ),
        (
            "values",
            update(section(1, 0, *[value(b"\x75\x00")] * 3, value(b"\x76\x01\x00" + NULL))),
            update(section(1, 0, *[value(b"\x75\x00")] * 3, value(b"\x75\x02" + NULL * 2))),
        ),
        (
            "values",
            update(section(1, 0, item(EMBED, sized(b"[0,0,0,0,0" + b" " * 60 + b"]")))),
            update(section(1, 0, item(EMBED, sized(b"[0,0,0,0,[]" + b" " * 60 + b"]")))),
        ),
        ("levels", nested_types(5), nested_types(6)),
        (
            "name_bytes",
            update(section(1, 0, text("x", parent="roots"))),
            update(section(1, 0, text("x", parent="rootes"))),
        ),
        (
            "name_bytes",
            update(section(1, 0, text("x", key="value"))),
            update(section(1, 0, text("x", key="values"))),
        ),
        (
            "name_bytes",
            update(section(1, 0, item(DOC, sized(b"guid!") + b"\x76\x00"))),
            update(section(1, 0, item(DOC, sized(b"guid!!") + b"\x76\x00"))),
        ),
    ],
)
def test_a_limit_allows_exactly_as_much_as_it_says(limit: str, allowed: bytes, one_more: bytes) -> None:
    limits = replace(DEFAULT_LIMITS, **{limit: 5})
    scan_update(allowed, limits)
    with pytest.raises(LimitExceeded):
        scan_update(one_more, limits)
    scan_update(one_more)


@given(st.binary())
def test_noise_is_refused_in_an_orderly_way(data: bytes) -> None:
    try:
        scan_update(data)
    except ProtocolError:
        return
    Doc().apply_update(data)


# -- what an update brings and builds on


@pytest.mark.parametrize(
    ("data", "ranges", "needs", "deletes"),
    [
        pytest.param(update(), [], {}, False, id="nothing"),
        pytest.param(update(section(1, 0, text("a\U0001f600"))), [(1, 0, 3)], {}, False, id="utf-16 units are counted"),
        pytest.param(update(section(1, 5, text("ab", origin=(1, 4)))), [(1, 5, 7)], {}, False, id="own origin"),
        pytest.param(update(section(1, 5, text("ab", origin=(2, 4)))), [(1, 5, 7)], {2: 5}, False, id="foreign origin"),
        pytest.param(
            update(section(1, 5, text("ab", origin=(2, 4), right_origin=(2, 9)))),
            [(1, 5, 7)],
            {2: 10},
            False,
            id="the later of two origins",
        ),
        pytest.param(update(section(1, 5, text("a", parent=(3, 8)))), [(1, 5, 6)], {3: 9}, False, id="parent"),
        pytest.param(
            update(section(2, 0, text("ab")), section(1, 0, text("c", origin=(2, 1)))),
            [(2, 0, 2), (1, 0, 1)],
            {},
            False,
            id="origin in the update",
        ),
        pytest.param(
            update(section(1, 0, text("c", origin=(2, 1))), section(2, 0, text("ab"))),
            [(1, 0, 1), (2, 0, 2)],
            {},
            False,
            id="origin in a later section",
        ),
        pytest.param(
            update(section(2, 7, text("ab")), section(1, 0, text("c", origin=(2, 3)))),
            [(2, 7, 9), (1, 0, 1)],
            {},
            False,
            id="origin before a range that must attach anyway",
        ),
        pytest.param(
            update(section(2, 0, text("ab")), section(1, 0, text("c", origin=(2, 2)))),
            [(2, 0, 2), (1, 0, 1)],
            {2: 3},
            False,
            id="origin behind what the update brings",
        ),
        pytest.param(
            update(section(1, 0, text("ab"), skip(3), text("c"), gc(2), item(1, varuint(4)))),
            [(1, 0, 2), (1, 5, 12)],
            {},
            False,
            id="two runs",
        ),
        pytest.param(update(section(1, 2, skip(3), text("c"))), [(1, 5, 6)], {}, False, id="a gap first"),
        pytest.param(update(section(1, 2, text("c"), skip(3))), [(1, 2, 3)], {}, False, id="a gap last"),
        pytest.param(update(section(1, 2, skip(3))), [], {}, False, id="only a gap"),
        pytest.param(
            update(section(1, 0, text("ab"), text(""), text("c", origin=(1, 1)))),
            [(1, 0, 3)],
            {},
            False,
            id="empty string",
        ),
        pytest.param(update(deletions=deletions({1: [(2, 3), (7, 1)]})), [], {1: 8}, True, id="deletions"),
        pytest.param(update(deletions=deletions({1: []})), [], {}, False, id="no deletions of somebody"),
        pytest.param(
            update(
                section(2, 0, text("a"), skip(2), text("b", origin=(1, 0))),
                section(1, 0, text("c", origin=(2, 2))),
            ),
            [(2, 0, 1), (2, 3, 4), (1, 0, 1)],
            {},
            False,
            id="no circle through a gap",
        ),
        pytest.param(
            update(section(1, 5, text("ab", origin=(1, 4))), deletions=deletions({1: [(4, 2)], 2: [(0, 3)]})),
            [(1, 5, 7)],
            {2: 3},
            True,
            id="deletions of own and others' edits",
        ),
        pytest.param(
            update(section(1, 5, text("a", origin=(2, 9))), deletions=deletions({2: [(0, 3)], 1: [(5, 2)]})),
            [(1, 5, 6)],
            {2: 10, 1: 7},
            True,
            id="deletions beyond what is brought",
        ),
        pytest.param(BAD_ORDER[1], [(5, 2, 3)], {}, True, id="an update that must wait"),
        pytest.param(PARENT_IS_TEXT_THERE, [(8, 0, 1)], {7: 1}, False, id="a parent of unknown kind"),
        pytest.param(stolen_id(4, 20), [(4, 20, 1_020)], {}, False, id="somebody's future"),
    ],
)
def test_ranges_and_needs(
    data: bytes, ranges: list[tuple[int, int, int]], needs: dict[int, int], deletes: bool
) -> None:
    scanned = scan_update(data)
    assert (scanned.ranges, scanned.needs, scanned.deletes) == (ranges, needs, deletes)


def test_gap_updates_do_not_attach() -> None:
    assert not any(attaches(scan_update(gap), {}) for gap in gap_updates(20))


def test_the_edits_of_the_bad_order_attach_in_the_good_one_only() -> None:
    doc: Doc[Any] = Doc()
    waiting = list(BAD_ORDER)
    applied = []
    while waiting:
        nth = next(nth for nth, data in enumerate(waiting) if attaches(scan_update(data), clocks_of(doc)))
        applied.append(waiting.pop(nth))
        doc.apply_update(applied[-1])
    assert applied == [BAD_ORDER[2], BAD_ORDER[0], BAD_ORDER[1]]
    assert doc.get("m", type=Map).to_py() == BAD_ORDER_RESULT


@fuzz
@given(seeds)
def test_the_shortcut_for_keystrokes_finds_the_same_as_the_long_way(rng: random.Random) -> None:
    _, log = session(rng, replicas=3, edits=8)
    for data in [*log, *(random_update(rng) for _ in range(10)), *(damaged(rng, log) for _ in range(10))]:
        try:
            expected: object = facts(scan_without_shortcut(data, DEFAULT_LIMITS))
        except (ProtocolError, IndexError):
            with pytest.raises(ProtocolError):
                scan_update(data)
        else:
            assert facts(scan_update(data)) == expected


def test_the_shortcut_agrees_on_numbers_of_every_size() -> None:
    for client, clock in product((1, 2**32 + 5, 2**53 - 1), (3, 200, 20_000, 2_000_000, 2**28, 2**31 - 8)):
        origins = ((client, clock - 1), (client, 2), (9, 300))
        right_origins = (None, (client, 1), (9, 400))
        for origin, right_origin in product(origins, right_origins):
            for deleted in ({}, {client: [(0, 2)]}, {9: [(5, 500)]}, {client: [(clock, 3)]}):
                typed = section(client, clock, text("hi", origin=origin, right_origin=right_origin))
                data = update(typed, deletions=deletions(deleted))
                assert facts(scan_update(data)) == facts(scan_without_shortcut(data, DEFAULT_LIMITS)), data.hex()


# -- whatever pycrdt writes is accepted


@fuzz
@given(seeds)
def test_whatever_pycrdt_writes_is_accepted(rng: random.Random) -> None:
    """Single updates, whole states, differences, and updates merged in and out of order."""
    people, log = session(rng, replicas=rng.randint(1, 4), edits=rng.randint(1, 25))
    some = rng.sample(log, rng.randint(1, len(log)))
    merged = merge_updates(*some)
    state_vector = rng.choice(people).doc.get_state()
    written = [*log, merged, merge_updates(merged, merge_updates(*log)), get_update(merged, state_vector)]
    for person in people:
        written.extend((person.doc.get_update(), person.doc.get_update(state_vector)))
    for data in written:
        scan_update(data)


def test_what_pycrdt_writes_when_it_inserts_in_the_middle_of_a_character_is_refused() -> None:
    """pycrdt counts text in bytes of UTF-8. A program that counts characters inserts in the middle of an emoji, and
    pycrdt writes a string whose right origin is the string itself: shown to its author, kept waiting for ever by
    every other pycrdt, and an error in Yjs (`tests/interop/test_order.py`). To take it would be to lose it.
    """
    author: Doc[Text] = Doc(client_id=7)
    updates: list[bytes] = []
    subscription = author.observe(lambda event: updates.append(event.update))
    words = author.get("text", type=Text)
    words.insert(0, "\U0001f44b ")
    words.insert(len("\U0001f44b "), "hello")
    author.unobserve(subscription)
    good, bad = updates
    scan_update(good)
    assert bad == SELF_ORIGIN
    with pytest.raises(MalformedMessage):
        scan_update(bad)
    other: Doc[Text] = Doc()
    for payload in updates:
        other.apply_update(payload)
    assert str(words) == "\U0001f44b hello"
    assert str(other.get("text", type=Text)) == "\U0001f44b "


def test_a_document_of_everything_is_accepted_by_yrs_too() -> None:
    """The guard against an idle test above: the session does contain what it is meant to contain."""
    person = Replica(1, random.Random(3))
    person.edit(200)
    kinds = {struct_kind for data in person.outbox for struct_kind in _kinds(data)}
    assert kinds >= {ANY, DELETED, DOC, EMBED, FORMAT, STRING, TYPE}


def _kinds(data: bytes) -> Iterator[int]:
    for struct in StructTable(data).structs:
        yield struct.kind


# -- rule S3: what attaches leaves nothing pending


def _parcels(rng: random.Random, log: list[bytes]) -> list[bytes]:
    """The log in another order, some updates merged and some twice."""
    parcels = []
    rest = rng.sample(log, len(log))
    while rest:
        count = rng.choice((1, 1, 2, 5))
        together, rest = rest[:count], rest[count:]
        parcels.extend([merge_updates(*together)] * rng.choice((1, 1, 1, 2)))
    return parcels


@fuzz
@given(seeds)
def test_an_update_that_attaches_leaves_nothing_pending_and_one_that_does_not_does(rng: random.Random) -> None:
    people, log = session(rng, replicas=rng.randint(2, 4), edits=rng.randint(2, 20))
    reference, receiver = Replica(8, rng), Replica(8, rng)
    for data in log:
        reference.receive(data)
    waiting = _parcels(rng, log)
    while waiting:
        clocks = clocks_of(receiver.doc)
        ready = [data for data in waiting if attaches(scan_update(data), clocks)]
        for data in waiting:
            assert data in ready or _leaves_something_pending(data, receiver.doc)
        if not ready:  # edits were merged so that two parcels need each other
            event("parcels wait for one another")
            ready = waiting = [get_update(merge_updates(*log), encode_state_vector(clocks))]
        chosen = rng.choice(ready)
        scanned = scan_update(chosen)
        assert attaches(scanned, clocks)
        receiver.receive(chosen)
        assert clocks_of(receiver.doc) == clocks_after(scanned, clocks)
        waiting.remove(chosen)
    assert receiver.content() == reference.content()
    assert clocks_of(receiver.doc) == clocks_of(reference.doc)
    for person in people:
        person.receive(receiver.doc.get_update(person.doc.get_state()))
        assert person.content() == reference.content()


def _leaves_something_pending(data: bytes, doc: Doc[Any]) -> bool:
    copy: Doc[Any] = Doc()
    copy.apply_update(doc.get_update())
    scanned = scan_update(data)
    expected = clocks_after(scanned, clocks_of(copy))
    copy.apply_update(data)
    reached = clocks_of(copy)
    too_late = scanned.deletes and any(reached.get(client, 0) < clock for client, clock in scanned.needs.items())
    return too_late or reached != expected


# -- nesting


def test_levels_count_types_within_types() -> None:
    assert scan_update(update(section(1, 0, text("ab")))).levels == 0
    assert scan_update(nested_types(1)).levels == 1
    assert scan_update(nested_types(7)).levels == 7
    assert scan_update(nested_types(7, below=(3, 5))).levels == 7


def test_many_types_side_by_side_are_not_deep() -> None:
    """A page of 1,000 paragraphs: each but the first says where it is by its neighbour alone."""
    paragraphs = [shared_type(MAP_TYPE, parent="xml")]
    for nth in range(1, 1_000):
        paragraphs.append(shared_type(MAP_TYPE, origin=(1, nth - 1)))
    texts = [shared_type(MAP_TYPE, parent=(1, nth)) for nth in range(1_000)]
    assert scan_update(update(section(1, 0, *paragraphs, *texts))).levels == 2


def test_depth_is_found_where_types_stand_beside_something() -> None:
    """Every level is a text with a type after it: only the text names its parent."""
    structs = [text("x", parent="t"), shared_type(MAP_TYPE, origin=(1, 0))]
    for level in range(1, 300):
        structs.append(text("x", parent=(1, 2 * level - 1)))
        structs.append(shared_type(MAP_TYPE, origin=(1, 2 * level)))
    with pytest.raises(LimitExceeded, match="nested more than 200 deep"):
        scan_update(update(section(1, 0, *structs)))


def test_a_bomb_in_steps_is_seen_in_the_sum() -> None:
    steps = nested_types_in_steps(2_000)
    assert sum(scan_update(step).levels for step in steps) == 2_000


def test_structs_are_counted() -> None:
    assert scan_update(same_place(50)).structs == 51


# -- rule S2: whatever is accepted, pycrdt survives


@pytest.fixture(scope="module")
def victim() -> Iterator[Victim]:
    with Victim() as process:
        yield process


def test_a_death_is_noticed(victim: Victim) -> None:
    with pytest.raises(Died, match="ended with -"):
        victim.feed(REFUSED["any-arrays"].update)


def test_a_hang_is_noticed() -> None:
    with Victim(patience_s=1) as impatient:
        impatient.patience_s = 20
        impatient.feed(SHARED_STATE)
        impatient.patience_s = 1
        with pytest.raises(Died, match="no answer"):
            impatient.feed(same_place(20_000))


def test_a_panic_is_told_from_a_death(victim: Victim) -> None:
    assert "block parent" in victim.feed(PARENT_IS_TEXT_THERE)["populated: apply"]


class Ground:
    """A document that updates are tried on, as a room knows it."""

    def __init__(self, name: str, state: bytes) -> None:
        self.name = name
        doc: Doc[Any] = Doc()
        doc.apply_update(state)
        self.clocks = clocks_of(doc)
        self.state = state

    def takes(self, data: bytes) -> bool:
        shape = DocumentShape()
        shape.learn(self.state)
        return attaches(scan_update(data), self.clocks) and shape.admit(data, self.clocks)


GROUNDS = [Ground("empty", update()), Ground("populated", populated_state())]


def _check_survival(victim: Victim, data: bytes) -> None:
    """Feed an accepted update to pycrdt. What attaches and cuts nothing has to work out in every respect, except
    that the document may hold something else where the update expects a shared type."""
    outcome = victim.feed(data)
    assert outcome["get_state"] == outcome["merge"] == OK, data.hex()
    for ground in GROUNDS:
        failed = {step: said for step, said in outcome.items() if step.startswith(ground.name) and said != OK}
        applied = failed.pop(f"{ground.name}: apply", OK)
        assert applied in {OK, CUTS} or "block parent" in applied or PANIC in applied, f"{applied}: {data.hex()}"
        event(f"{ground.name}: {applied[:38]}, then {sorted({said[:38] for said in failed.values()})}")
        if ground.takes(data):
            event(f"{ground.name}: attaches")
            assert applied != CUTS, data.hex()
            assert PANIC not in applied, data.hex()
            assert failed == {}, data.hex()


def test_text_that_becomes_the_value_of_a_key_by_its_neighbour_is_not_applied(victim: Victim) -> None:
    """The text stands beside a key's value in the document, so yrs takes it for one, and its other text cuts it in two.
    Deleting all of it then reads freed memory: the process ended once in some ten thousand of the cases below."""
    data = bytes.fromhex(
        "01077f008401210361626200030901047465787404677569647600030103786d6c02ff000701036d617004a4010c0962c3a9f09f9880c3a9"
        "c47f0d7f0a0af09f9880f09f9880c3a9020103020d15031c0b800102010a0c1a"
    )
    assert attaches(scan_update(data), GROUNDS[1].clocks)
    assert victim.feed(data)["populated: apply"] == CUTS


@settings(fuzz, max_examples=500)
@given(rng=seeds)
def test_pycrdt_survives_updates_made_up_at_random(victim: Victim, rng: random.Random) -> None:
    for _ in range(5):
        data = random_update(rng)
        try:
            scan_update(data)
        except ProtocolError:
            continue
        _check_survival(victim, data)


REAL_UPDATES = [data for seed in range(20) for data in session(random.Random(seed), replicas=3, edits=15)[1]]


@settings(fuzz, max_examples=500)
@given(rng=seeds)
def test_pycrdt_survives_damaged_updates(victim: Victim, rng: random.Random) -> None:
    for _ in range(20):
        data = damaged(rng, [*REAL_UPDATES, random_update(rng)])
        try:
            scan_update(data)
        except ProtocolError:
            continue
        _check_survival(victim, data)


json_texts = st.recursive(
    st.sampled_from(
        ["null", "true", "0", "-0", "1e400", "1E5", "NaN", "01", '"\\ud800"', '"\\u00e9"', '""', "18446744073709551615"]
    )
    | st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | st.integers().map(str)
    | st.text(max_size=5).map(lambda characters: f'"{characters}"'),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: f"[{','.join(parts)}]")
        | st.lists(inner, max_size=3).map(lambda parts: "{" + ",".join(f'"k":{part}' for part in parts) + "}")
    ),
    max_leaves=8,
)


@settings(fuzz, max_examples=300)
@given(json_texts)
def test_json_is_accepted_exactly_where_yrs_decodes_it(json_text: str) -> None:
    data = update(section(1, 0, item(EMBED, sized(json_text.encode("utf-8", "replace")))))
    try:
        scan_update(data)
    except MalformedMessage:
        with pytest.raises(ValueError, match="Cannot decode update"):
            Doc().apply_update(data)
    else:
        Doc().apply_update(data)


@settings(fuzz, max_examples=200)
@given(
    st.lists(
        st.sampled_from([b"\x7e", b"\x7d", b"\x40", b"\x80", b"\x01", b"\x77", b"\x75", b"\x76", b"\x7b", b"a"])
    ).map(b"".join)
)
def test_any_values_are_accepted_only_where_yrs_decodes_them(body: bytes) -> None:
    data = update(section(1, 0, item(ANY, b"\x01" + body)))
    try:
        scan_update(data)
    except ProtocolError:
        return
    doc: Doc[Any] = Doc()
    doc.apply_update(data)
    assert clocks_of(doc) == {1: 1}
