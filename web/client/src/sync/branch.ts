/**
 * Copies of a document on this device that belong to an earlier epoch of it: kept, shown, applied by hand, never merged.
 */

import { clearDocument, IndexeddbPersistence } from 'y-indexeddb'
import * as Y from 'yjs'

import { BRANCHES, copyName } from '../lib/device'
import { readFact, writeFact } from '../lib/storage'

const key = (document: string): string => BRANCHES + document

/** Epochs of which this device keeps a copy, oldest first. */
export function branchesOf(document: string): string[] {
  const fact = readFact(key(document))
  return Array.isArray(fact) ? fact.filter((epoch): epoch is string => typeof epoch === 'string') : []
}

export function rememberBranch(document: string, epoch: string): void {
  writeFact(key(document), [...branchesOf(document).filter((known) => known !== epoch), epoch])
}

/** It needs no more attention; the copy stays on this device. */
export function settleBranch(document: string, epoch: string): void {
  writeFact(
    key(document),
    branchesOf(document).filter((known) => known !== epoch),
  )
}

/** What the copy holds, as a document of its own. */
export async function loadBranch(document: string, epoch: string): Promise<Y.Doc> {
  const doc = new Y.Doc()
  const store = new IndexeddbPersistence(copyName(document, epoch), doc)
  await store.whenSynced
  await store.destroy()
  return doc
}

export async function removeBranch(document: string, epoch: string): Promise<void> {
  settleBranch(document, epoch)
  await clearDocument(copyName(document, epoch))
}
