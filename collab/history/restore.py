"""Turns a past state into one edit on top of the present, as small as can be.

Rule H6: a document that applies the edit shows the past state exactly, and everybody who applies it the same, also
whoever typed meanwhile or comes back later. What both states show is not touched; what only the past one shows is
written again, its bytes copied; what only the present one shows is deleted. Words that somebody else has typed again
meanwhile are not what was there: who wrote what comes back with it.

A new edit and not an undone deletion: in Yjs what is deleted stays deleted.
"""

from collections.abc import Hashable, Iterator
from typing import NamedTuple

from collab.contents import ANY, STRING, TYPE
from collab.errors import HistoryNotFound
from collab.history.align import Pair, align
from collab.history.authors import Authors
from collab.history.copies import Copy, encode_copies
from collab.history.items import Branch, Item, ItemTree, View, sequence_of, value_of
from collab.history.units import Unit, keyed_units_of, signature, units_of
from collab.history.writer import UpdateWriter
from collab.structs import Id


class Restoration(NamedTuple):
    """The edit that brings a past state back."""

    update: bytes
    client: int
    """Whose edits they are: a client id that the document has not seen."""
    copies: bytes
    """See `collab.history.copies`."""
    empty: bool
    """The document shows the past state already."""


class Restorer:
    """Makes one restoration."""

    def __init__(self, tree: ItemTree, past: View, now: View, authors: Authors, client: int) -> None:
        """
        Args:
            tree: of the present state, made from a document of which nothing was collected.
            client: an id that is not in it.
        """
        self._tree = tree
        self._past = past
        self._now = now
        self._authors = authors
        self._copies = authors.copies
        self._writer = UpdateWriter(client)
        self._copied: list[Copy] = []

    def restore(self) -> Restoration:
        """The whole document."""
        for branch in self._tree.roots.values():
            self._branch(branch)
        return self._finish()

    def restore_root(self, name: str) -> Restoration:
        """One root.

        Raises:
            HistoryNotFound: the document has none of this name.
        """
        branch = self._tree.roots.get(name)
        if branch is None:
            raise HistoryNotFound("the document has no root of this name")
        self._branch(branch)
        return self._finish()

    def restore_block(self, block: Id) -> Restoration:
        """One shared type, wherever in the document it stands.

        One that is gone comes back where it stood. If what it stood in is gone as well, that comes back with everything
        in it: half a table is none.

        Raises:
            HistoryNotFound: the past state did not show it.
        """
        then = self._tree.find(block)
        if then is None or then.branch is None or not self._is_shown(then, self._past):
            raise HistoryNotFound("the document had no such block then")
        present = self._present(then.branch)
        if present is not None:
            self._branch(present, then.branch)
        else:
            self._bring_back(then)
        return self._finish()

    def _finish(self) -> Restoration:
        writer = self._writer
        return Restoration(writer.update(), writer.client, encode_copies(self._copied), writer.empty)

    # -- blocks --------------------

    @staticmethod
    def _is_shown(item: Item, view: View) -> bool:
        at: Item | None = item
        while at is not None:
            if at.parent is None or not view.shows(at.client, at.clock):
                return False
            if at.key is not None and value_of(at.parent, at.key, view) != (at, at.clock):
                return False
            at = at.parent.item
        return True

    def _present(self, then: Branch) -> Branch | None:
        """The shared type itself or a copy of it, if the present shows one."""
        if then.item is None:
            return then
        shown = (item for item in self._versions(then.item) if self._is_shown(item, self._now))
        return next((item.branch for item in shown), None)

    def _versions(self, item: Item) -> Iterator[Item]:
        """An item and every copy of it that restores have made."""
        original = self._copies.original(item.client, item.clock)
        for version in (original, *self._copies.copies_of(original)):
            found = self._tree.find(version)
            if found is not None:
                yield found

    def _bring_back(self, gone: Item) -> None:
        """Write what is gone again, or the largest of what it stood in that is gone."""
        parent = gone.parent
        assert parent is not None
        while (holder := self._present(parent)) is None:
            assert parent.item is not None
            gone, parent = parent.item, parent.item.parent
            assert parent is not None
        if gone.key is None:
            self._put_back(gone, parent, holder)
        else:
            then, now = keyed_units_of(parent, self._past), keyed_units_of(holder, self._now)
            self._replace(holder, gone.key, then[gone.key], now.get(gone.key))

    def _put_back(self, gone: Item, parent: Branch, holder: Branch) -> None:
        """Write what is gone from a sequence again, unless somebody has: between what it stood between."""
        then, now = units_of(parent, self._past), units_of(holder, self._now)
        at = next(index for index, unit in enumerate(then) if unit.item is gone)
        before: Unit | None = None
        after: Unit | None = None
        for pair in self._align(then, now):
            if pair.before <= at < pair.before + pair.size:
                return
            if pair.size and pair.before < at:
                before = now[pair.after + pair.size - 1]
            elif pair.size and after is None:
                after = now[pair.after]
        places = {id(item): place for place, item in enumerate(sequence_of(holder))}
        low = -1 if before is None else places[id(before.item)]
        high = len(places) if after is None else places[id(after.item)]
        # Its own place, if what stood beside it has not been written anew elsewhere.
        left: Id | None
        right: Id | None
        own = next((item for item in self._versions(gone) if low < places.get(id(item), -1) < high), None)
        if own is not None:
            left, right = own.last, _beginning_of(own.right)
        elif before is not None:
            left, right = (before.client, before.clock + before.length - 1), _right_of(before)
        else:
            left, right = None, _beginning_of(holder.first)
        self._copy([then[at]], left, right, holder)

    # -- sequences and keys --------------------

    def _branch(self, branch: Branch, past_branch: Branch | None = None) -> None:
        past_branch = past_branch or branch
        then, now = units_of(past_branch, self._past), units_of(branch, self._now)
        if then or now:
            self._sequence(branch, then, now)
        past_keys, keys = keyed_units_of(past_branch, self._past), keyed_units_of(branch, self._now)
        for key in keys.keys() - past_keys.keys():
            self._delete(keys[key])
        for key, unit in past_keys.items():
            self._key(branch, key, unit, keys.get(key))

    def _key(self, branch: Branch, key: str, then: Unit, now: Unit | None) -> None:
        if now is not None and self._same(then, now):
            if then.kind == TYPE:
                assert now.item.branch is not None
                self._branch(now.item.branch, then.item.branch)
        elif now is None or self._content(then, self._past) != self._content(now, self._now):
            self._replace(branch, key, then, now)

    def _replace(self, branch: Branch, key: str, then: Unit, now: Unit | None) -> None:
        if now is not None:
            self._delete(now)
        last = branch.keys.get(key)
        self._copy([then], None if last is None else last.last, None, branch, key)

    def _same(self, one: Unit, other: Unit) -> bool:
        return self._original(one) == self._original(other)

    def _original(self, unit: Unit) -> Id:
        return self._copies.original(unit.client, unit.clock)

    def _sequence(self, branch: Branch, then: list[Unit], now: list[Unit]) -> None:
        pairs = self._align(then, now)
        left: Id | None = None
        right = _beginning_of(branch.first)
        at_then = at_now = 0
        for pair in pairs:
            for unit in now[at_now : pair.after]:
                self._delete(unit)
            if at_then < pair.before:
                self._copy(then[at_then : pair.before], left, right, branch)
            for offset in range(pair.size):
                past, present = then[pair.before + offset], now[pair.after + offset]
                if present.kind == TYPE and self._same(past, present):
                    assert present.item.branch is not None
                    self._branch(present.item.branch, past.item.branch)
            at_then, at_now = pair.before + pair.size, pair.after + pair.size
            if pair.size:
                last = now[at_now - 1]
                left = (last.client, last.clock + last.length - 1)
                right = _right_of(last)

    def _align(self, then: list[Unit], now: list[Unit]) -> list[Pair]:
        before: list[Hashable] = [self._original(unit) for unit in then]
        after: list[Hashable] = [self._original(unit) for unit in now]
        return align(
            before,
            after,
            lambda index: self._content(then[index], self._past),
            lambda index: self._content(now[index], self._now),
        )

    def _content(self, unit: Unit, view: View) -> Hashable:
        return signature(unit, view, lambda inner: self._authors.of(*inner.id))

    # -- writing --------------------

    def _copy(
        self, units: list[Unit], left: Id | None, right: Id | None, branch: Branch, key: str | None = None
    ) -> None:
        """Write `units` of the past, with everything in them, between `left` and `right`."""
        parent = branch.name if branch.item is None else (branch.item.client, branch.item.clock)
        assert parent is not None
        inside: list[tuple[Unit, Id]] = []
        for run in _runs(units):
            clock = self._writer.clock
            contents = [unit.content for unit in run]
            left = self._writer.insert(run[0].kind, contents, left=left, right=right, parent=parent, key=key)
            for unit in run:
                self._note_copy(unit, clock)
                clock += unit.length
            if run[0].kind == TYPE:
                inside.append((run[0], left))
        for unit, copy in inside:
            self._fill(unit, copy)

    def _note_copy(self, unit: Unit, clock: int) -> None:
        for offset in range(unit.length):
            source = self._copies.original(unit.client, unit.clock + offset)
            self._copied.append(Copy(clock + offset, 1, *source))

    def _fill(self, unit: Unit, copy: Id) -> None:
        """Write what a nested type held into its copy."""
        branch = unit.item.branch
        assert branch is not None
        # A type that is just being written, as far as `_copy` asks.
        target = Branch(None, Item(copy[0], copy[1], 1, TYPE, b""))
        if children := units_of(branch, self._past):
            self._copy(children, None, None, target)
        for key, child in keyed_units_of(branch, self._past).items():
            self._copy([child], None, None, target, key)

    def _delete(self, unit: Unit) -> None:
        """Delete a unit of the present and, as Yjs does, everything in it."""
        self._writer.delete(unit.client, unit.clock, unit.length)
        if unit.kind == TYPE:
            branch = unit.item.branch
            assert branch is not None
            for child in units_of(branch, self._now):
                self._delete(child)
            for child in keyed_units_of(branch, self._now).values():
                self._delete(child)


def _right_of(unit: Unit) -> Id | None:
    """What stands next to a unit, deleted or not."""
    item, end = unit.item, unit.clock + unit.length
    if end < item.clock + item.length:
        return item.client, end
    return _beginning_of(item.right)


def _beginning_of(item: Item | None) -> Id | None:
    return None if item is None else (item.client, item.clock)


def _runs(units: list[Unit]) -> list[list[Unit]]:
    """Neighbours that fit into one item: characters, or values."""
    runs: list[list[Unit]] = []
    for unit in units:
        if runs and unit.kind == runs[-1][0].kind and unit.kind in (STRING, ANY):
            runs[-1].append(unit)
        else:
            runs.append([unit])
    return runs
