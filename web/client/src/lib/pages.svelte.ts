/** Rows that a server gives page by page: the first page again when the question changes, more at the end. */

import { messageOf } from './http'

export class Pages<Row, Cursor> {
  /** Null until the first answer. */
  rows: Row[] | null = $state.raw(null)
  next: Cursor | null = $state.raw(null)
  fault: string | null = $state(null)
  readonly #ask: (after: Cursor | null) => Promise<{ rows: Row[]; next: Cursor | null }>
  #round = 0

  constructor(ask: (after: Cursor | null) => Promise<{ rows: Row[]; next: Cursor | null }>) {
    this.#ask = ask
  }

  /** From the start: the question has changed, or the rows have. Answers to earlier questions are dropped. */
  async reload(): Promise<void> {
    await this.#load(null)
  }

  async more(): Promise<void> {
    await this.#load(this.next)
  }

  /** Put what is now known in the place of a row. */
  replace(same: (row: Row) => boolean, row: Row): void {
    this.rows = this.rows?.map((old) => (same(old) ? row : old)) ?? null
  }

  remove(same: (row: Row) => boolean): void {
    this.rows = this.rows?.filter((row) => !same(row)) ?? null
  }

  async #load(after: Cursor | null): Promise<void> {
    this.#round += 1
    const round = this.#round
    try {
      const { rows, next } = await this.#ask(after)
      if (round !== this.#round) return
      this.fault = null
      this.rows = after === null ? rows : [...(this.rows ?? []), ...rows]
      this.next = next
    } catch (error) {
      if (round === this.#round) this.fault = messageOf(error)
    }
  }
}
