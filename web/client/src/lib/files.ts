/**
 * Images of one document: sent to the server, and kept on this device beside the copy of the document.
 *
 * Rule F1: what is kept goes with the copy: when the document is taken away, and when its person signs out.
 * Rule F2: the page shows what it has loaded, never an address of the server: the server is asked once for each image,
 *          and by the page, so that it knows when it may not be shown any more.
 * Rule F3: an image that cannot be sent is kept, and stands in the text under the SHA-256 of its file, until the server has
 *          it. What the server keeps may be called otherwise: it takes away what a camera wrote beside the picture. Then
 *          the text is changed by whoever has it: another tab may have put the image in than the one that sends it.
 */

import * as Y from 'yjs'

import { documentApiPath } from './document-id'
import { Refused, Unreachable } from './http'
import { t } from './i18n'
import { addRenamed, renamedOf, setUnsent, unsentOf } from './unsent'
import { upload } from './upload'

/** As in `editor/extensions`, which is not loaded where only images are sent. */
const FRAGMENT = 'default'
const SCHEME = 'coscribe:files/'
const REFERENCE = /^coscribe:files\/([0-9a-f]{64})$/

export function digestOf(source: string): string | null {
  return REFERENCE.exec(source)?.[1] ?? null
}

const RETRY_MS = 10_000
/** Of the room that the browser gives: beyond, images that the server has are not kept. */
const ROOM_PART = 0.5
/** Too large, no image, damaged or no room left: it will not be taken later either. */
const NEVER = new Set([400, 413, 415, 422])

/** Of an image that waits for the server: the part of it that is sent; null while nothing is; undefined when it is there. */
export type Waits = number | null | undefined

export class DocumentFiles {
  readonly #document: string
  readonly #path: string
  readonly #cacheName: () => string | null
  readonly #urls = new Map<string, Promise<string>>()
  readonly #watchers = new Map<string, Set<(waits: Waits) => void>>()
  #sending = false
  #retry: ReturnType<typeof setTimeout> | undefined
  #closed = false
  /** Is told how many images wait. */
  held: (count: number) => void = () => undefined
  /** Is told of an image that the server does not take, ever. Where nobody is there to be told it goes on waiting. */
  refused: ((error: Refused) => void) | null = null

  /** @param cacheName names the copy of the document on this device; null while there is none. */
  constructor(document: string, cacheName: () => string | null) {
    this.#document = document
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
    const unreachable = t('The server cannot be reached. Images need a connection.')
    const { id } = (await upload(this.#path, file, { progress, unreachable })) as { id: string }
    this.#urls.set(id, Promise.resolve(URL.createObjectURL(file)))
    await this.#keep(id, new Response(file))
    return SCHEME + id
  }

  /** Rule F3. Gives back what stands in the document for it, or null where nothing can be kept. */
  async hold(file: Blob): Promise<string | null> {
    // Not at addresses that are not secure.
    if (!('subtle' in crypto)) return null
    const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', await file.arrayBuffer()))
    const digest = Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('')
    try {
      const cache = await this.#cache()
      if (cache === null) return null
      await cache.put(this.#address(digest), new Response(file))
    } catch {
      return null
    }
    this.#urls.set(digest, Promise.resolve(URL.createObjectURL(file)))
    this.#mark(digest, null)
    return SCHEME + digest
  }

  /** Send what waits, one image after the other and in one tab alone; again a while later when that does not go. */
  async sendHeld(doc: Y.Doc): Promise<void> {
    this.held(unsentOf(this.#document).length)
    if (this.#sending || this.#closed) return
    this.#sending = true
    clearTimeout(this.#retry)
    try {
      await inTurn(`coscribe:images ${this.#document}`, async () => {
        for (const digest of unsentOf(this.#document)) await this.#sendOne(digest)
      })
    } catch (error) {
      if (!(error instanceof Unreachable || error instanceof Refused)) throw error
    } finally {
      this.#sending = false
    }
    rename(doc, new Map(renamedOf(this.#document)))
    const left = unsentOf(this.#document).length
    this.held(left)
    if (left > 0 && !this.#isClosed()) this.#retry = setTimeout(() => void this.sendHeld(doc), RETRY_MS)
  }

  async #sendOne(digest: string): Promise<void> {
    const file = await (await (await this.#cache())?.match(this.#address(digest)))?.blob()
    try {
      // Where the browser has removed it nothing can be sent any more.
      if (file !== undefined) {
        const source = await this.upload(file, (part) => this.#tell(digest, part))
        if (source !== SCHEME + digest) addRenamed(this.#document, SCHEME + digest, source)
      }
    } catch (error) {
      this.#tell(digest, null)
      if (!(error instanceof Refused) || !NEVER.has(error.status) || this.refused === null) throw error
      this.refused(error)
    }
    this.#mark(digest, undefined)
  }

  /** Hear of an image whether it waits for the server, now and whenever that changes. */
  watch(digest: string, told: (waits: Waits) => void): () => void {
    const watchers = this.#watchers.get(digest) ?? new Set()
    this.#watchers.set(digest, watchers.add(told))
    told(unsentOf(this.#document).includes(digest) ? null : undefined)
    return () => watchers.delete(told)
  }

  #mark(digest: string, waits: Waits): void {
    setUnsent(this.#document, digest, waits !== undefined)
    this.held(unsentOf(this.#document).length)
    this.#tell(digest, waits)
  }

  #tell(digest: string, waits: Waits): void {
    for (const told of this.#watchers.get(digest) ?? []) told(waits)
  }

  #isClosed(): boolean {
    return this.#closed
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#retry)
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
      if (await hasRoom()) await (await this.#cache())?.put(this.#address(digest), response)
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

/** Rule F1 does not mean that images may push the documents out. */
async function hasRoom(): Promise<boolean> {
  const { usage = 0, quota = Infinity } = await navigator.storage.estimate()
  return usage < quota * ROOM_PART
}

/** Whatever stands for one image in a document stands for another one from now on. */
function rename(doc: Y.Doc, names: ReadonlyMap<string, string>): void {
  if (names.size === 0) return
  const visit = (node: Y.XmlFragment | Y.XmlElement): void => {
    for (const child of node.toArray()) {
      if (!(child instanceof Y.XmlElement)) continue
      const to = child.nodeName === 'image' ? names.get(child.getAttribute('src') ?? '') : undefined
      if (to !== undefined) child.setAttribute('src', to)
      visit(child)
    }
  }
  doc.transact(() => visit(doc.getXmlFragment(FRAGMENT)))
}

/** Whoever comes second finds nothing left to do. */
async function inTurn(name: string, work: () => Promise<void>): Promise<void> {
  if ('locks' in navigator) await navigator.locks.request(name, work)
  else await work()
}
