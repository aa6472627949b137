import { afterEach, describe, expect, test, vi } from 'vitest'

import { Refused, request, TooMany, Unreachable, withQuery } from '../src/lib/http'

function serverAnswers(status: number, body: unknown, headers: Record<string, string> = {}): void {
  vi.stubGlobal('fetch', () => Promise.resolve(body === null ? new Response(null, { status }) : Response.json(body, { status, headers })))
}

async function failure(): Promise<unknown> {
  return request('GET', '/api/me').then(
    () => null,
    (error: unknown) => error,
  )
}

describe('a call', () => {
  afterEach(() => vi.unstubAllGlobals())

  test('that changes something and has nothing to say answers nothing', async () => {
    serverAnswers(204, null)
    expect(await request('DELETE', '/api/me/tokens/t1')).toBeNull()
  })

  test('is refused with words for people, a code for programs, and the faults of its fields', async () => {
    serverAnswers(409, {
      detail: 'this name is taken',
      code: 'name-taken',
      errors: [{ field: 'name', detail: 'somebody has this name' }, { field: 3 }, null],
    })
    const error = await failure()
    expect(error).toBeInstanceOf(Refused)
    expect(error).toMatchObject({
      status: 409,
      message: 'This name is taken.',
      code: 'name-taken',
      fields: { name: 'Somebody has this name.' },
    })
  })

  test('that came too often says when to try again', async () => {
    serverAnswers(429, {}, { 'Retry-After': '90' })
    const error = await failure()
    expect(error).toBeInstanceOf(TooMany)
    expect(error).toMatchObject({ message: 'Too many attempts. Try again in 2 minutes.' })
  })

  test.each([500, 502, 503])('answered with %i may be asked again', async (status) => {
    serverAnswers(status, {})
    expect(await failure()).toBeInstanceOf(Unreachable)
  })
})

test('a query has only what was chosen, encoded', () => {
  const parameters = { q: 'a&b', after: null, deleted: false, scope: undefined, empty: '' }
  expect(withQuery('/api/documents', parameters)).toBe('/api/documents?q=a%26b')
  expect(withQuery('/api/documents', { deleted: true })).toBe('/api/documents?deleted=true')
  expect(withQuery('/api/documents', {})).toBe('/api/documents')
})
