/** Ask the server about a document until it answers. */

import { readDocument, Unreachable, type DocumentInfo } from '../lib/api'

const RETRY_MS_MIN = 500
const RETRY_MS_MAX = 5000

/**
 * What the server knows of `id`.
 *
 * @throws Refused: there is no such document, or it is not for this person.
 * @throws the signal's reason when aborted.
 */
export async function lookUp(id: string, signal: AbortSignal): Promise<DocumentInfo> {
  for (let wait = RETRY_MS_MIN; ; wait = Math.min(wait * 2, RETRY_MS_MAX)) {
    try {
      return await readDocument(id, signal)
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error
    }
    await delay(wait, signal)
  }
}

function delay(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer)
      removeEventListener('online', end)
      signal.removeEventListener('abort', end)
      if (signal.aborted) reject(signal.reason as Error)
      else resolve()
    }
    const timer = setTimeout(end, ms)
    // A hint only, but one that is worth a try at once.
    addEventListener('online', end)
    signal.addEventListener('abort', end)
  })
}
