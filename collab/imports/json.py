"""From JSON to the tree: what our own export gives, or one ProseMirror document, as every Tiptap editor gives it.

Everything in it is checked here, because everything behind takes a tree for what it says it is.
"""

import json
from typing import Any

from collab.errors import BadFile, LimitExceeded
from collab.export.tree import DEPTH_MAX, Content, Node, sorted_marks
from collab.imports.build import FRAGMENT

_NAME_BYTES_MAX = 4_096
_MEMBERS = {"doc": "content", "text": "delta", "map": "entries", "array": "items"}
_EMPTY: dict[str, Any] = {"content": [], "delta": [], "entries": {}, "items": []}


def read_json(data: bytes) -> Content:
    """
    Raises:
        BadFile: it is not such JSON; the text says where.
        LimitExceeded: it is nested too deep.
    """
    try:
        value = json.loads(data, parse_constant=_no_constant)
    except RecursionError:
        raise LimitExceeded(f"the JSON is nested deeper than {DEPTH_MAX} levels") from None
    except ValueError as error:
        raise BadFile(f"this is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise BadFile("the JSON is no object")
    if value.get("type") == "doc":
        value = {FRAGMENT: value}
    return {_name(name): _root(root, f"/{name}") for name, root in sorted(value.items())}


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} has no place in JSON")


def _root(root: Any, where: str) -> Node:
    kind = root.get("type") if isinstance(root, dict) else None
    if kind == "unknown":
        return {"type": "unknown"}
    member = _MEMBERS.get(kind) if isinstance(kind, str) else None
    if member is None:
        raise BadFile(f"{where} is no root: its type is one of {', '.join(_MEMBERS)}")
    value: Any = root.get(member, _EMPTY[member])
    if type(value) is not type(_EMPTY[member]):
        raise BadFile(f"{where}/{member} is of the wrong kind")
    if kind == "doc":
        return {"type": kind, member: _nodes(value, f"{where}/{member}", 0)}
    if kind == "text":
        return {"type": kind, member: [_operation(item, f"{where}/{member}/{at}") for at, item in enumerate(value)]}
    return {"type": kind, member: _value(value, where, 0)}


def _nodes(value: Any, where: str, depth: int) -> list[Node]:
    if not isinstance(value, list):
        raise BadFile(f"{where} is no list")
    if depth >= DEPTH_MAX:
        raise LimitExceeded(f"the document is nested deeper than {DEPTH_MAX} levels")
    return [_node(node, f"{where}/{at}", depth) for at, node in enumerate(value)]


def _node(value: Any, where: str, depth: int) -> Node:
    if not isinstance(value, dict):
        raise BadFile(f"{where} is no object")
    node: Node = {"type": _name(value.get("type"), where)}
    if node["type"] == "text":
        node["text"] = _text(value.get("text"), where)
        if not node["text"]:
            raise BadFile(f"{where} is an empty text")
    if value.get("attrs"):
        node["attrs"] = _attributes(value["attrs"], where, depth)
    if value.get("content"):
        node["content"] = _nodes(value["content"], f"{where}/content", depth + 1)
    if value.get("marks"):
        if not isinstance(value["marks"], list):
            raise BadFile(f"{where}/marks is no list")
        node["marks"] = sorted_marks([_mark(mark, f"{where}/marks", depth) for mark in value["marks"]])
    return node


def _mark(value: Any, where: str, depth: int) -> Node:
    if not isinstance(value, dict):
        raise BadFile(f"{where} holds what is no object")
    mark: Node = {"type": _name(value.get("type"), where)}
    if value.get("attrs"):
        mark["attrs"] = _attributes(value["attrs"], where, depth)
    return mark


def _attributes(value: Any, where: str, depth: int) -> Node:
    if not isinstance(value, dict):
        raise BadFile(f"{where}/attrs is no object")
    attributes: Node = _value(value, f"{where}/attrs", depth)
    return attributes


def _operation(value: Any, where: str) -> Node:
    if not isinstance(value, dict) or value.get("insert") in (None, ""):
        raise BadFile(f"{where} inserts nothing")
    operation: Node = {"insert": _value(value["insert"], where, 0)}
    if value.get("attributes"):
        operation["attributes"] = _attributes(value["attributes"], where, 0)
    return operation


def _value(value: Any, where: str, depth: int) -> Any:
    if depth >= DEPTH_MAX:
        raise LimitExceeded(f"{where} is nested deeper than {DEPTH_MAX} levels")
    match value:
        case str():
            return _text(value, where)
        case dict():
            return {_name(key, where): _value(item, where, depth + 1) for key, item in value.items()}
        case list():
            return [_value(item, where, depth + 1) for item in value]
        case int() if not isinstance(value, bool) and abs(value) > 2**53:
            return float(value)
    return value


def _name(value: Any, where: str = "") -> str:
    if not isinstance(value, str) or not 0 < len(_text(value, where).encode()) <= _NAME_BYTES_MAX:
        raise BadFile(f"{where}: a name is a text of 1 to {_NAME_BYTES_MAX} bytes")
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise BadFile(f"{where} is no text")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise BadFile(f"{where} holds half a surrogate pair")
    return value
