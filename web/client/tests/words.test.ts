/** What pages say about times, browsers and the audit log. */

import { describe, expect, test } from 'vitest'

import { browserName } from '../src/lib/agent'
import { actionWords, detailWords } from '../src/lib/audit'
import { expiresAt } from '../src/lib/expiry'
import { until } from '../src/lib/when'

const NOW = new Date('2026-11-27T13:00:00Z')

describe('an end', () => {
  test.each([
    ['2026-11-27T12:59:59Z', 'expired'],
    ['2026-11-27T13:00:30Z', 'in 1 minute'],
    ['2026-11-27T15:00:00Z', 'in 2 hours'],
    ['2026-11-28T13:00:00Z', 'tomorrow'],
    ['2026-12-04T13:00:00Z', 'in 7 days'],
    ['2027-11-27T13:00:00Z', 'Nov 27, 2027'],
  ])('at %s is %s', (at, words) => {
    expect(until(new Date(at), NOW, 'en-US')).toBe(words)
  })

  test('is chosen from now on, or never comes', () => {
    expect(expiresAt('day', NOW)).toBe('2026-11-28T13:00:00.000Z')
    expect(expiresAt('never', NOW)).toBeNull()
  })
})

test.each([
  ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'Firefox on Linux'],
  ['Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15', 'Safari on macOS'],
  ['Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36 Edg/156.0', 'Edge on Windows'],
  ['Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile Safari/537.36', 'Chrome on Android'],
  ['Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1', 'Safari on iOS'],
  ['curl/8.9.1', 'curl/8.9.1'],
  ['', 'An unnamed program'],
])('%s is %s', (agent, name) => {
  expect(browserName(agent)).toBe(name)
})

describe('an entry of the audit log', () => {
  test('that this app does not know shows by its plain name', () => {
    expect(actionWords('webhook-created')).toBe('Webhook created')
  })

  test('has its details in one line', () => {
    const details = { role: 'editor', from_role: 'reader', link: null, uses: 3 }
    expect(detailWords(details, new Map())).toBe('role: editor, from role: reader, uses: 3')
  })

  test('calls people by their names where they are known', () => {
    const names = new Map([['u1', 'Ben']])
    expect(detailWords({ role: 'reader', person: 'u1' }, names)).toBe('person: Ben, role: reader')
    expect(detailWords({ person: 'u2' }, names)).toBe('person: u2')
    expect(detailWords({ person: 'u2', name: 'Cleo' }, names)).toBe('person: Cleo')
    expect(detailWords({ name: 'an invited one' }, names)).toBe('name: an invited one')
  })
})
