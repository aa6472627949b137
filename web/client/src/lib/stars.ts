/**
 * Which documents are starred. With accounts the server knows it, for all of a person's devices, and this device remembers
 * what it heard, for when the server is away; where nobody has a name, this device alone knows it.
 */

import { starDocument, type ListedDocument } from './api'
import { readFact, writeFact } from './storage'

const KEY = 'coscribe:stars'

export function starsHere(): Set<string> {
  const fact = readFact(KEY)
  return new Set(Array.isArray(fact) ? fact.filter((id): id is string => typeof id === 'string') : [])
}

/** Take over what the server said of some documents. */
export function heedStars(documents: readonly ListedDocument[]): void {
  const stars = starsHere()
  for (const { id, starred } of documents) {
    if (starred) stars.add(id)
    else stars.delete(id)
  }
  writeFact(KEY, [...stars])
}

/**
 * @param named people have names here, and the server their stars.
 * @throws what the server says against it.
 */
export async function setStar(document: ListedDocument, starred: boolean, named: boolean): Promise<ListedDocument> {
  if (named) await starDocument(document.id, starred)
  const changed = { ...document, starred }
  heedStars([changed])
  return changed
}
