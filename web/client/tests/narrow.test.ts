import { Slice, type Node } from '@tiptap/pm/model'
import { EditorState, TextSelection, type Transaction } from '@tiptap/pm/state'
import { Decoration, DecorationSet } from '@tiptap/pm/view'
import { ySyncPluginKey } from '@tiptap/y-tiptap'
import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'

import { documentSchema } from '../src/editor/extensions'
import { narrowed, type Mapping } from '../src/editor/narrow'

const schema = documentSchema()

const p = (text: string): Node => schema.node('paragraph', null, text === '' ? [] : [schema.text(text)])
const list = (...items: string[]): Node => schema.node('bulletList', null, items.map((item) => schema.node('listItem', null, [p(item)])))
const doc = (...blocks: Node[]): Node => schema.node('doc', null, blocks)
const copy = (node: Node): Node => schema.nodeFromJSON(node.toJSON())

/** As y-tiptap writes it: all of the text again. */
function whole(state: EditorState, after: Node): Transaction {
  const tr = state.tr.replace(0, state.doc.content.size, new Slice(copy(after).content, 0, 0))
  return tr.setMeta(ySyncPluginKey, { isChangeOrigin: true })
}

function mappingOf(node: Node): Mapping {
  const mapping: Mapping = new Map()
  node.descendants((each) => {
    if (each.isText) mapping.set(new Y.XmlText() as never, [each])
    else mapping.set(new Y.XmlElement() as never, each)
  })
  return mapping
}

function isIn(root: Node, wanted: Node): boolean {
  let found = false
  root.descendants((each) => {
    found ||= each === wanted
    return !found
  })
  return found
}

describe('an edit of somebody else', () => {
  test('leaves what stands elsewhere, in the same block as well, where it is', () => {
    const state = EditorState.create({ doc: doc(p('one'), p('two and three'), list('four')) })
    const tr = narrowed(state, whole(state, doc(p('one!'), p('two, and three'), list('four'))), new Map())
    expect(tr.doc.eq(doc(p('one!'), p('two, and three'), list('four')))).toBe(true)
    const last = Decoration.widget(24, () => null as never)
    expect(DecorationSet.create(state.doc, [last]).map(tr.mapping, tr.doc).find()).toHaveLength(1)
    const one = narrowed(state, whole(state, doc(p('one'), p('two or three'), list('four'))), new Map())
    const beside = Decoration.widget(8, () => null as never)
    expect(DecorationSet.create(state.doc, [beside]).map(one.mapping, one.doc).find()[0]?.from).toBe(8)
    expect(one.doc.child(0)).toBe(state.doc.child(0))
  })

  test('does not switch off what was switched on for the next key', () => {
    const before = EditorState.create({ doc: doc(p('one'), p('two')) })
    const bold = schema.mark('bold')
    const state = before.apply(before.tr.setSelection(TextSelection.create(before.doc, 4)).addStoredMark(bold))
    const sent = whole(state, doc(p('one'), p('two!')))
    const tr = narrowed(state, sent.setSelection(TextSelection.create(sent.doc, 4)), new Map())
    expect(state.apply(tr).storedMarks).toEqual([bold])
    expect(tr.selection.from).toBe(4)
  })

  test('is left as it is where it is no such thing', () => {
    const state = EditorState.create({ doc: doc(p('one')) })
    const own = state.tr.insertText('x', 1)
    expect(narrowed(state, own, new Map())).toBe(own)
    const late = whole(state, doc(p('two')))
    const other = state.apply(state.tr.insertText('x', 1))
    expect(narrowed(other, late, new Map())).toBe(late)
  })

  const seed = Math.floor(Math.random() * 2 ** 31)
  test(`gives the same text and the same selection, and is remembered node by node (seed ${seed})`, () => {
    let at = seed
    const random = (count: number): number => {
      at = (Math.imul(at, 1103515245) + 12345) & 0x7fffffff
      return (at >> 8) % count
    }
    const word = (): string => ['', 'a', 'aa', 'aab', 'one two'][random(5)] as string
    const cell = (): Node => schema.node('tableCell', null, [p(word())])
    const block = (): Node => {
      const kinds = [
        () => p(word()),
        () => schema.node('heading', { level: 1 + random(2) }, [schema.text('a')]),
        () => list(...Array.from({ length: 1 + random(3) }, word)),
        () => schema.node('blockquote', null, [p(word()), list(word())]),
        () => schema.node('table', null, [0, 1].map(() => schema.node('tableRow', null, [cell(), cell()]))),
        () => schema.node('paragraph', null, [schema.text('a', [schema.mark('bold')]), schema.text('b')]),
      ]
      return (kinds[random(kinds.length)] as () => Node)()
    }
    let smaller = 0
    for (let round = 0; round < 2000; round++) {
      const blocks = Array.from({ length: 1 + random(5) }, block)
      const state = EditorState.create({ doc: doc(...blocks) })
      blocks.splice(random(blocks.length), random(3), ...Array.from({ length: random(3) }, block))
      const sent = whole(state, doc(...(blocks.length === 0 ? [p('')] : blocks)))
      sent.setSelection(TextSelection.near(sent.doc.resolve(random(sent.doc.content.size + 1))))
      const mapping = mappingOf(sent.doc)
      const tr = narrowed(state, sent, mapping)
      if (tr !== sent) smaller += 1
      expect(tr.doc.eq(sent.doc)).toBe(true)
      expect(tr.selection.toJSON()).toEqual(sent.selection.toJSON())
      expect(tr.getMeta(ySyncPluginKey)).toEqual({ isChangeOrigin: true })
      expect(state.apply(tr).doc.eq(sent.doc)).toBe(true)
      for (const node of [...mapping.values()].flat()) expect(isIn(tr.doc, node)).toBe(true)
    }
    expect(smaller).toBeGreaterThan(1500)
  })
})
