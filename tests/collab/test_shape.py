"""Items that must stay whole are remembered, and an update that would cut one is not admitted."""

import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Doc, Text, merge_updates

from collab.codec import decode_state_vector
from collab.scanner import scan_update
from collab.shape import DocumentShape
from tests.collab.editing import session
from tests.collab.survive import ends_with
from tests.hostile import (
    ANY,
    CUT_VALUE,
    DELETED,
    NULL,
    SHARED_STATE,
    SPLIT_EMOJI,
    deletions,
    gc,
    heap_bomb,
    item,
    section,
    text,
    update,
)

CLOCKS = {7: 4}
"""Of SHARED_STATE: an a, an emoji of clocks 1 and 2, a b."""


def shape_of(*updates: bytes) -> DocumentShape:
    shape = DocumentShape()
    for data in updates:
        scan_update(data)
        shape.learn(data)
    return shape


def deleted(client: int, start: int, length: int = 1) -> bytes:
    return update(deletions=deletions({client: [(start, length)]}))


def uncuttable(shape: DocumentShape, client: int, end: int) -> list[int]:
    """Clocks below `end` at which nothing may begin."""
    return [clock for clock in range(end) if not shape.admit(deleted(client, clock, end), {client: end})]


# -- characters


def test_a_cut_character_costs_yrs_its_neighbour() -> None:
    """Why characters are guarded. Should a later pycrdt keep the b, that can go."""
    doc: Doc[Any] = Doc()
    doc.apply_update(SHARED_STATE)
    doc.apply_update(SPLIT_EMOJI)
    assert str(doc.get("t", type=Text)) == "a\U0001f600"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(SPLIT_EMOJI, id="second half deleted"),
        pytest.param(deleted(7, 1), id="first half deleted"),
        pytest.param(update(deletions=deletions({7: [(0, 1), (2, 2)]})), id="second half and more deleted"),
        pytest.param(update(section(8, 0, text("x", origin=(7, 1)))), id="inserted in between"),
        pytest.param(
            update(section(8, 0, text("x", origin=(7, 0), right_origin=(7, 2)))), id="inserted before the second half"
        ),
        pytest.param(update(section(8, 0, text("\u00e9", right_origin=(7, 2)))), id="inserted at the start"),
        pytest.param(
            update(section(8, 0, text("\U0001f600")), deletions=deletions({8: [(0, 1)]})), id="cut as it arrives"
        ),
        pytest.param(update(section(7, 3, text("\U0001f600"))), id="half of it already known"),
    ],
)
def test_what_cuts_a_character_is_not_admitted(data: bytes) -> None:
    scan_update(data)
    assert not shape_of(SHARED_STATE).admit(data, CLOCKS)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(deleted(7, 1, 2), id="deleted as a whole"),
        pytest.param(update(deletions=deletions({7: [(0, 1), (3, 1)]})), id="both neighbours deleted"),
        pytest.param(update(section(8, 0, text("x", origin=(7, 0), right_origin=(7, 1)))), id="inserted before"),
        pytest.param(update(section(8, 0, text("x", origin=(7, 2), right_origin=(7, 3)))), id="inserted behind"),
        pytest.param(update(section(8, 0, text("\U0001f600\U0001f600", origin=(7, 2)))), id="more of them"),
        pytest.param(update(section(8, 0, item(ANY, b"\x01\x77\x04\xf0\x9f\x98\x80", origin=(7, 2)))), id="in a value"),
        pytest.param(deleted(8, 2), id="the same clock of somebody else"),
    ],
)
def test_what_cuts_nothing_is_admitted(data: bytes) -> None:
    scan_update(data)
    assert shape_of(SHARED_STATE).admit(data, CLOCKS)


def test_what_is_not_admitted_leaves_no_trace() -> None:
    shape = shape_of(SHARED_STATE)
    assert not shape.admit(update(section(9, 0, text("\U0001f600")), deletions=deletions({7: [(2, 1)]})), CLOCKS)
    assert shape.admit(deleted(9, 1), CLOCKS)


def test_what_is_admitted_is_remembered() -> None:
    shape = DocumentShape()
    assert shape.admit(SHARED_STATE, {})
    assert not shape.admit(SPLIT_EMOJI, CLOCKS)
    assert shape.admit(update(section(8, 0, text("\U0001f600", origin=(7, 3)))), CLOCKS)
    assert not shape.admit(deleted(8, 1), {**CLOCKS, 8: 2})


def test_characters_are_learnt_in_any_order_and_twice() -> None:
    later = update(section(7, 10, text("x\U0001f600\U0001f600", origin=(7, 3))))
    between = update(section(7, 4, text("\u00e9\U0001f600", origin=(7, 3))))
    shape = shape_of(later, SHARED_STATE, between, later, SHARED_STATE)
    assert uncuttable(shape, 7, 20) == [2, 6, 12, 14]


# -- values of keys


def test_cut_values_end_the_process_unless_they_are_not_admitted() -> None:
    """Why values are guarded. Should a later pycrdt survive this, that can go."""
    assert ends_with(heap_bomb(), guarded=False) != 0
    assert ends_with(heap_bomb(), guarded=True) == 0


def test_the_cut_of_a_value_is_not_admitted() -> None:
    shape = DocumentShape()
    clocks: dict[int, int] = {}
    admitted = []
    for data in CUT_VALUE:
        admitted.append(shape.admit(data, clocks))
        clocks |= {client: end for client, _, end in scan_update(data).ranges}
    assert admitted == [True, True, False, True]


VALUES = b"\x03" + NULL * 3


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(update(section(9, 0, text("abc", parent="m", key="k"))), id="says its key"),
        pytest.param(update(section(9, 0, item(ANY, VALUES, parent="m", key="k"))), id="of several values"),
        pytest.param(
            update(
                section(5, 0, item(ANY, b"\x01" + NULL, parent="m", key="k")), section(9, 0, text("abc", origin=(5, 0)))
            ),
            id="follows a value in the same update",
        ),
        pytest.param(
            update(
                section(9, 0, text("abc", origin=(5, 0))), section(5, 0, item(ANY, b"\x01" + NULL, parent="m", key="k"))
            ),
            id="follows a value in a later section",
        ),
        pytest.param(
            update(
                section(9, 0, text("abc", origin=(8, 0))),
                section(8, 0, text("x", origin=(5, 0))),
                section(5, 0, item(ANY, b"\x01" + NULL, parent="m", key="k")),
            ),
            id="follows one that follows a value, all in later sections",
        ),
        pytest.param(update(section(9, 0, text("abc", origin=(3, 1)))), id="follows a value of the document"),
        pytest.param(update(section(9, 0, text("abc", right_origin=(3, 1)))), id="precedes a value of the document"),
        pytest.param(
            update(section(9, 0, text("abc", origin=(7, 0), right_origin=(3, 1)))), id="between an element and a value"
        ),
        pytest.param(
            update(section(4, 0, text("x", origin=(3, 1))), section(9, 0, text("abc", origin=(4, 0)))),
            id="follows one that follows a value",
        ),
        pytest.param(
            update(section(9, 0, item(ANY, VALUES, parent="m", key="k")), deletions=deletions({9: [(0, 2)]})),
            id="deleted in part, and so cut",
        ),
    ],
)
def test_values_of_more_than_one_clock_are_not_cut(data: bytes) -> None:
    shape = shape_of(SHARED_STATE, update(section(3, 0, *[item(ANY, b"\x01" + NULL, parent="m", key="x")] * 2)))
    scan_update(data)
    shape.learn(data)
    assert uncuttable(shape, 9, 5) == [1, 2]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(update(section(9, 0, *[text("a", parent="m", key="k")] * 3)), id="values of one clock"),
        pytest.param(update(section(9, 0, text("abc", origin=(7, 0)))), id="text"),
        pytest.param(update(section(9, 0, item(DELETED, b"\x03", parent="m", key="k"))), id="a deleted value"),
        pytest.param(
            update(section(9, 0, item(ANY, VALUES, parent="m", key="k")), deletions=deletions({9: [(0, 3)]})),
            id="replaced values that were merged",
        ),
        pytest.param(update(section(9, 0, gc(3))), id="collected"),
    ],
)
def test_everything_else_may_be_cut(data: bytes) -> None:
    scan_update(data)
    assert uncuttable(shape_of(SHARED_STATE, data), 9, 5) == []


@pytest.mark.parametrize(
    "typed",
    [
        pytest.param(text("x", origin=(3, 0)), id="after it"),
        pytest.param(text("x", origin=(7, 0), right_origin=(3, 0)), id="before it"),
    ],
)
def test_typing_beside_a_value_is_followed(typed: bytes) -> None:
    """Text of one clock is no danger, but what is attached to it may be."""
    shape = shape_of(SHARED_STATE)
    clocks = {**CLOCKS, 3: 1, 4: 1}
    assert shape.admit(update(section(3, 0, item(ANY, b"\x01" + NULL, parent="m", key="x"))), CLOCKS)
    assert shape.admit(update(section(4, 0, typed)), clocks)
    assert shape.admit(update(section(9, 0, text("ab", origin=(4, 0)))), clocks)
    assert not shape.admit(update(section(8, 0, text("x", origin=(9, 0)))), {**clocks, 9: 2})


def test_values_that_overlap_are_learnt_together() -> None:
    first = update(section(9, 2, text("abc", parent="m", key="k")))
    second = update(section(9, 0, text("abcd", parent="m", key="k")))
    assert uncuttable(shape_of(first, second), 9, 8) == uncuttable(shape_of(second, first), 9, 8) == [1, 2, 3, 4]


# -- honest people


@settings(deadline=None, print_blob=True)
@given(st.integers(0, 2**64 - 1).map(random.Random))
def test_what_pycrdt_writes_is_admitted(rng: random.Random) -> None:
    people, log = session(rng, replicas=3, edits=15)
    shape = DocumentShape()
    doc: Doc[Any] = Doc()
    for data in log:
        clocks: Mapping[int, int] = decode_state_vector(doc.get_state())
        assert shape.admit(data, clocks)
        doc.apply_update(data)
    everything = decode_state_vector(doc.get_state())
    for data in (doc.get_update(), merge_updates(*log), *(person.doc.get_update() for person in people)):
        assert DocumentShape().admit(data, {})
        assert shape.admit(data, everything)
