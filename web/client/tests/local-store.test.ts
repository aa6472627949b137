import 'fake-indexeddb/auto'

import { afterEach, describe, expect, test, vi } from 'vitest'
import * as Y from 'yjs'

import { deleteCopy } from '../src/lib/device'
import { LocalStore } from '../src/sync/local-store'

let names = 0
const opened: LocalStore[] = []

async function openStore(name: string): Promise<{ store: LocalStore; doc: Y.Doc }> {
  const doc = new Y.Doc()
  const store = new LocalStore(name, doc, () => undefined)
  opened.push(store)
  await store.open()
  return { store, doc }
}

function rows(name: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(name)
    opening.onerror = () => reject(opening.error ?? new Error('It does not open.'))
    opening.onsuccess = () => {
      const counting = opening.result.transaction('updates').objectStore('updates').count()
      counting.onerror = () => reject(counting.error ?? new Error('It does not count.'))
      counting.onsuccess = () => {
        opening.result.close()
        resolve(counting.result)
      }
    }
  })
}

function freshName(): string {
  names += 1
  return `document-${names}`
}

afterEach(async () => {
  vi.restoreAllMocks()
  await Promise.all(opened.splice(0).map((store) => store.close()))
})

describe('the copy on this device', () => {
  test('gives back what was written, in the next page too', async () => {
    const name = freshName()
    const first = await openStore(name)
    first.doc.getText('t').insert(0, 'hello')
    await vi.waitUntil(() => first.store.kept)
    await first.store.close()
    const second = await openStore(name)
    expect(second.doc.getText('t').toJSON()).toBe('hello')
  })

  test('an edit is kept only when its transaction has completed (L1)', async () => {
    const { store, doc } = await openStore(freshName())
    await vi.waitUntil(() => store.kept)
    doc.getText('t').insert(0, 'x')
    expect(store.kept).toBe(false)
    await vi.waitUntil(() => store.kept)
  })

  test('what opening writes is kept only when its transaction has completed, too (L1)', async () => {
    const under = new Set<IDBTransaction>()
    // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its database below
    const begin = IDBDatabase.prototype.transaction
    vi.spyOn(IDBDatabase.prototype, 'transaction').mockImplementation(function (this: IDBDatabase, ...names) {
      const transaction = begin.apply(this, names)
      if (transaction.mode === 'readwrite') {
        under.add(transaction)
        transaction.addEventListener('complete', () => under.delete(transaction))
      }
      return transaction
    })
    const doc = new Y.Doc()
    doc.getText('t').insert(0, 'written before there was a store')
    const store = new LocalStore(freshName(), doc, () => undefined)
    opened.push(store)
    await store.open()
    expect([store.kept, under.size]).toEqual([true, 0])
  })

  test('edits made before it has opened are kept as well', async () => {
    const name = freshName()
    const doc = new Y.Doc()
    const store = new LocalStore(name, doc, () => undefined)
    opened.push(store)
    const opening = store.open()
    doc.getText('t').insert(0, 'early')
    await opening
    await vi.waitUntil(() => store.kept)
    const { doc: again } = await openStore(name)
    expect(again.getText('t').toJSON()).toBe('early')
  })

  test('does not grow while somebody writes without a break (L6)', async () => {
    const name = freshName()
    const { store, doc } = await openStore(name)
    await vi.waitUntil(() => store.kept)
    // Never a second without a write.
    let most = 0
    for (let written = 0; written < 2000; written += 1) {
      doc.getText('t').insert(written, 'x')
      if (written % 50 === 49) {
        await vi.waitUntil(() => store.kept)
        most = Math.max(most, await rows(name))
      }
    }
    expect(most).toBeLessThan(800)
    await store.close()
    const { doc: again } = await openStore(name)
    expect(again.getText('t').toJSON()).toBe('x'.repeat(2000))
  })

  test('is complete only after the server has answered once (L3)', async () => {
    const name = freshName()
    const first = await openStore(name)
    first.doc.getText('t').insert(0, 'half')
    expect(first.store.complete).toBe(false)
    await first.store.close()

    const second = await openStore(name)
    expect(second.store.complete).toBe(false)
    await second.store.serverAnswered()
    expect(second.store.complete).toBe(true)
    await second.store.close()

    const third = await openStore(name)
    expect(third.store.complete).toBe(true)
  })

  test('a database that goes away disturbs nobody, and everything is kept again later (L2)', async () => {
    const name = freshName()
    const { store, doc } = await openStore(name)
    await vi.waitUntil(() => store.kept)
    const failing = vi.spyOn(IDBDatabase.prototype, 'transaction').mockImplementation(() => {
      throw new DOMException('gone', 'InvalidStateError')
    })
    const after = vi.fn()
    doc.on('update', after)
    doc.getText('t').insert(0, 'still here')
    expect(after).toHaveBeenCalledOnce()
    expect(store.kept).toBe(false)
    failing.mockRestore()
    await vi.waitUntil(() => store.kept, { timeout: 5000 })
    const { doc: again } = await openStore(name)
    expect(again.getText('t').toJSON()).toBe('still here')
  })

  test('says that it failed when it cannot be opened again either, and takes that back', async () => {
    const { store, doc } = await openStore(freshName())
    await vi.waitUntil(() => store.kept)
    const unopened = vi.spyOn(indexedDB, 'open').mockImplementation(() => {
      throw new DOMException('no room', 'QuotaExceededError')
    })
    const failing = vi.spyOn(IDBDatabase.prototype, 'transaction').mockImplementationOnce(() => {
      throw new DOMException('gone', 'InvalidStateError')
    })
    doc.getText('t').insert(0, 'x')
    expect(store.failed).toBe(false)
    await vi.waitUntil(() => store.failed, { timeout: 3000 })
    unopened.mockRestore()
    failing.mockRestore()
    await vi.waitUntil(() => store.kept && !store.failed, { timeout: 5000 })
  }, 10_000)

  test('is gone for good when another tab deletes it (L4)', async () => {
    const name = freshName()
    const { store, doc } = await openStore(name)
    doc.getText('t').insert(0, 'private')
    await vi.waitUntil(() => store.kept)
    await deleteCopy(name)
    vi.useFakeTimers()
    doc.getText('t').insert(0, 'more ')
    await vi.advanceTimersByTimeAsync(120_000)
    vi.useRealTimers()
    expect((await indexedDB.databases()).map((database) => database.name)).not.toContain(name)
    expect(store.kept).toBe(false)
  })
})
