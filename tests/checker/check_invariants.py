"""The checks themselves: each finds what it is for, and nothing in what is right."""

import pytest

from tests.checker.history import Element, History
from tests.checker.invariants import Reading, violations

DOCUMENT, OTHER = "d", "e"


def at(*tags: str) -> list[Element]:
    return [Element("array", tag) for tag in tags]


def told() -> History:
    """Anna wrote 1 and 2 together and then deleted 1, Ben wrote 3, all of it acknowledged; nobody knows about 4 and 5,
    which Ben wrote afterwards; 6 was refused; 7 is in another document."""
    history = History(lambda: 0.0)
    operations = [
        history.invoke("anna", DOCUMENT, at("1", "2")),
        history.invoke("anna", DOCUMENT, [], at("1")),
        history.invoke("ben", DOCUMENT, at("3")),
    ]
    for operation in operations:
        history.end(operation, "ok")
    history.invoke("ben", DOCUMENT, at("4"))
    history.invoke("ben", DOCUMENT, at("5"))
    history.end(history.invoke("carl", DOCUMENT, at("6")), "failed")
    history.end(history.invoke("anna", OTHER, at("7")), "ok")
    return history


@pytest.mark.parametrize("tags", ["23", "32", "234", "2345"])
def test_what_may_be_there_is_not_complained_about(tags: str) -> None:
    assert list(violations(told(), Reading(DOCUMENT, "a test", at(*tags)))) == []


@pytest.mark.parametrize(
    ("tags", "invariant"),
    [
        ("2", "no loss"),
        ("3", "no loss"),
        ("2334", "exactly once"),
        ("123", "no resurrection"),
        ("238", "no invention"),
        ("236", "no invention"),
        ("237", "isolation"),
        ("235", "session order"),
    ],
)
def test_what_is_wrong_is_found(tags: str, invariant: str) -> None:
    found = list(violations(told(), Reading(DOCUMENT, "a test", at(*tags))))
    assert [violation.invariant for violation in found] == [invariant]


def test_half_a_transaction_is_found() -> None:
    history = History(lambda: 0.0)
    history.invoke("anna", DOCUMENT, at("1", "2"))
    (found,) = violations(history, Reading(DOCUMENT, "a test", at("2")))
    assert found.invariant == "all or none"


def test_an_insertion_without_the_deletion_of_the_same_transaction_is_found() -> None:
    history = History(lambda: 0.0)
    history.end(history.invoke("anna", DOCUMENT, at("1")), "ok")
    history.invoke("anna", DOCUMENT, at("2"), at("1"))
    (found,) = violations(history, Reading(DOCUMENT, "a test", at("1", "2")))
    assert found.invariant == "all or none"
