/**
 * The title of the open document. It lives on the server beside the text, so it has a small sync of its own:
 * typed titles are sent after a pause, remembered by the browser until confirmed, and announced to the others.
 */

import { readDocument, renameDocument, type DocumentInfo } from '../lib/api'
import { Refused } from '../lib/http'
import { changeKnown, now, readKnown, writeKnown, type KnownDocument } from '../lib/known-documents'

const SEND_AFTER_MS = 600
const RETRY_MS = 5000

export interface TitleOptions {
  document: string
  /** Without a connection nothing is sent or read. */
  connected: () => boolean
  /** The server has confirmed a title that was given here. */
  confirmed: (title: string) => void
}

export class DocumentTitle {
  text = $state('')
  /** A title given here is not confirmed yet. */
  pending = $state(false)

  readonly #options: TitleOptions
  #timer: ReturnType<typeof setTimeout> | undefined
  #heard: string | null = null

  constructor(options: TitleOptions) {
    this.#options = options
    const known = readKnown(options.document)
    this.text = known?.pendingTitle ?? known?.title ?? ''
    this.pending = known?.pendingTitle !== undefined
  }

  type(text: string): void {
    this.text = text
    this.pending = true
    this.#remember((known) => (known.pendingTitle = text))
    this.#sendAfter(SEND_AFTER_MS)
  }

  /** Send what is pending. Without a connection it waits for the call after the next one is made. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    if (!this.pending || !this.#options.connected()) return
    const typed = this.text
    try {
      const { title } = await renameDocument(this.#options.document, typed)
      if (typed !== this.text) return
      // The server trims; whoever is about to type the next word wants to keep the space.
      if (title !== typed.trim()) this.text = title
      this.#confirm(title)
      this.#options.confirmed(title)
    } catch (error) {
      if (!(error instanceof Refused)) {
        this.#sendAfter(RETRY_MS)
        return
      }
      this.text = readKnown(this.#options.document)?.title ?? ''
      this.#confirm(this.text)
    }
    this.pending = false
  }

  /** What the server says of the document. */
  learn({ title, epoch, role }: DocumentInfo): void {
    if (!this.pending && title !== this.text.trim()) this.text = title
    const before = readKnown(this.#options.document)
    // What is known of a copy does not hold for that of another epoch.
    const { unsaved, complete, begunHere } = before?.epoch === epoch ? before : {}
    const known: KnownDocument = { epoch, title, role, openedAt: now() }
    if (this.pending) known.pendingTitle = this.text
    if (unsaved === true) known.unsaved = true
    if (complete === true) known.complete = true
    if (begunHere === true || before?.epoch === '') known.begunHere = true
    writeKnown(this.#options.document, known)
  }

  /** Somebody says that they changed the title: ask the server, once for each title heard. */
  heed(title: unknown): void {
    if (typeof title !== 'string' || title === this.text.trim() || title === this.#heard) return
    this.#heard = title
    void this.refresh()
  }

  async refresh(): Promise<void> {
    if (this.pending || !this.#options.connected()) return
    try {
      this.learn(await readDocument(this.#options.document))
    } catch {
      // The state line says when the server is away; the title is read again afterwards.
    }
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #sendAfter(ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.flush(), ms)
  }

  #confirm(title: string): void {
    this.#remember((known) => {
      known.title = title
      delete known.pendingTitle
    })
  }

  #remember(change: (known: KnownDocument) => void): void {
    changeKnown(this.#options.document, change)
  }
}
