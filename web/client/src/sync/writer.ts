/**
 * Which of several tabs with the same document writes what the server sends into the copy that they share.
 *
 * Rule W1: what is typed in a tab that tab writes itself: nobody else has it yet.
 * Rule W2: the tab that was typed in or looked at last is the writer; when it goes, another one takes its place. Where the
 *          browser has no locks every tab is a writer, and the copy gets everything as often as there are tabs.
 */

/** Not there where no page is. */
const page = (globalThis as { document?: Document }).document

export class Writer {
  readonly #name: string
  readonly #changed: (mine: boolean) => void
  readonly #locks: LockManager | undefined
  #mine: boolean
  #claiming = false
  #closed = false
  #release: () => void = () => undefined
  #waiting: AbortController | null = null

  /** `changed` is called with what `mine` has become. */
  constructor(name: string, changed: (mine: boolean) => void) {
    this.#name = name
    this.#changed = changed
    this.#locks = (globalThis as { navigator?: { locks?: LockManager } }).navigator?.locks
    this.#mine = this.#locks === undefined
    if (this.#locks === undefined) return
    page?.addEventListener('visibilitychange', this.#looked)
    if (page?.visibilityState === 'visible') this.claim()
    else void this.#wait()
  }

  get mine(): boolean {
    return this.#mine
  }

  /** Somebody types here: be the writer from now on. */
  claim(): void {
    if (this.#mine || this.#claiming || this.#closed) return
    this.#claiming = true
    this.#waiting?.abort()
    void this.#hold({ steal: true })
  }

  close(): void {
    this.#closed = true
    page?.removeEventListener('visibilitychange', this.#looked)
    this.#waiting?.abort()
    this.#release()
  }

  readonly #looked = (): void => {
    if (page?.visibilityState === 'visible') this.claim()
  }

  /** Take the place of a writer that goes. */
  async #wait(): Promise<void> {
    this.#waiting = new AbortController()
    await this.#hold({ signal: this.#waiting.signal })
  }

  async #hold(options: LockOptions): Promise<void> {
    const lock = { granted: false }
    try {
      await this.#locks?.request(this.#name, options, () => {
        lock.granted = true
        this.#claiming = false
        if (this.#closed) return undefined
        this.#become(true)
        return new Promise<void>((resolve) => (this.#release = resolve))
      })
    } catch {
      if (lock.granted) {
        // Another tab has become the writer.
        this.#become(false)
        if (!this.#closed) await this.#wait()
      } else if (options.steal === true) {
        // There are locks, and they do not work.
        this.#claiming = false
        this.#become(true)
      }
    }
  }

  #become(mine: boolean): void {
    if (this.#mine === mine || this.#closed) return
    this.#mine = mine
    this.#changed(mine)
  }
}
