/** A file on its way to the server. */

import { refusalOf, Unreachable } from './http'
import { t } from './i18n'

interface Terms {
  type?: string
  /** Is told the part of it that is sent, from 0 to 1. */
  progress: (part: number) => void
  signal?: AbortSignal
  /** What to say when nobody answers. */
  unreachable?: string
}

/**
 * `fetch` does not tell how far an upload is.
 *
 * @throws Refused, Unreachable, or the reason of `signal`.
 */
export function upload(path: string, body: Blob, { type = 'application/octet-stream', progress, signal, unreachable }: Terms): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest()
    sending.open('POST', path)
    sending.responseType = 'json'
    sending.setRequestHeader('Content-Type', type)
    sending.upload.onprogress = ({ loaded, total }) => progress(total === 0 ? 1 : loaded / total)
    sending.onload = () => {
      const { status } = sending
      if (status >= 200 && status < 300) resolve(sending.response)
      else reject(refusalOf(status, sending.response, sending.getResponseHeader('Retry-After')))
    }
    sending.onerror = () => reject(new Unreachable(unreachable ?? t('The server cannot be reached.')))
    sending.onabort = () => reject(signal?.reason instanceof Error ? signal.reason : new Error('It was broken off.'))
    signal?.addEventListener('abort', () => sending.abort(), { once: true })
    sending.send(body)
  })
}
