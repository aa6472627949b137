"""Updates written by hand are those that a Yjs document would make."""

import random

from pycrdt import Doc, Text, merge_updates

from bench.generator.codec import TEXT, insert, ranges, read_varuint, typed, varuint


def read(*updates: bytes) -> str:
    doc: Doc[Text] = Doc()
    for update in updates:
        doc.apply_update(update)
    return str(doc.get(TEXT, type=Text))


def test_keystrokes_make_the_text_that_was_typed() -> None:
    keystrokes = [insert(1_000_000_007, clock, typed(1_000_000_007, clock + 1)[-1]) for clock in range(300)]
    assert read(*keystrokes) == typed(1_000_000_007, 300)


def test_a_keystroke_is_byte_for_byte_what_pycrdt_writes() -> None:
    doc: Doc[Text] = Doc(client_id=4_000_000_001)
    written: list[bytes] = []
    subscription = doc.observe(lambda event: written.append(event.update))
    text = doc.get(TEXT, type=Text)
    text.insert(0, "a")
    text.insert(1, "b")
    doc.unobserve(subscription)
    assert [update for update in written if len(update) > 2] == [
        insert(4_000_000_001, 0, "a"),
        insert(4_000_000_001, 1, "b"),
    ]


def test_one_run_is_the_same_as_its_keystrokes() -> None:
    ids = (1_000_000_000, 1_000_000_001, 7)
    keystrokes = [insert(client, clock, typed(client, clock + 1)[-1]) for client in ids for clock in range(40)]
    assert read(*keystrokes) == read(*(insert(client, 0, typed(client, 40)) for client in ids))


def test_ranges_are_found_however_updates_are_merged(rng: random.Random) -> None:
    keystrokes = [(client, clock) for client in (5, 600, 70_000_000) for clock in range(30)]
    updates = [insert(client, clock, typed(client, clock + 1)[-1]) for client, clock in keystrokes]
    while len(updates) > 1:
        cut = rng.randrange(1, len(updates))
        updates = [merge_updates(*updates[: cut + 1]), *updates[cut + 1 :]]
        found = [
            (client, clock) for update in updates for client, low, high in ranges(update) for clock in range(low, high)
        ]
        assert sorted(found) == sorted(keystrokes)


def test_ranges_count_deleted_text_and_skip_what_is_not_there() -> None:
    doc: Doc[Text] = Doc(client_id=9)
    text = doc.get(TEXT, type=Text)
    text.insert(0, "hello")
    del text[1:4]
    assert sum(high - low for _, low, high in ranges(doc.get_update())) == 5
    apart = merge_updates(insert(9, 0, "a"), insert(9, 5, "b"))
    assert ranges(apart) == [(9, 0, 1), (9, 5, 6)]


def test_varuints_come_back(rng: random.Random) -> None:
    for value in [0, 127, 128, 2**32, 2**53 - 1, *(rng.randrange(2**53) for _ in range(100))]:
        encoded = varuint(value)
        assert read_varuint(b"x" + encoded + b"y", 1) == (value, 1 + len(encoded))
