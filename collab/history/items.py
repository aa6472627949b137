"""The items of a document in their order, with those that were deleted: what past states are compared by.

pycrdt does not tell which edit a character comes from. So the sequences are built here from the structs of a state,
by the rules by which Yjs places items (YATA). Items keep their place for ever, deleted or not: one tree, made from a
state of which nothing was collected, holds every state before it, and a `View` says which of the items are visible in
one of them.

Rule H5: the visible items of a view, in order, are what Yjs shows after the same rows.
"""

from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from collab.codec import Reader
from collab.contents import ANY, DELETED, STRING, TYPE
from collab.errors import CorruptUpdate
from collab.history.id_map import IdMap
from collab.history.values import any_spans, to_units
from collab.structs import GC, SKIP, Id, Struct, StructTable

Content = str | bytes | tuple[bytes, ...]
"""UTF-16 units of a STRING, values of an ANY, the encoded content of anything else."""


class Branch:
    """A shared type: a sequence of items, and items by key."""

    __slots__ = ("first", "item", "keys", "name")

    def __init__(self, name: str | None, item: "Item | None") -> None:
        self.name = name
        """Of a root."""
        self.item = item
        """That holds it, unless it is a root."""
        self.first: Item | None = None
        self.keys: dict[str, Item] = {}
        """The last item of each key, which is the one that counts."""


class Item:
    """One or more clocks of one client that stand together."""

    __slots__ = (
        "branch",
        "client",
        "clock",
        "content",
        "key",
        "kind",
        "left",
        "length",
        "origin",
        "parent",
        "right",
        "right_origin",
    )

    def __init__(self, client: int, clock: int, length: int, kind: int, content: Content) -> None:
        self.client = client
        self.clock = clock
        self.length = length
        self.kind = kind
        self.content = content
        self.origin: Id | None = None
        self.right_origin: Id | None = None
        self.left: Item | None = None
        self.right: Item | None = None
        self.parent: Branch | None = None
        """None where it was garbage collected."""
        self.key: str | None = None
        self.branch: Branch | None = None
        """The shared type it holds, if its kind is TYPE."""

    @property
    def last(self) -> Id:
        return self.client, self.clock + self.length - 1


class View(NamedTuple):
    """A state of a document: the clocks it had reached, and what was deleted."""

    clocks: dict[int, int]
    deleted: IdMap[bool]

    @classmethod
    def of(cls, table: StructTable) -> "View":
        view = cls({}, IdMap())
        view.take(table)
        return view

    def take(self, table: StructTable) -> None:
        """Go on to the state after an update."""
        for struct in table.structs:
            if struct.kind != SKIP:
                end = struct.clock + struct.length
                self.clocks[struct.client] = max(end, self.clocks.get(struct.client, 0))
        for client, start, end in table.deletions():
            self.deleted.add(client, start, end, True)

    def shows(self, client: int, clock: int) -> bool:
        return clock < self.clocks.get(client, 0) and not self.deleted.get(client, clock)

    def visible(self, item: Item) -> Iterator[tuple[int, int]]:
        """Start and end of the parts of an item that are visible, counted from its first clock."""
        end = min(item.clock + item.length, self.clocks.get(item.client, 0))
        for start, stop, gone in self.deleted.slices(item.client, item.clock, end):
            if not gone:
                yield start - item.clock, stop - item.clock


class ItemTree:
    """Every item of a document, from one state and, if need be, updates after it."""

    def __init__(self, state: bytes) -> None:
        """
        Args:
            state: a whole document that passed `scan_update`.

        Raises:
            CorruptUpdate: it refers to edits that are not in it.
        """
        self.roots: dict[str, Branch] = {}
        self._items: dict[int, tuple[list[int], list[Item]]] = {}
        self.update(StructTable(state))

    def clock(self, client: int) -> int:
        """The first clock that is not known."""
        known = self._items.get(client)
        return 0 if known is None else known[1][-1].last[1] + 1

    def find(self, of: Id) -> Item | None:
        found = self._items.get(of[0])
        if found is None:
            return None
        starts, items = found
        at = bisect_right(starts, of[1]) - 1
        item = items[at]
        return item if at >= 0 and of[1] < item.clock + item.length else None

    def update(self, table: StructTable) -> None:
        """Take up structs, in an order in which each finds what it refers to."""
        queues: dict[int, list[Struct]] = {}
        for struct in table.structs:
            queues.setdefault(struct.client, []).append(struct)
        for queue in queues.values():
            queue.reverse()
        for client in list(queues):
            waiting = [client]
            while waiting:
                queue = queues.get(waiting[-1], [])
                if not queue:
                    waiting.pop()
                    continue
                missing = self._missing(queue[-1])
                if missing is None:
                    self._add(table, queue.pop())
                    if len(waiting) > 1:
                        waiting.pop()
                elif missing in waiting or not queues.get(missing):
                    raise CorruptUpdate("an edit refers to one that the log does not have")
                else:
                    waiting.append(missing)

    def _missing(self, struct: Struct) -> int | None:
        """The client of whom an edit must come first."""
        needs = (struct.origin, struct.right_origin, struct.parent)
        for need in needs:
            if isinstance(need, tuple) and need[1] >= self.clock(need[0]) and need[0] != struct.client:
                return need[0]
        return None

    def _add(self, table: StructTable, struct: Struct) -> None:
        known = self.clock(struct.client)
        offset = known - struct.clock
        if offset < 0 or struct.kind == SKIP:
            raise CorruptUpdate("edits are missing from the log")
        if offset >= struct.length:
            return
        item = Item(struct.client, struct.clock, struct.length, struct.kind, _content(table, struct))
        origin = struct.origin
        if offset:
            item.content = _cut(item, offset)[1]
            item.clock, item.length = known, struct.length - offset
            origin = (struct.client, known - 1)
        item.origin, item.right_origin = origin, struct.right_origin
        if struct.kind != GC:
            self._place(item, struct)
        starts, items = self._items.setdefault(item.client, ([], []))
        starts.append(item.clock)
        items.append(item)

    # -- placing --------------------

    def _place(self, item: Item, struct: Struct) -> None:
        left = None if item.origin is None else self._ending_at(item.origin)
        right = None if item.right_origin is None else self._starting_at(item.right_origin)
        if (left is not None and left.parent is None) or (right is not None and right.parent is None):
            return  # Beside something that was collected with its parent: collected as well.
        neighbour = left or right
        if neighbour is not None:
            item.parent, item.key = neighbour.parent, neighbour.key
        else:
            item.parent, item.key = self._parent(struct.parent), struct.key
        if item.parent is None:
            return
        if item.kind == TYPE:
            item.branch = Branch(None, item)
        self._link(item, item.parent, self._left_of(item, item.parent, left, right))

    def _parent(self, parent: Id | str | None) -> Branch | None:
        if isinstance(parent, str):
            return self.roots.setdefault(parent, Branch(parent, None))
        holder = None if parent is None else self.find(parent)
        return None if holder is None else holder.branch

    def _left_of(self, item: Item, parent: Branch, left: Item | None, right: Item | None) -> Item | None:
        """Where among items that others put into the same place at the same time it belongs."""
        other = _first(parent, item.key) if left is None else left.right
        conflicting: set[int] = set()
        before: set[int] = set()
        while other is not None and other is not right:
            before.add(id(other))
            conflicting.add(id(other))
            if other.origin == item.origin:
                if other.client < item.client:
                    left = other
                    conflicting.clear()
                elif other.right_origin == item.right_origin:
                    break
            else:
                its_origin = None if other.origin is None else self.find(other.origin)
                if its_origin is None or id(its_origin) not in before:
                    break
                if id(its_origin) not in conflicting:
                    left = other
                    conflicting.clear()
            other = other.right
        return left

    @staticmethod
    def _link(item: Item, parent: Branch, left: Item | None) -> None:
        if left is not None:
            item.left, item.right = left, left.right
            left.right = item
        else:
            item.right = _first(parent, item.key)
            if item.key is None:
                parent.first = item
        if item.right is not None:
            item.right.left = item
        elif item.key is not None:
            parent.keys[item.key] = item

    # -- cutting --------------------

    def _ending_at(self, of: Id) -> Item:
        """The item whose last clock this is, cut there if need be."""
        item = self._known(of)
        if of[1] < item.last[1]:
            self._split(item, of[1] + 1)
        return item

    def _starting_at(self, of: Id) -> Item:
        item = self._known(of)
        return item if item.clock == of[1] else self._split(item, of[1])

    def _known(self, of: Id) -> Item:
        item = self.find(of)
        if item is None:
            raise CorruptUpdate("an edit refers to one that the log does not have")
        return item

    def _split(self, item: Item, clock: int) -> Item:
        """Cut an item in two; returns the part that begins at `clock`."""
        offset = clock - item.clock
        kept, cut = _cut(item, offset)
        rest = Item(item.client, clock, item.length - offset, item.kind, cut)
        rest.origin, rest.right_origin = (item.client, clock - 1), item.right_origin
        rest.parent, rest.key = item.parent, item.key
        item.content, item.length = kept, offset
        if item.parent is not None:
            rest.left, rest.right = item, item.right
            if item.right is not None:
                item.right.left = rest
            elif item.key is not None:
                item.parent.keys[item.key] = rest
            item.right = rest
        starts, items = self._items[item.client]
        at = bisect_right(starts, clock)
        starts.insert(at, clock)
        items.insert(at, rest)
        return rest


def sequence_of(branch: Branch) -> Iterator[Item]:
    """Every item of a sequence in order, deleted ones included."""
    item = branch.first
    while item is not None:
        yield item
        item = item.right


def values_of(branch: Branch, key: str) -> Iterator[Item]:
    """Every item that a key ever had, the last one first."""
    item = branch.keys.get(key)
    while item is not None:
        yield item
        item = item.left


def value_of(branch: Branch, key: str, view: View) -> tuple[Item, int] | None:
    """The item that a key shows in a view, and which of its clocks.

    Values that replaced one another may have become one item; the last that the view has is the one that counts.
    """
    for item in values_of(branch, key):
        reached = view.clocks.get(item.client, 0)
        if item.clock < reached:
            clock = min(item.last[1], reached - 1)
            return (item, clock) if view.shows(item.client, clock) else None
    return None


def _first(parent: Branch, key: str | None) -> Item | None:
    """Of the sequence, or of everything a key ever had."""
    if key is None:
        return parent.first
    return next(reversed([*values_of(parent, key)]), None)


def _content(table: StructTable, struct: Struct) -> Content:
    if struct.kind == STRING:
        return to_units(table.text(struct).decode())
    data, position = table.update, struct.content
    if struct.kind == ANY:
        reader = Reader(data, position)
        reader.var_uint()  # how many values follow: the struct's length
        return any_spans(data, reader.position, struct.length)
    if struct.kind in (GC, DELETED):
        return b""
    return data[position : table.end_of(struct)]


def _cut(item: Item, offset: int) -> tuple[Content, Content]:
    content = item.content
    if item.kind in (STRING, ANY):
        return content[:offset], content[offset:]
    return content, content
