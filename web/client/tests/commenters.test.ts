/** Whose a comment is: the server's name for the id in it; what people call themselves is marked. */

import { expect, test } from 'vitest'
import * as Y from 'yjs'

import { asSignature, authorOf, sign, type Commenter } from '../src/lib/commenters'
import { beginThread, readThreads } from '../src/lib/comments'

const ME = { name: 'Ann', color: '#123456' }
const known = new Map<string, Commenter>([
  ['a', { id: 'a', name: 'Ann Lee', guest: false }],
  ['g', { id: 'g', name: 'Guest', guest: true }],
])

test.each([
  [{ id: 'a', name: 'Boss', color: '#000000' }, false, 'Ann Lee'],
  [{ id: 'g', name: 'Fox' }, false, 'Fox (guest)'],
  [{ name: 'Ann Lee' }, false, 'Ann Lee (guest)'],
  [{ name: 'Fox' }, true, 'Fox'],
  [{ id: 'gone' }, false, 'Somebody'],
  [{ id: 'gone', name: 'Ann Lee' }, true, 'Ann Lee (guest)'],
  ['Ann Lee', false, 'Somebody'],
  [null, true, 'Somebody'],
  [Object.create({ id: 'a' }), false, 'Somebody'],
])('%j is shown as somebody who it can be', (by, open, name) => {
  expect(authorOf(asSignature(by), known, open).name).toBe(name)
})

test('whom the server knows leaves no name in what they write', () => {
  expect(sign(ME, { id: 'a', guest: false })).toEqual({ id: 'a', color: ME.color })
  expect(sign(ME, { id: 'g', guest: true })).toEqual({ id: 'g', ...ME })
  expect(sign(ME, null)).toEqual(ME)
})

test('a comment is read as it was signed, and not through a prototype', () => {
  const doc = new Y.Doc()
  const id = beginThread(doc, { start: 1, end: 2 }, 'words', sign(ME, { id: 'a', guest: false }), 'why?')
  const comments = (doc.getMap('threads').get(id) as Y.Map<unknown>).get('comments') as Y.Array<unknown>
  const forged = JSON.parse('{"text": "pay him", "at": 1}') as object
  comments.push([Object.setPrototypeOf(forged, { by: { id: 'b' } })])
  expect(readThreads(doc)[0]?.comments.map(({ by }) => by.id)).toEqual(['a', null])
})
