/**
 * What the companion of a document holds: threads of comments, by id, and how they are changed.
 *
 * Rule T1: whatever came over the wire is checked here; what is no thread is not shown.
 * Rule T2: a thread's first comment is its beginning: without it there is no thread.
 */

import * as Y from 'yjs'

import { asSignature, type Signature } from './commenters'

const THREADS = 'threads'
export const COMMENT_LENGTH_MAX = 10_000

/** A stretch of the text: two relative positions, as JSON. */
export interface Anchor {
  start: unknown
  end: unknown
}

export interface Comment {
  index: number
  by: Signature
  at: Date
  text: string
}

export interface Thread {
  id: string
  anchor: Anchor | null
  /** What stood there when it was begun. */
  quote: string
  resolved: boolean
  comments: Comment[]
}

/** As `collab.companions` names it. */
export function commentsOf(document: string): string {
  return `${document}~comments`
}

function threadsIn(doc: Y.Doc): Y.Map<unknown> {
  return doc.getMap(THREADS)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function readComment(value: unknown, index: number): Comment | null {
  if (!isRecord(value) || typeof value['text'] !== 'string' || typeof value['at'] !== 'number') return null
  const by: unknown = Object.hasOwn(value, 'by') ? value['by'] : null
  return { index, by: asSignature(by), at: new Date(value['at']), text: value['text'].slice(0, COMMENT_LENGTH_MAX) }
}

function readThread(id: string, value: unknown): Thread | null {
  if (!(value instanceof Y.Map)) return null
  const entries: unknown = value.get('comments')
  if (!(entries instanceof Y.Array)) return null
  const comments = entries.toArray().flatMap((entry, index) => readComment(entry, index) ?? [])
  if (comments.length === 0) return null
  const anchor: unknown = value.get('anchor')
  const quote: unknown = value.get('quote')
  return {
    id,
    anchor: isRecord(anchor) && 'start' in anchor && 'end' in anchor ? { start: anchor['start'], end: anchor['end'] } : null,
    quote: typeof quote === 'string' ? quote : '',
    resolved: value.get('resolved') === true,
    comments,
  }
}

export function readThreads(doc: Y.Doc): Thread[] {
  return [...threadsIn(doc).entries()].flatMap(([id, value]) => readThread(id, value) ?? [])
}

export function watchThreads(doc: Y.Doc, changed: () => void): () => void {
  const threads = threadsIn(doc)
  threads.observeDeep(changed)
  return () => threads.unobserveDeep(changed)
}

/** `by`: what `sign` makes. */
function comment(by: object, text: string): object {
  return { by, at: Date.now(), text: text.trim().slice(0, COMMENT_LENGTH_MAX) }
}

export function beginThread(doc: Y.Doc, anchor: Anchor, quote: string, by: object, text: string): string {
  const id = crypto.randomUUID()
  doc.transact(() => {
    const thread = new Y.Map<unknown>()
    const comments = new Y.Array<unknown>()
    comments.push([comment(by, text)])
    thread.set('anchor', anchor)
    thread.set('quote', quote.slice(0, 500))
    thread.set('resolved', false)
    thread.set('comments', comments)
    threadsIn(doc).set(id, thread)
  })
  return id
}

function find(doc: Y.Doc, id: string): { thread: Y.Map<unknown>; comments: Y.Array<unknown> } | null {
  const thread: unknown = threadsIn(doc).get(id)
  if (!(thread instanceof Y.Map)) return null
  const comments: unknown = thread.get('comments')
  return comments instanceof Y.Array ? { thread, comments } : null
}

export function reply(doc: Y.Doc, id: string, by: object, text: string): void {
  find(doc, id)?.comments.push([comment(by, text)])
}

export function resolve(doc: Y.Doc, id: string, resolved: boolean): void {
  find(doc, id)?.thread.set('resolved', resolved)
}

export function removeThread(doc: Y.Doc, id: string): void {
  threadsIn(doc).delete(id)
}
