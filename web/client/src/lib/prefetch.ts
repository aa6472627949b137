/**
 * Brings documents onto this device before anybody needs them there: those that changed last, a bounded number of them in
 * bounded room, and those that somebody chose to keep, as often as they change.
 *
 * Rule F1: nothing is brought unasked that would take this site beyond `ROOM_BYTES_MAX`, or whose history is very long.
 * Rule F2: what came unasked, was never opened and is not among the last any more goes again. What somebody chose, opened or
 *          wrote stays.
 */

import type { ListedDocument } from './api'
import { removeFromDevice } from './device'
import { bring, inTurn } from './errands'
import { measureRoom } from './kept-here'
import { changeKnown, listKnown, readKnown, type KnownDocument } from './known-documents'
import { readFact, writeFact } from './storage'

export const DOCUMENTS_MAX = 20
export const ROOM_BYTES_MAX = 100 * 1024 * 1024
/** Each of so many edits is still small; a document of which there are more may not be. */
export const EDITS_MAX = 20_000

const OFF = 'coscribe:prefetch-off'

/** On by default; each device has a mind of its own. */
export const prefetches = (): boolean => readFact(OFF) !== true

export function setPrefetches(on: boolean): void {
  writeFact(OFF, on ? null : true)
}

/** @returns how many documents came. */
export async function prefetch(newestFirst: readonly ListedDocument[], signal: AbortSignal): Promise<number> {
  let came = 0
  await inTurn(async () => {
    if (prefetches()) await drop(newestFirst)
    for (const document of due(newestFirst)) {
      const chosen = readKnown(document.id)?.chosen === true
      if (signal.aborted || (!chosen && !(await hasRoom()))) return
      if (await bring(document.id, { automatic: !chosen })) {
        changeKnown(document.id, (known) => (known.changedAt = document.updated_at))
        came += 1
      }
    }
  })
  return came
}

/** What is missing here, or has changed since it came. */
export function due(newestFirst: readonly ListedDocument[]): ListedDocument[] {
  const unasked = prefetches() && !savesData()
  return newestFirst.filter((document, index) => {
    const known = readKnown(document.id)
    if (document.deleted_at !== null || document.quarantine !== null || isFresh(known, document)) return false
    return known?.chosen === true || (unasked && index < DOCUMENTS_MAX && document.head <= EDITS_MAX)
  })
}

function isFresh(known: KnownDocument | null, { updated_at, epoch }: ListedDocument): boolean {
  if (known?.complete !== true || known.epoch !== epoch) return false
  return known.changedAt === updated_at || (known.openedAt !== undefined && known.openedAt > updated_at)
}

/** Rule F2. */
async function drop(newestFirst: readonly ListedDocument[]): Promise<void> {
  const recent = new Set(newestFirst.slice(0, DOCUMENTS_MAX).map(({ id }) => id))
  for (const id of listKnown()) {
    const known = readKnown(id)
    if (known?.automatic === true && known.unsaved !== true && !recent.has(id)) await removeFromDevice(id)
  }
}

/** Rule F1. A browser that does not say how much there is gets nothing unasked. */
async function hasRoom(): Promise<boolean> {
  const room = await measureRoom()
  return room !== null && room.usage < ROOM_BYTES_MAX
}

function savesData(): boolean {
  const { connection } = navigator as { connection?: { saveData?: boolean } }
  return connection?.saveData === true
}
