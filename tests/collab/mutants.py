"""Updates nobody would send on purpose: well-formed at random, or real ones with damage."""

import random
from collections.abc import Sequence

from tests.collab.editing import CLIENT_IDS
from tests.e2e.wire import sized, varuint
from tests.hostile import (
    ANY,
    BINARY,
    DELETED,
    DOC,
    EMBED,
    FORMAT,
    MAP_TYPE,
    TYPE,
    XML_ELEMENT_TYPE,
    XML_HOOK_TYPE,
    XML_TEXT_TYPE,
    Id,
    deletions,
    gc,
    item,
    section,
    skip,
    text,
    update,
)

CLIENTS = (7, 9, *CLIENT_IDS)
ROOTS = ("t", "m", "text", "map", "array", "xml")
ANYS = (b"\x7e", b"\x7d\x05", b"\x75\x02\x7e\x7e", b"\x76\x01\x01a\x78", b"\x77\x04\xf0\x9f\x98\x80")
JSONS = (b"true", b"null", b'{"a":1}', b'["\\ud83d\\ude00"]')


def random_update(rng: random.Random) -> bytes:
    """Structs of every kind under a few client ids, with clocks, origins and parents that may or may not exist."""
    sections = []
    for client in rng.sample(CLIENTS, rng.choice((0, 1, 1, 1, 2, 3))):
        first = clock = rng.choice((0, rng.randint(0, 40)))
        structs = []
        for _ in range(rng.randint(1, 8)):
            struct, length = _random_struct(rng, client, clock)
            structs.append(struct)
            clock += length
        sections.append(section(client, first, *structs))
    deleted: dict[int, list[tuple[int, int]]] = {}
    for client in rng.sample(CLIENTS, rng.choice((0, 0, 1, 2))):
        ends = sorted(rng.sample(range(40), 2 * rng.randint(1, 3)))
        deleted[client] = [(start, end - start) for start, end in zip(ends[::2], ends[1::2], strict=True)]
    return update(*sections, deletions=deletions(deleted))


def _random_struct(rng: random.Random, client: int, clock: int) -> tuple[bytes, int]:
    length = rng.randint(1, 4)
    if rng.random() < 0.1:
        return (gc if rng.random() < 0.6 else skip)(length), length
    origin = _random_id(rng, client, clock) if rng.random() < 0.6 else None
    right_origin = _random_id(rng, client, clock) if rng.random() < 0.3 else None
    parent = rng.choice(ROOTS) if rng.random() < 0.6 else _random_id(rng, client, clock)
    key = rng.choice((None, None, "k", "x"))
    kind = rng.choice((DELETED, BINARY, EMBED, FORMAT, TYPE, TYPE, ANY, ANY, DOC, None, None, None, None))
    if kind is None:
        value = "".join(rng.choices(("a", "b", "é", "\U0001f600"), k=length))
        written = text(value, origin=origin, right_origin=right_origin, parent=parent, key=key)
        return written, len(value.encode("utf-16-le")) // 2
    if kind == DELETED:
        content = varuint(length)
    elif kind == ANY:
        content = varuint(length) + b"".join(rng.choices(ANYS, k=length))
    else:
        length = 1
        content = {
            BINARY: sized(b"\xff\x00"),
            EMBED: sized(rng.choice(JSONS)),
            FORMAT: sized(b"bold") + sized(rng.choice(JSONS)),
            TYPE: _random_type(rng),
            DOC: sized(b"guid") + b"\x76\x00",
        }[kind]
    return item(kind, content, origin=origin, right_origin=right_origin, parent=parent, key=key), length


def _random_type(rng: random.Random) -> bytes:
    number = rng.choice([number for number in range(XML_TEXT_TYPE + 1) if number != XML_HOOK_TYPE] + [MAP_TYPE])
    return varuint(number) + (sized(b"p") if number == XML_ELEMENT_TYPE else b"")


def _random_id(rng: random.Random, client: int, clock: int) -> Id:
    if clock and rng.random() < 0.5:
        return client, max(0, clock - rng.randint(1, 4))
    return rng.choice(CLIENTS), rng.randint(0, 40)


def damaged(rng: random.Random, updates: Sequence[bytes]) -> bytes:
    """One of `updates` with one to three bytes flipped, changed, cut out, put in, or copied from another."""
    broken = bytearray(rng.choice(updates))
    for _ in range(rng.randint(1, 3)):
        if not broken:
            break
        at = rng.randrange(len(broken))
        kind = rng.randrange(6)
        if kind == 0:
            broken[at] = rng.randrange(256)
        elif kind == 1:
            broken[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            broken[at] = (broken[at] + rng.choice((-1, 1))) % 256
        elif kind == 3:
            del broken[at : at + rng.randint(1, 4)]
        elif kind == 4:
            broken[at:at] = rng.randbytes(rng.randint(1, 3))
        else:
            donor = rng.choice(updates)
            start = rng.randrange(len(donor))
            broken[at : at + rng.randint(1, 10)] = donor[start : start + rng.randint(1, 10)]
    return bytes(broken)
