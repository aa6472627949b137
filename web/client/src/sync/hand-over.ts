/** A document that was begun on this device comes to the server. */

import { createDocument, type DocumentInfo } from '../lib/api'
import { Refused } from '../lib/http'
import { lookUp, untilAnswered } from './lookup'

const CONFLICT = 409

/**
 * Create `id`, or look it up when an earlier attempt did and its answer was lost.
 *
 * @throws Refused: this person may not create documents, or not this one.
 * @throws the signal's reason when aborted.
 */
export async function handOver(id: string, title: string, signal: AbortSignal): Promise<DocumentInfo> {
  try {
    return await untilAnswered(() => createDocument(title.trim(), id, signal), signal)
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== CONFLICT) throw error
    return lookUp(id, signal)
  }
}
