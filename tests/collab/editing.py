"""Replicas that edit at random, in every way pycrdt offers, and what they say to each other."""

import random
from collections.abc import Callable
from typing import Any

from pycrdt import Array, Doc, Map, Text, TransactionEvent, XmlElement, XmlFragment, XmlText

ALPHABET = [
    "a",
    "b",
    " ",
    "\n",
    "é",
    "e\u0301",
    "ß",
    "漢",
    "\U0001f600",
    "👩‍👩‍👧",
    "שלום",
    "مرحبا",
    "\u0000",
    "\ufffd",
    "\ufeff",
]
VALUES: list[Any] = [
    *(None, True, False, 0, -1, 63, 64, 2**31, -(2**53) + 1, 1.5, 1e300, "", "é\U0001f600", b"\x00\xff"),
    *([1, [2, [3]]], {"a": {"b": [None, "c"]}}, {"": 0}, []),
]
MARKS: list[dict[str, Any]] = [{"bold": True}, {"bold": None}, {"color": "#f00"}, {"link": {"href": "x:\U0001f600"}}]


class Replica:
    """A Doc with a text, a map, an array and an XML fragment; `outbox` collects the updates of its own edits."""

    def __init__(self, client_id: int, rng: random.Random, *, subdocuments: bool = True) -> None:
        self.rng = rng
        self._subdocuments = subdocuments
        self.doc: Doc[Any] = Doc(client_id=client_id)
        self.text = self.doc.get("text", type=Text)
        self.map = self.doc.get("map", type=Map)
        self.array = self.doc.get("array", type=Array)
        self.xml = self.doc.get("xml", type=XmlFragment)
        self.outbox: list[bytes] = []
        self._receiving = False
        self._subscription = self.doc.observe(self._collect)

    def _collect(self, event: TransactionEvent) -> None:
        if not self._receiving:
            self.outbox.append(event.update)

    def receive(self, update: bytes) -> None:
        self._receiving = True
        self.doc.apply_update(update)
        self._receiving = False

    def edit(self, times: int = 1) -> None:
        """Make `times` edits, each in a transaction of its own or several in one."""
        kinds = [self._edit_text, self._edit_text, self._edit_map, self._edit_array, self._edit_xml]
        while times > 0:
            together = min(times, self.rng.choice((1, 1, 1, 4)))
            with self.doc.transaction():
                for _ in range(together):
                    self.rng.choice(kinds)()
            times -= together

    def _words(self) -> str:
        return "".join(self.rng.choices(ALPHABET, k=self.rng.randint(1, 5)))

    def _edit_text(self) -> None:
        edit_text(self.rng, self.text, self._words())

    def _nested(self) -> Any:
        """A value, or a shared type with something in it."""
        kinds: list[Callable[[], Any]] = [
            lambda: Text(self._words()),
            lambda: Map({"n": 1, "in": Map({"deep": Array([])})}),
            lambda: Array([1, "x"]),
            lambda: Doc(guid="a-subdocument"),
        ]
        if not self._subdocuments:
            kinds.pop()
        return self.rng.choice(kinds)() if self.rng.random() < 0.4 else self.rng.choice(VALUES)

    def _edit_map(self) -> None:
        key = self.rng.choice(("x", "y", "clé", "🔑"))
        known = self.map.get(key)
        if isinstance(known, Text) and self.rng.random() < 0.5:
            edit_text(self.rng, known, self._words())
        elif known is not None and self.rng.random() < 0.3:
            del self.map[key]
        else:
            self.map[key] = self._nested()

    def _edit_array(self) -> None:
        size = len(self.array)
        if size and self.rng.random() < 0.3:
            del self.array[self.rng.randrange(size)]
        else:
            self.array.insert(self.rng.randint(0, size), self._nested())

    def _edit_xml(self) -> None:
        children = self.xml.children
        size = len(children)
        if not size or self.rng.random() < 0.3:
            children.insert(self.rng.randint(0, size), XmlElement("p", {"id": self._words()}, [XmlText(self._words())]))
            return
        child = children[self.rng.randrange(size)]
        if self.rng.random() < 0.2:
            del children[self.rng.randrange(size)]
        elif isinstance(child, XmlElement):
            grandchild = child.children[0] if len(child.children) else child.children.append(XmlText(""))
            if isinstance(grandchild, XmlText):
                edit_text(self.rng, grandchild, self._words())
            child.attributes["id"] = self._words()

    def content(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return {
            "text": self.text.diff(),
            "map": plain(self.map),
            "array": plain(self.array),
            "xml": [plain(child) for child in self.xml.children],
        }


def edit_text(rng: random.Random, text: Text | XmlText, words: str) -> None:
    """Insert, delete or format at character boundaries: pycrdt counts in UTF-8 bytes."""
    current = "".join(piece for piece, _ in text.diff() if isinstance(piece, str))
    if len(current.encode()) != len(text):  # embeds count too: do not guess where they are
        text.insert(len(text), words)
        return
    start, stop = sorted(len(current[: rng.randint(0, len(current))].encode()) for _ in range(2))
    choice = rng.random()
    if choice < 0.25 and stop > start:
        del text[start:stop]
    elif choice < 0.45 and stop > start:
        text.format(start, stop, rng.choice(MARKS))
    elif choice < 0.5 and isinstance(text, Text):
        text.insert_embed(start, rng.choice(({"image": "\U0001f600"}, {"n": [1, None]})))
    else:
        text.insert(start, words, rng.choice((None, {"bold": True})))


def plain(value: Any) -> Any:
    """A shared value as Python values that compare."""
    if isinstance(value, Text):
        return value.diff()
    if isinstance(value, XmlText):
        return ["text", *value.diff(), _attributes(value)]
    if isinstance(value, XmlElement):
        return [value.tag, _attributes(value), *(plain(child) for child in value.children)]
    if isinstance(value, Map):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, Array):
        return [plain(item) for item in value]
    return "a subdocument" if isinstance(value, Doc) else value


def _attributes(node: XmlElement | XmlText) -> dict[str, Any]:
    pairs: Any = node.attributes
    return dict(pairs)


CLIENT_IDS = (1, 127, 128, 70_000, 3_283_496_117, 2**32 - 1, 2**32 + 5, 2**53 - 1)
"""Ids of every encoded length, with those that 32 bits would confuse."""


def session(
    rng: random.Random, *, replicas: int, edits: int, subdocuments: bool = True
) -> tuple[list[Replica], list[bytes]]:
    """Let `replicas` edit concurrently and hear from each other now and then, in an order that respects causes.

    Returns:
        The replicas, none of which need have seen everything, and all updates in one possible order.
    """
    people = [Replica(client_id, rng, subdocuments=subdocuments) for client_id in rng.sample(CLIENT_IDS, replicas)]
    log: list[bytes] = []
    heard = dict.fromkeys(range(replicas), 0)
    for _ in range(edits):
        who = rng.randrange(replicas)
        if rng.random() < 0.3:
            # up to some point of the common order: everything an edit builds on comes before it
            until = rng.randint(heard[who], len(log))
            for update in log[heard[who] : until]:
                people[who].receive(update)
            heard[who] = max(heard[who], until)
        people[who].edit(rng.randint(1, 3))
        log.extend(people[who].outbox)
        people[who].outbox.clear()
    return people, log
