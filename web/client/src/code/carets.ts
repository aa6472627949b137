/**
 * The carets, names and selections of the others in plain text, and one's own for them, as relative positions in the field
 * `cursor`, which is where other applications with CodeMirror and Yjs have it.
 */

import { Annotation, RangeSetBuilder, type Extension } from '@codemirror/state'
import { Decoration, EditorView, ViewPlugin, WidgetType, type DecorationSet, type PluginValue, type ViewUpdate } from '@codemirror/view'
import type { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'

import { renderCaret } from '../editor/caret'
import { asPerson } from '../lib/identity'

const FIELD = 'cursor'
const moved = Annotation.define<boolean>()

interface Place {
  client: number
  user: Record<string, unknown>
  from: number
  to: number
  head: number
}

class Caret extends WidgetType {
  constructor(readonly place: Place) {
    super()
  }

  override eq(other: Caret): boolean {
    const [mine, theirs] = [this.place, other.place]
    return mine.client === theirs.client && mine.user['name'] === theirs.user['name'] && mine.user['color'] === theirs.user['color']
  }

  toDOM(): HTMLElement {
    return renderCaret({ ...this.place.user, client: this.place.client })
  }

  override ignoreEvent(): boolean {
    return true
  }
}

/** Where somebody is; null when they are not in this text. */
export function placeOf(awareness: Awareness, client: number, text: Y.Text): Place | null {
  const state = awareness.getStates().get(client)
  const cursor = state?.[FIELD] as { anchor?: unknown; head?: unknown } | null | undefined
  if (state === undefined || typeof cursor !== 'object' || cursor === null) return null
  const [anchor, head] = [indexOf(cursor.anchor, text), indexOf(cursor.head, text)]
  if (anchor === null || head === null) return null
  return { client, user: { ...asPerson(state['user'], client) }, from: Math.min(anchor, head), to: Math.max(anchor, head), head }
}

function indexOf(position: unknown, text: Y.Text): number | null {
  if (position === undefined || position === null || text.doc === null) return null
  try {
    const absolute = Y.createAbsolutePositionFromRelativePosition(Y.createRelativePositionFromJSON(position), text.doc)
    return absolute?.type === text ? absolute.index : null
  } catch {
    // Anybody may write anything there.
    return null
  }
}

export function carets(text: Y.Text, awareness: Awareness): Extension {
  class Carets implements PluginValue {
    decorations: DecorationSet = Decoration.none
    readonly #view: EditorView

    constructor(view: EditorView) {
      this.#view = view
      awareness.on('change', this.#heed)
      this.decorations = this.#draw()
    }

    destroy(): void {
      awareness.off('change', this.#heed)
      awareness.setLocalStateField(FIELD, null)
    }

    update(update: ViewUpdate): void {
      if (update.docChanged || update.selectionSet || update.focusChanged) this.#tell(update)
      if (update.docChanged || update.transactions.some((transaction) => transaction.annotation(moved) === true)) this.decorations = this.#draw()
    }

    readonly #heed = ({ added, updated, removed }: Record<'added' | 'updated' | 'removed', number[]>): void => {
      const clients = [...added, ...updated, ...removed]
      if (!clients.some((client) => client !== awareness.clientID)) return
      this.#view.dispatch({ annotations: [moved.of(true)] })
      for (const client of updated) {
        const label = this.#view.dom.querySelector(`[data-client="${client}"] > *`)
        for (const animation of label?.getAnimations() ?? []) animation.currentTime = 0
      }
    }

    /** Whose text has not the focus is shown where they were last. */
    #tell({ view, state }: ViewUpdate): void {
      if (!view.hasFocus) return
      const { anchor, head } = state.selection.main
      const now = { anchor: Y.createRelativePositionFromTypeIndex(text, anchor), head: Y.createRelativePositionFromTypeIndex(text, head) }
      const before = awareness.getLocalState()?.[FIELD] as { anchor: unknown; head: unknown } | null | undefined
      if (JSON.stringify(before) === JSON.stringify(now)) return
      awareness.setLocalStateField(FIELD, now)
    }

    #draw(): DecorationSet {
      const { length } = this.#view.state.doc
      const drawn: { from: number; to: number; decoration: Decoration }[] = []
      for (const client of awareness.getStates().keys()) {
        if (client === awareness.clientID) continue
        const place = placeOf(awareness, client, text)
        if (place === null || place.to > length) continue
        const style = `--person: ${asPerson(place.user, client).color}`
        if (place.from < place.to) {
          drawn.push({ from: place.from, to: place.to, decoration: Decoration.mark({ class: 'collaboration-caret__selection', attributes: { style } }) })
        }
        drawn.push({ from: place.head, to: place.head, decoration: Decoration.widget({ widget: new Caret(place), side: place.head === place.from ? -1 : 1 }) })
      }
      drawn.sort((a, b) => a.from - b.from || a.decoration.startSide - b.decoration.startSide)
      const builder = new RangeSetBuilder<Decoration>()
      for (const { from, to, decoration } of drawn) builder.add(from, to, decoration)
      return builder.finish()
    }
  }
  return ViewPlugin.fromClass(Carets, { decorations: (plugin) => plugin.decorations })
}

/** As `followCaret` in rich text. @returns stops it. */
export function followIn(view: EditorView, awareness: Awareness, text: Y.Text, client: number, left: () => void): () => void {
  let frame = 0
  const goSoon = (): void => {
    cancelAnimationFrame(frame)
    frame = requestAnimationFrame(() => {
      const place = placeOf(awareness, client, text)
      if (place !== null && place.head <= view.state.doc.length) view.dispatch({ effects: EditorView.scrollIntoView(place.head, { y: 'center' }) })
    })
  }
  const heed = ({ updated, removed }: Record<'updated' | 'removed', number[]>): void => {
    if (removed.includes(client)) left()
    else if (updated.includes(client)) goSoon()
  }
  const takeOver = (event: Event): void => {
    if (!(event instanceof KeyboardEvent) || event.key === 'Escape' || view.hasFocus) left()
  }
  awareness.on('change', heed)
  for (const event of ['wheel', 'touchmove', 'keydown'] as const) addEventListener(event, takeOver, { passive: true })
  goSoon()
  return () => {
    cancelAnimationFrame(frame)
    awareness.off('change', heed)
    for (const event of ['wheel', 'touchmove', 'keydown'] as const) removeEventListener(event, takeOver)
  }
}
