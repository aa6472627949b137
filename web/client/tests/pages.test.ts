import { describe, expect, test } from 'vitest'

import { Pages } from '../src/lib/pages.svelte'

interface Answer {
  rows: string[]
  next: number | null
}

/** A server whose answers come when the test says so, in any order. */
function slowServer(): { pages: Pages<string, number>; answer: (index: number, answer: Answer | Error) => Promise<void> } {
  const asked: { resolve: (answer: Answer) => void; reject: (error: Error) => void }[] = []
  const pages = new Pages<string, number>(() => new Promise((resolve, reject) => asked.push({ resolve, reject })))
  return {
    pages,
    answer: async (index, answer) => {
      if (answer instanceof Error) asked[index]?.reject(answer)
      else asked[index]?.resolve(answer)
      await Promise.resolve()
      await Promise.resolve()
    },
  }
}

describe('rows in pages', () => {
  test('more come behind those that are there', async () => {
    const { pages, answer } = slowServer()
    void pages.reload()
    await answer(0, { rows: ['a', 'b'], next: 2 })
    void pages.more()
    await answer(1, { rows: ['c'], next: null })
    expect(pages.rows).toEqual(['a', 'b', 'c'])
    expect(pages.next).toBeNull()
  })

  test('an answer that was overtaken by another question is dropped', async () => {
    const { pages, answer } = slowServer()
    void pages.reload()
    void pages.reload()
    await answer(1, { rows: ['what was asked last'], next: null })
    await answer(0, { rows: ['what was asked first'], next: 9 })
    expect(pages.rows).toEqual(['what was asked last'])
    expect(pages.next).toBeNull()
  })

  test('a fault is said until an answer comes', async () => {
    const { pages, answer } = slowServer()
    void pages.reload()
    await answer(0, new Error('The server cannot be reached.'))
    expect(pages.fault).toBe('The server cannot be reached.')
    void pages.reload()
    await answer(1, { rows: [], next: null })
    expect(pages.fault).toBeNull()
  })
})
