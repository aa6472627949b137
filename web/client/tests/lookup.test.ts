import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { Refused } from '../src/lib/http'
import { lookUp } from '../src/sync/lookup'

const info = { id: 'team/plan', title: '', epoch: 'e1', deleted_at: null }

/** Answers in order; the calls that were made, as "METHOD path". */
function serverAnswers(...answers: (Response | Error)[]): string[] {
  const calls: string[] = []
  vi.stubGlobal('fetch', (path: string, { method }: { method: string }) => {
    calls.push(`${method} ${path}`)
    const answer = answers.shift() ?? new Error('asked too often')
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer)
  })
  return calls
}

const found = (): Response => Response.json(info)
const problem = (status: number, body = {}): Response => Response.json(body, { status })

describe('looking a document up', () => {
  beforeEach(() => {
    vi.useFakeTimers()
    vi.stubGlobal('addEventListener', vi.fn())
    vi.stubGlobal('removeEventListener', vi.fn())
  })

  afterEach(() => {
    vi.unstubAllGlobals()
    vi.useRealTimers()
  })

  test('gives what the server knows', async () => {
    const calls = serverAnswers(found())
    expect(await lookUp('team/plan', new AbortController().signal)).toEqual(info)
    expect(calls).toEqual(['GET /api/documents/team%2Fplan'])
  })

  test('takes no for an answer, in the words of the server', async () => {
    const calls = serverAnswers(problem(403, { title: 'Forbidden', detail: 'not for you' }))
    await expect(lookUp('team/plan', new AbortController().signal)).rejects.toThrow(new Refused(403, 'Not for you.'))
    expect(calls).toHaveLength(1)
  })

  test('asks again while nobody answers, or the server is in trouble', async () => {
    const calls = serverAnswers(new TypeError('no connection'), problem(503), problem(429), new Response('<html>'), found())
    const answer = lookUp('team/plan', new AbortController().signal)
    await vi.advanceTimersByTimeAsync(20_000)
    expect(await answer).toEqual(info)
    expect(calls).toHaveLength(5)
  })

  test('ends when the page does', async () => {
    const page = new AbortController()
    const calls = serverAnswers(problem(503))
    const answer = lookUp('team/plan', page.signal)
    const ended = expect(answer).rejects.toThrow('gone')
    await vi.advanceTimersByTimeAsync(100)
    page.abort(new Error('gone'))
    await ended
    expect(calls).toHaveLength(1)
  })
})
