/**
 * The comments of the document that is open: its companion, as reactive state.
 *
 * Rule M1: they are shown, and offline as well, to whoever sees the document; written by whom the server lets.
 * Rule M2: whoever may not see them any more keeps no copy of them.
 * Rule M3: whose they are is what the server says; what it said last is remembered.
 */

import { SvelteMap } from 'svelte/reactivity'

import { socketUrl } from '../lib/document-id'
import { beginThread, commentsOf, readThreads, removeThread, reply, resolve, watchThreads, type Anchor, type Thread } from '../lib/comments'
import { copyName, deleteCopy } from '../lib/device'
import { asCommenters, authorOf, readCommenters, sign, type Commenter, type Signature } from '../lib/commenters'
import type { Person } from '../lib/identity'
import { me } from '../lib/me.svelte'
import { mayWrite } from '../lib/roles'
import { forgetFact, readFact, writeFact } from '../lib/storage'
import { CLOSED_OTHER_EPOCH } from '../sync/epoch'
import { DocumentSession, type SessionView } from '../sync/session'

const EPOCHS = 'coscribe:comments:'
const COMMENTERS = 'coscribe:commenters:'
const CLOSED_FORBIDDEN = 4403
/** Somebody may be shown before the server has stored what they wrote, and knows them as somebody who wrote here. */
const ASK_AGAIN_MS = 1_500
const ASKS_MAX = 4

export class DocumentComments {
  threads: Thread[] = $state.raw([])
  /** There is something to see, or the server says that there is nothing. */
  ready = $state(false)
  mayWrite = $state(false)
  /** Everything written here is on the server. */
  saved = $state(true)
  /** The thread that is looked at. */
  current: string | null = $state(null)

  readonly #people = new SvelteMap<string, Commenter>()
  #asking: ReturnType<typeof setTimeout> | null = null
  #asks = 0
  #renewed = false
  readonly #document: string
  #session: DocumentSession | null = null
  #unwatch: () => void = () => undefined
  #closed = false

  constructor(document: string) {
    this.#document = document
    this.#know(asCommenters(readFact(COMMENTERS + document)))
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
      this.#asks = 0
      this.#ask(0)
    }
    this.#unwatch = watchThreads(session.doc, read)
    const epoch = readFact(EPOCHS + this.#document)
    if (typeof epoch === 'string') session.openCopy(epoch)
    void session.connect()
  }

  /** Who is shown as the author of a comment. */
  author(by: Signature): Person {
    const { person } = me
    if (person !== null && !person.guest && by.id === person.id) return { name: person.name, color: by.color }
    return authorOf(by, this.#people, me.info?.auth === 'none')
  }

  #know(people: Commenter[]): void {
    for (const person of people) this.#people.set(person.id, person)
  }

  /** Rule M3: find out how those are called whom nobody here knows. */
  #ask(delay: number): void {
    const strange = this.threads.some(({ comments }) => comments.some(({ by }) => by.id !== null && !this.#people.has(by.id)))
    if (!strange || this.#asking !== null || this.#asks >= ASKS_MAX || this.#closed) return
    this.#asks += 1
    this.#asking = setTimeout(() => void this.#learn(), delay)
  }

  async #learn(): Promise<void> {
    try {
      const people = await readCommenters(this.#document)
      if (this.#closed) return
      // Whoever is not among them any more has no name.
      this.#people.clear()
      this.#know(people)
      writeFact(COMMENTERS + this.#document, people)
    } catch {
      // Offline: it is asked again with the next connection.
    } finally {
      this.#asking = null
    }
    this.#ask(ASK_AGAIN_MS * this.#asks)
  }

  stop(): void {
    this.#closed = true
    if (this.#asking !== null) clearTimeout(this.#asking)
    this.#unwatch()
    void this.#session?.close()
  }

  begin(anchor: Anchor, quote: string, by: Person, text: string): void {
    if (this.#session !== null) this.current = beginThread(this.#session.doc, anchor, quote, sign(by, me.person), text)
  }

  reply(thread: string, by: Person, text: string): void {
    if (this.#session !== null) reply(this.#session.doc, thread, sign(by, me.person), text)
  }

  resolve(thread: string, resolved: boolean): void {
    if (this.#session !== null) resolve(this.#session.doc, thread, resolved)
  }

  remove(thread: string): void {
    if (this.#session !== null) removeThread(this.#session.doc, thread)
  }

  #show(view: SessionView): void {
    if (view.synced && !this.#renewed) {
      // Names may have changed since.
      this.#renewed = true
      if (this.threads.length > 0) void this.#learn()
    }
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
    forgetFact(COMMENTERS + this.#document)
    if (session !== null && session.epoch !== null) await deleteCopy(copyName(commentsOf(this.#document), session.epoch))
    if (code === CLOSED_OTHER_EPOCH && !this.#closed) this.#begin()
    else this.threads = []
  }
}
