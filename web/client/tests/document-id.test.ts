import { describe, expect, test } from 'vitest'

import { documentApiPath, documentFromPath, documentPath, isDocumentId, socketUrl } from '../src/lib/document-id'

describe('document names', () => {
  test.each(['plan', 'team/plan', 'a.b_c:d~e-f', 'x'.repeat(255)])('%s is one', (id) => {
    expect(isDocumentId(id)).toBe(true)
    expect(documentFromPath(documentPath(id))).toBe(id)
  })

  test.each(['', '/', 'a//b', '/a', 'a/', '.', '..', 'a/../b', 'a b', 'ä', 'a?b', 'a#b', 'a%b', 'x'.repeat(256)])(
    '%j is none',
    (id) => expect(isDocumentId(id)).toBe(false),
  )

  test('come out of an address decoded, whatever it is', () => {
    expect(documentFromPath('/d/team%2Fplan')).toBe('team/plan')
    expect(documentFromPath('/d/100%')).toBe('100%')
    expect(documentFromPath('/')).toBeNull()
    expect(documentFromPath('/about')).toBeNull()
  })

  test('stand in API paths as one part', () => {
    expect(documentApiPath('team/plan')).toBe('/api/documents/team%2Fplan')
  })

  test('the socket is as safe as the page', () => {
    expect(socketUrl({ protocol: 'https:', host: 'docs.example' })).toBe('wss://docs.example/ws')
    expect(socketUrl({ protocol: 'http:', host: '127.0.0.1:8000' })).toBe('ws://127.0.0.1:8000/ws')
  })
})
