import { describe, expect, test } from 'vitest'

import { answerFor, type Asked } from '../src/service-worker/answers'

const ORIGIN = 'https://here.example'
const FILES = new Set(['/', '/assets/app-1a2b.js', '/icon-192.png'])

function answer(path: string, asked: Partial<Asked> = {}): string {
  return answerFor({ method: 'GET', mode: 'no-cors', url: ORIGIN + path, ...asked }, ORIGIN, FILES)
}

describe('the service worker', () => {
  test.each(['/', '/d/plan', '/d/team/plan', '/d/plan?x=1', '/sign-in?next=%2Fd%2Fx', '/join', '/account', '/admin/people'])(
    'shows the app at %s',
    (path) => expect(answer(path, { mode: 'navigate' })).toBe('page'),
  )

  test.each([
    '/api/me',
    '/api/single-sign-on/start',
    '/api/documents/plan/content?format=html',
    '/healthz',
    '/metrics',
    '/d',
    '/nothing',
  ])('leaves a visit of %s to the server', (path) => expect(answer(path, { mode: 'navigate' })).toBe('server'))

  test('has the files of the app, also those of a version before', () => {
    expect(answer('/assets/app-1a2b.js')).toBe('file')
    expect(answer('/assets/app-before.js')).toBe('file')
    expect(answer('/icon-192.png')).toBe('file')
  })

  test('keeps out of everything else', () => {
    expect(answer('/api/documents')).toBe('server')
    expect(answer('/api/documents', { mode: 'cors', method: 'POST' })).toBe('server')
    expect(answer('/')).toBe('server')
    expect(answer('/sw.js')).toBe('server')
    expect(answerFor({ method: 'GET', mode: 'navigate', url: 'https://else.example/' }, ORIGIN, FILES)).toBe('server')
  })
})
