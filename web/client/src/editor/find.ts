/** Finds and replaces in the text. The plugin only marks what matches; `FindBar.svelte` is its user interface. */

import { Extension, type Editor } from '@tiptap/core'
import { findNext, findPrev, getMatchHighlights, replaceAll, replaceNext, search, SearchQuery, setSearchState } from 'prosemirror-search'

import type { Finder, Wanted } from '../lib/text-tools'

export const Find = Extension.create({
  name: 'find',
  addProseMirrorPlugins: () => [search()],
})

function lookFor(editor: Editor, { text, replacement, caseSensitive }: Wanted): void {
  // `literal` keeps "\n" in what people type what it is.
  const query = new SearchQuery({ search: text, replace: replacement, caseSensitive, literal: true })
  editor.view.dispatch(setSearchState(editor.state.tr, query))
}

function stopLooking(editor: Editor): void {
  if (!editor.isDestroyed) editor.view.dispatch(setSearchState(editor.state.tr, new SearchQuery({ search: '' })))
}

/** How many places match, and which of them is selected, counted from 1; 0 for none. */
function standing({ state }: Editor): { count: number; at: number } {
  const matches = getMatchHighlights(state).find()
  const { from, to } = state.selection
  return { count: matches.length, at: matches.findIndex((match) => match.from === from && match.to === to) + 1 }
}

const COMMANDS = { next: findNext, previous: findPrev, replace: replaceNext, replaceAll }

function step(editor: Editor, command: keyof typeof COMMANDS): void {
  COMMANDS[command](editor.state, editor.view.dispatch)
  // The text has not the focus, so the browser scrolls to nothing by itself.
  const { node } = editor.view.domAtPos(editor.state.selection.from)
  const element = node instanceof Element ? node : node.parentElement
  element?.scrollIntoView({ block: 'center' })
}

export function finderOf(editor: Editor): Finder {
  return {
    selected: () => {
      const { from, to, empty } = editor.state.selection
      return empty ? '' : editor.state.doc.textBetween(from, to, '\n')
    },
    look: (wanted) => lookFor(editor, wanted),
    stop: () => stopLooking(editor),
    standing: () => standing(editor),
    step: (command) => step(editor, command),
    onChange: (changed) => {
      editor.on('transaction', changed)
      return () => editor.off('transaction', changed)
    },
    focus: () => editor.commands.focus(),
  }
}
