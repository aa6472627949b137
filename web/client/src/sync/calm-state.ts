/**
 * What the state line says, without flicker. Leaving "saved" is immediate, entering it waits: the line may
 * be late with good news, never with bad news.
 *
 * No I/O: the session reports facts, time comes from `Timers`.
 */

import { browserTimers, type Timers } from './saved-state'

/** `overdue`: connected, and the server has not confirmed for a while. `closed`: it refused this document for good. */
export type ShownState = 'connecting' | 'offline' | 'saving' | 'overdue' | 'saved' | 'closed'

export interface Facts {
  synced: boolean
  saved: boolean
  unsaved: boolean
  refused: boolean
  overdue?: boolean
}

/** Steady typing is acknowledged many times a second; only a pause deserves a new word. */
export const SAVED_AFTER_MS = 300
/** A server that restarts, or one lost packet, is back before anybody has to know. */
export const OFFLINE_AFTER_MS = 1000
/** The first connection of a page may take longer. */
export const FIRST_CONNECTION_MS = 3000

export class CalmState {
  readonly #changed: (state: ShownState) => void
  readonly #timers: Timers
  #shown: ShownState = 'connecting'
  #next: { state: ShownState; handle: number } | null = null

  constructor(changed: (state: ShownState) => void, timers: Timers = browserTimers) {
    this.#changed = changed
    this.#timers = timers
    this.update({ synced: false, saved: false, unsaved: false, refused: false })
  }

  get shown(): ShownState {
    return this.#shown
  }

  update(facts: Facts): void {
    if (facts.refused) this.#show('closed')
    else if (!facts.synced) this.#lost(facts.unsaved)
    else if (facts.saved) this.#later('saved', SAVED_AFTER_MS)
    else this.#show(facts.overdue === true ? 'overdue' : 'saving')
  }

  close(): void {
    this.#cancel()
  }

  #lost(unsaved: boolean): void {
    if (this.#shown === 'saved' && unsaved) this.#set('saving')
    if (this.#shown === 'offline') this.#cancel()
    else this.#later('offline', this.#shown === 'connecting' ? FIRST_CONNECTION_MS : OFFLINE_AFTER_MS)
  }

  #later(state: ShownState, ms: number): void {
    if (this.#next?.state === state) return
    this.#cancel()
    if (this.#shown === state) return
    const handle = this.#timers.set(() => {
      this.#next = null
      this.#set(state)
    }, ms)
    this.#next = { state, handle }
  }

  #show(state: ShownState): void {
    this.#cancel()
    this.#set(state)
  }

  #set(state: ShownState): void {
    if (this.#shown === state) return
    this.#shown = state
    this.#changed(state)
  }

  #cancel(): void {
    if (this.#next !== null) this.#timers.clear(this.#next.handle)
    this.#next = null
  }
}
