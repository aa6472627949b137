"""Input that has killed, bloated, stalled or fooled a server, as bytes; and the small builders it is made with.

`REFUSED` is what `scan_update` must refuse, by name. The rest is well-formed: each says what a server has to do.
Sizes are those at which the damage was seen with pycrdt 0.14.13 where that is affordable, and parameters otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from collab.errors import LimitExceeded, MalformedMessage, ProtocolError
from tests.e2e.wire import sized, varuint

Id = tuple[int, int]
"""Client and clock."""

DELETED, JSON, BINARY, STRING, EMBED, FORMAT, TYPE, ANY, DOC = range(1, 10)
ARRAY_TYPE, MAP_TYPE, TEXT_TYPE, XML_ELEMENT_TYPE, XML_FRAGMENT_TYPE, XML_HOOK_TYPE, XML_TEXT_TYPE = range(7)
NULL = b"\x7e"
NOTHING_DELETED = b"\x00"


# -- builders of Yjs v1 updates, right and wrong


def update(*sections: bytes, deletions: bytes = NOTHING_DELETED) -> bytes:
    return varuint(len(sections)) + b"".join(sections) + deletions


def section(client: int, clock: int, *structs: bytes) -> bytes:
    """The structs of one client from `clock` on."""
    return varuint(len(structs)) + varuint(client) + varuint(clock) + b"".join(structs)


def deletions(ranges: Mapping[int, Sequence[tuple[int, int]]]) -> bytes:
    """A delete set: (first clock, length), by client."""
    parts = [varuint(len(ranges))]
    for client, of_client in ranges.items():
        parts.append(varuint(client) + varuint(len(of_client)))
        parts.extend(varuint(clock) + varuint(length) for clock, length in of_client)
    return b"".join(parts)


def item(
    kind: int,
    content: bytes,
    *,
    origin: Id | None = None,
    right_origin: Id | None = None,
    parent: str | Id = "t",
    key: str | None = None,
) -> bytes:
    """An item. `parent` (a root's name or an item's id) and `key` are written only where no origin says them."""
    info = kind | (0x80 if origin else 0) | (0x40 if right_origin else 0) | (0x20 if key is not None else 0)
    parts = [bytes((info,))]
    parts.extend(varuint(of[0]) + varuint(of[1]) for of in (origin, right_origin) if of)
    if not origin and not right_origin:
        parts.append(
            b"\x01" + sized(parent.encode()) if isinstance(parent, str) else b"\x00" + b"".join(map(varuint, parent))
        )
        if key is not None:
            parts.append(sized(key.encode()))
    return b"".join(parts) + content


def text(
    value: str,
    *,
    origin: Id | None = None,
    right_origin: Id | None = None,
    parent: str | Id = "t",
    key: str | None = None,
) -> bytes:
    return item(STRING, sized(value.encode()), origin=origin, right_origin=right_origin, parent=parent, key=key)


def value(any_value: bytes, *, parent: str | Id = "t", key: str | None = None) -> bytes:
    """An item with one lib0 "any"."""
    return item(ANY, b"\x01" + any_value, parent=parent, key=key)


def shared_type(number: int, *, parent: str | Id = "t", key: str | None = None, origin: Id | None = None) -> bytes:
    return item(TYPE, varuint(number), parent=parent, key=key, origin=origin)


def gc(length: int) -> bytes:
    return b"\x00" + varuint(length)


def skip(length: int) -> bytes:
    return b"\x0a" + varuint(length)


# -- nesting: bytes that make a recursive reader run out of stack (SIGSEGV, which no exception handler sees)


def nested_arrays(depth: int = 26_400) -> bytes:
    """`depth` arrays around null, as one Any: 52,759 bytes end the process in `apply_update`, `merge_updates` and
    `get_state`."""
    return b"\x75\x01" * depth + NULL


def nested_maps(depth: int = 26_400) -> bytes:
    """The same with maps of one empty key."""
    return b"\x76\x01\x00" * depth + NULL


def nested_json(depth: int = 100_000) -> bytes:
    """The same as JSON text, for embeds and formats: serde_json refuses it at 128, other parsers do not."""
    return b"[" * depth + b"]" * depth


def nested_types(levels: int = 40_000, *, below: str | Id = "m", client: int = 1, clock: int = 0) -> bytes:
    """Maps in maps, each its own item: pycrdt takes them, and dies when the outermost is deleted (from 33,000)."""
    structs = [shared_type(MAP_TYPE, parent=below, key="k")]
    structs.extend(shared_type(MAP_TYPE, parent=(client, clock + level), key="k") for level in range(levels - 1))
    return update(section(client, clock, *structs))


def nested_types_in_steps(levels: int = 40_000, *, step: int = 100, client: int = 1) -> list[bytes]:
    """The same bomb in many small updates, each harmless alone. A room has to add up `ScannedUpdate.levels`."""
    return [
        nested_types(step, below=(client, clock - 1) if clock else "m", client=client, clock=clock)
        for clock in range(0, levels, step)
    ]


def json_desync(hidden: bytes) -> bytes:
    """`hidden`, an Any, inside what Yjs reads as a string: yrs reads one string more than ContentJSON declares, so it
    takes the second item's head for a string and its text for an item of its own."""
    payload = value(hidden) + NOTHING_DELETED
    # Its info byte, 0x24, is to yrs the length of a string: up to where the payload begins.
    carrier = item(STRING, sized(payload), parent="n" * (33 - len(varuint(len(payload)))), key="")
    assert carrier[0] == carrier.index(payload) - 1
    return update(section(1, 0, item(JSON, b"\x01" + sized(b"1")), carrier))


# -- what `scan_update` refuses


@dataclass(frozen=True, slots=True)
class Refused:
    update: bytes
    error: type[ProtocolError]
    why: str


_AB = text("ab")
_CLIENT = 7

REFUSED: dict[str, Refused] = {
    # nested values
    "any-arrays": Refused(update(section(1, 0, value(nested_arrays()))), LimitExceeded, "SIGSEGV while decoding"),
    "any-maps": Refused(update(section(1, 0, value(nested_maps()))), LimitExceeded, "SIGSEGV while decoding"),
    "any-in-map-value": Refused(
        update(section(1, 0, value(b"\x76\x01" + sized(b"k") + nested_arrays(), parent="m", key="k"))),
        LimitExceeded,
        "SIGSEGV while decoding",
    ),
    "any-in-subdocument": Refused(
        update(
            section(
                1, 0, item(DOC, sized(b"guid") + b"\x76\x01" + sized(b"meta") + nested_arrays(), parent="m", key="d")
            )
        ),
        LimitExceeded,
        "SIGSEGV while decoding",
    ),
    "json-in-embed": Refused(update(section(1, 0, item(EMBED, sized(nested_json())))), LimitExceeded, "not decoded"),
    "json-in-format": Refused(
        update(section(1, 0, item(FORMAT, sized(b"bold") + sized(nested_json())))), LimitExceeded, "not decoded"
    ),
    "types-in-types": Refused(nested_types(), LimitExceeded, "SIGSEGV when the outermost is deleted"),
    # one reader sees other bytes than the other
    "content-json": Refused(
        update(section(1, 0, item(JSON, b"\x01" + sized(b"1") + sized(b"2")))), MalformedMessage, "yrs reads two values"
    ),
    "content-json-desync": Refused(
        json_desync(nested_arrays()), MalformedMessage, "hides nested values from a scanner"
    ),
    "xml-hook": Refused(
        update(section(1, 0, item(TYPE, bytes((XML_HOOK_TYPE,)) + sized(b"h")))), MalformedMessage, "yrs reads no name"
    ),
    "weak-link": Refused(update(section(1, 0, item(TYPE, b"\x07\x00\x01\x00"))), MalformedMessage, "unknown to Yjs 13"),
    "subdocument-type": Refused(update(section(1, 0, item(TYPE, b"\x09"))), MalformedMessage, "Yjs 13 throws"),
    "undefined-type": Refused(update(section(1, 0, item(TYPE, b"\x0f"))), MalformedMessage, "Yjs 13 throws"),
    "overlong-integer": Refused(
        b"\x01\x01\x81\x00\x00" + _AB + b"\x00", MalformedMessage, "two encodings of one value"
    ),
    "section-twice": Refused(
        update(section(1, 2, text("cd", origin=(1, 1))), section(1, 0, _AB)),
        MalformedMessage,
        "Yjs keeps the last only",
    ),
    "deletions-twice": Refused(
        update(section(1, 0, text("abcdef")), deletions=b"\x02" + (b"\x01\x01\x01\x01" + b"\x01\x01\x03\x01")),
        MalformedMessage,
        "yrs keeps the last only",
    ),
    "deletions-unsorted": Refused(
        update(deletions=deletions({1: [(6, 1), (2, 1)]})), MalformedMessage, "`merge_updates` drops some of them"
    ),
    "deletions-overlap": Refused(update(deletions=deletions({1: [(2, 3), (3, 4)]})), MalformedMessage, "as above"),
    "deletion-empty": Refused(update(deletions=deletions({1: [(2, 0)]})), MalformedMessage, "nobody writes it"),
    "subdocument-without-options": Refused(
        update(section(1, 0, item(DOC, sized(b"guid") + NULL, parent="m", key="d"))), MalformedMessage, "Yjs 13 throws"
    ),
    "invalid-utf-8": Refused(
        update(section(1, 0, item(STRING, sized(b"\xff\xfe")))), MalformedMessage, "yrs takes it for UTF-8 unchecked"
    ),
    "surrogate-half": Refused(
        update(section(1, 0, item(STRING, sized(b"\xed\xa0\x80")))), MalformedMessage, "as above"
    ),
    "surrogate-half-in-json": Refused(
        update(section(1, 0, item(EMBED, sized(b'{"a":"\\ud800","a":1}')))), MalformedMessage, "yrs cannot decode it"
    ),
    "json-broken": Refused(
        update(section(1, 0, item(EMBED, sized(b'{"a":')))), MalformedMessage, "yrs cannot decode it"
    ),
    "json-unclosed": Refused(
        update(section(1, 0, item(EMBED, sized(b"[" * 101 + b'"' + b'\\"' * 500_000)))),
        LimitExceeded,
        "quadratic to a regex",
    ),
    "json-unclosed-early": Refused(
        update(section(1, 0, item(EMBED, sized(b'"' + b'\\"' * 500_000 + b"[" * 101)))), MalformedMessage, "as above"
    ),
    "json-number": Refused(
        update(section(1, 0, item(EMBED, sized(b"1e400")))), MalformedMessage, "yrs cannot decode it"
    ),
    "json-constant": Refused(
        update(section(1, 0, item(EMBED, sized(b"NaN")))), MalformedMessage, "yrs cannot decode it"
    ),
    # declared counts: one Vec or HashMap reserved at once is more memory than there is
    "count-clients": Refused(varuint(2**32 - 1) + b"\x00", LimitExceeded, "reserves memory"),
    "count-structs": Refused(b"\x01" + varuint(2**31) + b"\x01\x00\x00", MalformedMessage, "reserves memory"),
    "count-any": Refused(update(section(1, 0, item(ANY, varuint(2**31) + NULL))), LimitExceeded, "reserves memory"),
    "count-array": Refused(update(section(1, 0, value(b"\x75" + varuint(2**40)))), LimitExceeded, "reserves memory"),
    "count-map": Refused(update(section(1, 0, value(b"\x76" + varuint(2**40)))), LimitExceeded, "reserves memory"),
    "count-deletions": Refused(b"\x00\x01\x01" + varuint(2**31) + b"\x00\x01", MalformedMessage, "reserves memory"),
    "count-deletion-clients": Refused(b"\x00" + varuint(2**31), MalformedMessage, "reserves memory"),
    "length-string": Refused(
        update(section(1, 0, item(STRING, varuint(2**31) + b"a"))), MalformedMessage, "past the end"
    ),
    "length-bytes": Refused(
        update(section(1, 0, item(BINARY, varuint(2**31) + b"a"))), MalformedMessage, "past the end"
    ),
    # numbers that yrs cuts
    "clock-wraps": Refused(
        update(section(1, 2**32 + 5, text("x", origin=(1, 2**32 + 4)))), MalformedMessage, "yrs continues at clock 5"
    ),
    "clock-far": Refused(update(section(1, 2**31 - 1, text("x"))), MalformedMessage, "next stop: 2**32"),
    "clock-sum": Refused(update(section(1, 0, gc(2**31))), MalformedMessage, "next stop: 2**32"),
    "clock-deletion": Refused(update(deletions=deletions({1: [(2**31 - 1, 5)]})), MalformedMessage, "next stop: 2**32"),
    "client-id": Refused(update(section(2**53, 0, _AB)), MalformedMessage, "yrs takes it for client 0"),
    # something applied as something else, or not at all
    "v2-encoding": Refused(
        bytes.fromhex(
            "000005c7da9601010200040007040081008400280c0674686c6f6d6b41000241000101000202010104007601016175037d017c402000"
            "007701780187ad4b010101"
        ),
        MalformedMessage,
        "applied as empty",
    ),
    "v2-empty": Refused(bytes.fromhex("00000000000001000000000000"), MalformedMessage, "applied as empty"),
    "trailing-byte": Refused(update(section(1, 0, _AB)) + b"\x00", MalformedMessage, "ignored silently"),
    "trailing-update": Refused(update(section(1, 0, _AB)) * 2, MalformedMessage, "the second is ignored silently"),
    "nothing": Refused(b"", MalformedMessage, "not an update"),
    "gc-without-length": Refused(
        update(section(1, 0, gc(0))), MalformedMessage, "a clock range that ends before it starts"
    ),
    "gc-with-origin": Refused(update(section(1, 0, b"\x80\x02\x00\x03")), MalformedMessage, "Yjs: GC, yrs: an item"),
    "section-empty": Refused(update(section(_CLIENT, 0)), MalformedMessage, "panic when the client is known"),
    "section-of-empty-string": Refused(update(section(_CLIENT, 0, text(""))), MalformedMessage, "as above"),
    "info-bit": Refused(update(section(1, 0, b"\x14\x01\x01t\x01a")), MalformedMessage, "yrs drops a bit of the kind"),
    "kind-unknown": Refused(update(section(1, 0, item(11, b"\x00"))), MalformedMessage, "not decoded"),
    "parent-neither": Refused(update(section(1, 0, b"\x04\x02\x01t\x01a")), MalformedMessage, "read as an id"),
    # edits that wait for themselves
    "origin-itself": Refused(update(section(1, 0, text("x", origin=(1, 0)))), MalformedMessage, "waits for ever"),
    "origin-later": Refused(
        update(section(1, 0, text("x", origin=(1, 5)), text("abcdefgh"))), MalformedMessage, "waits for ever"
    ),
    "origin-within": Refused(update(section(1, 5, text("abc", origin=(1, 6)))), MalformedMessage, "waits for ever"),
    "parent-itself": Refused(
        update(section(1, 0, shared_type(MAP_TYPE, parent=(1, 0), key="k"))), MalformedMessage, "waits for ever"
    ),
    "parent-circle": Refused(
        update(
            section(2, 0, shared_type(MAP_TYPE, parent=(1, 0), key="k")),
            section(1, 0, shared_type(MAP_TYPE, parent=(2, 0), key="k")),
        ),
        MalformedMessage,
        "waits for ever",
    ),
    "origin-circle": Refused(
        update(
            section(3, 0, text("a", origin=(2, 1))),
            section(2, 0, text("b"), text("c", origin=(1, 0))),
            section(1, 0, text("d", origin=(3, 0))),
        ),
        MalformedMessage,
        "waits for ever",
    ),
    "parent-is-text": Refused(
        update(section(1, 0, _AB, text("x", parent=(1, 0)))), MalformedMessage, "RuntimeError half-way: block parent"
    ),
    "name-too-long": Refused(update(section(1, 0, text("x", parent="n" * 5_000))), LimitExceeded, "kept per root"),
}


# -- well-formed, and still trouble

BAD_ORDER = (
    bytes.fromhex("010105012801016d0179017c3f80000000"),
    bytes.fromhex("01010502a80500017c400000000105010001"),
    bytes.fromhex("010105002801016d0178017c0000000000"),
)
"""Three updates of client 5 in the order 1, 2, 0: map "m" of a document that has all of them is {"x": 2.0, "y": 1.0};
pycrdt, given them in this order, misses x for ever. A server holds back or refuses the first two until the third."""

BAD_ORDER_RESULT = {"x": 2.0, "y": 1.0}

SELF_ORIGIN = update(section(7, 3, text("hello", origin=(7, 2), right_origin=(7, 3))))
"""What pycrdt writes when it is told to insert two bytes into a character of four: the item is its own right origin."""

SHARED_STATE = update(section(_CLIENT, 0, text("a\U0001f600b")))
"""Text "t" with an emoji, by client 7: what the next ones contradict or damage."""

PARENT_IS_TEXT_THERE = update(section(8, 0, text("x", parent=(_CLIENT, 0))))
"""On SHARED_STATE `apply_update` raises RuntimeError "block parent" and leaves its transaction half applied: the Doc
must be dropped and loaded anew, nothing stored, the sender closed."""

SPLIT_EMOJI = update(deletions=deletions({_CLIENT: [(2, 1)]}))
"""On SHARED_STATE deletes half of the emoji: Yjs shows U+FFFD, yrs moves the cut. Nobody may crash or hang."""

CUT_VALUE = (
    update(section(7, 0, shared_type(MAP_TYPE, parent="m", key="k"))),
    update(section(9, 0, text("ab", parent=(7, 0), key="x"))),
    update(deletions=deletions({9: [(1, 1)]})),
    update(deletions=deletions({7: [(0, 1)]})),
)
"""Four updates, each of which attaches: a map, a value of two clocks in it, the deletion of half that value, the
deletion of the map. The other half keeps a pointer into the map's freed memory: whatever touches it later reads or
writes what is there by then, see `heap_bomb`. The third must not be applied."""


def heap_bomb(size: int = 200) -> list[bytes]:
    """About 1,000 updates of 20 to 400 bytes that end the process (SIGSEGV, 6 of 6 times): CUT_VALUE `size` times over,
    other data in the freed memory, and the deletion of the halves that stayed."""
    clients = range(1_000, 1_000 + size)
    return [
        *(
            update(section(c, 0, shared_type(MAP_TYPE, parent="m", key=f"{c}"), text("ab", parent=(c, 0), key="x")))
            for c in clients
        ),
        *(update(deletions=deletions({c: [(2, 1)]})) for c in clients),
        *(update(deletions=deletions({c: [(0, 1)]})) for c in clients),
        *(update(section(c + size, 0, text("A" * (100 + 40 * (c % 6))))) for c in clients),
        *(update(deletions=deletions({c: [(1, 1)]})) for c in clients),
    ]


DELETED_PARENT = (
    update(section(7, 0, value(NULL))),
    update(deletions=deletions({7: [(0, 1)]})),
    update(section(8, 0, text("x", parent=(7, 0)))),
)
"""Fine one by one in a Doc that collects garbage; in `Doc(skip_gc=True)`, or merged into one update, the third raises
RuntimeError "block parent". A replay of history has to get over it."""

EMOJI_TEXT_ROOT = "t"
"""`Doc.get("t", type=Array)` of SHARED_STATE never returns when it is read: `root_types` says what it is."""


def lying_state_vector(count: int = 2**27) -> bytes:
    """Five bytes that declare `count` clients: 538 MB in pycrdt. To be refused."""
    return varuint(count) + b"\x00"


def gap_updates(count: int, *, client: int = 9, size: int = 100) -> list[bytes]:
    """Edits of which each misses the one before. 2.2 MB of them cost pycrdt 20 s and are sent to everybody who joins.
    Nothing may be kept; the sender is asked for what is missing, and closed when it goes on."""
    return [update(section(client, 1 + nth * (size + 1), text("g" * size))) for nth in range(count)]


def stolen_id(client: int, clock: int, length: int = 1_000) -> bytes:
    """Edits under somebody else's client id, ahead of their own: a document that takes them silently swallows the next
    `length` characters of the owner. To be refused while the id belongs to another connection."""
    return update(section(client, clock, gc(length)))


def awareness_flood(entries: int = 100_000) -> bytes:
    """One awareness payload with `entries` clients, 0.6 MB. To be refused."""
    return varuint(entries) + b"".join(varuint(client) + b"\x01" + sized(b"{}") for client in range(entries))


def awareness_theft(client: int, clock: int = 2**31) -> bytes:
    """An awareness payload that says somebody else is gone, with a clock they will not reach. Must change nothing."""
    return varuint(1) + varuint(client) + varuint(clock) + sized(b"null")


def awareness_lying_count(count: int = 2**40) -> bytes:
    return varuint(count) + varuint(1) + varuint(1) + sized(b"{}")


def truncations(message: bytes) -> list[bytes]:
    """Every proper prefix of a message: the receiver may refuse it, and must not wait, read on or guess."""
    return [message[:length] for length in range(len(message))]


def wrong_length(payload: bytes) -> bytes:
    """A byte array that declares one byte more than there is: pycrdt's own reader takes it as it is."""
    return varuint(len(payload) + 1) + payload


def short_string(value: str = "é" * 10) -> bytes:
    """A string behind its length in characters instead of bytes, as pycrdt's `write_var_string` writes it."""
    return varuint(len(value)) + value.encode()


def same_place(edits: int) -> bytes:
    """`edits` characters by one client, all at the start of a text by another and each left of a different character:
    yrs and Yjs look at all earlier ones to place the next. 8,000 of them, 56 KB, keep pycrdt busy for 9 s and 100 KB
    for half a minute, with the interpreter's lock held. `ScannedUpdate.structs` tells how many there are."""
    return update(
        section(2, 0, *(text("y", right_origin=(1, nth)) for nth in range(edits))), section(1, 0, text("x" * edits))
    )
