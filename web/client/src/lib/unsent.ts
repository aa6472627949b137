/**
 * Images that stand in a document and wait on this device for the server, by document; and how the server calls those
 * that it has by now, until the text says so too.
 */

import { factKeys, forgetFact, readFact, writeFact } from './storage'

const UNSENT = 'coscribe:unsent:'
const RENAMED = 'coscribe:renamed:'

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
  forgetRenamed(document)
}

/** What stands in the text for images, and what is to stand there. */
export function renamedOf(document: string): [from: string, to: string][] {
  const fact = readFact(RENAMED + document)
  if (!Array.isArray(fact)) return []
  return (fact as unknown[]).filter((pair): pair is [string, string] => Array.isArray(pair) && pair.length === 2 && pair.every((name) => typeof name === 'string'))
}

export function addRenamed(document: string, from: string, to: string): void {
  writeFact(RENAMED + document, [...renamedOf(document), [from, to]])
}

export function forgetRenamed(document: string): void {
  forgetFact(RENAMED + document)
}

export function documentsWithUnsent(): string[] {
  return factKeys()
    .filter((name) => name.startsWith(UNSENT))
    .map((name) => name.slice(UNSENT.length))
}
