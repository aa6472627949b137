/**
 * One document brought up to date on both sides without a page that shows it: what waits on this device comes to the
 * server, and all that the server has comes onto this device.
 *
 * Rule E1: whatever needs a person (another epoch, a role that no longer writes, the bin, quarantine) is left as it is.
 * Rule E2: nothing is taken down as done before the server has acknowledged it and this device has stored it.
 * Rule E3: images that wait come first: what stands for one in the text is known for certain only then.
 */

import { renameDocument, type DocumentInfo } from '../lib/api'
import { copyName } from '../lib/device'
import { socketUrl } from '../lib/document-id'
import { DocumentFiles } from '../lib/files'
import { changeKnown, now, readKnown, writeKnown, type KnownDocument } from '../lib/known-documents'
import { keepText } from '../lib/local-texts'
import { mayWrite } from '../lib/roles'
import { forgetRenamed, renamedOf, unsentOf } from '../lib/unsent'
import { handOver } from './hand-over'
import { lookUp } from './lookup'
import { plainText } from './plain-text'
import { DocumentSession, type SessionView } from './session'

/** A document that takes longer is brought when somebody opens it. */
const TIMEOUT_MS = 60_000

/**
 * @returns whether the document is now whole on both sides.
 * @throws Refused: the server does not give it to this person.
 */
export async function runErrand(id: string, automatic = false): Promise<boolean> {
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  const known = readKnown(id)
  const info =
    known?.begunHere === true ? await handOver(id, known.pendingTitle ?? known.title, signal) : await lookUp(id, signal)
  if (needsPerson(info, known)) return false
  if (known === null) writeKnown(id, { ...namesOf(info), ...(automatic ? { automatic } : { openedAt: now() }) })
  await sendTitle(id)
  return exchange(id, info, signal)
}

function namesOf({ epoch, title, role }: DocumentInfo): KnownDocument {
  return { epoch, title, role }
}

/** Rule E1. */
function needsPerson(info: DocumentInfo, known: KnownDocument | null): boolean {
  if (info.deleted_at !== null || info.quarantine !== null) return true
  if (known === null) return false
  const otherEpoch = known.epoch !== '' && known.epoch !== info.epoch
  return otherEpoch || (known.unsaved === true && !mayWrite(info.role))
}

async function sendTitle(id: string): Promise<void> {
  const typed = readKnown(id)?.pendingTitle
  if (typed === undefined) return
  const { title } = await renameDocument(id, typed)
  changeKnown(id, (known) => {
    if (known.pendingTitle !== typed) return
    known.title = title
    delete known.pendingTitle
  })
}

async function exchange(id: string, info: DocumentInfo, signal: AbortSignal): Promise<boolean> {
  const begunHere = readKnown(id)?.begunHere === true
  let heed: (view: SessionView) => void = () => undefined
  const images = mayWrite(info.role) && (unsentOf(id).length > 0 || renamedOf(id).length > 0)
  let sending = images
  const session = new DocumentSession({
    document: id,
    serverUrl: socketUrl(location),
    changed: (view) => heed(view),
    lost: () => undefined,
    denied: () => undefined,
  })
  try {
    const whole = new Promise<boolean>((resolve) => {
      heed = (view) => {
        if (view.refused !== null || (view.outdated && readKnown(id)?.unsaved === true)) resolve(false)
        else if (isWhole(view) && !sending) resolve(true)
      }
      signal.addEventListener('abort', () => resolve(false))
    })
    if (begunHere) session.openDraft(info.epoch)
    else session.openCopy(info.epoch)
    await session.connect()
    if (images) await sendImages(id, session, info.epoch)
    sending = false
    heed(session.view)
    if (!(await whole)) return false
    changeKnown(id, (known) => {
      known.epoch = info.epoch
      known.complete = true
      delete known.unsaved
      delete known.waiting
      delete known.begunHere
    })
    // Those that the text does not have by now were taken out of it.
    if (unsentOf(id).length === 0) forgetRenamed(id)
    await session.dropDraft()
    await keepText(id, plainText(session.doc))
    return unsentOf(id).length === 0
  } finally {
    await session.close()
  }
}

/** Rule E3. */
async function sendImages(id: string, session: DocumentSession, epoch: string): Promise<void> {
  const files = new DocumentFiles(id, () => copyName(id, epoch))
  await files.sendHeld(session.doc)
  files.close()
}

/** Rule E2. Whoever only reads is acknowledged nothing. */
function isWhole({ synced, saved, complete, kept, role }: SessionView): boolean {
  return synced && complete && kept && role !== null && (saved || !mayWrite(role))
}
