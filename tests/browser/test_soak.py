"""The soak of `tests.browser.soak`, for some seconds; and that it says what it finds."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.browser.growth import MIB, Held, leaks, too_much
from tests.browser.soak import Soak, soak

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(240)]

SECONDS = 15
USUAL = Held(document=20_000, heap=9 * MIB, nodes=1200, listeners=140, rows=300, copy=40_000, storage=2 * MIB)


async def test_two_people_go_through_everything_for_some_seconds(
    browser: Callable[[], Awaitable[Browser]], tmp_path: Path, seed: int
) -> None:
    lines: list[str] = []
    found = await soak(await browser(), tmp_path / "server", Soak(SECONDS, seed, lines.append))
    assert found == [], "\n".join(lines)


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
