/**
 * One document open on this page: the Y.Doc, its copy on this device, its connection. No user interface.
 *
 * Rule D1: where there is a local copy, the connection opens only after it has loaded: one exchange covers both.
 * Rule D2: nothing may be edited until there is something to edit: a complete local copy or the server's answer.
 *          An empty page that later fills would invite people to write over what they cannot see.
 * Rule D3: a local copy belongs to one epoch, and only the server can say which one is the document's.
 * Rule D4: a document that was begun here may be edited before any server has heard of it. Its draft is a copy without an
 *          epoch, and goes only once the copy of the epoch that the server gave holds everything.
 */

import * as Y from 'yjs'

import { copyName, deleteCopy } from '../lib/device'
import type { Role } from '../lib/roles'
import { QuietAwareness } from './awareness'
import { LocalStore } from './local-store'
import { createProvider, type Provider } from './provider'
import { SCHEMA_VERSION } from './schema'

export interface SessionView {
  /** Both sides have exchanged what the other lacked, on a connection that still stands. */
  readonly synced: boolean
  /** Everything here is durable on the server. */
  readonly saved: boolean
  /** Something here has never been acknowledged by the server. */
  readonly unsaved: boolean
  /** Edits made on this page that the server has not acknowledged. */
  readonly waiting: number
  /** The server has been asked for a while, and does not confirm. */
  readonly overdue: boolean
  /** Rule D2. Once true it stays true. */
  readonly ready: boolean
  /** Everything here is stored on this device. */
  readonly kept: boolean
  /** The browser stores nothing here just now. */
  readonly unkept: boolean
  /** The copy on this device once held everything the server had. */
  readonly complete: boolean
  /** What this person may do, as last heard on a connection; null until then. */
  readonly role: Role | null
  /** The document was written with a later version of the editor's schema than this app has. */
  readonly outdated: boolean
  /** Close code with which the server ended this for good. */
  readonly refused: number | null
}

export interface SessionOptions {
  document: string
  serverUrl: string
  changed: (view: SessionView) => void
  /** A connection ended, or could not be made; it is tried again. */
  lost: (code: number | null) => void
  /** The server did not take something that was sent; the text says why. */
  denied: (reason: string) => void
}

/** The copy of what was begun here is named so. */
const NO_EPOCH = ''

export class DocumentSession {
  readonly doc = new Y.Doc()
  readonly awareness = new QuietAwareness(this.doc)
  readonly #options: SessionOptions
  readonly #provider: Provider
  #store: LocalStore | null = null
  /** Rule D4. */
  #draft: LocalStore | null = null
  #loading: Promise<void> = Promise.resolve()
  #epoch: string | null = null
  #ready = false
  #role: Role | null = null
  #outdated = false
  #refused: number | null = null
  #closed = false

  constructor(options: SessionOptions) {
    this.#options = options
    // Before any local store: it must see each edit even when storing it fails.
    this.#provider = createProvider({
      serverUrl: options.serverUrl,
      document: options.document,
      doc: this.doc,
      awareness: this.awareness,
      // Told on each connection, and first: before it can be known that the copy is another's, nothing was exchanged.
      epoch: (epoch) => this.#epoch === null && this.openCopy(epoch),
      schema: (version) => {
        this.#outdated = version > SCHEMA_VERSION
        this.#report()
      },
      changed: () => this.#changed(),
      lost: options.lost,
      denied: options.denied,
      role: (role) => {
        this.#role = role
        this.#report()
      },
      refused: (code) => {
        this.#refused = code
        this.#report()
      },
    })
  }

  /** Of the local copy; null while there is none. */
  get epoch(): string | null {
    return this.#epoch
  }

  get view(): SessionView {
    const { synced, saved, unsaved, waiting, overdue } = this.#provider.savedState
    const complete = this.#store?.complete ?? false
    const stores = [this.#store, this.#draft].filter((store) => store !== null)
    const kept = stores.some((store) => store.kept)
    const unkept = stores.length > 0 && stores.every((store) => store.failed)
    return {
      ...{ synced, saved, unsaved, waiting, overdue, kept, unkept, complete },
      ready: this.#ready,
      role: this.#role,
      outdated: this.#outdated,
      refused: this.#refused,
    }
  }

  /** Rule D4, in the place of `openCopy`. `epoch` is empty as long as the server has given none. */
  openDraft(epoch: string): void {
    const draft = new LocalStore(copyName(this.#options.document, NO_EPOCH), this.doc, () => this.#report())
    this.#draft = draft
    this.#loading = draft.open()
    if (epoch !== NO_EPOCH) this.openCopy(epoch)
    this.#loading = this.#loading.then(() => {
      this.#ready = true
      this.#changed()
    })
  }

  /** The copy holds everything: the draft is not needed any more. */
  async dropDraft(): Promise<void> {
    const draft = this.#draft
    this.#draft = null
    if (draft === null) return
    await draft.close()
    await deleteCopy(copyName(this.#options.document, NO_EPOCH))
  }

  /** Load the local copy of this epoch, and keep it up from now on. Once in the life of a session. */
  openCopy(epoch: string): void {
    const name = copyName(this.#options.document, epoch)
    const store = new LocalStore(name, this.doc, () => this.#report(), (origin) => this.#provider.isOrigin(origin))
    this.#epoch = epoch
    this.#store = store
    this.#loading = Promise.all([this.#loading, store.open()]).then(() => {
      if (store.complete) this.#ready = true
      this.#changed()
    })
  }

  /** Connect, and stay connected as long as the server wants us. Calling it again does no harm. */
  async connect(): Promise<void> {
    await this.#loading
    if (!this.#closed && this.#refused === null) this.#provider.connect(this.#epoch ?? '')
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#provider.destroy()
    this.awareness.destroy()
    await this.#store?.close()
    await this.#draft?.close()
    this.doc.destroy()
  }

  #changed(): void {
    if (this.#provider.savedState.synced) {
      this.#ready = true
      void this.#store?.serverAnswered()
    }
    this.#report()
  }

  #report(): void {
    if (!this.#closed) this.#options.changed(this.view)
  }
}
