/** What this device has to bring to the server, document by document; one tab at a time does it. */

import { removeFromDevice } from './device'
import { Refused, Unreachable } from './http'
import { listKnown, readKnown } from './known-documents'
import { renamedOf, unsentOf } from './unsent'

const LOCK = 'coscribe:errands'
const FORBIDDEN = 403

/** Documents with something that the server has never confirmed. */
function waiting(): string[] {
  return listKnown().filter((id) => {
    const known = readKnown(id)
    return unsentOf(id).length > 0 || renamedOf(id).length > 0 || known?.unsaved === true || known?.begunHere === true || known?.pendingTitle !== undefined
  })
}

/** @returns how many documents are whole on the server now that were not. */
export async function bringWaiting(): Promise<number> {
  if (waiting().length === 0) return 0
  let brought = 0
  await inTurn(async () => {
    for (const id of waiting()) if (await bring(id)) brought += 1
  })
  return brought
}

/**
 * Bring a document onto this device, or what waits here to the server. Its page is a large part of the app: that is
 * loaded only when there is something to do.
 */
export async function bring(id: string, { automatic = false } = {}): Promise<boolean> {
  const { runErrand } = await import('../sync/errand')
  try {
    return await runErrand(id, automatic)
  } catch (error) {
    // Its page says why.
    const late = error instanceof DOMException && error.name === 'TimeoutError'
    if (error instanceof Refused) await letGo(id, error)
    if (error instanceof Refused || error instanceof Unreachable || late) return false
    throw error
  }
}

/** A document that was taken away leaves this device too, unless it holds what exists nowhere else. */
async function letGo(id: string, { status }: Refused): Promise<void> {
  const known = readKnown(id)
  if (status !== FORBIDDEN || known === null || known.unsaved === true || known.pendingTitle !== undefined || unsentOf(id).length > 0) return
  await removeFromDevice(id)
}

/** One tab at a time; whoever comes second has nothing to do. */
export async function inTurn(work: () => Promise<void>): Promise<void> {
  // Not at addresses that are not secure; two tabs that do the same do no harm.
  if (!('locks' in navigator)) return work()
  await navigator.locks.request(LOCK, { ifAvailable: true }, async (lock) => {
    if (lock !== null) await work()
  })
}
