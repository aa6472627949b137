/** Time that stands still until a test moves it. */

import type { Timers } from '../src/sync/saved-state'

export class FakeTimers implements Timers {
  #now = 0
  #last = 0
  readonly #due = new Map<number, { at: number; callback: () => void }>()

  readonly set = (callback: () => void, ms: number): number => {
    this.#last += 1
    this.#due.set(this.#last, { at: this.#now + ms, callback })
    return this.#last
  }

  readonly clear = (handle: number): void => {
    this.#due.delete(handle)
  }

  get pending(): number {
    return this.#due.size
  }

  pass(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const [next] = [...this.#due].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at)
      if (next === undefined) break
      const [handle, { at, callback }] = next
      this.#due.delete(handle)
      this.#now = at
      callback()
    }
    this.#now = end
  }
}
