import { describe, expect, test } from 'vitest'

import {
  CalmState,
  FIRST_CONNECTION_MS,
  OFFLINE_AFTER_MS,
  SAVED_AFTER_MS,
  type Facts,
  type ShownState,
} from '../src/sync/calm-state'
import { FakeTimers } from './fake-timers'

const saved: Facts = { synced: true, saved: true, unsaved: false, refused: false }
const saving: Facts = { synced: true, saved: false, unsaved: true, refused: false }
const lost: Facts = { synced: false, saved: false, unsaved: false, refused: false }
const lostUnsaved: Facts = { ...lost, unsaved: true }

function begin() {
  const shown: ShownState[] = []
  const timers = new FakeTimers()
  const calm = new CalmState((state) => shown.push(state), timers)
  return { calm, shown, timers }
}

function beginSaved() {
  const parts = begin()
  parts.calm.update(saved)
  parts.timers.pass(SAVED_AFTER_MS)
  expect(parts.calm.shown).toBe('saved')
  parts.shown.length = 0
  return parts
}

describe('the state line', () => {
  test('is patient with the first connection, then says offline', () => {
    const { calm, timers } = begin()
    expect(calm.shown).toBe('connecting')
    timers.pass(FIRST_CONNECTION_MS - 1)
    expect(calm.shown).toBe('connecting')
    timers.pass(1)
    expect(calm.shown).toBe('offline')
  })

  test('never says saved while something is not', () => {
    const { calm } = beginSaved()
    calm.update(saving)
    expect(calm.shown).toBe('saving')
  })

  test('steady typing shows one word, not two in turn', () => {
    const { calm, shown, timers } = beginSaved()
    for (let key = 0; key < 20; key += 1) {
      calm.update(saving)
      timers.pass(100)
      calm.update(saved)
      timers.pass(100)
    }
    timers.pass(SAVED_AFTER_MS)
    expect(shown).toEqual(['saving', 'saved'])
  })

  test('a connection that is back soon was never away', () => {
    const { calm, shown, timers } = beginSaved()
    calm.update(lost)
    timers.pass(OFFLINE_AFTER_MS - 1)
    calm.update(saved)
    timers.pass(FIRST_CONNECTION_MS)
    expect(shown).toEqual([])
  })

  test('an edit while the connection is away is unsaved at once, and offline in time', () => {
    const { calm, shown, timers } = beginSaved()
    calm.update(lost)
    timers.pass(OFFLINE_AFTER_MS / 2)
    calm.update(lostUnsaved)
    timers.pass(OFFLINE_AFTER_MS / 2)
    expect(shown).toEqual(['saving', 'offline'])
  })

  test('retries and edits do not make it leave offline; only a connection that works does', () => {
    const { calm, shown, timers } = beginSaved()
    calm.update(lost)
    timers.pass(OFFLINE_AFTER_MS)
    for (let retry = 0; retry < 5; retry += 1) {
      calm.update(lostUnsaved)
      timers.pass(2500)
    }
    expect(shown).toEqual(['offline'])
    calm.update(saving)
    calm.update(saved)
    timers.pass(SAVED_AFTER_MS)
    expect(shown).toEqual(['offline', 'saving', 'saved'])
  })

  test('a refusal is shown at once and stays', () => {
    const { calm, timers } = beginSaved()
    calm.update(lost)
    calm.update({ ...lost, refused: true })
    timers.pass(FIRST_CONNECTION_MS)
    expect(calm.shown).toBe('closed')
  })
})
