/** The carets, names and selections of the others. Built through the DOM: the policy forbids `style` in markup. */

import type { DecorationAttrs } from '@tiptap/pm/view'
import type { Awareness } from 'y-protocols/awareness'

import { asPerson, inkOn } from '../lib/identity'

const CARET = 'collaboration-caret__caret'
const LABEL = 'collaboration-caret__label'

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
 * Show the name at a caret again, for its two seconds, whenever its owner does something.
 *
 * @returns stops it.
 */
export function revealMovingCarets(root: HTMLElement, awareness: Awareness): () => void {
  const reveal = ({ added, updated }: { added: number[]; updated: number[] }): void => {
    for (const client of [...added, ...updated]) {
      const label = root.querySelector(`.${CARET}[data-client="${client}"] .${LABEL}`)
      for (const animation of label?.getAnimations() ?? []) animation.currentTime = 0
    }
  }
  awareness.on('change', reveal)
  return () => awareness.off('change', reveal)
}
