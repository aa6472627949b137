"""Tagged elements in the four roots of a document: written with pycrdt, written byte by byte, read back.

An element of the Array is a string, one of the Map a key, one of the Text a run `[tag]`, one of the XML fragment an
element with the tag as its attribute. A tag says who wrote it, and is written once.
"""

import json
import re
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment

from tests import hostile
from tests.checker.history import Element
from tests.e2e.wire import sized, varuint

_IN_TEXT = re.compile(r"\[([^\]]*)\]")
_IN_XML = re.compile(r'<p tag="([^"]*)"')


# -- with pycrdt


def write(doc: Doc[Any], inserts: Iterable[Element], deletes: Iterable[Element], rng: Random) -> None:
    """Carry out one transaction: the deletions first, then each insertion at a random place.

    Raises:
        LookupError: something to be deleted is not there.
    """
    with doc.transaction():
        for element in deletes:
            _DELETE[element.kind](doc, element.tag)
        for element in inserts:
            _INSERT[element.kind](doc, element.tag, rng)


def read(doc: Doc[Any]) -> list[Element]:
    """Everything there is, each as often as it is there."""
    # As JSON and as text: iterating over shared types costs a transaction for every item.
    items = json.loads(str(doc.get("array", type=Array)))
    keys = json.loads(str(doc.get("map", type=Map)))
    text = str(doc.get("text", type=Text))
    xml = str(doc.get("xml", type=XmlFragment))
    return [
        *(Element("array", str(item)) for item in items),
        *(Element("map", key) for key in keys),
        *(Element("text", tag) for tag in _IN_TEXT.findall(text)),
        *(Element("xml", tag) for tag in _IN_XML.findall(xml)),
    ]


def read_dump(content: dict[str, Any]) -> list[Element]:
    """The same from a dump of `tests.e2e.replica` or of `interop/document.mjs`."""
    text = "".join(piece for piece, _ in content["text"]["text"] if isinstance(piece, str))
    return [
        *(Element("array", str(item)) for item in content["array"]["array"]),
        *(Element("map", key) for key in content["map"]["map"]),
        *(Element("text", tag) for tag in _IN_TEXT.findall(text)),
        *(Element("xml", child["attributes"]["tag"]) for child in content["xml"]["fragment"]),
    ]


def _insert_item(doc: Doc[Any], tag: str, rng: Random) -> None:
    array = doc.get("array", type=Array)
    array.insert(rng.randint(0, len(array)), tag)


def _insert_key(doc: Doc[Any], tag: str, _rng: Random) -> None:
    doc.get("map", type=Map)[tag] = tag


def _insert_run(doc: Doc[Any], tag: str, rng: Random) -> None:
    text = doc.get("text", type=Text)
    # Between two others, as an editor would between words. Everything in it is ASCII: an index is an offset.
    around = rng.randint(0, len(text))
    text.insert(str(text).rfind("]", 0, around) + 1, f"[{tag}]")


def _insert_node(doc: Doc[Any], tag: str, rng: Random) -> None:
    children = doc.get("xml", type=XmlFragment).children
    children.insert(rng.randint(0, len(children)), XmlElement("p", {"tag": tag}))


def _delete_item(doc: Doc[Any], tag: str) -> None:
    array = doc.get("array", type=Array)
    del array[_position(json.loads(str(array)), tag)]


def _delete_key(doc: Doc[Any], tag: str) -> None:
    del doc.get("map", type=Map)[tag]


def _delete_run(doc: Doc[Any], tag: str) -> None:
    text = doc.get("text", type=Text)
    start = str(text).find(f"[{tag}]")
    if start < 0:
        raise LookupError(tag)
    del text[start : start + len(tag) + 2]


def _delete_node(doc: Doc[Any], tag: str) -> None:
    fragment = doc.get("xml", type=XmlFragment)
    del fragment.children[_position(_IN_XML.findall(str(fragment)), tag)]


def _position(tags: list[str], tag: str) -> int:
    if tag not in tags:
        raise LookupError(tag)
    return tags.index(tag)


_INSERT = {"array": _insert_item, "map": _insert_key, "text": _insert_run, "xml": _insert_node}
_DELETE = {"array": _delete_item, "map": _delete_key, "text": _delete_run, "xml": _delete_node}


# -- byte by byte


class RawAuthor:
    """A Yjs client without a CRDT: it knows what it wrote, byte by byte, and nothing else.

    Each element follows the author's last one in its root, so nothing of anybody else is referred to.
    """

    def __init__(self, client: int) -> None:
        self.client = client
        self.clock = 0
        self._structs: list[tuple[int, list[bytes]]] = []
        """First clock and structs of each update that inserted something."""
        self._deleted: list[tuple[int, int]] = []
        self._places: dict[Element, tuple[int, int]] = {}
        self._last: dict[str, tuple[int, int]] = {}

    def write(self, inserts: Iterable[Element], deletes: Iterable[Element]) -> bytes:
        """One transaction, as an update."""
        start = self.clock
        structs = [struct for element in inserts for struct in self._insert(element)]
        if structs:
            self._structs.append((start, structs))
        gone = sorted(self._places[element] for element in deletes)
        self._deleted += gone
        return self._update(start, structs, gone)

    def missing(self, clock: int) -> bytes:
        """Everything from `clock` on, and everything deleted: the answer to a sync step 1."""
        unknown = [(start, structs) for start, structs in self._structs if start >= clock]
        structs = [struct for _, of_update in unknown for struct in of_update]
        return self._update(unknown[0][0] if unknown else 0, structs, sorted(self._deleted))

    def _update(self, start: int, structs: Sequence[bytes], deleted: list[tuple[int, int]]) -> bytes:
        sections = [hostile.section(self.client, start, *structs)] if structs else []
        ranges = {self.client: _joined(deleted)} if deleted else {}
        return hostile.update(*sections, deletions=hostile.deletions(ranges))

    def _insert(self, element: Element) -> list[bytes]:
        start = self.clock
        tag = element.tag
        string = b"\x01\x77" + sized(tag.encode())
        if element.kind == "map":
            structs, length = [hostile.item(hostile.ANY, string, parent="map", key=tag)], 1
            self._places[element] = (start, 1)
        else:
            origin = self._last.get(element.kind)
            if element.kind == "array":
                structs, length = [hostile.item(hostile.ANY, string, parent="array", origin=origin)], 1
            elif element.kind == "text":
                structs, length = [hostile.text(f"[{tag}]", parent="text", origin=origin)], len(tag) + 2
            else:
                node = varuint(hostile.XML_ELEMENT_TYPE) + sized(b"p")
                attribute = hostile.item(hostile.ANY, string, parent=(self.client, start), key="tag")
                structs, length = [hostile.item(hostile.TYPE, node, parent="xml", origin=origin), attribute], 2
            own = 1 if element.kind == "xml" else length
            self._places[element] = (start, own)
            self._last[element.kind] = (self.client, start + own - 1)
        self.clock += length
        return structs


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges (first clock, length) in order, with neighbours joined."""
    joined: list[tuple[int, int]] = []
    for start, length in ranges:
        if joined and sum(joined[-1]) == start:
            joined[-1] = (joined[-1][0], joined[-1][1] + length)
        else:
            joined.append((start, length))
    return joined
