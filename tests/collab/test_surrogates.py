"""Characters that take two clocks are remembered, and nothing may cut them."""

import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Doc, Text

from collab.codec import decode_state_vector
from collab.scanner import scan_update
from collab.surrogates import SurrogatePairs
from tests.collab.editing import session
from tests.hostile import ANY, SHARED_STATE, SPLIT_EMOJI, deletions, item, section, text, update

CLOCKS = {7: 4}
"""Of SHARED_STATE: an a, an emoji of clocks 1 and 2, a b."""


def pairs_of(state: bytes) -> SurrogatePairs:
    pairs = SurrogatePairs()
    pairs.learn(state)
    return pairs


def test_a_cut_character_costs_yrs_its_neighbour() -> None:
    """Why all this is needed. Should a later pycrdt keep the b, this module can go."""
    doc: Doc[Any] = Doc()
    doc.apply_update(SHARED_STATE)
    doc.apply_update(SPLIT_EMOJI)
    assert str(doc.get("t", type=Text)) == "a\U0001f600"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(SPLIT_EMOJI, id="second half deleted"),
        pytest.param(update(deletions=deletions({7: [(1, 1)]})), id="first half deleted"),
        pytest.param(update(deletions=deletions({7: [(0, 1), (2, 2)]})), id="second half and more deleted"),
        pytest.param(update(section(8, 0, text("x", origin=(7, 1)))), id="inserted in between"),
        pytest.param(update(section(8, 0, text("x", right_origin=(7, 2)))), id="inserted before the second half"),
        pytest.param(
            update(section(8, 0, text("\U0001f600")), deletions=deletions({8: [(0, 1)]})), id="cut as it arrives"
        ),
        pytest.param(update(section(7, 3, text("\U0001f600"))), id="half of it already known"),
    ],
)
def test_what_cuts_a_character_is_found(data: bytes) -> None:
    scan_update(data)
    assert pairs_of(SHARED_STATE).cut_by(data, CLOCKS)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(update(deletions=deletions({7: [(1, 2)]})), id="deleted as a whole"),
        pytest.param(update(deletions=deletions({7: [(0, 1), (3, 1)]})), id="both neighbours deleted"),
        pytest.param(update(section(8, 0, text("x", origin=(7, 0), right_origin=(7, 1)))), id="inserted before"),
        pytest.param(update(section(8, 0, text("x", origin=(7, 2), right_origin=(7, 3)))), id="inserted behind"),
        pytest.param(update(section(8, 0, text("\U0001f600\U0001f600", origin=(7, 2)))), id="more of them"),
        pytest.param(update(section(8, 0, item(ANY, b"\x01\x77\x04\xf0\x9f\x98\x80", origin=(8, 2)))), id="in a value"),
        pytest.param(update(deletions=deletions({8: [(2, 1)]})), id="the same clock of somebody else"),
    ],
)
def test_what_cuts_nothing_is_not(data: bytes) -> None:
    assert not pairs_of(SHARED_STATE).cut_by(data, CLOCKS)


def test_characters_are_learnt_in_any_order_and_twice() -> None:
    pairs = SurrogatePairs()
    later = update(section(7, 10, text("x\U0001f600\U0001f600", origin=(7, 3))))
    for data in (later, SHARED_STATE, later, SHARED_STATE):
        pairs.learn(data)
    cut = [clock for clock in range(20) if pairs.cut_by(update(deletions=deletions({7: [(clock, 50)]})), CLOCKS)]
    assert cut == [2, 12, 14]


@settings(deadline=None, print_blob=True)
@given(st.integers(0, 2**64 - 1).map(random.Random))
def test_editing_by_characters_never_cuts_one(rng: random.Random) -> None:
    _, log = session(rng, replicas=3, edits=15)
    pairs = SurrogatePairs()
    doc: Doc[Any] = Doc()
    for data in log:
        clocks: Mapping[int, int] = decode_state_vector(doc.get_state())
        assert not pairs.cut_by(data, clocks)
        doc.apply_update(data)
        pairs.learn(data)
    assert not pairs.cut_by(doc.get_update(), {})
