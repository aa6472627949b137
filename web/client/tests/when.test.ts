import { expect, test } from 'vitest'

import { dayOf, timesOf, when } from '../src/lib/when'

const now = new Date('2026-11-20T12:00:00Z')

test.each([
  ['2026-11-20T12:00:05Z', 'now'],
  ['2026-11-20T11:59:30Z', 'now'],
  ['2026-11-20T11:58:10Z', '1 minute ago'],
  ['2026-11-20T09:00:00Z', '3 hours ago'],
  ['2026-11-19T11:00:00Z', 'yesterday'],
  ['2026-10-01T12:00:00Z', 'Oct 1, 2026'],
])('%s is "%s"', (at, said) => {
  expect(when(new Date(at), now, 'en-US')).toBe(said)
})

test.each([
  ['2026-11-20T09:00:00', 'Today'],
  ['2026-11-19T23:59:00', 'Yesterday'],
  ['2026-11-12T09:00:00', 'Thursday, November 12'],
  ['2025-11-12T09:00:00', 'Wednesday, November 12, 2025'],
])('%s is of the day "%s"', (at, said) => {
  expect(dayOf(new Date(at), new Date('2026-11-20T12:00:00'), 'en-US')).toBe(said)
})

test('a time with a beginning shows both, unless the minute is the same', () => {
  const at = (time: string) => new Date(`2026-11-20T${time}`)
  expect(timesOf(at('14:05:00'), at('14:31:00'), 'en-GB')).toBe('14:05 – 14:31')
  expect(timesOf(at('14:05:00'), at('14:05:40'), 'en-GB')).toBe('14:05')
})
