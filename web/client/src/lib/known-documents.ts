/** What this browser last heard of each document, so that one it has can be opened while the server is away. */

import { forgetFact, readFact, writeFact } from './storage'

export interface KnownDocument {
  epoch: string
  title: string
  /** A title given here that the server has not confirmed. */
  pendingTitle?: string
}

const key = (id: string): string => `coscribe:document:${id}`

export function readKnown(id: string): KnownDocument | null {
  const fact = readFact(key(id))
  if (typeof fact !== 'object' || fact === null) return null
  const { epoch, title, pendingTitle } = fact as Partial<Record<keyof KnownDocument, unknown>>
  if (typeof epoch !== 'string' || typeof title !== 'string') return null
  return typeof pendingTitle === 'string' ? { epoch, title, pendingTitle } : { epoch, title }
}

export function forgetKnown(id: string): void {
  forgetFact(key(id))
}

export function writeKnown(id: string, known: KnownDocument): void {
  writeFact(key(id), known)
}
