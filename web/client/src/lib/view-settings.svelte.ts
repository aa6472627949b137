/** How this browser shows documents: kept from page to page. */

import { readFact, writeFact } from './storage'

const KEY = 'coscribe:view'

interface Kept {
  wide: boolean
  outline: boolean
}

function kept(): Kept {
  const { wide, outline } = (readFact(KEY) ?? {}) as Partial<Record<keyof Kept, unknown>>
  return { wide: wide === true, outline: outline === true }
}

class ViewSettings {
  #kept: Kept = $state(kept())
  /** Nothing but the text. Not kept: who comes back looks for the rest. */
  focus = $state(false)
  /** The text in the colours of who wrote it. Not kept either. */
  authors = $state(false)

  get wide(): boolean {
    return this.#kept.wide
  }

  set wide(wide: boolean) {
    this.#kept.wide = wide
    writeFact(KEY, this.#kept)
  }

  get outline(): boolean {
    return this.#kept.outline
  }

  set outline(outline: boolean) {
    this.#kept.outline = outline
    writeFact(KEY, this.#kept)
  }
}

export const viewSettings = new ViewSettings()
