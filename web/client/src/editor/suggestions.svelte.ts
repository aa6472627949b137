/** What may be put in at the caret, as a list under it: for the slash menu and for mentions. The focus stays in the text. */

import type { SuggestionKeyDownProps, SuggestionProps } from '@tiptap/suggestion'

import type { IconName } from '../lib/icons'

export interface Suggestion {
  id: string
  label: string
  /** Beside the label, quieter. */
  hint?: string
  icon?: IconName
}

export class Suggestions {
  items: readonly Suggestion[] = $state.raw([])
  at = $state(0)
  /** The list's name, for those who hear it. */
  label = $state('')
  open = $state(false)
  /** What was typed after the sign. */
  query = $state('')
  rect: (() => DOMRect | null) | null = $state.raw(null)
  #choose: (item: Suggestion) => void = () => undefined

  /** What Tiptap calls while somebody types behind the sign. */
  render(label: string) {
    const show = ({ items, query, clientRect, command }: SuggestionProps<Suggestion, Suggestion>): void => {
      if (query !== this.query) this.at = 0
      this.items = items
      this.label = label
      this.query = query
      this.rect = clientRect ?? null
      this.#choose = command
      this.at = Math.min(this.at, Math.max(0, items.length - 1))
      this.open = items.length > 0
    }
    return {
      onStart: (props: SuggestionProps<Suggestion, Suggestion>) => {
        this.at = 0
        show(props)
      },
      onUpdate: show,
      onKeyDown: ({ event }: SuggestionKeyDownProps) => this.#steer(event),
      onExit: () => (this.open = false),
    }
  }

  choose(index: number): void {
    const item = this.items[index]
    if (item !== undefined) this.#choose(item)
  }

  #steer(event: KeyboardEvent): boolean {
    if (!this.open || event.isComposing) return false
    const count = this.items.length
    if (event.key === 'ArrowDown') this.at = (this.at + 1) % count
    else if (event.key === 'ArrowUp') this.at = (this.at + count - 1) % count
    else if (event.key === 'Enter' || event.key === 'Tab') this.choose(this.at)
    else return false
    return true
  }
}
