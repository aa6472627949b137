/**
 * What the history panel shows: the timeline as far as it was read, the entry that was chosen, and its state.
 *
 * The server answers questions about the past one at a time. So a choice waits a moment, in which another may replace
 * it, an answer that nobody waits for any more is dropped, and the last few are kept.
 */

import { draw, type Drawn, type Look } from '../editor/past'
import type { PersonRef } from '../lib/accounts'
import { asComparison, fromContent, Palette, peopleOf, type Comparison } from '../lib/comparison'
import { asEntry, keyOf, listVersions, readChanges, readContent, readState, readTimeline, stateBefore, stateOf, type Entry } from '../lib/history'
import { messageOf, Refused } from '../lib/http'
import type { Person } from '../lib/identity'
import { Pages } from '../lib/pages.svelte'

/** Whose entries: everybody's, those of nobody who signed in, or one person's by their id. */
export type Whose = { all: true } | { nobody: true } | { user: string }

export interface Shown {
  comparison: Comparison
  people: Person[]
  drawn: Drawn
}

const ASK_AFTER_MS = 120
const ANSWERS_KEPT = 8
const FORBIDDEN = 403

export class DocumentHistory {
  readonly document: string
  readonly palette = new Palette()
  readonly entries: Pages<Entry, string>
  /** The newest state when the timeline was last read from its start. */
  head = $state(0)
  whose: Whose = $state.raw({ all: true })
  since: Date | null = $state.raw(null)
  until: Date | null = $state.raw(null)
  /** Only what somebody gave a name. */
  named = $state(false)
  /** The story is not for everybody who may read the document: then there are named versions, and nothing of their authors. */
  limited = $state(false)

  chosen: Entry | null = $state.raw(null)
  look: Look = $state('state')
  /** Compare with this state; null: with the one before. */
  against: number | null = $state(null)
  shown: Shown | null = $state.raw(null)
  busy = $state(false)
  fault: string | null = $state(null)
  /** Everybody seen on the timeline, by name; `nobody` who signed in was there as well. */
  people: PersonRef[] = $state.raw([])
  nobody = $state(false)

  readonly filtered = $derived(!('all' in this.whose) || this.since !== null || this.until !== null)

  #asking = new AbortController()
  #timer: ReturnType<typeof setTimeout> | undefined
  /** The last few, newest first. */
  #answers: { key: string; comparison: Comparison }[] = []

  constructor(document: string) {
    this.document = document
    this.entries = new Pages<Entry, string>((after) => this.#page(after))
  }

  /** The two states that are compared, the earlier one first. */
  get compared(): [from: number, to: number] {
    if (this.chosen === null) return [0, 0]
    const at = stateOf(this.chosen)
    const other = this.against ?? stateBefore(this.chosen, this.entries.rows ?? [])
    return [Math.min(at, other), Math.max(at, other)]
  }

  async reload(): Promise<void> {
    await this.entries.reload()
    const { rows } = this.entries
    if (rows === null) return
    const key = this.chosen === null ? null : keyOf(this.chosen)
    const again = rows.find((entry) => keyOf(entry) === key)
    // A narrow screen shows the list first: there is always something chosen, whether it is in sight or not.
    this.choose(again ?? rows[0] ?? null)
  }

  choose(entry: Entry | null): void {
    if (entry !== null && this.chosen !== null && stateOf(entry) !== stateOf(this.chosen)) this.against = null
    this.chosen = entry
    this.#show()
  }

  lookAt(look: Look): void {
    this.look = look
    this.#show()
  }

  compareWith(seq: number | null): void {
    this.against = seq
    this.#show()
  }

  retry(): void {
    this.#show()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#asking.abort()
  }

  #show(): void {
    this.stop()
    const { chosen } = this
    if (chosen === null) {
      this.shown = null
      this.busy = false
      return
    }
    const [from, at] = this.look === 'changes' ? this.compared : [null, stateOf(chosen)]
    const known = this.#answers.find(({ key }) => key === keyFor(at, from))?.comparison
    if (known !== undefined) {
      this.#draw(known)
      return
    }
    this.busy = true
    this.fault = null
    this.#asking = new AbortController()
    const { signal } = this.#asking
    this.#timer = setTimeout(() => void this.#ask(at, from, signal), ASK_AFTER_MS)
  }

  async #ask(at: number, from: number | null, signal: AbortSignal): Promise<void> {
    try {
      const comparison = await this.#read(at, from, signal)
      signal.throwIfAborted()
      this.#keep(keyFor(at, from), comparison)
      this.#draw(comparison)
    } catch (error) {
      if (signal.aborted) return
      this.fault = messageOf(error)
      this.shown = null
      this.busy = false
    }
  }

  async #read(at: number, from: number | null, signal: AbortSignal): Promise<Comparison> {
    const { document } = this
    if (this.limited) return fromContent(await readContent(document, at, signal))
    return asComparison(from === null ? await readState(document, at, signal) : await readChanges(document, from, at, signal))
  }

  #draw(comparison: Comparison): void {
    const people = peopleOf(comparison.authors, this.palette)
    this.shown = { comparison, people, drawn: draw(comparison, this.look, people) }
    this.busy = false
    this.fault = null
  }

  #keep(key: string, comparison: Comparison): void {
    this.#answers = [{ key, comparison }, ...this.#answers].slice(0, ANSWERS_KEPT)
  }

  async #page(after: string | null): Promise<{ rows: Entry[]; next: string | null }> {
    if (!this.named) {
      try {
        const { head, entries, next } = await readTimeline(this.document, this.#filter(), after)
        if (after === null) this.head = head
        this.#meet(entries)
        return { rows: entries, next }
      } catch (error) {
        if (!(error instanceof Refused) || error.status !== FORBIDDEN) throw error
        this.limited = true
        this.named = true
      }
    }
    const versions = await listVersions(this.document)
    const rows = versions.map((version) => asEntry(version, this.people)).filter((entry) => this.#wants(entry))
    return { rows: rows.sort((a, b) => b.seq - a.seq || b.id - a.id), next: null }
  }

  #filter(): Parameters<typeof readTimeline>[1] {
    const { whose } = this
    return {
      ...('user' in whose ? { user: whose.user } : 'nobody' in whose ? { anonymous: true } : {}),
      ...(this.since === null ? {} : { since: this.since.toISOString() }),
      ...(this.until === null ? {} : { until: this.until.toISOString() }),
    }
  }

  #wants({ user, at }: Entry): boolean {
    const { whose } = this
    const time = Date.parse(at)
    return (
      ('all' in whose || ('nobody' in whose ? user === null : user === whose.user)) &&
      (this.since === null || time >= this.since.getTime()) &&
      (this.until === null || time <= this.until.getTime())
    )
  }

  /** Whoever was seen once can be chosen from then on. */
  #meet(entries: readonly Entry[]): void {
    this.nobody ||= entries.some(({ user }) => user === null)
    const fresh: PersonRef[] = []
    for (const { user, user_name: name } of entries) {
      const known = user === null || [...this.people, ...fresh].some(({ id }) => id === user)
      if (!known) fresh.push({ id: user, name: name ?? user })
    }
    if (fresh.length > 0) this.people = [...this.people, ...fresh].sort((a, b) => a.name.localeCompare(b.name))
  }
}

function keyFor(at: number, from: number | null): string {
  return `${from ?? ''} ${at}`
}
