/** What this browser last heard of each document, so that one it has can be opened while the server is away. */

import { asRole, type Role } from './roles'
import { factKeys, forgetFact, readFact, writeFact } from './storage'

export interface KnownDocument {
  epoch: string
  title: string
  /** What the person may do with it, when that was heard. */
  role?: Role
  /** A title given here that the server has not confirmed. */
  pendingTitle?: string
  /** There are edits on this device that the server has not confirmed. */
  unsaved?: boolean
  /** How many they are, as far as that was counted. */
  waiting?: number
  /** The copy of this epoch on this device once held all that the server had: it opens while the server is away. */
  complete?: boolean
  /** Somebody wants to have it here. */
  chosen?: boolean
  /** It came by itself, and was never opened here. */
  automatic?: boolean
  /** When the server's was last changed, of the state that came here last without being opened. */
  changedAt?: string
  /** It was begun on this device, and the server may not have it yet. Until it has an epoch that is ''. */
  begunHere?: boolean
  /** When it was last open here, in ISO 8601. */
  openedAt?: string
}

const PREFIX = 'coscribe:document:'
const key = (id: string): string => `${PREFIX}${id}`

export function readKnown(id: string): KnownDocument | null {
  const fact = readFact(key(id))
  if (typeof fact !== 'object' || fact === null) return null
  const heard = fact as Partial<Record<keyof KnownDocument, unknown>>
  const { epoch, title, pendingTitle, unsaved, complete, begunHere, openedAt, waiting, changedAt } = heard
  if (typeof epoch !== 'string' || typeof title !== 'string') return null
  const known: KnownDocument = { epoch, title }
  const role = asRole(heard.role)
  if (role !== null) known.role = role
  if (typeof pendingTitle === 'string') known.pendingTitle = pendingTitle
  if (unsaved === true) known.unsaved = true
  if (unsaved === true && typeof waiting === 'number') known.waiting = waiting
  if (complete === true) known.complete = true
  if (begunHere === true) known.begunHere = true
  if (heard.chosen === true) known.chosen = true
  if (heard.automatic === true) known.automatic = true
  if (typeof openedAt === 'string') known.openedAt = openedAt
  if (typeof changedAt === 'string') known.changedAt = changedAt
  return known
}

/** Names of all documents this browser has heard of. */
export function listKnown(): string[] {
  return factKeys()
    .filter((name) => name.startsWith(PREFIX))
    .map((name) => name.slice(PREFIX.length))
}

export function forgetKnown(id: string): void {
  forgetFact(key(id))
}

export function writeKnown(id: string, known: KnownDocument): void {
  writeFact(key(id), known)
}

/** The time, as `openedAt` has it. */
export function now(): string {
  return new Date().toISOString()
}

/** Change a part; nothing happens while the document is not known. */
export function changeKnown(id: string, change: (known: KnownDocument) => void): void {
  const known = readKnown(id)
  if (known === null) return
  change(known)
  writeKnown(id, known)
}
