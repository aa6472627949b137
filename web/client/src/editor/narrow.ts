/**
 * Narrows an edit of somebody else down to what it changes.
 *
 * y-tiptap replaces the whole text with the new one. Whatever has its place there would lose it (an image on its way, bold
 * that was switched on and not yet typed), and every plugin would look through everything for every key of the others.
 *
 * Rule N1: the text is the one that y-tiptap made, to the last node. Otherwise its own transaction stands.
 * Rule N2: y-tiptap knows a node again by its identity: what it remembers are the nodes that the editor has.
 */

import type { Node } from '@tiptap/pm/model'
import { Selection, type EditorState, type Transaction } from '@tiptap/pm/state'
import { ReplaceStep } from '@tiptap/pm/transform'
import { ySyncPluginKey } from '@tiptap/y-tiptap'
import type { AbstractType } from 'yjs'

export type Mapping = Map<AbstractType<unknown>, Node | Node[]>

/** What the extension for links calls it. */
const NO_LINKS = 'preventAutolink'

/** Instead of `tr`: the same, as a smaller step. `mapping` is that of y-tiptap. */
export function narrowed(state: EditorState, tr: Transaction, mapping: Mapping): Transaction {
  const sync = tr.getMeta(ySyncPluginKey) as { isChangeOrigin?: boolean } | undefined
  if (sync?.isChangeOrigin !== true || !tr.docChanged || tr.before !== state.doc) return tr
  // Whoever types an address makes it a link. Those who see it come would make it one again, readers among them.
  tr.setMeta(NO_LINKS, true)
  const narrow = state.tr
  const step = difference(state.doc, tr.doc)
  if ((step !== null && !applies(narrow, step)) || !narrow.doc.eq(tr.doc)) return tr
  // Before the selection, which takes them away.
  const { storedMarks } = state
  if (tr.selectionSet) narrow.setSelection(Selection.fromJSON(narrow.doc, tr.selection.toJSON()))
  if (storedMarks !== null) narrow.setStoredMarks(storedMarks)
  if (tr.scrolledIntoView) narrow.scrollIntoView()
  remember(mapping, tr.doc, narrow.doc)
  return narrow.setMeta(ySyncPluginKey, sync).setMeta(NO_LINKS, true)
}

function applies(tr: Transaction, step: ReplaceStep): boolean {
  try {
    return tr.maybeStep(step).failed === null
  } catch {
    // A node that could not have this content is said so in another way.
    return false
  }
}

/** Null where there is none. */
function difference(before: Node, after: Node): ReplaceStep | null {
  const start = before.content.findDiffStart(after.content)
  const end = before.content.findDiffEnd(after.content)
  if (start === null || end === null) return null
  // "aa" that becomes "aaa" is the same from both ends.
  const overlap = Math.max(0, start - Math.min(end.a, end.b))
  return new ReplaceStep(start, end.a + overlap, after.slice(start, end.b + overlap))
}

/** Rule N2. */
function remember(mapping: Mapping, made: Node, kept: Node): void {
  const instead = new Map<Node, Node>()
  const walk = (from: Node, to: Node): void => {
    if (from === to) return
    instead.set(from, to)
    from.forEach((child, _offset, index) => walk(child, to.child(index)))
  }
  walk(made, kept)
  const of = (node: Node): Node => instead.get(node) ?? node
  for (const [shared, node] of mapping) mapping.set(shared, Array.isArray(node) ? node.map(of) : of(node))
}
