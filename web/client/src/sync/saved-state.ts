/**
 * Is what this page shows durably stored? Counts local edits and compares them with what the server acknowledged.
 *
 * No I/O and no Yjs: the provider reports events, this decides, `send` puts one acknowledgement request on the wire.
 *
 * Rule S1: the server answers a request for version n only after everything sent before it on the same connection
 *          is committed. So a request is worth something only once the handshake's edits went out before it.
 * Rule S2: whatever the document holds when the page opens counts as unsaved until the server has answered.
 * Rule S3: every local edit is followed by a request that covers it; edits in quick succession share one.
 * Rule S4: a new connection proves nothing until it has answered a request of its own.
 */

/** Deferred calls, so that tests can own the time. */
export interface Timers {
  set: (callback: () => void, ms: number) => number
  clear: (handle: number) => void
}

export const browserTimers: Timers = {
  set: (callback, ms) => window.setTimeout(callback, ms),
  clear: (handle) => window.clearTimeout(handle),
}

/** How long edits are collected before one request covers them all. */
export const ASK_AFTER_MS = 80

/** An acknowledgement that takes longer is worth a word: the server cannot store just now, or does not answer. */
export const OVERDUE_AFTER_MS = 5000

export interface SavedStateOptions {
  /** Send an acknowledgement request for `version` on the current connection, after everything already sent. */
  send: (version: number) => void
  /** Something observable changed. */
  changed: () => void
  timers?: Timers
}

export class SavedState {
  readonly #options: SavedStateOptions
  readonly #timers: Timers
  /** 1 stands for what was there at the start (rule S2). */
  #version = 1
  #acknowledged = 0
  #synced = false
  #answered = false
  #pendingAsk: number | null = null
  #asked = 0
  /** Edits made here, and of them those that the server has acknowledged. */
  #edits = 0
  #acknowledgedEdits = 0
  /** How many edits each request that was not answered covers. */
  #covered: { version: number; edits: number }[] = []
  #overdueTimer: number | null = null
  #overdue = false

  constructor(options: SavedStateOptions) {
    this.#options = options
    this.#timers = options.timers ?? browserTimers
  }

  /** Both sides have exchanged what the other lacked, on a connection that still stands. */
  get synced(): boolean {
    return this.#synced
  }

  /** Something here has never been acknowledged by the server. */
  get unsaved(): boolean {
    return this.#acknowledged < this.#version
  }

  /** Edits made on this page that the server has not acknowledged. */
  get waiting(): number {
    return this.#edits - this.#acknowledgedEdits
  }

  /** The server has been asked for a while, and does not confirm. */
  get overdue(): boolean {
    return this.#overdue
  }

  /** Everything here is durable on the server, and the current connection has confirmed it (rule S4). */
  get saved(): boolean {
    return this.#synced && this.#answered && !this.unsaved
  }

  /**
   * An update was made here (or loaded from this device) that the server has to be sent.
   *
   * @param byHand it is an edit of whoever sits here.
   */
  edited(byHand = true): void {
    this.#version += 1
    if (byHand) this.#edits += 1
    if (this.#synced && this.#pendingAsk === null) {
      this.#pendingAsk = this.#timers.set(() => {
        this.#pendingAsk = null
        this.#ask()
      }, ASK_AFTER_MS)
    }
    this.#options.changed()
  }

  /** The handshake of the current connection is complete: our own missing edits are on the wire (rule S1). */
  handshakeDone(): void {
    this.#synced = true
    this.#ask()
    this.#options.changed()
  }

  /** The server echoed a request. A version that was never sent is ignored. */
  acknowledge(version: number): void {
    if (!this.#synced || version > this.#version) return
    this.#answered = true
    this.#acknowledged = Math.max(this.#acknowledged, version)
    for (const { version: asked, edits } of this.#covered) {
      if (asked <= version) this.#acknowledgedEdits = Math.max(this.#acknowledgedEdits, edits)
    }
    this.#covered = this.#covered.filter(({ version: asked }) => asked > version)
    this.#dropOverdue()
    if (this.#asked > this.#acknowledged) this.#expect()
    this.#options.changed()
  }

  /** The connection is gone, and with it every request that was not answered. */
  disconnected(): void {
    this.#synced = false
    this.#answered = false
    this.#covered = []
    this.#dropPendingAsk()
    this.#dropOverdue()
    this.#options.changed()
  }

  /** No further requests. */
  close(): void {
    this.#dropPendingAsk()
    this.#dropOverdue()
  }

  #ask(): void {
    this.#asked = this.#version
    this.#covered.push({ version: this.#version, edits: this.#edits })
    this.#options.send(this.#version)
    this.#expect()
  }

  #expect(): void {
    this.#overdueTimer ??= this.#timers.set(() => {
      this.#overdueTimer = null
      this.#overdue = true
      this.#options.changed()
    }, OVERDUE_AFTER_MS)
  }

  #dropOverdue(): void {
    if (this.#overdueTimer !== null) this.#timers.clear(this.#overdueTimer)
    this.#overdueTimer = null
    this.#overdue = false
  }

  #dropPendingAsk(): void {
    if (this.#pendingAsk !== null) this.#timers.clear(this.#pendingAsk)
    this.#pendingAsk = null
  }
}
