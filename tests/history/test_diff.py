"""What changed between two states: structure first, words inside, each with who did it."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment, XmlText

from collab.types import DocumentId, Seq
from storage.engine import Database
from tests.e2e.replica import new_doc
from tests.history.conftest import Scale
from tests.history.sessions import Generator, Kept, Session

pytestmark = pytest.mark.xdist_group("history")


class Writing:
    """One document, written in turn by several people, a row for each call."""

    def __init__(self, kept: Kept) -> None:
        self.kept = kept
        self.doc: Doc[Any] = new_doc()
        self.text: Text = self.doc.get("text", type=Text)
        self.xml: XmlFragment = self.doc.get("xml", type=XmlFragment)
        self._people: dict[str, Doc[Any]] = {}

    async def by(self, person: str, edit: Callable[[Doc[Any]], Any]) -> Seq:
        """Let a person edit, with a client of their own."""
        own = self._people.setdefault(person, new_doc())
        own.apply_update(self.doc.get_update())
        before = own.get_state()
        with own.transaction():
            edit(own)
        update = own.get_update(before)
        self.doc.apply_update(update)
        return await self.kept.take([(person, update)])

    async def changes(self, before: int, after: int, **options: Any) -> list[dict[str, Any]]:
        """The roots of a diff, with people's ids for their numbers and no ids of blocks."""
        diff = await self.kept.historian.diff(self.kept.document, Seq(before), Seq(after), **options)
        people = [author["user"] for author in diff["authors"]]
        found: list[dict[str, Any]] = _named(diff["roots"], people)
        return found


def _named(node: Any, people: list[str]) -> Any:
    if isinstance(node, list):
        return [_named(item, people) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        name: people[value] if name in ("author", "by") else _named(value, people)
        for name, value in node.items()
        if name != "id"
    }


@pytest.fixture
def writing(database: Database) -> Writing:
    return Writing(Kept(database, DocumentId("writing")))


def text_of(doc: Doc[Any]) -> Text:
    text: Text = doc.get("text", type=Text)
    return text


def blocks_of(doc: Doc[Any]) -> Any:
    return doc.get("xml", type=XmlFragment).children


async def test_words_are_shown_whole_with_who_wrote_and_who_removed_them(writing: Writing) -> None:
    await writing.by("ann", lambda doc: text_of(doc).insert(0, "The quick fox is here"))
    await writing.by("bob", lambda doc: text_of(doc).__delitem__(slice(4, 10)))
    await writing.by("cem", lambda doc: text_of(doc).insert(6, "lk"))
    assert await writing.changes(1, 3) == [
        {
            "name": "text",
            "type": "text",
            "content": [
                {"text": "The ", "author": "ann"},
                {"text": "quick ", "author": "ann", "change": "removed", "by": "bob"},
                {"text": "fox", "author": "ann", "change": "removed", "kept": True, "by": "cem"},
                {"text": "fo", "author": "ann", "change": "added", "kept": True, "by": "cem"},
                {"text": "lk", "author": "cem", "change": "added"},
                {"text": "x", "author": "ann", "change": "added", "kept": True, "by": "cem"},
                {"text": " is here", "author": "ann"},
            ],
            "change": "changed",
        }
    ]


async def test_what_is_kept_of_a_changed_word_is_its_authors_and_changed_by_whoever_did_it(writing: Writing) -> None:
    """Once whoever had written the rest of a word was said to have added it when another corrected a letter."""
    await writing.by("ann", lambda doc: text_of(doc).insert(0, "recieve"))
    await writing.by("bob", lambda doc: text_of(doc).__delitem__(slice(3, 5)))
    await writing.by("cem", lambda doc: text_of(doc).insert(3, "ei"))
    (root,) = await writing.changes(1, 3)
    assert root["content"] == [
        {"text": "rec", "author": "ann", "change": "removed", "kept": True, "by": "bob"},
        {"text": "ie", "author": "ann", "change": "removed", "by": "bob"},
        {"text": "ve", "author": "ann", "change": "removed", "kept": True, "by": "bob"},
        {"text": "rec", "author": "ann", "change": "added", "kept": True, "by": "cem"},
        {"text": "ei", "author": "cem", "change": "added"},
        {"text": "ve", "author": "ann", "change": "added", "kept": True, "by": "cem"},
    ]


async def test_by_character_only_what_was_typed_is_shown(writing: Writing) -> None:
    await writing.by("ann", lambda doc: text_of(doc).insert(0, "The fox"))
    await writing.by("cem", lambda doc: text_of(doc).insert(6, "lk"))
    (root,) = await writing.changes(1, 2, words=False)
    assert root["content"] == [
        {"text": "The fo", "author": "ann"},
        {"text": "lk", "author": "cem", "change": "added"},
        {"text": "x", "author": "ann"},
    ]


async def test_backwards_what_was_added_is_removed(writing: Writing) -> None:
    await writing.by("ann", lambda doc: text_of(doc).insert(0, "one"))
    await writing.by("bob", lambda doc: text_of(doc).insert(3, " two"))
    (root,) = await writing.changes(2, 1)
    assert root["content"] == [
        {"text": "one", "author": "ann"},
        {"text": " two", "author": "bob", "change": "removed"},
    ]


async def test_other_marks_on_the_same_words_are_a_change_of_their_own(writing: Writing) -> None:
    await writing.by("ann", lambda doc: text_of(doc).insert(0, "plain bold", {"italic": True}))
    await writing.by("bob", lambda doc: text_of(doc).format(6, 10, {"bold": True}))
    await writing.by("cem", lambda doc: text_of(doc).format(0, 5, {"italic": None}))
    (root,) = await writing.changes(1, 3)
    both = {"bold": True, "italic": True}
    assert root["content"] == [
        {
            "text": "plain",
            "author": "ann",
            "change": "formatted",
            "by": "cem",
            "marks_before": {"italic": True},
        },
        {"text": " ", "author": "ann", "marks": {"italic": True}},
        {
            "text": "bold",
            "author": "ann",
            "change": "formatted",
            "by": "bob",
            "marks": both,
            "marks_before": {"italic": True},
        },
    ]


async def test_blocks_come_before_words(writing: Writing) -> None:
    def three_paragraphs(doc: Doc[Any]) -> None:
        for words in ("stays as it is", "will go", "a word changes"):
            blocks_of(doc).append(XmlElement("paragraph", {}, [XmlText(words)]))

    def change_three(doc: Doc[Any]) -> None:
        blocks = blocks_of(doc)
        text = blocks[2].children[0]
        del text[2:6]
        text.insert(2, "line")
        blocks[2].attributes["align"] = "center"
        del blocks[1]
        blocks.insert(2, XmlElement("heading", {"level": "2"}, [XmlText("new")]))

    await writing.by("ann", three_paragraphs)
    await writing.by("bob", change_three)
    (root,) = await writing.changes(1, 2)
    stays, gone, changed, new = root["content"]
    assert "change" not in stays
    assert (gone["change"], gone["by"]) == ("removed", "bob")
    assert (changed["change"], changed["author"]) == ("changed", "ann")
    assert changed["entries"] == {"align": {"value": "center", "author": "bob", "change": "added"}}
    assert changed["content"][0]["content"] == [
        {"text": "a ", "author": "ann"},
        {"text": "word", "author": "ann", "change": "removed", "by": "bob"},
        {"text": "line", "author": "bob", "change": "added"},
        {"text": " changes", "author": "ann"},
    ]
    assert (new["change"], new["author"], new["tag"]) == ("added", "bob", "heading")
    assert new["entries"]["level"]["value"] == "2"


async def test_maps_and_arrays_are_compared_by_entry(writing: Writing) -> None:
    def begin(doc: Doc[Any]) -> None:
        doc.get("map", type=Map)["name"] = "old"
        doc.get("map", type=Map)["list"] = Array(["a"])
        doc.get("array", type=Array).extend([1, 2, 3])

    def go_on(doc: Doc[Any]) -> None:
        doc.get("map", type=Map)["name"] = "new"
        doc.get("map", type=Map)["list"].append("b")
        del doc.get("array", type=Array)[1]

    await writing.by("ann", begin)
    await writing.by("bob", go_on)
    array, keyed = await writing.changes(1, 2)
    assert [(node["value"], node.get("change"), node.get("by")) for node in array["content"]] == [
        (1, None, None),
        (2, "removed", "bob"),
        (3, None, None),
    ]
    assert keyed["entries"]["name"] == [
        {"value": "old", "author": "ann", "change": "removed", "by": "bob"},
        {"value": "new", "author": "bob", "change": "added"},
    ]
    assert keyed["entries"]["list"]["change"] == "changed"
    assert keyed["entries"]["list"]["content"][1] == {"value": "b", "author": "bob", "change": "added"}


async def test_what_a_restore_brings_back_is_the_same_again_and_by_its_first_author(writing: Writing) -> None:
    kept = writing.kept
    await writing.by("ann", lambda doc: text_of(doc).insert(0, "all of this"))
    await writing.by("bob", lambda doc: text_of(doc).clear())
    restoration = await kept.historian.restoration(kept.document, Seq(1))
    await kept.note(restoration, Seq(1), 7)
    await kept.take([("person-7", restoration.update)])
    (root,) = await writing.changes(1, 3)
    assert root == {"name": "text", "type": "text", "content": [{"text": "all of this", "author": "ann"}]}
    (root,) = await writing.changes(2, 3)
    assert root["content"] == [{"text": "all of this", "author": "ann", "change": "added", "by": "person-7"}]


async def test_both_sides_of_any_diff_are_the_two_states(
    generator: Generator, database: Database, rng: random.Random, scale: Scale
) -> None:
    """Leaving out what was added gives the state before; leaving out what was removed, the one after."""
    for number in range(4):
        session = Session(generator, f"diff-{number}", seed=rng.getrandbits(32), people=3)
        kept = Kept(database, DocumentId(f"diff/{number}"))
        head = await kept.take(session.step(60))
        for _ in range(5):
            one, other = Seq(rng.randint(0, head)), Seq(rng.randint(0, head))
            diff = await kept.historian.diff(kept.document, one, other)
            for seq, hidden in ((one, "added"), (other, "removed")):
                shown = await kept.historian.blame(kept.document, seq)
                expected = [_bare(root, "") for root in shown["roots"]]
                found = [bare for root in diff["roots"] if (bare := _bare(root, hidden)).keys() - {"name", "type"}]
                assert found == expected, f"session {number}: {one} to {other}, the state at {seq}"
        session.close()


def _bare(node: Any, hidden: str) -> Any:
    """A node without authors and changes, and without what one of the states does not have."""
    bare: dict[str, Any] = {}
    for name, value in node.items():
        if name == "content":
            content = _joined([_bare(child, hidden) for child in value if child.get("change") != hidden])
            if content:
                bare["content"] = content
        elif name == "entries":
            entries = {}
            for key, found in value.items():
                for child in found if isinstance(found, list) else [found]:
                    if child.get("change") != hidden:
                        entries[key] = _bare(child, hidden)
            if entries:
                bare["entries"] = entries
        elif value and name == ("marks_before" if hidden == "added" and "marks_before" in node else "marks"):
            bare["marks"] = value
        elif name in ("text", "embed", "value", "type", "tag", "name"):
            bare[name] = value
    return bare


def _joined(nodes: list[Any]) -> list[Any]:
    joined: list[Any] = []
    for node in nodes:
        last = joined[-1] if joined else None
        if last is not None and "text" in node and "text" in last and node.get("marks") == last.get("marks"):
            last["text"] += node["text"]
        else:
            joined.append(node)
    return joined
