"""Everybody comes at once: they are let in a few at a time, in order, and others get their turn in between."""

import asyncio

from web.turnstile import Turnstile


async def test_who_comes_alone_does_not_wait() -> None:
    turnstile = Turnstile(per_turn=2)
    passing = turnstile.turn()
    try:
        passing.send(None)
    except StopIteration:
        return
    raise AssertionError("it waited")


async def test_a_crowd_is_let_in_in_order_with_turns_of_the_loop_in_between() -> None:
    turnstile = Turnstile(per_turn=3)
    seen: list[object] = []

    async def newcomer(number: int) -> None:
        await turnstile.turn()
        seen.append(number)

    async def somebody_inside() -> None:
        while len([one for one in seen if one != "inside"]) < 12:
            seen.append("inside")
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for number in range(12):
            group.create_task(newcomer(number))
        group.create_task(somebody_inside())
    assert [one for one in seen if one != "inside"] == list(range(12))
    gaps = "".join("-" if one == "inside" else "n" for one in seen).split("-")
    assert max(map(len, gaps)) <= 3


async def test_who_leaves_meanwhile_takes_nobodys_turn() -> None:
    turnstile = Turnstile(per_turn=1)
    newcomers = [asyncio.create_task(turnstile.turn()) for _ in range(5)]
    await asyncio.sleep(0)
    newcomers[2].cancel()
    async with asyncio.timeout(10):
        await asyncio.gather(*newcomers, return_exceptions=True)
    assert [newcomer.cancelled() for newcomer in newcomers] == [False, False, True, False, False]
    await asyncio.wait_for(turnstile.turn(), 10)
