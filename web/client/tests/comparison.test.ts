/** What is read out of the server's tree: who wrote how much, who changed how much, in which colours. */

import { describe, expect, test } from 'vitest'

import { asComparison, changesOf, fromContent, Palette, peopleOf, sharesOf, valueOf, type Branch, type Comparison, type TreeNode } from '../src/lib/comparison'
import { COLORS } from '../src/lib/identity'

function paragraph(content: TreeNode[], more: Partial<Branch> = {}): Branch {
  return { type: 'element', id: '1:0', tag: 'paragraph', author: 0, content, ...more }
}

function comparison(...content: TreeNode[]): Comparison {
  return { authors: [], roots: [{ name: 'default', type: 'xml fragment', content }] }
}

test('what is no comparison is refused', () => {
  expect(() => asComparison({ detail: 'no' })).toThrow()
  expect(() => asComparison(null)).toThrow()
})

test('the part of each author counts what is there, not what was removed', () => {
  const tree = comparison(
    paragraph([
      { text: 'abc', author: 1 },
      { text: 'gone', author: 0, change: 'removed' },
      { text: 'd', author: 0 },
    ]),
  )
  expect(sharesOf(tree)).toEqual([
    { author: 1, characters: 3, part: 0.75 },
    { author: 0, characters: 1, part: 0.25 },
  ])
})

test('changes belong to who made them, those of a whole block to whoever added or removed it', () => {
  const tree = comparison(
    paragraph([
      { text: 'in', author: 1, change: 'added' },
      { text: 'out!', author: 1, change: 'removed', by: 2 },
      { text: 'same', author: 1 },
      { text: 'bold', author: 1, change: 'formatted', by: 3 },
    ]),
    // Brought back by 2: its text is still by 1.
    paragraph([{ text: 'block', author: 1 }], { change: 'added', by: 2 }),
  )
  expect(changesOf(tree)).toEqual([
    { author: 2, added: 5, removed: 4 },
    { author: 1, added: 2, removed: 0 },
    { author: 3, added: 0, removed: 0 },
  ])
})

test('of a word that was changed, only what came and went is counted', () => {
  const tree = comparison(
    paragraph([
      { text: 'fox', author: 0, change: 'removed', kept: true, by: 1 },
      { text: 'fo', author: 0, change: 'added', kept: true, by: 1 },
      { text: 'lk', author: 1, change: 'added' },
      { text: 'x', author: 0, change: 'added', kept: true, by: 1 },
    ]),
  )
  expect(changesOf(tree)).toEqual([{ author: 1, added: 2, removed: 0 }])
})

describe('people', () => {
  test('have a colour of their own, the same each time', () => {
    const palette = new Palette()
    const keys = COLORS.map((_, index) => `person ${index}`)
    const colors = keys.map((key) => palette.colorOf(key))
    expect(new Set(colors).size).toBe(COLORS.length)
    expect(palette.colorOf('person 3')).toBe(colors[3])
    const place = (color: string | undefined) => COLORS.findIndex(({ value }) => value === color)
    expect(Math.abs(place(colors[0]) - place(colors[1]))).toBe(COLORS.length / 2)
  })

  test('without an account are told apart by numbers, if there are several', () => {
    const nobody = (client: number) => ({ user: null, client, name: null })
    const names = (authors: Parameters<typeof peopleOf>[0]) => peopleOf(authors, new Palette()).map(({ name }) => name)
    expect(names([nobody(1)])).toEqual(['Somebody'])
    expect(names([nobody(1), { user: 'ann', client: null, name: 'Ann' }, nobody(2)])).toEqual(['Somebody (1)', 'Ann', 'Somebody (2)'])
  })
})

test('a key that was replaced has the newer value', () => {
  const entries = { level: [{ value: 1, author: 0, change: 'removed' as const }, { value: 2, author: 0, change: 'added' as const }] }
  expect(valueOf({ entries }, 'level')).toBe(2)
  expect(valueOf({ entries }, 'id')).toBeUndefined()
})

test('an exported document takes the same form, by nobody', () => {
  const { roots } = fromContent({
    default: { type: 'doc', content: [{ type: 'heading', attrs: { level: 2 }, content: [{ type: 'text', text: 'Hi', marks: [{ type: 'bold' }] }] }] },
    notes: { type: 'text', delta: [{ insert: 'x', attributes: { bold: true } }] },
    settings: { type: 'map', entries: { theme: 'dark' } },
    gone: { type: 'unknown' },
  })
  expect(roots.map(({ name }) => name)).toEqual(['default', 'notes', 'settings'])
  const heading = roots[0]?.content?.[0]
  expect(heading).toMatchObject({ tag: 'heading', content: [{ text: 'Hi', marks: { bold: {} } }] })
  expect(valueOf(heading as never, 'level')).toBe(2)
  expect(valueOf(roots[2] as never, 'theme')).toBe('dark')
})
