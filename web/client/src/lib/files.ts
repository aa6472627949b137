/**
 * Images of one document: sent to the server, and kept on this device beside the copy of the document.
 *
 * Rule F1: what is kept goes with the copy: when the document is taken away, and when its person signs out.
 * Rule F2: the page shows what it has loaded, never an address of the server: the server is asked once for each image,
 *          and by the page, so that it knows when it may not be shown any more.
 */

import { documentApiPath } from './document-id'
import { Refused, refusalOf, Unreachable } from './http'
import { t } from './i18n'

const SCHEME = 'coscribe:files/'
const REFERENCE = /^coscribe:files\/([0-9a-f]{64})$/

export function digestOf(source: string): string | null {
  return REFERENCE.exec(source)?.[1] ?? null
}

export class DocumentFiles {
  readonly #path: string
  readonly #cacheName: () => string | null
  readonly #urls = new Map<string, Promise<string>>()

  /** @param cacheName names the copy of the document on this device; null while there is none. */
  constructor(document: string, cacheName: () => string | null) {
    this.#path = `${documentApiPath(document)}/files`
    this.#cacheName = cacheName
  }

  /**
   * An address under which this page can show an image.
   *
   * @throws Refused, Unreachable.
   */
  url(digest: string): Promise<string> {
    let url = this.#urls.get(digest)
    if (url === undefined) {
      url = this.#load(digest).then((blob) => URL.createObjectURL(blob))
      this.#urls.set(digest, url)
      // What failed may work later.
      url.catch(() => this.#urls.delete(digest))
    }
    return url
  }

  /**
   * Send an image, and give back what stands in the document for it.
   *
   * @param progress is told the part of it that is done, from 0 to 1.
   * @throws Refused, Unreachable.
   */
  async upload(file: Blob, progress: (part: number) => void): Promise<string> {
    const { id } = (await send(this.#path, file, progress)) as { id: string }
    this.#urls.set(id, Promise.resolve(URL.createObjectURL(file)))
    await this.#keep(id, new Response(file))
    return SCHEME + id
  }

  close(): void {
    for (const url of this.#urls.values()) void url.then((shown) => URL.revokeObjectURL(shown), () => undefined)
    this.#urls.clear()
  }

  async #load(digest: string): Promise<Blob> {
    const kept = await (await this.#cache())?.match(this.#address(digest))
    if (kept !== undefined) return kept.blob()
    let response: Response
    try {
      response = await fetch(this.#address(digest))
    } catch (error) {
      throw new Unreachable(t('The server cannot be reached.'), { cause: error })
    }
    if (!response.ok) throw new Refused(response.status, t('This image is not there.'))
    await this.#keep(digest, response.clone())
    return response.blob()
  }

  async #keep(digest: string, response: Response): Promise<void> {
    try {
      await (await this.#cache())?.put(this.#address(digest), response)
    } catch {
      // Without room on this device, images need the server.
    }
  }

  #address(digest: string): string {
    return `${this.#path}/${digest}`
  }

  async #cache(): Promise<Cache | null> {
    const name = this.#cacheName()
    try {
      return name === null ? null : await caches.open(name)
    } catch {
      return null
    }
  }
}

/** `fetch` does not tell how far an upload is. */
function send(path: string, body: Blob, progress: (part: number) => void): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    request.responseType = 'json'
    request.upload.onprogress = ({ loaded, total }) => progress(total === 0 ? 0 : loaded / total)
    request.onerror = () => reject(new Unreachable(t('The server cannot be reached. Images need a connection.')))
    request.onload = () => {
      if (request.status < 300) resolve(request.response)
      else reject(refusalOf(request.status, request.response, request.getResponseHeader('Retry-After')))
    }
    request.open('POST', path)
    request.setRequestHeader('Content-Type', 'application/octet-stream')
    request.send(body)
  })
}
