/** Prints documents as updates of both versions, as Yjs writes them: `node version2.mjs SEED COUNT`. */
import * as Y from 'yjs'
import { declareRoots, edit, editRandomly } from './document.mjs'

const [seed, count] = process.argv.slice(2).map(Number)
const base64 = bytes => Buffer.from(bytes).toString('base64')

const everything = doc => {
  edit(doc, [
    { op: 'insertText', at: ['text'], index: 0, text: 'Grüße 🧑‍🚀 ', attributes: { bold: true, link: { href: 'x', n: 1.5 } } },
    { op: 'embed', at: ['text'], index: 2, value: { image: ['a', null, true, -3] } },
    { op: 'set', at: ['map'], key: 'values', value: [1, -1, 0.5, 2 ** 40, 'ü', null, true, { deep: [{}] }] },
    { op: 'insert', at: ['xml'], index: 0, values: [{ $element: 'p', attributes: { a: '1' }, children: [{ $xmlText: 'hi' }] }] },
    { op: 'insert', at: ['array'], index: 0, values: [1, 'two', { $map: { three: 3 } }, { $array: [4] }, { $text: 'five' }] }
  ])
  doc.getMap('map').set('bytes', new Uint8Array([0, 255]))
  doc.getMap('map').set('document', new Y.Doc({ guid: 'inner', meta: { a: 1 } }))
  doc.getMap('map').delete('values')
}

const made = []
for (let number = 0; number < count; number++) {
  const docs = [new Y.Doc(), new Y.Doc()]
  docs.forEach(declareRoots)
  everything(docs[0])
  docs.forEach((doc, which) => {
    Y.applyUpdate(doc, Y.encodeStateAsUpdate(docs[0]))
    editRandomly(doc, { seed: seed + 2 * number + which, count: 40, tag: `${which}` })
  })
  Y.applyUpdate(docs[0], Y.encodeStateAsUpdate(docs[1]))
  made.push([base64(Y.encodeStateAsUpdateV2(docs[0])), base64(Y.encodeStateAsUpdate(docs[0]))])
}
process.stdout.write(JSON.stringify(made))
