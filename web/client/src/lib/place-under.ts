/** Put an open popover under the control that opened it, inside the window. */

const GAP = 8

export function placeUnder(popover: HTMLElement, anchor: HTMLElement): void {
  const { left, bottom } = anchor.getBoundingClientRect()
  const room = document.documentElement.clientWidth - popover.offsetWidth - GAP
  popover.style.left = `${Math.max(GAP, Math.min(left, room))}px`
  popover.style.top = `${bottom + GAP}px`
}
