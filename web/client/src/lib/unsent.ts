/** Images that stand in a document and wait on this device for the server, by document. */

import { factKeys, forgetFact, readFact, writeFact } from './storage'

const UNSENT = 'coscribe:unsent:'

/** Digests of what waits. */
export function unsentOf(document: string): string[] {
  const fact = readFact(UNSENT + document)
  return Array.isArray(fact) ? (fact as unknown[]).filter((digest) => typeof digest === 'string') : []
}

export function setUnsent(document: string, digest: string, waits: boolean): void {
  const others = unsentOf(document).filter((other) => other !== digest)
  const all = waits ? [...others, digest] : others
  if (all.length === 0) forgetFact(UNSENT + document)
  else writeFact(UNSENT + document, all)
}

export function forgetUnsent(document: string): void {
  forgetFact(UNSENT + document)
}

export function documentsWithUnsent(): string[] {
  return factKeys()
    .filter((name) => name.startsWith(UNSENT))
    .map((name) => name.slice(UNSENT.length))
}
