"""One block of a past state comes back alone, wherever in the document it stood."""

import random
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, NamedTuple

import pytest
from pycrdt import Map, XmlElement, XmlFragment, XmlText

from collab.errors import HistoryNotFound
from collab.history.copies import decode_copies
from collab.history.restore import Restoration
from collab.structs import Id
from collab.types import DocumentId, Seq
from storage.engine import Database
from tests.e2e.replica import new_doc
from tests.history.conftest import Scale, report
from tests.history.sessions import Generator, Kept, Session, characters_of, user_id
from tests.history.test_blame import dumped

pytestmark = [pytest.mark.xdist_group("history"), pytest.mark.timeout(3600)]

Node = dict[str, Any]


class Place(NamedTuple):
    """A shared type in a blamed document."""

    node: Node
    holder: Node
    """What it stands in: a root or another type."""
    at: int | str
    """Its index or its key there."""
    above: "Place | None"

    @property
    def id(self) -> Id:
        client, _, clock = self.node["id"].partition(":")
        return int(client), int(clock)


def places_of(tree: Node) -> Iterator[Place]:
    for root in tree["roots"]:
        yield from _places_in(root, None)


def _places_in(holder: Node, above: Place | None) -> Iterator[Place]:
    for at, node in [*enumerate(holder.get("content", [])), *holder.get("entries", {}).items()]:
        if "id" in node:
            place = Place(node, holder, at, above)
            yield place
            yield from _places_in(node, place)


def named(tree: Node) -> Node:
    """A blamed document with people's ids for the numbers of authors."""

    def walk(value: Any) -> Any:
        if isinstance(value, list):
            return [walk(item) for item in value]
        if not isinstance(value, dict):
            return value
        return {name: tree["authors"][item]["user"] if name == "author" else walk(item) for name, item in value.items()}

    return {"roots": walk(tree["roots"])}


def bare(value: Any) -> Any:
    """Without ids and what is empty: equal for what shows the same by the same people."""
    if isinstance(value, list):
        joined: list[Any] = []
        for item in map(bare, value):
            last = joined[-1] if joined else {}
            if "text" in item and "text" in last and item | {"text": ""} == last | {"text": ""}:
                last["text"] += item["text"]
            else:
                joined.append(item)
        return joined
    if not isinstance(value, dict):
        return value
    if "roots" in value:
        return [bare(root) for root in value["roots"] if root.get("content") or root.get("entries")]
    found = {name: bare(item) for name, item in value.items() if name != "id"}
    return {name: item for name, item in found.items() if name not in ("content", "entries") or item}


class Restores:
    """What the restores of one document have copied."""

    def __init__(self) -> None:
        self._originals: dict[Id, Id] = {}

    def note(self, restoration: Restoration) -> None:
        for copy in decode_copies(restoration.copies):
            for offset in range(copy.length):
                self._originals[restoration.client, copy.clock + offset] = copy.client, copy.source + offset

    def original(self, place: Place) -> Id:
        return self._originals.get(place.id, place.id)

    def find(self, tree: Node, place: Place) -> Place | None:
        """The block, or a copy of it, in another state."""
        found = [other for other in places_of(tree) if self.original(other) == self.original(place)]
        assert len(found) <= 1, "a block is there twice"
        return found[0] if found else None

    def check(self, block: Place, now: Node, after: Node, client: int) -> str:
        """Nothing but the block has changed; tells what kind of restore it was."""
        present = self.find(now, block)
        if present is not None:
            expected = deepcopy(now)
            node = self.find(expected, block)
            assert node is not None
            node.node.clear()
            node.node.update(deepcopy(block.node))
            assert bare(after) == bare(expected)
            return "changed"
        gone = block
        while gone.above is not None and self.find(now, gone.above) is None:
            gone = gone.above
        written = [place for place in places_of(after) if place.id[0] == client]
        if not written:
            assert bare(after) == bare(now)
            assert bare(gone.node) in [bare(place.node) for place in places_of(now)]
            return "there already"
        new = written[0]
        assert self.original(new) == self.original(gone)
        assert bare(new.node) == bare(gone.node)
        self._check_place(gone, new)
        without = deepcopy(after)
        holder = _same_holder(without, new)
        before = _same_holder(now, new)
        if isinstance(new.at, int):
            del holder["content"][new.at]
        elif new.at in before.get("entries", {}):
            holder["entries"][new.at] = before["entries"][new.at]
        else:
            del holder["entries"][new.at]
        assert bare(without) == bare(now)
        return "gone" if gone is block else "gone with what it stood in"

    def _check_place(self, gone: Place, new: Place) -> None:
        """What stood before it does so again, unless restores have brought that into another order."""
        assert type(gone.at) is type(new.at)
        then, now = self._siblings(gone.holder), self._siblings(new.holder)
        common = [one for one in then if one in now]
        if isinstance(gone.at, int) and common == [one for one in now if one in then]:
            own = self.original(new)
            assert common.index(own) == [one for one in now if one in then].index(own)

    def _siblings(self, holder: Node) -> list[Id]:
        return [self.original(Place(node, holder, 0, None)) for node in holder.get("content", []) if "id" in node]


def _same_holder(tree: Node, place: Place) -> Node:
    """What a block stands in, in another state that has the same."""
    if "name" in place.holder:
        return next((root for root in tree["roots"] if root["name"] == place.holder["name"]), {})
    return next(other.node for other in places_of(tree) if other.node["id"] == place.holder["id"])


@pytest.mark.rule("H6")
async def test_any_block_comes_back_alone(
    generator: Generator, database: Database, rng: random.Random, scale: Scale
) -> None:
    """However deep it stands, changed since or gone, also after restores; and what is not in it stays as it is."""
    kinds: Counter[str] = Counter()
    for number in range(scale.block_documents):
        session = Session(generator, f"block-{number}", seed=rng.getrandbits(32), people=3)
        kept = Kept(database, DocumentId(f"block/{number}"))
        head = await kept.take(session.step(rng.randint(20, 60)))
        restores = Restores()
        for _ in range(4):
            await kept.take(session.step(rng.randint(1, 15)))
            head = await kept.take(session.settle())
            past = Seq(rng.randint(1, head))
            now = named(await kept.historian.blame(kept.document))
            then = named(await kept.historian.blame(kept.document, past))
            blocks = [*places_of(then)]
            gone = [block for block in blocks if restores.find(now, block) is None]
            if not blocks:
                continue
            block = rng.choice(gone or blocks) if rng.random() < 0.6 else rng.choice(blocks)
            restoration = await kept.historian.restoration(kept.document, past, block=block.id)
            restores.note(restoration)
            await kept.note(restoration, past, 0)
            session.append(0, restoration.update)
            await kept.take([(user_id(0), restoration.update)])
            shown = await kept.historian.blame(kept.document)
            case = f"document {number}, row {len(session.rows)}: {block.node['id']} of {past}"
            try:
                kinds[restores.check(block, now, named(shown), restoration.client)] += 1
            except AssertionError as error:
                raise AssertionError(case) from error
            assert dumped(shown) == generator.replay(update for _, update in session.rows), case
        await kept.take(session.settle())
        replicas = session.replicas()
        assert all(replica == replicas[0] for replica in replicas), f"document {number} differs"
        twice = [one for one, times in Counter(characters_of(replicas[0]["content"])).items() if times > 1]
        assert not twice, f"document {number} has {twice} twice"
        session.close()
    report(f"{kinds.total()} blocks brought back and nothing else: {dict(kinds)}")
    assert {"changed", "gone"} <= kinds.keys()


class Written:
    """A document with lists and a table, and its rows."""

    def __init__(self, kept: Kept) -> None:
        self.kept = kept
        self.doc = new_doc()
        self.blocks = self.doc.get("default", type=XmlFragment).children
        self._seen = self.doc.get_state()

    async def save(self) -> Seq:
        update, self._seen = self.doc.get_update(self._seen), self.doc.get_state()
        return await self.kept.take([("ann", update)])

    async def ids(self, at: Seq) -> dict[tuple[str, str], Id]:
        """The ids of elements, by their tag and the text in them."""
        blamed = await self.kept.historian.blame(self.kept.document, at)
        places = [place for place in places_of(blamed) if "tag" in place.node]
        return {(place.node["tag"], _text_of(place.node)): place.id for place in places}

    async def bring_back(self, block: Id | None, at: Seq) -> Restoration:
        """None: everything."""
        restoration = await self.kept.historian.restoration(self.kept.document, at, block=block)
        await self.kept.note(restoration, at, 1)
        await self.kept.take([(user_id(1), restoration.update)])
        self.doc.apply_update(restoration.update)
        self._seen = self.doc.get_state()
        return restoration


def _text_of(node: Node) -> str:
    return "".join(child.get("text", "") or _text_of(child) for child in node.get("content", []))


def element(tag: str, *children: XmlElement | XmlText) -> XmlElement:
    return XmlElement(tag, {}, [*children])


def paragraph(words: str) -> XmlElement:
    return element("paragraph", XmlText(words))


def bullets(*items: str) -> XmlElement:
    return element("bulletList", *(element("listItem", paragraph(words)) for words in items))


@pytest.fixture
def written(database: Database) -> Written:
    return Written(Kept(database, DocumentId("nested")))


async def test_an_item_of_a_list_and_a_paragraph_of_a_cell_come_back(written: Written) -> None:
    written.blocks.append(bullets("one", "two", "three"))
    row = element(
        "tableRow", element("tableCell", paragraph("a"), paragraph("b")), element("tableCell", paragraph("c"))
    )
    written.blocks.append(element("table", row))
    at = await written.save()
    ids = await written.ids(at)
    shown, table = written.blocks
    del shown.children[1]
    shown.children[0].children[0].children[0].insert(0, "not ")
    cell = table.children[0].children[0]
    del cell.children[0]
    await written.save()
    await written.bring_back(ids["listItem", "two"], at)
    assert str(shown) == str(bullets_of("not one", "two", "three"))
    await written.bring_back(ids["paragraph", "a"], at)
    assert [str(it.children[0]) for it in cell.children] == ["a", "b"]
    await written.bring_back(ids["paragraph", "one"], at)
    assert str(shown) == str(bullets_of("one", "two", "three"))
    assert (await written.bring_back(ids["listItem", "one"], at)).empty


def bullets_of(*items: str) -> XmlElement:
    doc = new_doc()
    children = doc.get("default", type=XmlFragment).children
    children.append(bullets(*items))
    shown: XmlElement = children[0]
    return shown


async def test_an_item_goes_where_it_stood_in_a_list_that_a_restore_wrote_anew(written: Written) -> None:
    """Once it was refused: what it had stood in was gone, and the copy of that was not looked for."""
    written.blocks.append(bullets("one", "two", "three"))
    first = await written.save()
    ids = await written.ids(first)
    del written.blocks[0].children[1]
    without = await written.save()
    del written.blocks[0]
    await written.save()
    await written.bring_back(None, without)
    assert str(written.blocks[0]) == str(bullets_of("one", "three"))
    await written.bring_back(ids["listItem", "two"], first)
    assert str(written.blocks[0]) == str(bullets_of("one", "two", "three"))


async def test_a_block_goes_between_its_neighbours_when_those_were_written_anew(written: Written) -> None:
    """Once it came back beside its own remains, which stood behind everything that a restore had brought back."""
    for words in ("one", "two", "three"):
        written.blocks.append(paragraph(words))
    first = await written.save()
    ids = await written.ids(first)
    del written.blocks[1]
    without = await written.save()
    del written.blocks[0:2]
    await written.save()
    await written.bring_back(None, without)
    await written.bring_back(ids["paragraph", "two"], first)
    assert [str(block.children[0]) for block in written.blocks] == ["one", "two", "three"]


async def test_a_block_stands_where_it_stood_when_everything_beside_it_is_new(written: Written) -> None:
    for words in ("one", "two"):
        written.blocks.append(paragraph(words))
    at = await written.save()
    ids = await written.ids(at)
    written.blocks.insert(1, paragraph("new one"))
    written.blocks.append(paragraph("new two"))
    del written.blocks[2]
    del written.blocks[0]
    await written.save()
    await written.bring_back(ids["paragraph", "two"], at)
    assert [str(block.children[0]) for block in written.blocks] == ["new one", "two", "new two"]


async def test_a_block_goes_between_what_its_author_wrote_again_and_what_stands_there_again_is_left_alone(
    written: Written,
) -> None:
    for words in ("one", "two", "three"):
        written.blocks.append(paragraph(words))
    at = await written.save()
    ids = await written.ids(at)
    for words in ("one", "three"):
        written.blocks.append(paragraph(words))
    del written.blocks[0:3]
    await written.save()
    assert (await written.bring_back(ids["paragraph", "one"], at)).empty
    await written.bring_back(ids["paragraph", "two"], at)
    assert [str(block.children[0]) for block in written.blocks] == ["one", "two", "three"]


async def test_a_block_whose_surroundings_are_gone_comes_back_with_them(written: Written) -> None:
    written.blocks.append(bullets("one", "two"))
    at = await written.save()
    ids = await written.ids(at)
    del written.blocks[0]
    await written.save()
    await written.bring_back(ids["paragraph", "two"], at)
    assert str(written.blocks[0]) == str(bullets_of("one", "two"))


async def test_a_type_that_another_replaced_under_its_key_is_not_there_any_more(database: Database) -> None:
    """Also if two people set the key at once, so that no row says that it was deleted."""
    kept = Kept(database, DocumentId("keys"))
    one, other = new_doc(client_id=1), new_doc(client_id=2)
    for doc, words in ((one, "one"), (other, "other")):
        doc.get("map", type=Map)["key"] = Map({"words": words})
    await kept.take([("ann", one.get_update())])
    await kept.historian.blame(kept.document)  # From here on it takes up row by row.
    await kept.take([("bob", other.get_update())])
    one.apply_update(other.get_update())
    assert one["map"]["key"]["words"] == "other"
    restoration = await kept.historian.restoration(kept.document, Seq(1), block=(1, 0))
    one.apply_update(restoration.update)
    assert one["map"]["key"]["words"] == "one"
    with pytest.raises(HistoryNotFound, match="no such block"):
        await kept.historian.restoration(kept.document, Seq(2), block=(1, 0))
