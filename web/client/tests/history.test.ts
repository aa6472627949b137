/** What entries of a history are called, stand under, and are compared with. */

import { describe, expect, test } from 'vitest'

import { byDay, headline, stateBefore, stateOf, type Entry, type HistoryEvent, type NamedVersion, type Session } from '../src/lib/history'

const ANN = { user: 'ann', user_name: 'Ann' }

function session(from: number, to: number, at: string): Session {
  return { kind: 'session', from_seq: from, to_seq: to, updates: 1, added: 1, removed: 0, ...ANN, started_at: at, at }
}

function version(seq: number, at: string): NamedVersion {
  return { kind: 'version', id: seq, seq, name: `v${seq}`, ...ANN, started_at: at, at }
}

function event(kind: HistoryEvent['kind'], seq: number, at: string, more: Partial<HistoryEvent> = {}): HistoryEvent {
  return { kind, id: seq, seq, detail: '', ...ANN, started_at: at, at, ...more }
}

describe('an entry', () => {
  test('shows the document as it left it', () => {
    expect(stateOf(session(3, 9, ''))).toBe(9)
    expect(stateOf(event('restore', 4, '', { row: 12 }))).toBe(12)
    expect(stateOf(event('export', 4, ''))).toBe(4)
  })

  test('is compared with the state it began from, or the nearest older one of its kind', () => {
    const list: Entry[] = [version(9, ''), session(5, 9, ''), version(4, ''), session(1, 4, '')]
    expect(list.map((entry) => stateBefore(entry, list))).toEqual([4, 4, 0, 0])
    expect(stateBefore(event('restore', 4, '', { row: 12 }), list)).toBe(11)
    expect(stateBefore(event('export', 9, ''), list)).toBe(4)
    expect(stateBefore(event('import', 2, ''), list)).toBe(0)
  })

  test('says who did what', () => {
    expect(headline(event('restore', 4, '', { row: 12 }))).toBe('Ann brought an earlier state back')
    expect(headline(event('restore', 4, '', { row: 12, detail: '7:0' }))).toBe('Ann brought one part back')
    expect(headline(event('export', 4, '', { detail: 'docx', user: null, user_name: null }))).toBe('Somebody exported it: Word (DOCX)')
  })
})

test('what was named later stands at its state, under the day of that state', () => {
  const list: Entry[] = [
    session(8, 9, '2026-11-27T10:00:00'),
    version(7, '2026-11-27T11:00:00'),
    session(5, 7, '2026-11-26T10:00:00'),
    session(1, 4, '2026-11-26T09:00:00'),
  ]
  expect(byDay(list).map(({ at, entries }) => [at.getDate(), entries.map(({ kind }) => kind)])).toEqual([
    [27, ['session']],
    [26, ['version', 'session', 'session']],
  ])
  expect(byDay([version(7, '2026-11-27T11:00:00')])).toHaveLength(1)
})
