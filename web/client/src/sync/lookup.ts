/** Ask the server until it answers. */

import { readDocument, type DocumentInfo } from '../lib/api'
import { Unreachable } from '../lib/http'

const RETRY_MS_MIN = 500
const RETRY_MS_MAX = 5000

/**
 * What the server knows of `id`.
 *
 * @throws Refused: there is no such document, or it is not for this person.
 * @throws the signal's reason when aborted.
 */
export function lookUp(id: string, signal: AbortSignal): Promise<DocumentInfo> {
  return untilAnswered(() => readDocument(id, signal), signal)
}

/**
 * The answer to `ask`, which is called again as long as nobody is there.
 *
 * @throws what `ask` throws, other than Unreachable.
 * @throws the signal's reason when aborted.
 */
export async function untilAnswered<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let wait = RETRY_MS_MIN; ; wait = Math.min(wait * 2, RETRY_MS_MAX)) {
    try {
      return await ask()
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
