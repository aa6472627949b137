/**
 * Keeps this app from destroying what it cannot show.
 *
 * The editor binding deletes, for everybody, each element and text it has no schema for: opening a document with a
 * table in an app without tables would be enough. So a document is looked through before the editor is bound to it,
 * and each change of somebody else before the binding sees it.
 */

import type { Schema } from '@tiptap/pm/model'
import * as Y from 'yjs'

/** Marks that may overlap carry a hash of their attributes: `comment--q1B3aZ8=`. */
const HASHED_MARK = /^(.*)--[a-zA-Z0-9+/=]{8}$/

/** The first thing under `fragment` that `schema` does not know, by name; null when it knows everything. */
export function findUnknown(fragment: Y.XmlFragment, schema: Schema): string | null {
  for (const child of fragment.toArray()) {
    const unknown = child instanceof Y.XmlText ? 'text outside of a paragraph' : unknownIn(child, schema)
    if (unknown !== null) return unknown
  }
  return null
}

function unknownIn(node: unknown, schema: Schema): string | null {
  if (node instanceof Y.XmlText) return unknownInText(node, schema)
  if (!(node instanceof Y.XmlElement)) return 'a foreign kind of node'
  if (schema.nodes[node.nodeName] === undefined) return node.nodeName
  for (const child of node.toArray()) {
    const unknown = unknownIn(child, schema)
    if (unknown !== null) return unknown
  }
  return null
}

function unknownInText(text: Y.XmlText, schema: Schema): string | null {
  for (const { insert, attributes } of text.toDelta() as { insert: unknown; attributes?: object }[]) {
    if (typeof insert !== 'string') return 'an embedded object'
    for (const attribute of Object.keys(attributes ?? {})) {
      const mark = HASHED_MARK.exec(attribute)?.[1] ?? attribute
      if (schema.marks[mark] === undefined) return mark
    }
  }
  return null
}

/**
 * Call `found` when a change brings something under `fragment` that `schema` does not know, before any observer
 * of the document runs: a binding that is destroyed inside `found` leaves it untouched.
 *
 * @returns stops the watch.
 */
export function watchForUnknown(fragment: Y.XmlFragment, schema: Schema, found: (unknown: string) => void): () => void {
  const { doc } = fragment
  if (doc === null) throw new Error('The fragment belongs to no document.')
  const look = ({ changed, local }: Y.Transaction): void => {
    if (local) return
    for (const type of changed.keys() as Iterable<unknown>) {
      const unknown = isUnder(type, fragment) ? unknownInChanged(type, fragment, schema) : null
      if (unknown !== null) {
        found(unknown)
        return
      }
    }
  }
  doc.on('beforeObserverCalls', look)
  return () => doc.off('beforeObserverCalls', look)
}

function unknownInChanged(type: unknown, fragment: Y.XmlFragment, schema: Schema): string | null {
  return type === fragment ? findUnknown(fragment, schema) : unknownIn(type, schema)
}

function isUnder(type: unknown, fragment: Y.XmlFragment): boolean {
  for (let at = type; at instanceof Y.AbstractType; at = at.parent) {
    if (at === fragment) return true
  }
  return false
}
