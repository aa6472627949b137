/**
 * What this device holds of documents, and how it is cleared when its person leaves.
 *
 * Rule D1: signing out leaves nothing behind: no local copies, no cached answers, no remembered titles or names.
 * Rule D2: nobody loses unsaved work by it without having been asked.
 */

import { forgetKnown, listKnown, readKnown } from './known-documents'
import { dropText, TEXTS } from './local-texts'
import { isShellCache } from './shell-cache'
import { factKeys, forgetFact, readFact } from './storage'
import { documentsWithUnsent, forgetUnsent, unsentOf } from './unsent'

const PREFIX = 'coscribe:'
/** Facts with the epochs of earlier copies, by document. */
export const BRANCHES = `${PREFIX}branches:`
/** A tab that keeps a copy open delays its deletion; the browser still deletes it once that tab is gone. */
const DELETE_TIMEOUT_MS = 3000

export interface Unsaved {
  id: string
  title: string
}

/** Documents with edits or images on this device that the server has never confirmed. */
export function unsavedHere(): Unsaved[] {
  return listKnown()
    .concat(branched(), documentsWithUnsent())
    .filter((id, index, all) => all.indexOf(id) === index)
    .map((id) => ({ id, known: readKnown(id), branched: branched().includes(id) }))
    .filter(({ id, known, branched }) => branched || unsentOf(id).length > 0 || known?.unsaved === true || known?.pendingTitle !== undefined)
    .map(({ id, known }) => ({ id, title: known?.pendingTitle ?? known?.title ?? '' }))
}

/** Documents with a text of an earlier epoch that nobody has looked at: the server does not have it either. */
function branched(): string[] {
  return factKeys()
    .filter((name) => name.startsWith(BRANCHES) && (readFact(name) as unknown[] | null)?.length !== 0)
    .map((name) => name.slice(BRANCHES.length))
}

/** Rule D1. Never fails: what cannot be deleted now is deleted when the last tab lets go of it. */
export async function clearDevice(): Promise<void> {
  const databases = await localCopies()
  for (const key of factKeys()) if (key.startsWith(PREFIX)) forgetFact(key)
  await Promise.all([...databases.map((name) => deleteCopy(name)), clearCaches()])
}

/** The name of the database with the local copy of a document in one epoch. */
export function copyName(document: string, epoch: string): string {
  return `${PREFIX}${document}@${epoch}`
}

export async function deleteCopy(name: string): Promise<void> {
  await Promise.all([deleteDatabase(name), deleteCache(name)])
}

/** The images that were kept with it. */
async function deleteCache(name: string): Promise<void> {
  try {
    await caches.delete(name)
  } catch {
    // Blocked, or none at all.
  }
}

function deleteDatabase(name: string): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, DELETE_TIMEOUT_MS)
    const done = (): void => {
      clearTimeout(timer)
      resolve()
    }
    try {
      const deletion = indexedDB.deleteDatabase(name)
      deletion.onsuccess = done
      deletion.onerror = done
    } catch {
      done()
    }
  })
}

/** A document's copy goes, and what is remembered of it. Whoever calls has seen to it that nothing is lost by that. */
export async function removeFromDevice(id: string): Promise<void> {
  const known = readKnown(id)
  forgetKnown(id)
  forgetUnsent(id)
  await dropText(id)
  if (known !== null) await deleteCopy(copyName(id, known.epoch))
}

async function localCopies(): Promise<string[]> {
  const names = new Set<string>([TEXTS])
  for (const id of listKnown()) {
    const known = readKnown(id)
    if (known !== null) names.add(copyName(id, known.epoch))
  }
  try {
    for (const { name } of await indexedDB.databases()) if (name?.startsWith(PREFIX)) names.add(name)
  } catch {
    // Without a list, those that are known by name.
  }
  return [...names]
}

async function clearCaches(): Promise<void> {
  try {
    const personal = (await caches.keys()).filter((name) => !isShellCache(name))
    await Promise.all(personal.map((name) => caches.delete(name)))
  } catch {
    // Blocked, or none at all.
  }
}
