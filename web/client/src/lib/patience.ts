/** A connection may be there and carry nothing: where this device can do without an answer, it is not waited for long. */

import { Unreachable } from './http'
import { t } from './i18n'

const PATIENCE_MS = 2500

/** @throws Unreachable when `answer` takes too long; whatever becomes of it afterwards is nobody's concern. */
export async function withinPatience<T>(answer: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const patience = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Unreachable(t('The server does not answer.'))), PATIENCE_MS)
  })
  try {
    return await Promise.race([answer, patience])
  } finally {
    clearTimeout(timer)
  }
}
