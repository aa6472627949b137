/** Says that somebody types here, and goes after the caret of somebody else. */

import type { Editor } from '@tiptap/core'
import type { Awareness } from 'y-protocols/awareness'

const TYPING = 'typing'
const TYPING_MS = 2000

/** @returns stops it. */
export function tellTyping(dom: HTMLElement, writable: () => boolean, awareness: Awareness): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined
  const tell = (event: Event): void => {
    if (!writable() || (event as InputEvent).isComposing) return
    awareness.setLocalStateField(TYPING, true)
    clearTimeout(timer)
    timer = setTimeout(() => awareness.setLocalStateField(TYPING, null), TYPING_MS)
  }
  dom.addEventListener('beforeinput', tell)
  return () => {
    clearTimeout(timer)
    dom.removeEventListener('beforeinput', tell)
  }
}

/**
 * Keep somebody's caret in sight, until whoever looks does something themselves.
 *
 * @param left is called when the person is gone or whoever looks has taken over.
 * @returns stops it.
 */
export function followCaret(editor: Editor, awareness: Awareness, client: number, left: () => void): () => void {
  let frame = 0
  const go = (): void => {
    const caret = editor.view.dom.querySelector(`.collaboration-caret__caret[data-client="${client}"]`)
    const smooth = !matchMedia('(prefers-reduced-motion: reduce)').matches
    caret?.scrollIntoView({ block: 'center', behavior: smooth ? 'smooth' : 'auto' })
  }
  const goSoon = (): void => {
    cancelAnimationFrame(frame)
    frame = requestAnimationFrame(go)
  }
  const heed = ({ updated, removed }: { updated: number[]; removed: number[] }): void => {
    if (removed.includes(client)) left()
    else if (updated.includes(client)) goSoon()
  }
  const takeOver = (event: Event): void => {
    if (!(event instanceof KeyboardEvent) || event.key === 'Escape' || editor.isFocused) left()
  }
  awareness.on('change', heed)
  editor.on('transaction', goSoon)
  for (const event of ['wheel', 'touchmove', 'keydown'] as const) addEventListener(event, takeOver, { passive: true })
  goSoon()
  return () => {
    cancelAnimationFrame(frame)
    awareness.off('change', heed)
    editor.off('transaction', goSoon)
    for (const event of ['wheel', 'touchmove', 'keydown'] as const) removeEventListener(event, takeOver)
  }
}
