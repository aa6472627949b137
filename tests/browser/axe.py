"""axe-core on the pages of the browser tests."""

from tests.browser.pages import DESKTOP, PHONE, Person

_RUN = """async () => (await axe.run()).violations.map(({id, nodes}) => `${id}: ${nodes.map((node) => node.html)}`)"""

_STICKS_OUT = """() => {
    const { scrollWidth, clientWidth } = document.documentElement
    return scrollWidth > clientWidth ? [`${scrollWidth - clientWidth} px wider than the window`] : []
}"""
_FINISH = """() => {
    const ending = (animation) => Number.isFinite(animation.effect?.getComputedTiming().endTime)
    for (const animation of document.getAnimations().filter(ending)) animation.finish()
}"""


async def sound(person: Person, axe: str) -> None:
    """axe finds nothing on what is open, wide and light, then narrow and dark; and nothing sticks out sideways."""
    found = []
    for screen in (PHONE | {"color_scheme": "dark"}, DESKTOP):
        await person.page.set_viewport_size(screen["viewport"])
        await person.page.emulate_media(color_scheme=screen["color_scheme"])
        found += await violations(person, axe)
        found += await person.page.evaluate(_STICKS_OUT)
    assert found == [], (person.page.url, found)


async def violations(person: Person, axe: str) -> list[str]:
    # What fades in or out is judged when it is there, or gone.
    await person.page.evaluate(_FINISH)
    # Through the debugger: the policy of the page lets no script in.
    session = await person.context.new_cdp_session(person.page)
    await session.send("Runtime.evaluate", {"expression": axe})
    found: list[str] = await person.page.evaluate(_RUN)
    return found
