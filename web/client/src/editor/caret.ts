/** The carets, names and selections of the others. Built through the DOM: the policy forbids `style` in markup. */

import type { Editor } from '@tiptap/core'
import type { DecorationAttrs } from '@tiptap/pm/view'
import type { Awareness } from 'y-protocols/awareness'

import { asPerson, inkOn } from '../lib/identity'

const CARET = 'collaboration-caret__caret'
const LABEL = 'collaboration-caret__label'
const LEFTWARDS = 'collaboration-caret__label--leftwards'

export function renderCaret(user: Record<string, unknown>): HTMLElement {
  const { name, color } = asPerson(user, 0)
  const caret = document.createElement('span')
  caret.className = CARET
  caret.style.setProperty('--person', color)
  caret.style.setProperty('--person-ink', inkOn(color))
  if (typeof user['client'] === 'number') caret.dataset['client'] = String(user['client'])
  // Reading the text aloud must not spell out where everybody stands; the list of people names them.
  caret.setAttribute('aria-hidden', 'true')
  const label = document.createElement('span')
  label.className = LABEL
  label.textContent = name
  caret.append(label)
  return caret
}

export function renderSelection(user: Record<string, unknown>): DecorationAttrs {
  // The editor sets this through `element.style`; the colour is a checked hex value.
  return { class: 'collaboration-caret__selection', style: `--person: ${asPerson(user, 0).color}` }
}

/**
 * Show the name at a caret again, for its two seconds, whenever its owner does something, and keep the names of carets
 * at the right edge inside the window.
 *
 * @returns stops it.
 */
export function tendCarets(editor: Editor, awareness: Awareness): () => void {
  const { dom } = editor.view
  let frame = 0

  const reveal = ({ added, updated }: { added: number[]; updated: number[] }): void => {
    for (const client of [...added, ...updated]) {
      const label = dom.querySelector(`.${CARET}[data-client="${client}"] .${LABEL}`)
      for (const animation of label?.getAnimations() ?? []) animation.currentTime = 0
    }
  }
  const place = (): void => {
    const right = document.documentElement.clientWidth
    const labels = [...dom.querySelectorAll<HTMLElement>(`.${LABEL}`)]
    // All is measured before anything changes: one layout, however many people are here.
    const turned = labels.map((label) => (label.parentElement?.getBoundingClientRect().left ?? 0) + label.offsetWidth > right)
    labels.forEach((label, index) => label.classList.toggle(LEFTWARDS, turned[index]))
  }
  // Carets are drawn anew by changes of the text as well as by moves of their owners; both are transactions.
  const placeSoon = (): void => {
    cancelAnimationFrame(frame)
    frame = requestAnimationFrame(place)
  }

  awareness.on('change', reveal)
  editor.on('transaction', placeSoon)
  return () => {
    cancelAnimationFrame(frame)
    awareness.off('change', reveal)
    editor.off('transaction', placeSoon)
  }
}
