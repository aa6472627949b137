/**
 * The comments of the document that is open: its companion, as reactive state.
 *
 * Rule M1: they are shown, and offline as well, to whoever sees the document; written by whom the server lets.
 * Rule M2: whoever may not see them any more keeps no copy of them.
 */

import { socketUrl } from '../lib/document-id'
import { beginThread, commentsOf, readThreads, removeThread, reply, resolve, watchThreads, type Anchor, type Thread } from '../lib/comments'
import { copyName, deleteCopy } from '../lib/device'
import type { Person } from '../lib/identity'
import { mayWrite } from '../lib/roles'
import { forgetFact, readFact, writeFact } from '../lib/storage'
import { CLOSED_OTHER_EPOCH } from '../sync/epoch'
import { DocumentSession, type SessionView } from '../sync/session'

const EPOCHS = 'coscribe:comments:'
const CLOSED_FORBIDDEN = 4403

export class DocumentComments {
  threads: Thread[] = $state.raw([])
  /** There is something to see, or the server says that there is nothing. */
  ready = $state(false)
  mayWrite = $state(false)
  /** Everything written here is on the server. */
  saved = $state(true)
  /** The thread that is looked at. */
  current: string | null = $state(null)

  readonly #document: string
  #session: DocumentSession | null = null
  #unwatch: () => void = () => undefined
  #closed = false

  constructor(document: string) {
    this.#document = document
  }

  /** A copy of them is on this device. */
  get known(): boolean {
    return typeof readFact(EPOCHS + this.#document) === 'string'
  }

  /** Calling it again does no harm. */
  start(): void {
    if (this.#session === null && !this.#closed) this.#begin()
  }

  #begin(): void {
    const name = commentsOf(this.#document)
    const session: DocumentSession = new DocumentSession({
      document: name,
      serverUrl: socketUrl(location),
      changed: (view) => this.#session === session && this.#show(view),
      lost: () => undefined,
      denied: () => undefined,
    })
    this.#session = session
    const read = (): void => {
      this.threads = readThreads(session.doc)
    }
    this.#unwatch = watchThreads(session.doc, read)
    const epoch = readFact(EPOCHS + this.#document)
    if (typeof epoch === 'string') session.openCopy(epoch)
    void session.connect()
  }

  stop(): void {
    this.#closed = true
    this.#unwatch()
    void this.#session?.close()
  }

  begin(anchor: Anchor, quote: string, by: Person, text: string): void {
    if (this.#session !== null) this.current = beginThread(this.#session.doc, anchor, quote, by, text)
  }

  reply(thread: string, by: Person, text: string): void {
    if (this.#session !== null) reply(this.#session.doc, thread, by, text)
  }

  resolve(thread: string, resolved: boolean): void {
    if (this.#session !== null) resolve(this.#session.doc, thread, resolved)
  }

  remove(thread: string): void {
    if (this.#session !== null) removeThread(this.#session.doc, thread)
  }

  #show(view: SessionView): void {
    this.ready = view.ready
    this.saved = !view.unsaved
    if (view.role !== null) this.mayWrite = mayWrite(view.role)
    const epoch = this.#session?.epoch ?? null
    if (view.complete && epoch !== null && readFact(EPOCHS + this.#document) !== epoch) writeFact(EPOCHS + this.#document, epoch)
    if (view.refused !== null) void this.#refused(view.refused)
  }

  async #refused(code: number): Promise<void> {
    const session = this.#session
    this.#session = null
    this.mayWrite = false
    this.#unwatch()
    await session?.close()
    if (code !== CLOSED_OTHER_EPOCH && code !== CLOSED_FORBIDDEN) return
    forgetFact(EPOCHS + this.#document)
    if (session !== null && session.epoch !== null) await deleteCopy(copyName(commentsOf(this.#document), session.epoch))
    if (code === CLOSED_OTHER_EPOCH && !this.#closed) this.#begin()
    else this.threads = []
  }
}
