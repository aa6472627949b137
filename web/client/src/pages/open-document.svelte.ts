/**
 * What the document page shows, as reactive state: joins the session with the server's word on the document
 * (does it exist, in which epoch, what may this person do with it) and with the people in it.
 *
 * Rule O1: nothing may be typed until a role that may write was heard: on this connection, in the server's answer, or
 *          from either when the document was last open here.
 * Rule O2: what was typed and not confirmed is remembered as such, whatever becomes of the role and of the page.
 */

import type * as Y from 'yjs'

import { openShareLink, type MeInfo } from '../lib/accounts'
import type { DocumentInfo } from '../lib/api'
import { copyName, deleteCopy } from '../lib/device'
import { socketUrl } from '../lib/document-id'
import { Refused, Unreachable } from '../lib/http'
import { asPerson, type Person } from '../lib/identity'
import { changeKnown, forgetKnown, now, readKnown } from '../lib/known-documents'
import { dropText, keepText } from '../lib/local-texts'
import { me } from '../lib/me.svelte'
import type { Here } from '../lib/people-here'
import { dropSecret, takeSecret } from '../lib/paths'
import { mayWrite, type Role } from '../lib/roles'
import { stateLine, type Line, type Refusal } from '../lib/state-words'
import { forgetUnsent, unsentOf } from '../lib/unsent'
import { branchesOf, rememberBranch } from '../sync/branch'
import { CalmState, type Facts, type ShownState } from '../sync/calm-state'
import { CLOSED_OTHER_EPOCH, CLOSED_QUARANTINED } from '../sync/epoch'
import { handOver } from '../sync/hand-over'
import { RICH, watchKind, type Kind } from '../sync/kind'
import { lookUp, untilAnswered } from '../sync/lookup'
import { plainText } from '../sync/plain-text'
import { DocumentSession, type SessionView } from '../sync/session'
import { DocumentTitle } from './document-title.svelte'

export type Present = Here

const NOTHING_YET: SessionView = {
  synced: false,
  saved: false,
  unsaved: false,
  waiting: 0,
  overdue: false,
  ready: false,
  kept: false,
  unkept: false,
  complete: false,
  role: null,
  outdated: false,
  refused: null,
}
/** A short outage is over by then, and a server that turns the socket away for a reason will still say why. */
const OFFLINE_CONSULT_MS = 15_000
/** Everybody comes back at once when a server restarts: their questions are spread over this time. */
const RETURN_CONSULT_MS_MAX = 2000
/** A pause of this length: what is typed in one go need not be taken down twice. */
const TEXT_AFTER_MS = 2000
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
  /** Of the text, as the document says it. */
  kind: Kind = $state.raw(RICH)
  others: Present[] = $state.raw([])
  refusal: Refusal | null = $state(null)
  /** Epochs of copies on this device that are not the document's: they stay here and are not merged. */
  branches: string[] = $state.raw([])
  /** An older state of a document in quarantine can be read. */
  readable = $state(false)
  /** What the server said of the document; null until it did, on this page. */
  info: DocumentInfo | null = $state.raw(null)
  /** The page was opened with a share link that is not valid any more. */
  linkRefused = $state(false)
  /** Somebody here typed what the server has not confirmed (rule O2). */
  unconfirmed = $state(false)
  /** How many images wait on this device for the server. */
  images = $state(0)

  readonly #end = new AbortController()
  #shown: ShownState = $state('connecting')
  readonly #calm = new CalmState((state) => {
    this.#shown = state
    if (state === 'offline') this.#consultAfter(OFFLINE_CONSULT_MS)
  })
  #consulting = false
  #consultTimer: ReturnType<typeof setTimeout> | undefined
  #textTimer: ReturnType<typeof setTimeout> | undefined
  /** A document of which the server knows nothing was connected to all the same. */
  #offered = false
  /** The server has named the epoch that the session goes by. */
  #confirmed = false
  /** There was a connection before this one: much may have happened since. */
  #returning = false
  #person: Person
  readonly #denied: (reason: string) => void
  #rememberedRole: Role | null = $state(null)
  /** Edits that waited when the page opened. */
  #waitedBefore = $state(0)
  /** On this device, and the server has not said that it has it. */
  #begunHere: boolean
  /** Of which a complete copy is remembered. */
  #completeEpoch: string | null = null

  /** @param denied is called when the server did not take an edit, with its reason. */
  constructor(id: string, person: Person, denied: (reason: string) => void) {
    this.id = id
    this.#person = person
    this.#denied = denied
    const known = readKnown(id)
    this.#rememberedRole = known?.role ?? null
    this.unconfirmed = known?.unsaved ?? false
    this.#waitedBefore = known?.waiting ?? 0
    this.images = unsentOf(id).length
    this.#begunHere = known?.begunHere ?? false
    this.title = new DocumentTitle({
      document: id,
      connected: () => this.view.synced,
      confirmed: (title) => this.session?.awareness.setLocalStateField('title', title),
    })
  }

  /** Rule O1. */
  get role(): Role | null {
    return this.view.role ?? this.#rememberedRole
  }

  get mayWrite(): boolean {
    return mayWrite(this.role)
  }

  /** What was typed here cannot be stored any more: the right to write was taken away before it was. */
  get stranded(): boolean {
    return this.unconfirmed && this.role !== null && !this.mayWrite && !this.view.outdated
  }

  /** The text, its images and the title are saved, or it does not say so. */
  get state(): ShownState {
    return this.#shown === 'saved' && (this.title.pending || this.images > 0) ? 'saving' : this.#shown
  }

  get line(): Line {
    const { state, unconfirmed, waiting, mayWrite, stranded, refusal } = this
    const { kept, unkept, outdated } = this.view
    return stateLine({ state, unconfirmed, waiting, kept, unkept, reads: !mayWrite, stranded, outdated, refusal })
  }

  /** How many edits made here the server has not confirmed, as far as they were counted. */
  get waiting(): number {
    return (this.unconfirmed ? this.#waitedBefore + this.view.waiting : 0) + this.images
  }

  /** Closing the page now would lose something. A pending title is remembered by the browser. */
  get wouldLose(): boolean {
    return !this.#end.signal.aborted && this.unconfirmed && this.view.ready && !this.view.kept
  }

  /** The page must not be loaded anew just now: something would be lost, or is under way to the server. */
  get busy(): boolean {
    const underWay = this.view.synced && this.mayWrite && this.refusal === null && (this.unconfirmed || this.title.pending || this.images > 0)
    return this.wouldLose || underWay
  }

  async start(): Promise<void> {
    if (me.bringing && (await this.#whoAmI()) === null) return
    const known = me.ownsCopies ? readKnown(this.id) : null
    if (known !== null) {
      changeKnown(this.id, (known) => {
        known.openedAt = now()
        delete known.automatic
      })
      const session = this.#begin()
      if (known.begunHere === true) session.openDraft(known.epoch)
      else session.openCopy(known.epoch)
    }
    await this.#useLink()
    if (known !== null) {
      await this.#consult()
      return
    }
    const info = me.ownsCopies ? me.info : await this.#whoAmI()
    if (info === null) return
    // Where nobody has a name, a document comes into being when somebody first connects: there is nothing to ask.
    if (info.auth === 'none') void this.#begin().connect()
    else await this.#consult()
  }

  /** Give up what was typed and could not be stored. The page has to be loaded anew afterwards. */
  async discard(): Promise<void> {
    const { session } = this
    this.#end.abort()
    clearTimeout(this.#textTimer)
    await session?.close()
    if (session !== null && session.epoch !== null) await deleteCopy(copyName(this.id, session.epoch))
    await session?.dropDraft()
    forgetKnown(this.id)
    forgetUnsent(this.id)
    await dropText(this.id)
  }

  /** Another tab may have taken down that everything is confirmed, speaking of its own edits. */
  insist(): void {
    if (!this.unconfirmed || readKnown(this.id)?.unsaved === true) return
    changeKnown(this.id, (known) => (known.unsaved = true))
  }

  stop(): void {
    this.#end.abort()
    clearTimeout(this.#consultTimer)
    clearTimeout(this.#textTimer)
    this.title.stop()
    this.#calm.close()
    void this.session?.close()
  }

  introduce(person: Person): void {
    this.#person = person
    this.#announce()
  }

  /** The address may carry the secret of a share link: the server gives its role to whoever shows it. */
  async #useLink(): Promise<void> {
    const secret = takeSecret('key')
    if (secret === null) return
    try {
      await untilAnswered(() => openShareLink(secret), this.#end.signal)
      dropSecret()
      await me.load()
    } catch (error) {
      if (error instanceof Refused) this.linkRefused = true
      else if (!this.#end.signal.aborted && !(error instanceof Unreachable)) throw error
    }
  }

  /** Null when the page ends before the server answers. */
  async #whoAmI(): Promise<MeInfo | null> {
    try {
      return await untilAnswered(() => me.load(), this.#end.signal)
    } catch (error) {
      if (!this.#end.signal.aborted) throw error
      return null
    }
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
      denied: this.#denied,
    })
    // Edits that come from elsewhere, the copy on this device among them, are not local to their transaction.
    session.doc.on('update', (_update: Uint8Array, _origin: unknown, _doc: Y.Doc, { local }: Y.Transaction) => {
      this.#noteTextSoon()
      if (!local) return
      this.#setUnconfirmed(true)
      // Online it is a matter of moments.
      if (!this.view.synced || this.view.overdue) changeKnown(this.id, (known) => (known.waiting = this.waiting - this.images))
    })
    this.session = session
    this.kind = RICH
    watchKind(session.doc, (kind) => this.session === session && (this.kind = kind))
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
    // What an old version of the app may do says nothing of the person.
    if (view.role !== null && view.role !== this.#rememberedRole && !view.outdated) this.#rememberRole(view.role)
    this.session?.awareness.setLocalStateField('reads', !this.mayWrite)
    if (view.saved) this.#setUnconfirmed(false)
    this.#rememberComplete(view)
    this.#calm.update(this.#facts())
    if (view.refused === CLOSED_OTHER_EPOCH) void this.#begin().connect()
    else if (view.refused !== null) this.#refuse(view.refused - CLOSE_CODE_BASE)
    else if (synced) this.#haveSynced()
  }

  /** Who only reads is acknowledged nothing, and has nothing to be acknowledged. */
  #facts(): Facts {
    const { synced, saved, unsaved, overdue } = this.view
    const refused = this.refusal !== null
    if (this.mayWrite) return { synced, saved, unsaved, overdue, refused }
    return { synced, saved: synced && !this.unconfirmed, unsaved: this.unconfirmed, refused }
  }

  #setUnconfirmed(unconfirmed: boolean): void {
    if (this.unconfirmed === unconfirmed) return
    this.unconfirmed = unconfirmed
    if (!unconfirmed) this.#waitedBefore = 0
    changeKnown(this.id, (known) => {
      if (unconfirmed) known.unsaved = true
      else {
        delete known.unsaved
        delete known.waiting
      }
    })
  }

  #rememberRole(role: Role): void {
    this.#rememberedRole = role
    changeKnown(this.id, (known) => (known.role = role))
  }

  /** Once the server's word has made the document known here by name. */
  #rememberComplete({ complete }: SessionView): void {
    const epoch = this.session?.epoch ?? null
    if (!complete || epoch === this.#completeEpoch || readKnown(this.id)?.epoch !== epoch) return
    this.#completeEpoch = epoch
    changeKnown(this.id, (known) => {
      known.complete = true
      delete known.begunHere
    })
    void this.session?.dropDraft()
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
      const info = await (this.#begunHere
        ? handOver(this.id, this.title.text, this.#end.signal)
        : lookUp(this.id, this.#end.signal))
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
    this.#begunHere = false
    this.info = info
    if (session.view.role === null) this.#rememberedRole = info.role
    this.title.learn(info)
    this.#rememberComplete(session.view)
    // Typed before the document was known here by name.
    if (this.unconfirmed) changeKnown(this.id, (known) => (known.unsaved = true))
    await session.connect()
    await this.title.flush()
  }

  #quarantine(readable: boolean): void {
    this.readable = readable
    this.#refuse(LOCKED)
  }

  #heedRefusal(status: number): void {
    // The server has lost what this device holds: nothing is there to be doubled, so offer the copy, if it lets us. Or,
    // where another product says who may do what, the document comes into being when somebody who may connects.
    const offers = readKnown(this.id) !== null || (me.info?.auth === 'jwt' && !this.#offered)
    if (status !== NOT_FOUND || !offers) {
      this.#refuse(status)
      return
    }
    this.#offered = true
    forgetKnown(this.id)
    this.#confirmed = false
    void (this.session ?? this.#begin()).connect()
  }

  #refuse(status: number): void {
    if (status === UNAUTHORIZED) this.refusal = 'signed-out'
    else if (status === FORBIDDEN) this.refusal = 'forbidden'
    else if (status === LOCKED) this.refusal = 'quarantined'
    else this.refusal = status === NOT_FOUND ? 'not-found' : 'ended'
    this.#calm.update(this.#facts())
    void this.#letGo()
  }

  /** A document that was taken away leaves this device too, unless it holds what exists nowhere else (rule O2). */
  async #letGo(): Promise<void> {
    const { session } = this
    await session?.close()
    if (this.refusal !== 'forbidden' || this.unconfirmed || this.title.pending || this.images > 0) return
    clearTimeout(this.#textTimer)
    if (session !== null && session.epoch !== null) await deleteCopy(copyName(this.id, session.epoch))
    forgetKnown(this.id)
    await dropText(this.id)
  }

  /** For searches on this device, once the writing pauses. */
  #noteTextSoon(): void {
    clearTimeout(this.#textTimer)
    this.#textTimer = setTimeout(() => {
      const { session } = this
      if (session !== null && readKnown(this.id) !== null) void keepText(this.id, plainText(session.doc))
    }, TEXT_AFTER_MS)
  }

  #announce(): void {
    const { awareness } = this.session ?? {}
    awareness?.setLocalStateField('user', { ...this.#person, client: awareness.clientID })
    awareness?.setLocalStateField('reads', !this.mayWrite)
  }

  #meet(session: DocumentSession): void {
    if (this.session !== session) return
    const { awareness } = session
    const others: Present[] = []
    for (const [client, state] of awareness.getStates()) {
      if (client === awareness.clientID) continue
      if (state['user'] !== undefined) others.push({ ...asPerson(state['user'], client), client, typing: state['typing'] === true, reads: state['reads'] === true, comments: state['comments'] === true })
      this.title.heed(state['title'])
    }
    this.others = others.sort((a, b) => a.client - b.client)
  }
}
