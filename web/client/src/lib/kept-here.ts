/** Documents that this device can show while the server is away, and the room they take. */

import type { ListedDocument } from './api'
import { copyName } from './device'
import { listKnown, readKnown } from './known-documents'
import { starsHere } from './stars'

/** Those with a whole copy here, the one opened last first; `updated_at` is when it was last open here. */
export async function keptHere(): Promise<ListedDocument[]> {
  const copies = await copyNames()
  const stars = starsHere()
  const documents: ListedDocument[] = []
  for (const id of listKnown()) {
    const known = readKnown(id)
    if (known?.complete !== true || copies?.has(copyName(id, known.epoch)) === false) continue
    documents.push({
      id,
      title: known.pendingTitle ?? known.title,
      epoch: known.epoch,
      role: known.role ?? 'reader',
      updated_at: known.openedAt ?? known.changedAt ?? new Date(0).toISOString(),
      deleted_at: null,
      quarantine: null,
      owner: null,
      head: 0,
      starred: stars.has(id),
      excerpt: null,
    })
  }
  return documents.sort((a, b) => b.updated_at.localeCompare(a.updated_at))
}

/** The browser may have removed copies that are remembered. Null where it does not say. */
async function copyNames(): Promise<Set<string | undefined> | null> {
  try {
    return new Set((await indexedDB.databases()).map(({ name }) => name))
  } catch {
    return null
  }
}

export interface Room {
  /** Of everything this site keeps in the browser, the app's own files among it; in bytes. */
  usage: number
  /** The browser removes it only when told to by whoever uses it. */
  persisted: boolean
}

/** Null where the browser says nothing, such as at addresses that are not secure. */
export async function measureRoom(): Promise<Room | null> {
  try {
    const [{ usage }, persisted] = await Promise.all([navigator.storage.estimate(), navigator.storage.persisted()])
    return { usage: usage ?? 0, persisted }
  } catch {
    return null
  }
}

/** Ask the browser, which may ask the person. @returns whether it agreed. */
export async function askToPersist(): Promise<boolean> {
  try {
    return await navigator.storage.persist()
  } catch {
    return false
  }
}
