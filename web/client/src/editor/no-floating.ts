/** In the place of `@floating-ui/dom`, which Tiptap's suggestions bring for popups that they place: ours places itself. */

export const offset = (): null => null
export const flip = (): null => null

export function computePosition(): never {
  throw new Error('Nothing here is placed by Tiptap.')
}

export const autoUpdate = computePosition
