/**
 * What the document page shows, as reactive state: joins the session with the server's word on the document
 * (does it exist, in which epoch) and with the people in it.
 */

import { Refused, type DocumentInfo } from '../lib/api'
import { socketUrl } from '../lib/document-id'
import { asPerson, loadIdentity, saveIdentity, type Person } from '../lib/identity'
import { forgetKnown, readKnown } from '../lib/known-documents'
import { branchesOf, rememberBranch } from '../sync/branch'
import { CalmState, type ShownState } from '../sync/calm-state'
import { CLOSED_OTHER_EPOCH, CLOSED_QUARANTINED } from '../sync/epoch'
import { lookUp } from '../sync/lookup'
import { DocumentSession, type SessionView } from '../sync/session'
import { DocumentTitle } from './document-title.svelte'

export type Refusal = 'not-found' | 'forbidden' | 'ended' | 'quarantined'

export interface Present extends Person {
  client: number
}

const NOTHING_YET: SessionView = {
  synced: false,
  saved: false,
  unsaved: false,
  overdue: false,
  ready: false,
  kept: false,
  refused: null,
}
/** A short outage is over by then, and a server that turns the socket away for a reason will still say why. */
const OFFLINE_CONSULT_MS = 15_000
/** Everybody comes back at once when a server restarts: their questions are spread over this time. */
const RETURN_CONSULT_MS_MAX = 2000
const UNAUTHORIZED = 401
const FORBIDDEN = 403
const NOT_FOUND = 404
const LOCKED = 423
/** Close codes mirror the HTTP status: 4404 is 404. */
const CLOSE_CODE_BASE = 4000

export class OpenDocument {
  readonly id: string
  readonly title: DocumentTitle
  session: DocumentSession | null = $state.raw(null)
  view: SessionView = $state.raw(NOTHING_YET)
  me: Person = $state.raw(loadIdentity())
  others: Present[] = $state.raw([])
  refusal: Refusal | null = $state(null)
  /** Epochs of copies on this device that are not the document's: they stay here and are not merged. */
  branches: string[] = $state.raw([])
  /** An older state of a document in quarantine can be read. */
  readable = $state(false)

  readonly #end = new AbortController()
  #shown: ShownState = $state('connecting')
  readonly #calm = new CalmState((state) => {
    this.#shown = state
    if (state === 'offline') this.#consultAfter(OFFLINE_CONSULT_MS)
  })
  #consulting = false
  #consultTimer: ReturnType<typeof setTimeout> | undefined
  /** The server has named the epoch that the session goes by. */
  #confirmed = false
  /** There was a connection before this one: much may have happened since. */
  #returning = false

  constructor(id: string) {
    this.id = id
    this.title = new DocumentTitle({
      document: id,
      connected: () => this.view.synced,
      confirmed: (title) => this.session?.awareness.setLocalStateField('title', title),
    })
  }

  /** For the state line: the text and the title are saved, or it does not say so. */
  get state(): ShownState {
    return this.#shown === 'saved' && this.title.pending ? 'saving' : this.#shown
  }

  /** Closing the page now would lose something. A pending title is remembered by the browser. */
  get wouldLose(): boolean {
    return this.view.unsaved && this.view.ready && !this.view.kept
  }

  start(): void {
    const known = readKnown(this.id)
    const session = this.#begin()
    if (known === null) {
      // A document comes into being when somebody first connects; there is nothing to ask about before that.
      void session.connect()
    } else {
      session.openCopy(known.epoch)
      void this.#consult()
    }
  }

  stop(): void {
    this.#end.abort()
    clearTimeout(this.#consultTimer)
    this.title.stop()
    this.#calm.close()
    void this.session?.close()
  }

  introduce(person: Person): void {
    this.me = person
    saveIdentity(person)
    this.#announce()
  }

  #begin(): DocumentSession {
    const earlier = this.session
    if (earlier !== null) {
      if (!earlier.view.synced && earlier.epoch !== null) rememberBranch(this.id, earlier.epoch)
      void earlier.close()
    }
    const session: DocumentSession = new DocumentSession({
      document: this.id,
      serverUrl: socketUrl(location),
      changed: (view) => this.session === session && this.#show(view),
      lost: (code) => {
        if (this.session === session && (!this.#confirmed || code === CLOSED_QUARANTINED)) void this.#consult()
      },
    })
    this.session = session
    this.branches = branchesOf(this.id)
    this.#confirmed = false
    this.#show(session.view)
    session.awareness.on('change', ({ added, updated, removed }: Record<'added' | 'updated' | 'removed', number[]>) => {
      if ([...added, ...updated, ...removed].some((client) => client !== session.awareness.clientID)) this.#meet(session)
    })
    this.#announce()
    return session
  }

  #show(view: SessionView): void {
    const synced = view.synced && !this.view.synced
    this.view = view
    this.#calm.update({ ...view, refused: this.refusal !== null })
    if (view.refused === CLOSED_OTHER_EPOCH) void this.#begin().connect()
    else if (view.refused !== null) this.#refuse(view.refused - CLOSE_CODE_BASE)
    else if (synced) this.#haveSynced()
  }

  #haveSynced(): void {
    if (!this.#confirmed) void this.#consult()
    else if (this.#returning || this.title.pending) this.#consultAfter(Math.random() * RETURN_CONSULT_MS_MAX)
    this.#returning = true
  }

  #consultAfter(ms: number): void {
    clearTimeout(this.#consultTimer)
    this.#consultTimer = setTimeout(() => void this.#consult(), ms)
  }

  /** Ask the server about the document, and go by its answer: refused, another epoch, or all is well. */
  async #consult(): Promise<void> {
    if (this.#consulting || this.refusal !== null) return
    this.#consulting = true
    try {
      const info = await lookUp(this.id, this.#end.signal)
      if (info.quarantine !== null) this.#quarantine(info.quarantine.readable)
      else if (info.deleted_at === null) await this.#accept(info)
      else this.#refuse(NOT_FOUND)
    } catch (error) {
      if (error instanceof Refused) this.#heedRefusal(error.status)
      else if (!this.#end.signal.aborted) throw error
    } finally {
      this.#consulting = false
    }
  }

  async #accept(info: DocumentInfo): Promise<void> {
    let session = this.session ?? this.#begin()
    if (session.epoch !== null && session.epoch !== info.epoch) session = this.#begin()
    if (session.epoch === null) session.openCopy(info.epoch)
    this.#confirmed = true
    this.title.learn(info.title, info.epoch)
    await session.connect()
    await this.title.flush()
  }

  #quarantine(readable: boolean): void {
    this.readable = readable
    this.#refuse(LOCKED)
  }

  #heedRefusal(status: number): void {
    if (status !== NOT_FOUND || readKnown(this.id) === null) {
      this.#refuse(status)
      return
    }
    // The server has lost what this device holds. Nothing is there to be doubled: offer the copy, if it lets us.
    forgetKnown(this.id)
    this.#confirmed = false
    void this.session?.connect()
  }

  #refuse(status: number): void {
    if (status === UNAUTHORIZED || status === FORBIDDEN) this.refusal = 'forbidden'
    else if (status === LOCKED) this.refusal = 'quarantined'
    else this.refusal = status === NOT_FOUND ? 'not-found' : 'ended'
    this.#calm.update({ ...this.view, refused: true })
    void this.session?.close()
  }

  #announce(): void {
    const { awareness } = this.session ?? {}
    awareness?.setLocalStateField('user', { ...this.me, client: awareness.clientID })
  }

  #meet(session: DocumentSession): void {
    if (this.session !== session) return
    const { awareness } = session
    const others: Present[] = []
    for (const [client, state] of awareness.getStates()) {
      if (client === awareness.clientID) continue
      if (state['user'] !== undefined) others.push({ ...asPerson(state['user'], client), client })
      this.title.heed(state['title'])
    }
    this.others = others.sort((a, b) => a.client - b.client)
  }
}
