/** Put an open popover under the control that opened it, or above where there is more room, inside the window. */

const GAP = 8

export function placeUnder(popover: HTMLElement, anchor: HTMLElement): void {
  const { left, right, top, bottom } = anchor.getBoundingClientRect()
  const start = getComputedStyle(anchor).direction === 'rtl' ? right - popover.offsetWidth : left
  const { clientWidth, clientHeight } = document.documentElement
  const room = clientWidth - popover.offsetWidth - GAP
  const below = clientHeight - bottom - GAP >= popover.offsetHeight || clientHeight - bottom >= top
  const highest = below ? bottom + GAP : top - GAP - popover.offsetHeight
  popover.style.left = `${Math.max(GAP, Math.min(start, room))}px`
  popover.style.top = `${Math.max(GAP, Math.min(highest, clientHeight - popover.offsetHeight - GAP))}px`
}
