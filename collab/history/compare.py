"""Two states of a document side by side, as a tree of plain values with the author of everything in it.

Structure comes first: roots, then blocks, then the text in them. A node is one of

    {"text": str, "author": n, "marks"?: {…}}          a run of characters
    {"embed" | "value": any, "author": n, "marks"?}    an embed in a text, a value in an array or under a key
    {"type": …, "id": "CLIENT:CLOCK", "author": n, "tag"?: str, "content"?: [node], "entries"?: {key: node | [node]}}

and says with "change" what became of it: "added", "removed", "formatted" (same characters, other marks; the ones before
stand in "marks_before") or, for a type, "changed" (look inside). "by" is who did that, where that is not the author.
Characters of a changed word that both states have are told with the word as it was and once more with the word as it
is; there they are "kept": true, and "by" is who changed the word.
Numbers of authors count in "authors". A key whose value was replaced has both nodes, the removed one first. Without
"change" a node is the same in both.

Comparing a state with itself tells who wrote what.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Any, Final, NamedTuple

from collab.contents import (
    EMBED,
    FORMAT,
    STRING,
    TYPE,
    TYPE_ARRAY,
    TYPE_MAP,
    TYPE_TEXT,
    TYPE_XML_ELEMENT,
    TYPE_XML_FRAGMENT,
    TYPE_XML_TEXT,
)
from collab.history.align import align
from collab.history.authors import Author, Authors, Deleters
from collab.history.id_map import IdMap
from collab.history.items import Branch, Item, ItemTree, View, sequence_of, values_of
from collab.history.units import Marks, Unit, keyed_units_of, signature, units_of, value_in_json
from collab.history.values import from_units, tag_of
from collab.roots import RootType, evidence_of, verdict
from collab.structs import GC

Node = dict[str, Any]

TYPE_NAMES: Final = {
    TYPE_ARRAY: "array",
    TYPE_MAP: "map",
    TYPE_TEXT: "text",
    TYPE_XML_ELEMENT: "element",
    TYPE_XML_FRAGMENT: "fragment",
    TYPE_XML_TEXT: "xml text",
}
_WORD_MAX: Final = 200
"""Longer runs of letters are no words, and are shown by character."""
_IDEOGRAPHS: Final = "\u2e80"
"""From here on scripts write no spaces between words."""


class _Entry(NamedTuple):
    """One place of a sequence: a unit of the state before, of the one after, or both."""

    before: Unit | None
    after: Unit | None
    marks_before: dict[str, Any]
    marks: dict[str, Any]
    by: Author | None
    """Who added or removed it, or gave it other marks."""
    kept: bool = False
    """It is in both states, and shown as part of a word that was replaced."""


class Comparison:
    """Builds the tree for one pair of states."""

    def __init__(
        self,
        tree: ItemTree,
        before: View,
        after: View,
        authors: Authors,
        deleters: Deleters | None = None,
        *,
        words: bool = True,
    ) -> None:
        """
        Args:
            tree: of the later of the two states, made from a document of which nothing was collected.
            words: show whole words as changed, not single characters.
        """
        self._tree = tree
        self._before = before
        self._after = after
        self._authors = authors
        self._deleters: Deleters = IdMap() if deleters is None else deleters
        self._words = words
        self._same_state = before is after
        self._numbers: dict[Author, int] = {}

    def compare(self) -> Node:
        roots = []
        for name in sorted(self._tree.roots):
            node = self._inside(self._tree.roots[name], self._tree.roots[name])
            if node:
                roots.append({"name": name, "type": self._type_of(self._tree.roots[name]).value, **node})
        authors = [{"user": author.user_id, "client": author.client} for author in self._numbers]
        return {"authors": authors, "roots": roots}

    def _type_of(self, root: Branch) -> RootType:
        """Decided by what either state has, deleted or not."""
        found = {
            evidence_of(item.kind, -1 if item.branch is None else tag_of(item.content)[0], keyed=False)
            for item in sequence_of(root)
            if self._has(item) and item.kind != GC
        }
        if any(self._has(item) for key in root.keys for item in values_of(root, key)):
            found.add(RootType.MAP)
        return verdict(found)

    def _has(self, item: Item) -> bool:
        clocks = (view.clocks.get(item.client, 0) for view in (self._before, self._after))
        return item.clock < max(clocks)

    # -- types --------------------

    def _inside(self, before: Branch, after: Branch) -> Node:
        """What a type holds that both states show."""
        node: Node = {}
        content = self._sequence(before, after)
        entries = self._entries(before, after)
        if content:
            node["content"] = content
        if entries:
            node["entries"] = entries
        if any(_changed(child) for child in content) or any(_changed(child) for child in entries.values()):
            node["change"] = "changed"
        return node

    def _entries(self, before: Branch, after: Branch) -> dict[str, Any]:
        then, now = keyed_units_of(before, self._before), keyed_units_of(after, self._after)
        entries: dict[str, Any] = {}
        for key in sorted(then.keys() | now.keys()):
            one, other = then.get(key), now.get(key)
            if one is not None and other is not None and self._equal(one, other):
                entries[key] = self._unchanged(one, other)
                continue
            nodes = []
            if one is not None:
                nodes.append(self._gone(one, self._deleter(one) or self._adder(other)))
            if other is not None:
                nodes.append(self._new(other))
            entries[key] = nodes[0] if len(nodes) == 1 else nodes
        return entries

    def _equal(self, one: Unit, other: Unit) -> bool:
        return self._original(one) == self._original(other) or (
            signature(one, self._before) == signature(other, self._after)
        )

    def _unchanged(self, one: Unit, other: Unit) -> Node:
        """A unit that both states show; inside it, much may have changed."""
        if one.kind != TYPE:
            return self._plain(other, self._after)
        assert one.item.branch is not None
        assert other.item.branch is not None
        return self._head(other) | self._inside(one.item.branch, other.item.branch)

    def _head(self, unit: Unit) -> Node:
        number, tag = tag_of(unit.content)
        node: Node = {
            "type": TYPE_NAMES[number],
            "id": f"{unit.client}:{unit.clock}",
            "author": self._number(self._authors.of(*unit.id)),
        }
        return node if tag is None else node | {"tag": tag}

    def _plain(self, unit: Unit, view: View) -> Node:
        """A unit as one state shows it, with everything in it."""
        author = self._number(self._authors.of(*unit.id))
        if unit.kind == STRING:
            assert isinstance(unit.content, str)
            return {"text": from_units(unit.content), "author": author}
        if unit.kind != TYPE:
            return {"embed" if unit.kind == EMBED else "value": value_in_json(unit), "author": author}
        branch = unit.item.branch
        assert branch is not None
        node = self._head(unit)
        marks = Marks()
        entries = []
        for child in units_of(branch, view):
            if child.kind == FORMAT:
                marks.take(child)
            else:
                entries.append(_Entry(child, child, marks.now, marks.now, None))
        if content := self._runs(entries, lambda entry: self._plain(_of(entry), view)):
            node["content"] = content
        keyed = {key: self._plain(child, view) for key, child in sorted(keyed_units_of(branch, view).items())}
        return node | {"entries": keyed} if keyed else node

    def _gone(self, unit: Unit, by: Author | None) -> Node:
        return self._plain(unit, self._before) | {"change": "removed"} | self._by(unit, by)

    def _new(self, unit: Unit) -> Node:
        return self._plain(unit, self._after) | {"change": "added"} | self._by(unit, self._adder(unit))

    # -- sequences --------------------

    def _sequence(self, before: Branch, after: Branch) -> list[Node]:
        entries = self._same_entries(after) if self._same_state else self._compared_entries(before, after)
        return self._runs(entries, self._node)

    def _same_entries(self, branch: Branch) -> list[_Entry]:
        marks = Marks()
        entries = []
        for unit in units_of(branch, self._after):
            if unit.kind == FORMAT:
                marks.take(unit)
            else:
                entries.append(_Entry(unit, unit, marks.now, marks.now, None))
        return entries

    def _compared_entries(self, before: Branch, after: Branch) -> list[_Entry]:
        then, now = units_of(before, self._before), units_of(after, self._after)
        pairs = align(
            [self._original(unit) for unit in then],
            [self._original(unit) for unit in now],
            lambda index: signature(then[index], self._before),
            lambda index: signature(now[index], self._after),
        )
        marks_then, marks_now = Marks(), Marks()
        entries: list[_Entry] = []

        def add(one: Unit | None, other: Unit | None) -> None:
            for unit, marks in ((one, marks_then), (other, marks_now)):
                if unit is not None and unit.kind == FORMAT:
                    marks.take(unit)
            if _of_pair(one, other).kind == FORMAT:
                return
            if one is None:
                by = self._adder(other)
            elif other is None:
                by = self._deleter(one)
            else:
                by = None if marks_then.now == marks_now.now else self._formatter(marks_then, marks_now)
            entries.append(_Entry(one, other, marks_then.now, marks_now.now, by))

        at_then = at_now = 0
        for pair in pairs:
            for unit in then[at_then : pair.before]:
                add(unit, None)
            for unit in now[at_now : pair.after]:
                add(None, unit)
            for offset in range(pair.size):
                add(then[pair.before + offset], now[pair.after + offset])
            at_then, at_now = pair.before + pair.size, pair.after + pair.size
        return self._whole_words(entries) if self._words else entries

    def _whole_words(self, entries: list[_Entry]) -> list[_Entry]:
        """Where part of a word changed, show the word before and the word after."""
        shown: list[_Entry] = []
        word: list[_Entry] = []

        def close() -> None:
            shown.extend(self._replaced(word) if _is_partly_changed(word) else word)
            word.clear()

        for entry in entries:
            if not _in_word(_of(entry)):
                close()
                shown.append(entry)
            else:
                word.append(entry)
        close()
        return _removed_first(shown)

    def _replaced(self, word: list[_Entry]) -> list[_Entry]:
        """A word as it was and as it is. What is kept of it is still its author's; the word is by who changed it."""
        removers = [entry.by for entry in word if entry.after is None]
        adders = [entry.by for entry in word if entry.before is None]
        remover, adder = (removers or adders)[0], (adders or removers)[0]
        removed: list[_Entry] = []
        added: list[_Entry] = []
        for entry in word:
            before, after = entry.before, entry.after
            if before is None or after is None:
                (added if before is None else removed).append(entry)
            elif self._original(before) == self._original(after):
                removed.append(entry._replace(after=None, by=remover, kept=True))
                added.append(entry._replace(before=None, by=adder, kept=True))
            else:  # Only the same letter.
                removed.append(entry._replace(after=None, by=self._deleter(before)))
                added.append(entry._replace(before=None, by=self._adder(after)))
        return [*removed, *added]

    def _node(self, entry: _Entry) -> Node:
        """Of an entry that is no character."""
        if entry.before is None:
            assert entry.after is not None
            return self._new(entry.after)
        if entry.after is None:
            return self._gone(entry.before, entry.by)
        return self._unchanged(entry.before, entry.after)

    def _runs(self, entries: Iterable[_Entry], node_of: Callable[[_Entry], Node]) -> list[Node]:
        """Characters with everything in common become one node."""
        nodes: list[Node] = []
        run: list[str] = []
        common: tuple[Any, ...] | None = None
        fields: Node = {}

        def close() -> None:
            nonlocal run, common
            if run:
                nodes.append({"text": from_units("".join(run)), **fields})
            run, common = [], None

        for entry in entries:
            unit = _of(entry)
            if unit.kind != STRING:
                close()
                node = node_of(entry)
                nodes.append(node if unit.kind == TYPE else node | self._mark_fields(entry, "change" in node))
                continue
            author = self._authors.of(*unit.id)
            its = (author, entry.by, entry.kept, _change_of(entry), id(entry.marks), id(entry.marks_before))
            if its != common:
                close()
                common = its
                change = _change_of(entry)
                fields = {"author": self._number(author), **({} if change is None else {"change": change})}
                fields |= {"kept": True} if entry.kept else {}
                fields |= self._by(unit, entry.by) | self._mark_fields(entry, change is not None)
            assert isinstance(unit.content, str)
            run.append(unit.content)
        close()
        return _joined(nodes)

    def _mark_fields(self, entry: _Entry, changed: bool) -> Node:
        marks = entry.marks if entry.after is not None else entry.marks_before
        fields: Node = {"marks": marks} if marks else {}
        if entry.before is not None and entry.after is not None and entry.marks != entry.marks_before:
            fields |= {"marks_before": entry.marks_before}
            if not changed:
                fields |= {"change": "formatted"}
        return fields

    # -- people --------------------

    def _original(self, unit: Unit) -> Hashable:
        return self._authors.copies.original(unit.client, unit.clock)

    def _adder(self, unit: Unit | None) -> Author | None:
        return None if unit is None else self._authors.of_client(unit.client)

    def _deleter(self, unit: Unit) -> Author | None:
        return self._deleters.get(unit.client, unit.clock)

    def _formatter(self, then: Marks, now: Marks) -> Author | None:
        """Who set, changed or ended the first mark that differs."""
        for name in sorted(then.now.keys() | now.now.keys()):
            if then.now.get(name) == now.now.get(name):
                continue
            setter = now.units.get(name)
            if setter is not None and not self._before.shows(*setter.id):
                return self._adder(setter)
            ended = then.units.get(name)
            if ended is not None:
                return self._deleter(ended)
        return None

    def _by(self, unit: Unit, by: Author | None) -> Node:
        return {} if by is None or by == self._authors.of(*unit.id) else {"by": self._number(by)}

    def _number(self, author: Author) -> int:
        return self._numbers.setdefault(author, len(self._numbers))


def _of(entry: _Entry) -> Unit:
    return _of_pair(entry.before, entry.after)


def _of_pair(before: Unit | None, after: Unit | None) -> Unit:
    unit = after if after is not None else before
    assert unit is not None
    return unit


def _change_of(entry: _Entry) -> str | None:
    if entry.before is None:
        return "added"
    if entry.after is None:
        return "removed"
    return None if entry.marks == entry.marks_before else "formatted"


def _changed(node: Any) -> bool:
    return isinstance(node, list) or "change" in node


def _joined(nodes: list[Node]) -> list[Node]:
    """Marks that were set and ended without a character between them cut no run."""
    joined: list[Node] = []
    for node in nodes:
        last = joined[-1] if joined else None
        if last is not None and "text" in node and "text" in last and _without_text(node) == _without_text(last):
            joined[-1] = last | {"text": last["text"] + node["text"]}
        else:
            joined.append(node)
    return joined


def _without_text(node: Node) -> Node:
    return {name: value for name, value in node.items() if name != "text"}


# -- words ---------------------------------------------------------------------------------------------------------


def _in_word(unit: Unit) -> bool:
    if unit.kind != STRING or unit.length != 1:
        return False
    assert isinstance(unit.content, str)
    return (unit.content.isalnum() or unit.content == "_") and unit.content < _IDEOGRAPHS


def _is_partly_changed(word: list[_Entry]) -> bool:
    kept = sum(entry.before is not None and entry.after is not None for entry in word)
    return 0 < kept < len(word) <= _WORD_MAX


def _removed_first(entries: list[_Entry]) -> list[_Entry]:
    """In a run of changes, what is gone and then what is new."""
    shown: list[_Entry] = []
    removed: list[_Entry] = []
    added: list[_Entry] = []
    for entry in entries:
        if entry.after is None:
            removed.append(entry)
        elif entry.before is None:
            added.append(entry)
        else:
            shown += [*removed, *added, entry]
            removed, added = [], []
    return [*shown, *removed, *added]
