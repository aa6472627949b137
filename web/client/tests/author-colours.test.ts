/** Whose words are whose: the server's answer, and what was typed since, on the characters of the editor. */

import { yXmlFragmentToProseMirrorRootNode } from '@tiptap/y-tiptap'
import { expect, test } from 'vitest'
import * as Y from 'yjs'

import { Authorship, placesOf } from '../src/editor/author-colours'
import { documentSchema } from '../src/editor/extensions'
import { Palette, type Comparison } from '../src/lib/comparison'

const ANN = 1
const BEN = 2

function written(): { doc: Y.Doc; fragment: Y.XmlFragment; texts: Y.XmlText[] } {
  const doc = new Y.Doc()
  doc.clientID = ANN
  const fragment = doc.getXmlFragment('default')
  const texts = [new Y.XmlText('Hello '), new Y.XmlText('in a list')]
  const [first, second] = texts as [Y.XmlText, Y.XmlText]
  const paragraph = new Y.XmlElement('paragraph')
  const list = new Y.XmlElement('bulletList')
  const item = new Y.XmlElement('listItem')
  const inner = new Y.XmlElement('paragraph')
  fragment.insert(0, [paragraph, new Y.XmlElement('horizontalRule'), list])
  paragraph.insert(0, [first])
  list.insert(0, [item])
  item.insert(0, [inner])
  inner.insert(0, [second])
  type(doc, BEN, first, 'world')
  return { doc, fragment, texts }
}

/** As somebody else. */
function type(doc: Y.Doc, client: number, text: Y.XmlText, words: string): void {
  const before = doc.clientID
  doc.clientID = client
  text.insert(text.length, words)
  doc.clientID = before
}

function idOf(text: Y.XmlText | undefined): string {
  return `${text?._item?.id.client ?? ''}:${text?._item?.id.clock ?? ''}`
}

function answer(texts: readonly Y.XmlText[]): Comparison {
  const [first, second] = texts
  return {
    authors: [
      { user: 'ann', client: null, name: 'Ann' },
      { user: 'ben', client: null, name: 'Ben' },
    ],
    roots: [
      {
        name: 'default',
        type: 'xml fragment',
        content: [
          { type: 'xml text', id: idOf(first), author: 0, content: [{ text: 'Hello ', author: 0 }, { text: 'world', author: 1 }] },
          { type: 'xml text', id: idOf(second), author: 0, content: [{ text: 'in a list', author: 0 }] },
        ],
      },
    ],
  }
}

test('where nothing was typed since, it is as the server says', () => {
  const { doc, texts } = written()
  const authorship = new Authorship(answer(texts), new Palette(), doc)
  expect(texts.map((text) => authorship.of(text))).toEqual([
    [{ length: 6, author: 0 }, { length: 5, author: 1 }],
    [{ length: 9, author: 0 }],
  ])
})

test('what is typed since is by whoever types under that client id, and by nobody who is not known', () => {
  const { doc, texts } = written()
  const authorship = new Authorship(answer(texts), new Palette(), doc)
  const [, second] = texts as [Y.XmlText, Y.XmlText]
  type(doc, BEN, second, '!')
  type(doc, 77, second, '?')
  expect(authorship.of(second)).toEqual([{ length: 9, author: 0 }, { length: 1, author: 1 }, { length: 1, author: null }])
})

test('each text has its place in the editor', () => {
  const { fragment, texts } = written()
  const root = yXmlFragmentToProseMirrorRootNode(fragment, documentSchema())
  const places = placesOf(fragment, root)
  expect(places.map(({ text }) => text)).toEqual(texts)
  expect(places.map(({ text, from }) => root.textBetween(from, from + text.length))).toEqual(['Hello world', 'in a list'])
})
