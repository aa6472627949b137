"""Which units of two states of a sequence are the same ones: what a diff shows and a restore leaves alone.

First by identity: an edit that both states show is the same, and a copy that an earlier restore made is the same as
what it was copied from. Between those, by content: what was deleted and written again need not be touched.
"""

from bisect import bisect_left
from collections.abc import Callable, Hashable, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

_COMPARISONS_MAX = 250_000
"""A gap in which more pairs would have to be looked at is taken as rewritten."""


class Pair(NamedTuple):
    """Equal runs: `size` units from `before` on and from `after` on."""

    before: int
    after: int
    size: int


def align(
    before: Sequence[Hashable],
    after: Sequence[Hashable],
    key_before: Callable[[int], Hashable],
    key_after: Callable[[int], Hashable],
) -> list[Pair]:
    """Match two sequences.

    Args:
        before, after: the units' identities, each at most once in `before`.
        key_before, key_after: tell the content of the unit at an index, for those whose identity says nothing.

    Returns:
        Equal runs in the order of both, the last one an empty run behind both ends.
    """
    anchors = [*_in_both_orders(before, after), (len(before), len(after))]
    pairs: list[Pair] = []
    at_before = at_after = 0
    for next_before, next_after in anchors:
        if at_before < next_before and at_after < next_after:
            _match_content(pairs, (at_before, next_before), (at_after, next_after), key_before, key_after)
        if next_before < len(before):
            _extend(pairs, next_before, next_after, 1)
        at_before, at_after = next_before + 1, next_after + 1
    pairs.append(Pair(len(before), len(after), 0))
    return pairs


def _in_both_orders(before: Sequence[Hashable], after: Sequence[Hashable]) -> list[tuple[int, int]]:
    """As many units as possible that are in both, in the same order."""
    where: dict[Hashable, int] = {}
    for index, identity in enumerate(after):
        where.setdefault(identity, index)
    common = [(index, where[identity]) for index, identity in enumerate(before) if identity in where]
    if all(one[1] < other[1] for one, other in zip(common, common[1:], strict=False)):
        return common
    return _longest_rise(common)


def _longest_rise(common: list[tuple[int, int]]) -> list[tuple[int, int]]:
    ends: list[int] = []
    holders: list[int] = []
    came_from: list[int] = []
    for index, (_, position) in enumerate(common):
        level = bisect_left(ends, position)
        came_from.append(holders[level - 1] if level else -1)
        if level == len(ends):
            ends.append(position)
            holders.append(index)
        else:
            ends[level], holders[level] = position, index
    rise = []
    index = holders[-1] if holders else -1
    while index >= 0:
        rise.append(common[index])
        index = came_from[index]
    return rise[::-1]


def _match_content(
    pairs: list[Pair],
    before: tuple[int, int],
    after: tuple[int, int],
    key_before: Callable[[int], Hashable],
    key_after: Callable[[int], Hashable],
) -> None:
    left = [key_before(index) for index in range(*before)]
    right = [key_after(index) for index in range(*after)]
    head = _common(left, right)
    tail = _common(left[head:][::-1], right[head:][::-1])
    _extend(pairs, before[0], after[0], head)
    inner_left, inner_right = left[head : len(left) - tail], right[head : len(right) - tail]
    if 0 < len(inner_left) * len(inner_right) <= _COMPARISONS_MAX:
        for block in SequenceMatcher(None, inner_left, inner_right, autojunk=False).get_matching_blocks():
            _extend(pairs, before[0] + head + block.a, after[0] + head + block.b, block.size)
    _extend(pairs, before[1] - tail, after[1] - tail, tail)


def _common(left: list[Hashable], right: list[Hashable]) -> int:
    for index, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return index
    return min(len(left), len(right))


def _extend(pairs: list[Pair], before: int, after: int, size: int) -> None:
    if not size:
        return
    if pairs and pairs[-1].before + pairs[-1].size == before and pairs[-1].after + pairs[-1].size == after:
        pairs[-1] = pairs[-1]._replace(size=pairs[-1].size + size)
    else:
        pairs.append(Pair(before, after, size))
