// Fills a store of y-leveldb 0.2, large enough that LevelDB moves it through its levels. Prints what each document holds.
import { LeveldbPersistence } from 'y-leveldb'
import { randomBytes } from 'node:crypto'
import * as Y from 'yjs'

const [directory, writeBufferSize] = process.argv.slice(2)
const store = new LeveldbPersistence(directory, { levelOptions: { writeBufferSize: Number(writeBufferSize) } })
const documents = new Map()

const edit = async (name, change) => {
  const doc = documents.get(name) ?? new Y.Doc()
  documents.set(name, doc)
  const updates = []
  const keep = update => updates.push(update)
  doc.on('update', keep)
  change(doc)
  doc.off('update', keep)
  for (const update of updates) await store.storeUpdate(name, update)
}

// Snappy cannot make this small, so that it fills tables.
const noise = length => randomBytes(length).toString('base64')
const names = ['notes/monday', 'room%20a', 'Überblick', 'a//b', 'x'.repeat(300)]
for (let round = 0; round < 120; round++) {
  for (const name of names) {
    await edit(name, doc => doc.getText('text').insert(0, `${round} ${name.slice(0, 20)} ${noise(600)}`))
    if (round % 7 === 0) await edit(name, doc => doc.getText('text').delete(0, 3))
  }
  if (round === 60) await store.flushDocument('notes/monday')
}
await edit('large', doc => doc.getText('text').insert(0, Buffer.alloc(300_000, 'Coscribe ').toString()))
await edit('gone', doc => doc.getText('text').insert(0, 'nobody wants this'))
await store.clearDocument('gone')
documents.delete('gone')
await store.setMeta('notes/monday', 'title', 'Monday')
await store.destroy()

const held = [...documents].map(([name, doc]) => [name, Buffer.from(Y.encodeStateAsUpdate(doc)).toString('base64')])
process.stdout.write(JSON.stringify(Object.fromEntries(held)))
