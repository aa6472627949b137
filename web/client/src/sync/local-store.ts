/**
 * The copy of a document on this device (IndexedDB), and whether it can be relied upon.
 *
 * Rule L1: `kept` is true only when every update so far is in a completed IndexedDB transaction.
 * Rule L2: a store that fails never disturbs editing or sending; it is reopened, and `kept` is false meanwhile.
 * Rule L3: `complete` is true only when the copy once held everything the server had.
 * Rule L4: a store whose copy is deleted, by another tab that signs out, lets go of it and does not come back.
 * Rule L5: what came from the server is written by one of the tabs that have the document open (`Writer`).
 * Rule L6: the copy is made of a bounded number of updates, however long somebody writes without a break.
 */

import * as idb from 'lib0/indexeddb'
import { IndexeddbPersistence, PREFERRED_TRIM_SIZE, storeState } from 'y-indexeddb'
import * as Y from 'yjs'

import { Writer } from './writer'

const COMPLETE = 'complete'
const UPDATES = 'updates'
/** Some browsers leave an open request unanswered; the server's copy must not wait for that. */
const LOAD_TIMEOUT_MS = 4000
/** At a smaller number y-indexeddb merges them itself, but only once nothing was written for a second. */
const UPDATES_MAX = PREFERRED_TRIM_SIZE + 100
const REOPEN_MS_MIN = 1000
const REOPEN_MS_MAX = 60_000

export class LocalStore {
  readonly #name: string
  readonly #doc: Y.Doc
  readonly #changed: () => void
  readonly #fromServer: (origin: unknown) => boolean
  readonly #writer: Writer
  /** State vector of what is known to be in the copy, while another tab is the writer. */
  #written: Uint8Array | undefined
  /** Something came that this tab has left to the writer. */
  #behind = false
  #persistence: IndexeddbPersistence | null = null
  #database: IDBDatabase | null = null
  #made = 0
  #stored = 0
  #checking = false
  #merging = false
  #complete = false
  #answered = false
  #closed = false
  #failed = false
  #reopenMs = REOPEN_MS_MIN
  #reopenTimer: ReturnType<typeof setTimeout> | undefined

  constructor(name: string, doc: Y.Doc, changed: () => void, fromServer: (origin: unknown) => boolean = () => false) {
    this.#name = name
    this.#doc = doc
    this.#changed = changed
    this.#fromServer = fromServer
    this.#writer = new Writer(`${name} writer`, (mine) => (mine ? this.#catchUp() : this.#markWritten()))
    doc.on('update', this.#keep)
  }

  get kept(): boolean {
    return this.#database !== null && this.#stored === this.#made
  }

  get complete(): boolean {
    return this.#complete
  }

  /** The browser does not store here: not merely not yet. It is tried again. */
  get failed(): boolean {
    return this.#failed
  }

  /** Load what this device holds into the document. Returns in any case; look at `complete` afterwards. */
  async open(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined
    const timeout = new Promise<void>((resolve) => (timer = setTimeout(resolve, LOAD_TIMEOUT_MS)))
    await Promise.race([this.#open(), timeout])
    clearTimeout(timer)
    if (this.#database === null && !this.#closed) this.#failed = true
  }

  /** The document now holds everything the server had: remember that across reloads. */
  async serverAnswered(): Promise<void> {
    this.#answered = true
    const persistence = this.#persistence
    if (this.#complete || persistence === null || this.#database === null) return
    this.#catchUp()
    try {
      await this.#completed()
      await persistence.set(COMPLETE, 1)
      this.#complete = true
      this.#changed()
    } catch {
      if (this.#persistence === persistence) this.#fail()
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#reopenTimer)
    this.#writer.close()
    this.#doc.off('update', this.#keep)
    await this.#detach()
  }

  async #open(): Promise<void> {
    try {
      await makeDatabase(this.#name)
    } catch {
      this.#fail()
      return
    }
    if (this.#closed) return
    const persistence = new IndexeddbPersistence(this.#name, this.#doc)
    // It would throw into the editor's transaction when its database is gone, and the handlers behind it would
    // miss the edit: `#keep` calls it instead.
    this.#doc.off('update', persistence._storeUpdate)
    this.#persistence = persistence
    try {
      const database = await persistence._db
      for (const event of ['abort', 'error', 'close'] as const) {
        database.addEventListener(event, () => this.#persistence === persistence && this.#fail())
      }
      database.addEventListener('versionchange', ({ newVersion }) => {
        if (this.#persistence !== persistence) return
        if (newVersion === null) void this.close()
        else this.#fail()
      })
      await persistence.whenSynced
      this.#complete = (await persistence.get(COMPLETE)) === 1
      if (this.#persistence !== persistence) return
      this.#database = database
      // Opening has written everything there was; it counts as a write like any other (rule L1).
      this.#made += 1
      this.#markWritten()
      await this.#check()
      if (this.kept) {
        this.#failed = false
        this.#reopenMs = REOPEN_MS_MIN
        this.#changed()
      }
      if (this.#answered) await this.serverAnswered()
    } catch {
      if (this.#persistence === persistence) this.#fail()
    }
  }

  readonly #keep = (update: Uint8Array, origin: unknown): void => {
    if (origin === this.#persistence) return
    if (!this.#fromServer(origin)) this.#writer.claim()
    else if (!this.#writer.mine) {
      this.#behind = true
      return
    }
    this.#write(update, origin)
  }

  #write(update: Uint8Array, origin: unknown): void {
    this.#made += 1
    try {
      this.#persistence?._storeUpdate(update, origin)
    } catch {
      this.#fail()
    }
    void this.#check()
    void this.#merge()
  }

  /** Rule L6. */
  async #merge(): Promise<void> {
    const persistence = this.#persistence
    if (this.#merging || persistence === null || this.#database === null || persistence._dbsize < UPDATES_MAX) return
    this.#merging = true
    try {
      await storeState(persistence, false)
    } catch {
      if (this.#persistence === persistence) this.#fail()
    } finally {
      this.#merging = false
    }
  }

  #markWritten(): void {
    this.#written = Y.encodeStateVector(this.#doc)
    this.#behind = false
  }

  /** Write what was left to another tab: it may have gone before it had written all of it. */
  #catchUp(): void {
    if (!this.#behind) return
    this.#behind = false
    this.#write(Y.encodeStateAsUpdate(this.#doc, this.#written), null)
  }

  /** Move `#stored` up to what is in completed transactions; at most one round under way. */
  async #check(): Promise<void> {
    if (this.#checking) return
    this.#checking = true
    try {
      while (this.#database !== null && this.#stored < this.#made) {
        const made = this.#made
        const database = this.#database
        await this.#completed()
        if (database === this.#database) this.#stored = made
      }
    } catch {
      this.#fail()
    } finally {
      this.#checking = false
    }
    this.#changed()
  }

  /** Resolves when all earlier writes have completed: a transaction waits for those before it on the same store. */
  #completed(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#database === null) {
        reject(new Error('The local store is not open.'))
        return
      }
      const transaction = this.#database.transaction(UPDATES, 'readonly')
      transaction.objectStore(UPDATES).count()
      transaction.oncomplete = () => resolve()
      transaction.onabort = () => reject(transaction.error ?? new Error('The local store was closed.'))
    })
  }

  #fail(): void {
    if (this.#closed) return
    // Safari drops connections now and then, and takes a new one at once: that is not worth a word.
    if (this.#reopenMs > REOPEN_MS_MIN) this.#failed = true
    void this.#detach()
    clearTimeout(this.#reopenTimer)
    // Opening writes the whole state first, so nothing that failed has to be remembered.
    this.#reopenTimer = setTimeout(() => void this.#open(), this.#reopenMs)
    this.#reopenMs = Math.min(this.#reopenMs * 2, REOPEN_MS_MAX)
    this.#changed()
  }

  async #detach(): Promise<void> {
    const persistence = this.#persistence
    this.#persistence = null
    this.#database = null
    try {
      await persistence?.destroy()
    } catch {
      // It never opened: there is nothing to close.
    }
  }
}

/** As y-indexeddb does it, whose own failure to open would be a rejection that nobody handles. */
async function makeDatabase(name: string): Promise<void> {
  const stores = [[UPDATES, { autoIncrement: true }], ['custom']]
  const database = await idb.openDB(name, (made) => idb.createStores(made, stores))
  database.close()
}
