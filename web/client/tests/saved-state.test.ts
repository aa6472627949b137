import { describe, expect, test } from 'vitest'

import { ASK_AFTER_MS, OVERDUE_AFTER_MS, SavedState } from '../src/sync/saved-state'
import { FakeTimers } from './fake-timers'

function begin() {
  const sent: number[] = []
  const timers = new FakeTimers()
  const state = new SavedState({ send: (version) => sent.push(version), changed: () => undefined, timers })
  return { state, sent, timers }
}

/** Connected, and what was there at the start is acknowledged. */
function beginSaved() {
  const parts = begin()
  parts.state.handshakeDone()
  parts.state.acknowledge(parts.sent.at(-1) ?? 0)
  expect(parts.state.saved).toBe(true)
  return parts
}

describe('saved state', () => {
  test('is unsaved before anything was acknowledged, even when nothing was typed (S2)', () => {
    const { state, sent } = begin()
    expect(state.unsaved).toBe(true)
    expect(state.saved).toBe(false)
    expect(sent).toEqual([])
  })

  test('asks only after the handshake, and a finished handshake alone is not saved (S1)', () => {
    const { state, sent, timers } = begin()
    state.edited()
    timers.pass(10 * ASK_AFTER_MS)
    expect(sent).toEqual([])
    state.handshakeDone()
    expect(sent).toEqual([2])
    expect(state.saved).toBe(false)
    state.acknowledge(2)
    expect(state.saved).toBe(true)
  })

  test('an edit is unsaved at once and saved only by an answer that covers it', () => {
    const { state, sent, timers } = beginSaved()
    state.edited()
    expect(state.saved).toBe(false)
    timers.pass(ASK_AFTER_MS)
    state.edited()
    state.acknowledge(sent.at(-1) ?? 0)
    expect(state.saved).toBe(false)
    timers.pass(ASK_AFTER_MS)
    state.acknowledge(sent.at(-1) ?? 0)
    expect(state.saved).toBe(true)
  })

  test('counts the edits that wait, and not what came from this device', () => {
    const { state, sent, timers } = beginSaved()
    state.edited(false)
    expect(state.waiting).toBe(0)
    state.edited()
    state.edited()
    timers.pass(ASK_AFTER_MS)
    state.edited()
    expect(state.waiting).toBe(3)
    state.acknowledge(sent.at(-1) ?? 0)
    expect(state.waiting).toBe(1)
    state.disconnected()
    state.edited()
    expect(state.waiting).toBe(2)
    state.handshakeDone()
    state.acknowledge(sent.at(-1) ?? 0)
    expect(state.waiting).toBe(0)
  })

  test('edits in quick succession share a request, and the last one is always covered (S3)', () => {
    const { state, sent, timers } = beginSaved()
    for (let edit = 0; edit < 100; edit += 1) {
      state.edited()
      timers.pass(10)
    }
    timers.pass(ASK_AFTER_MS)
    expect(sent.at(-1)).toBe(101)
    expect(sent.length).toBeLessThan(20)
    state.acknowledge(101)
    expect(timers.pending).toBe(0)
  })

  test('an answer that does not come is overdue after a while, and progress is not', () => {
    const { state, sent, timers } = beginSaved()
    for (let edit = 0; edit < 10; edit += 1) {
      state.edited()
      timers.pass(ASK_AFTER_MS)
      timers.pass(OVERDUE_AFTER_MS - 1000)
      expect(state.overdue).toBe(false)
      state.acknowledge(sent.at(-1) ?? 0)
    }
    state.edited()
    timers.pass(ASK_AFTER_MS)
    timers.pass(OVERDUE_AFTER_MS)
    expect(state.overdue).toBe(true)
    expect(state.saved).toBe(false)
    state.acknowledge(sent.at(-1) ?? 0)
    expect(state.overdue).toBe(false)
    expect(timers.pending).toBe(0)
    state.edited()
    timers.pass(ASK_AFTER_MS + OVERDUE_AFTER_MS)
    state.disconnected()
    expect(state.overdue).toBe(false)
  })

  test('answers that arrive late or twice change nothing for the worse', () => {
    const { state, timers } = beginSaved()
    state.edited()
    timers.pass(ASK_AFTER_MS)
    state.acknowledge(2)
    state.acknowledge(1)
    expect(state.saved).toBe(true)
  })

  test('an answer to what was never asked is ignored', () => {
    const { state } = begin()
    state.handshakeDone()
    state.acknowledge(99)
    expect(state.saved).toBe(false)
  })

  test('a lost connection takes its open requests with it', () => {
    const { state, sent, timers } = beginSaved()
    state.edited()
    state.disconnected()
    timers.pass(10 * ASK_AFTER_MS)
    expect(sent).toEqual([1])
    state.acknowledge(2)
    expect(state.unsaved).toBe(true)
  })

  test('a new connection has to confirm even what an earlier one acknowledged (S4)', () => {
    const { state, sent } = beginSaved()
    state.disconnected()
    expect(state.saved).toBe(false)
    expect(state.unsaved).toBe(false)
    state.handshakeDone()
    expect(state.saved).toBe(false)
    expect(sent).toEqual([1, 1])
    state.acknowledge(1)
    expect(state.saved).toBe(true)
  })

  test('edits made offline are covered by the first request of the next connection', () => {
    const { state, sent } = beginSaved()
    state.disconnected()
    state.edited()
    state.edited()
    state.handshakeDone()
    expect(sent.at(-1)).toBe(3)
    state.acknowledge(3)
    expect(state.saved).toBe(true)
  })

  test('close leaves no timer behind', () => {
    const { state, timers } = beginSaved()
    state.edited()
    state.close()
    expect(timers.pending).toBe(0)
  })
})
