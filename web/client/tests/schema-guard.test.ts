import { describe, expect, test, vi } from 'vitest'
import * as Y from 'yjs'

import { documentSchema } from '../src/editor/extensions'
import { findUnknown, watchForUnknown } from '../src/editor/schema-guard'
import { FRAGMENT } from '../src/sync/kind'

const schema = documentSchema()

function element(name: string, ...children: (Y.XmlElement | Y.XmlText)[]): Y.XmlElement {
  const node = new Y.XmlElement(name)
  node.insert(0, children)
  return node
}

function text(content: string, marks?: object): Y.XmlText {
  const node = new Y.XmlText()
  node.insert(0, content, marks)
  return node
}

function documentOf(...children: (Y.XmlElement | Y.XmlText)[]): Y.XmlFragment {
  const fragment = new Y.Doc().getXmlFragment(FRAGMENT)
  fragment.insert(0, children)
  return fragment
}

describe('what the app cannot show', () => {
  test('nothing, in a document of its own kind', () => {
    const list = element('bulletList', element('listItem', element('paragraph', text('one', { bold: {} }))))
    expect(findUnknown(documentOf(element('heading', text('Title')), list), schema)).toBeNull()
    expect(findUnknown(documentOf(), schema)).toBeNull()
  })

  test('an element, at any depth', () => {
    const chart = element('chart', element('series'))
    expect(findUnknown(documentOf(element('blockquote', chart)), schema)).toBe('chart')
  })

  test('a mark, hashed or not', () => {
    expect(findUnknown(documentOf(element('paragraph', text('x', { comment: {} }))), schema)).toBe('comment')
    expect(findUnknown(documentOf(element('paragraph', text('x', { 'comment--abcd1234': {} }))), schema)).toBe('comment')
    expect(findUnknown(documentOf(element('paragraph', text('x', { 'link--abcd1234': {} }))), schema)).toBeNull()
  })

  test('text at the top, and objects in a text', () => {
    expect(findUnknown(documentOf(text('loose')), schema)).not.toBeNull()
    const embedding = new Y.XmlText()
    embedding.insertEmbed(0, { image: 'x' })
    expect(findUnknown(documentOf(element('paragraph', embedding)), schema)).not.toBeNull()
  })
})

describe('the watch', () => {
  function watched() {
    const fragment = documentOf(element('paragraph', text('ours')))
    const found = vi.fn()
    const order: string[] = []
    const stop = watchForUnknown(fragment, schema, (unknown) => {
      order.push('found')
      found(unknown)
    })
    fragment.observeDeep(() => order.push('observed'))
    const doc = fragment.doc as Y.Doc
    const other = new Y.Doc()
    Y.applyUpdate(other, Y.encodeStateAsUpdate(doc))
    const receive = (change: (fragment: Y.XmlFragment) => void) => {
      change(other.getXmlFragment(FRAGMENT))
      Y.applyUpdate(doc, Y.encodeStateAsUpdate(other))
    }
    return { found, order, receive, stop }
  }

  test('sees it before any observer does', () => {
    const { found, order, receive } = watched()
    receive((fragment) => fragment.insert(1, [element('chart')]))
    expect(found).toHaveBeenCalledExactlyOnceWith('chart')
    expect(order).toEqual(['found', 'observed'])
  })

  test('sees it inside what was there already', () => {
    const { found, receive } = watched()
    receive((fragment) => (fragment.get(0) as Y.XmlElement).insert(1, [element('chart')]))
    expect(found).toHaveBeenCalledExactlyOnceWith('chart')
  })

  test('sees a mark on text that was there already', () => {
    const { found, receive } = watched()
    receive((fragment) => ((fragment.get(0) as Y.XmlElement).get(0) as Y.XmlText).format(0, 2, { comment: {} }))
    expect(found).toHaveBeenCalledExactlyOnceWith('comment')
  })

  test('lets everything else pass, and looks only under its fragment', () => {
    const { found, receive } = watched()
    receive((fragment) => {
      fragment.insert(0, [element('heading', text('New'))])
      fragment.doc?.getXmlFragment('elsewhere').insert(0, [element('chart')])
    })
    expect(found).not.toHaveBeenCalled()
  })

  test('ends', () => {
    const { found, receive, stop } = watched()
    stop()
    receive((fragment) => fragment.insert(1, [element('chart')]))
    expect(found).not.toHaveBeenCalled()
  })
})
