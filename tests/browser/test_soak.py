"""What the soak of `tests.browser.soak` calls growth."""

from dataclasses import replace

import pytest

from tests.browser.growth import MIB, Held, leaks, too_much

USUAL = Held(document=20_000, heap=9 * MIB, nodes=1200, listeners=140, rows=300, copy=40_000, storage=2 * MIB)


def test_what_a_page_needs_is_no_leak() -> None:
    assert leaks("Ada", replace(USUAL, heap=12 * MIB, nodes=1500, listeners=170), USUAL) == []
    assert too_much("Ada", [USUAL, replace(USUAL, rows=600, copy=90_000, storage=9 * MIB)]) == []


@pytest.mark.parametrize(("what", "amount"), [("heap", 40 * MIB), ("nodes", 9_000), ("listeners", 900)])
def test_what_a_page_goes_on_holding_is_a_leak(what: str, amount: int) -> None:
    (found,) = leaks("Ada", replace(USUAL, **{what: amount}), USUAL)
    assert found.startswith(f"Ada: {what} {amount:,}, and {getattr(USUAL, what):,} once opened anew")


@pytest.mark.parametrize(("what", "amount"), [("rows", 1_500), ("copy", 4 * MIB), ("storage", 99 * MIB)])
def test_a_copy_that_grows_is_found(what: str, amount: int) -> None:
    (found,) = too_much("Ben", [USUAL, replace(USUAL, **{what: amount})])
    assert found.startswith("Ben: ")
    assert str(amount) in found.replace(",", "")
