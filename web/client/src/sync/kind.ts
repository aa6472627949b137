/**
 * What kind of text a document is, as the document itself says: `kind` and `language` in its map `coscribe`. A document that
 * says nothing is rich text. Markdown and code are plain text, in the root `codemirror`.
 */

import * as Y from 'yjs'

export const KIND_ROOT = 'coscribe'
/** The root with rich text, the same in every Tiptap application. */
export const FRAGMENT = 'default'
/** The root with the text, the same in every application with CodeMirror and Yjs. */
export const PLAIN_TEXT = 'codemirror'
const [KIND, LANGUAGE] = ['kind', 'language']

export const PLAIN_KINDS = ['markdown', 'code'] as const

export interface PlainKind {
  kind: (typeof PLAIN_KINDS)[number]
  /** Of the code. */
  language: string | null
}

/** `unknown`: made with a later version of the app, which gave it a name. */
export type Kind = PlainKind | { kind: 'rich' } | { kind: 'unknown'; name: string }

export const RICH: Kind = { kind: 'rich' }

export function isPlain(kind: Kind): kind is PlainKind {
  return kind.kind === 'markdown' || kind.kind === 'code'
}

export function plainTextOf(doc: Y.Doc): Y.Text {
  return doc.getText(PLAIN_TEXT)
}

export function kindOf(doc: Y.Doc): Kind {
  const root = rootOf(doc)
  const kind: unknown = root?.get(KIND)
  if (typeof kind !== 'string') return RICH
  const language: unknown = root?.get(LANGUAGE)
  if (kind === 'markdown' || kind === 'code') return { kind, language: typeof language === 'string' ? language : null }
  return { kind: 'unknown', name: kind }
}

export function setKind(doc: Y.Doc, { kind, language }: PlainKind): void {
  const root = doc.getMap(KIND_ROOT)
  doc.transact(() => {
    root.set(KIND, kind)
    if (language !== null) root.set(LANGUAGE, language)
  })
}

/** Call `changed` whenever another kind or language is set, by whomever. */
export function watchKind(doc: Y.Doc, changed: (kind: Kind) => void): void {
  rootOf(doc)?.observe(() => changed(kindOf(doc)))
}

/** Null when another application has something else under this name. */
function rootOf(doc: Y.Doc): Y.Map<unknown> | null {
  try {
    return doc.getMap(KIND_ROOT)
  } catch {
    return null
  }
}
