import { expect, test } from 'vitest'

import { when } from '../src/lib/when'

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
