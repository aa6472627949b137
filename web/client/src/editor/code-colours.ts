/** Colours in code blocks. What reads the languages is loaded when the first code block is met. */

import { Extension } from '@tiptap/core'
import type { Node } from '@tiptap/pm/model'
import { Plugin, PluginKey } from '@tiptap/pm/state'
import { Decoration, DecorationSet, type EditorView } from '@tiptap/pm/view'

import type { Colourist, Span } from './languages'

const key = new PluginKey<DecorationSet>('codeColours')

/** Guessing a language and colouring are no matter of milliseconds in longer ones. */
const CODE_LENGTH_MAX = 50_000

/** Blocks are never changed, only replaced: what was found for one holds as long as it is there. */
const found = new WeakMap<Node, readonly Span[]>()

function spansOf(block: Node, colourist: Colourist): readonly Span[] {
  let spans = found.get(block)
  if (spans === undefined) {
    const { language } = block.attrs as { language: string | null }
    spans = block.content.size > CODE_LENGTH_MAX ? [] : colourist(block.textContent, language)
    found.set(block, spans)
  }
  return spans
}

function colour(doc: Node, colourist: Colourist): DecorationSet {
  const decorations: Decoration[] = []
  doc.descendants((node, pos) => {
    if (node.type.name !== 'codeBlock') return !node.isTextblock
    for (const { from, to, name } of spansOf(node, colourist)) {
      decorations.push(Decoration.inline(pos + 1 + from, pos + 1 + to, { class: name }))
    }
    return false
  })
  return DecorationSet.create(doc, decorations)
}

function hasCode(doc: Node): boolean {
  let has = false
  doc.descendants((node) => {
    has ||= node.type.name === 'codeBlock'
    return !has && !node.isTextblock
  })
  return has
}

export const CodeColours = Extension.create({
  name: 'codeColours',
  addProseMirrorPlugins() {
    let colourist: Colourist | null = null
    let asked = false
    const load = (view: EditorView): void => {
      if (asked || !hasCode(view.state.doc)) return
      asked = true
      import('./languages').then(
        ({ colourSpans }) => {
          colourist = colourSpans
          if (!view.isDestroyed) view.dispatch(view.state.tr.setMeta(key, true).setMeta('addToHistory', false))
        },
        // Code without colours is code all the same; the next block asks again.
        () => (asked = false),
      )
    }
    return [
      new Plugin<DecorationSet>({
        key,
        state: {
          init: () => DecorationSet.empty,
          apply: (tr, before, _old, state) => {
            if (colourist === null || (!tr.docChanged && tr.getMeta(key) === undefined)) return before.map(tr.mapping, tr.doc)
            return colour(state.doc, colourist)
          },
        },
        props: { decorations: (state) => key.getState(state) },
        view: (view) => {
          load(view)
          return { update: (view, { doc }) => !view.state.doc.eq(doc) && load(view) }
        },
      }),
    ]
  },
})
