"""A test document in pycrdt: made, replayed and dumped in the form in which `interop/document.mjs` dumps one in Yjs.

Every test document has the same four roots, named after their kind.
"""

import base64
import json
from collections.abc import Callable, Iterable
from typing import Any, cast

from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment, XmlText

from tests.e2e.wire import read_varuint

Dump = dict[str, Any]


def new_doc(client_id: int | None = None) -> Doc[Any]:
    """An empty document with its four roots typed."""
    return Doc({"text": Text(), "map": Map(), "array": Array(), "xml": XmlFragment()}, client_id=client_id)


def replay(updates: Iterable[bytes]) -> Doc[Any]:
    """Apply `updates` one by one and in order to an empty document."""
    doc = new_doc()
    for update in updates:
        doc.apply_update(update)
    return doc


def append(item: Any) -> Callable[[Doc[Any]], None]:
    """An edit that appends `item` to the Array."""
    return lambda doc: doc.get("array", type=Array).append(item)


def text_of(doc: Doc[Any]) -> str:
    return str(doc.get("text", type=Text))


def items_of(doc: Doc[Any]) -> list[Any]:
    # As JSON, because iterating over an Array costs a transaction for every item.
    items: list[Any] = json.loads(str(doc.get("array", type=Array)))
    return items


def state_vector(doc: Doc[Any]) -> dict[int, int]:
    """Next clock by client id."""
    return decode_vector(doc.get_state())


def decode_vector(encoded: bytes) -> dict[int, int]:
    count, position = read_varuint(encoded)
    clocks: dict[int, int] = {}
    for _ in range(count):
        client, position = read_varuint(encoded, position)
        clocks[client], position = read_varuint(encoded, position)
    return clocks


def dump(doc: Doc[Any]) -> Dump:
    """The content of the four roots as plain values."""
    return {
        "text": plain(doc.get("text", type=Text)),
        "map": plain(doc.get("map", type=Map)),
        "array": plain(doc.get("array", type=Array)),
        "xml": plain(doc.get("xml", type=XmlFragment)),
    }


def plain(value: Any) -> Any:
    """A shared type and all it holds as plain values; not yet `canonical`."""
    match value:
        case Text() | XmlText():
            runs = [[item if isinstance(item, str) else {"embed": item}, attrs or {}] for item, attrs in value.diff()]
            return {"text": runs}
        case XmlElement():
            children = [plain(child) for child in value.children]
            attributes = dict(cast("Iterable[tuple[str, Any]]", value.attributes))
            return {"element": value.tag, "attributes": attributes, "children": children}
        case XmlFragment():
            return {"fragment": [plain(child) for child in value.children]}
        case Map():
            return {"map": {key: plain(item) for key, item in value.items()}}
        case Array():
            return {"array": [plain(item) for item in value]}
        case bytes():
            return {"bytes": base64.b64encode(value).decode()}
    return value


def canonical(dumped: Any) -> Any:
    """`dumped` with neighbouring text runs of equal attributes joined: Yjs and pycrdt cut runs at different places."""
    if isinstance(dumped, list):
        return [canonical(item) for item in dumped]
    if not isinstance(dumped, dict):
        return dumped
    if set(dumped) != {"text"} or not isinstance(dumped["text"], list):
        return {key: canonical(item) for key, item in dumped.items()}
    runs: list[list[Any]] = []
    for item, attributes in dumped["text"]:
        if runs and isinstance(item, str) and isinstance(runs[-1][0], str) and runs[-1][1] == attributes:
            runs[-1][0] += item
        else:
            runs.append([item, attributes])
    return {"text": runs}
