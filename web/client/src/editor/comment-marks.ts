/** Shows which words have comments. Where that is, relative positions say: they stay with the words, whoever edits. */

import { Extension, type Editor } from '@tiptap/core'
import { Plugin, PluginKey, type EditorState } from '@tiptap/pm/state'
import { Decoration, DecorationSet } from '@tiptap/pm/view'
import { absolutePositionToRelativePosition, relativePositionToAbsolutePosition, ySyncPluginKey } from '@tiptap/y-tiptap'
import * as Y from 'yjs'

import type { Anchor, Thread } from '../lib/comments'

interface Shown {
  threads: readonly Thread[]
  current: string | null
}

interface State extends Shown {
  marks: DecorationSet
}

const key = new PluginKey<State>('commentMarks')

type Binding = { type: Y.XmlFragment; doc: Y.Doc; mapping: Map<never, never> }

function bindingOf(state: EditorState): Binding | null {
  const sync = ySyncPluginKey.getState(state) as { type: Y.XmlFragment; doc: Y.Doc; binding: { mapping: Map<never, never> } | null } | undefined
  return sync?.binding ? { type: sync.type, doc: sync.doc, mapping: sync.binding.mapping } : null
}

/** Where the words of a thread are now; null when they were deleted, or cannot be found yet. */
export function rangeOf(state: EditorState, anchor: Anchor | null): { from: number; to: number } | null {
  const binding = bindingOf(state)
  if (binding === null || anchor === null) return null
  const find = (position: unknown): number | null => {
    try {
      const relative = Y.createRelativePositionFromJSON(position)
      const place = Y.createAbsolutePositionFromRelativePosition(relative, binding.doc)
      if (place === null) return null
      // The binding takes a position that holds on to the first character of all for a mistake.
      const plain = place.type instanceof Y.XmlText ? Y.createRelativePositionFromTypeIndex(place.type, place.index, -1) : relative
      return relativePositionToAbsolutePosition(binding.doc, binding.type, plain, binding.mapping)
    } catch {
      // Not a position at all: whoever may comment may write anything there.
      return null
    }
  }
  const [from, to] = [find(anchor.start), find(anchor.end)]
  return from !== null && to !== null && from < to && to <= state.doc.content.size ? { from, to } : null
}

export function anchorOf(state: EditorState): { anchor: Anchor; quote: string } | null {
  const binding = bindingOf(state)
  const { from, to, empty } = state.selection
  if (binding === null || empty) return null
  // What is written before the first of the words, or behind the last one, is none of them.
  const make = (pos: number, side: 0 | -1): unknown => {
    const position = absolutePositionToRelativePosition(pos, binding.type, binding.mapping) as Y.RelativePosition
    const place = Y.createAbsolutePositionFromRelativePosition(position, binding.doc)
    const inText = place !== null && place.type instanceof Y.XmlText
    return Y.relativePositionToJSON(inText ? Y.createRelativePositionFromTypeIndex(place.type, place.index, side) : position)
  }
  return { anchor: { start: make(from, 0), end: make(to, -1) }, quote: state.doc.textBetween(from, to, ' ') }
}

function draw(state: EditorState, { threads, current }: Shown): State {
  const marks = threads.flatMap(({ id, anchor, resolved }) => {
    const range = resolved ? null : rangeOf(state, anchor)
    const name = id === current ? 'commented current' : 'commented'
    return range === null ? [] : [Decoration.inline(range.from, range.to, { class: name, 'data-thread': id })]
  })
  return { threads, current, marks: DecorationSet.create(state.doc, marks) }
}

export const CommentMarks = Extension.create({
  name: 'commentMarks',
  addProseMirrorPlugins: () => [
    new Plugin<State>({
      key,
      state: {
        init: () => ({ threads: [], current: null, marks: DecorationSet.empty }),
        apply: (tr, before, _old, state) => {
          const shown = tr.getMeta(key) as Shown | undefined
          if (shown !== undefined) return draw(state, shown)
          // What somebody else or an undo brings back has its comments again, which no mapping would know.
          if (tr.docChanged && tr.getMeta(ySyncPluginKey) !== undefined) return draw(state, before)
          return tr.docChanged ? { ...before, marks: before.marks.map(tr.mapping, tr.doc) } : before
        },
      },
      props: { decorations: (state) => key.getState(state)?.marks },
    }),
  ],
})

export function showThreads({ view }: Editor, shown: Shown): void {
  if (!view.isDestroyed) view.dispatch(view.state.tr.setMeta(key, shown).setMeta('addToHistory', false))
}
