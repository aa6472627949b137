/** Put an open popover under the control that opened it, inside the window. */

const GAP = 8

export function placeUnder(popover: HTMLElement, anchor: HTMLElement): void {
  const { left, right, bottom } = anchor.getBoundingClientRect()
  const start = getComputedStyle(anchor).direction === 'rtl' ? right - popover.offsetWidth : left
  const room = document.documentElement.clientWidth - popover.offsetWidth - GAP
  popover.style.left = `${Math.max(GAP, Math.min(start, room))}px`
  popover.style.top = `${bottom + GAP}px`
}
