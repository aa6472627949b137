"""A sequence as units: single characters, marks, embeds, values and nested types, in order, each with its id.

Units are what states are compared by. A unit never cuts a character in two: the two halves of one beyond U+FFFF are
one unit of two clocks.
"""

from collections.abc import Callable, Hashable, Iterator
from typing import Any, NamedTuple

from collab.contents import ANY, DELETED, STRING, TYPE
from collab.history.items import Branch, Item, View, sequence_of, value_of
from collab.history.values import decode, format_of
from collab.structs import GC, Id


class Unit(NamedTuple):
    client: int
    clock: int
    length: int
    """1; 2 for a character beyond U+FFFF."""
    kind: int
    content: str | bytes
    """A character as UTF-16 units; the encoded content of anything else (of one value, if the kind is ANY)."""
    item: Item

    @property
    def id(self) -> Id:
        return self.client, self.clock


def units_of(branch: Branch, view: View) -> list[Unit]:
    """What a sequence shows in a view."""
    found: list[Unit] = []
    for item in sequence_of(branch):
        if item.kind in (DELETED, GC):
            continue
        for start, end in view.visible(item):
            found += _units(item, start, end)
    return found


def _units(item: Item, start: int, end: int) -> Iterator[Unit]:
    client, clock, kind, content = item.client, item.clock, item.kind, item.content
    if kind == STRING:
        assert isinstance(content, str)
        while start < end:
            length = 2 if "\ud800" <= content[start] <= "\udbff" and start + 1 < end else 1
            yield Unit(client, clock + start, length, kind, content[start : start + length], item)
            start += length
    elif kind == ANY:
        for at in range(start, end):
            value = content[at]
            assert isinstance(value, bytes)
            yield Unit(client, clock + at, 1, kind, value, item)
    elif start == 0 and end == item.length:
        assert isinstance(content, bytes)
        yield Unit(client, clock, 1, kind, content, item)


def keyed_units_of(branch: Branch, view: View) -> dict[str, Unit]:
    """What each key shows in a view."""
    found: dict[str, Unit] = {}
    for key in branch.keys:
        shown = value_of(branch, key, view)
        if shown is None or shown[0].kind in (DELETED, GC):
            continue
        item, clock = shown
        content = item.content[clock - item.clock] if item.kind == ANY else item.content
        assert isinstance(content, str | bytes)
        found[key] = Unit(item.client, clock, 1, item.kind, content, item)
    return found


class Marks:
    """The marks in force while a text is walked."""

    def __init__(self) -> None:
        self.now: dict[str, Any] = {}
        self.units: dict[str, Unit] = {}
        """The unit that last said something about a mark, its end included."""

    def take(self, unit: Unit) -> None:
        """Walk over a unit of kind FORMAT."""
        assert isinstance(unit.content, bytes)
        name, value = format_of(unit.content)
        self.units[name] = unit
        marks = dict(self.now)
        if value is None:
            marks.pop(name, None)
        else:
            marks[name] = value
        self.now = marks


def value_in_json(unit: Unit) -> Any:
    """What a unit that is neither a character nor a mark nor a type holds."""
    assert isinstance(unit.content, bytes)
    return decode(unit.kind, unit.content)


def signature(unit: Unit, view: View, stamp: Callable[[Unit], Hashable] | None = None) -> Hashable:
    """Equal for units that show the same, whatever their ids, nested types and all.

    Args:
        stamp: what else must be equal, of the unit and of everything in it.
    """
    mark = None if stamp is None else stamp(unit)
    if unit.kind != TYPE:
        return unit.kind, unit.content, mark
    branch = unit.item.branch
    assert branch is not None
    inner = tuple(signature(child, view, stamp) for child in units_of(branch, view))
    keyed = {key: signature(child, view, stamp) for key, child in keyed_units_of(branch, view).items()}
    return unit.kind, unit.content, mark, inner, frozenset(keyed.items())
