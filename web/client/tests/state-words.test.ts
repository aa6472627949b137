import { describe, expect, test } from 'vitest'

import { stateLine, type LineFacts } from '../src/lib/state-words'

const GOOD: LineFacts = {
  state: 'saved',
  unconfirmed: false,
  waiting: 0,
  kept: true,
  unkept: false,
  reads: false,
  stranded: false,
  outdated: false,
  refusal: null,
}
const TYPED = { unconfirmed: true, waiting: 3 }

/** As it is read on the page. */
function line(facts: Partial<LineFacts>): string {
  const { text, count, detail } = stateLine({ ...GOOD, ...facts })
  return [text, count, detail].filter((part) => part !== null).join(' · ')
}

describe('the words of the state line', () => {
  test.each<[string, Partial<LineFacts>]>([
    ['Saved', {}],
    ['Up to date', { reads: true }],
    ['Saved · not kept on this device', { kept: false, unkept: true }],
    ['Saving…', { state: 'saving', ...TYPED }],
    ['Offline', { state: 'offline' }],
    ['Offline · 3 edits wait · kept on this device', { state: 'offline', ...TYPED }],
    ['Offline · 1 edit waits · kept on this device', { state: 'offline', unconfirmed: true, waiting: 1 }],
    ['Offline · kept on this device', { state: 'offline', unconfirmed: true }],
    ['Offline · 3 edits wait · not stored yet, keep this page open', { state: 'offline', ...TYPED, kept: false }],
    [
      'Offline · 3 edits wait · not kept on this device, keep this page open',
      { state: 'offline', ...TYPED, kept: false, unkept: true },
    ],
    ['The server cannot save right now · 3 edits wait · kept on this device', { state: 'overdue', ...TYPED }],
    ['No longer allowed · 3 edits wait · kept on this device', { state: 'saving', stranded: true, ...TYPED }],
    ['New version needed · 3 edits wait · kept on this device', { state: 'saving', outdated: true, ...TYPED }],
    ['Offline', { state: 'offline', outdated: true }],
    ['No longer allowed', { state: 'closed', refusal: 'forbidden', ...TYPED }],
    ['Signed out', { state: 'closed', refusal: 'signed-out' }],
  ])('%s', (words, facts) => {
    expect(line(facts)).toBe(words)
  })

  test('people are told of what needs them, and of nothing else', () => {
    const troubled = (facts: Partial<LineFacts>): boolean => stateLine({ ...GOOD, ...facts }).trouble
    expect(troubled({})).toBe(false)
    expect(troubled({ state: 'saving', ...TYPED })).toBe(false)
    expect(troubled({ state: 'offline' })).toBe(true)
    expect(troubled({ unkept: true })).toBe(true)
    expect(troubled({ state: 'overdue', ...TYPED })).toBe(true)
  })
})
