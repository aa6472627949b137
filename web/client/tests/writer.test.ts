import 'fake-indexeddb/auto'

import * as idb from 'lib0/indexeddb'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import * as Y from 'yjs'

import { LocalStore } from '../src/sync/local-store'

const SERVER = 'the server'

interface Held {
  reject: (error: Error) => void
  done: Promise<unknown>
}

/** As browsers have them, for what is used of them here: stealing, and taking turns. */
class FakeLocks {
  readonly #held = new Map<string, Held>()
  readonly #queue = new Map<string, (() => void)[]>()

  request(name: string, options: LockOptions, callback: () => Promise<void> | undefined): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const take = (): void => {
        const held: Held = { reject, done: Promise.resolve() }
        this.#held.set(name, held)
        held.done = Promise.resolve(callback()).then(() => {
          if (this.#held.get(name) === held) {
            this.#held.delete(name)
            this.#queue.get(name)?.shift()?.()
          }
          resolve(undefined)
        })
      }
      const holder = this.#held.get(name)
      if (options.steal === true) {
        holder?.reject(new DOMException('stolen', 'AbortError'))
        queueMicrotask(take)
      } else if (holder === undefined) take()
      else {
        const waiting = this.#queue.get(name) ?? []
        waiting.push(take)
        this.#queue.set(name, waiting)
        options.signal?.addEventListener('abort', () => {
          waiting.splice(waiting.indexOf(take), 1)
          reject(new DOMException('not any more', 'AbortError'))
        })
      }
    })
  }
}

class Tab {
  readonly doc = new Y.Doc()
  readonly store: LocalStore
  constructor(name: string) {
    this.store = new LocalStore(name, this.doc, () => undefined, (origin) => origin === SERVER)
  }

  type(text: string): void {
    const content = this.doc.getText('t')
    for (const letter of text) content.insert(content.length, letter)
  }

  /** What the other tab wrote comes by way of the server. */
  hear(other: Tab): void {
    Y.applyUpdate(this.doc, Y.encodeStateAsUpdate(other.doc, Y.encodeStateVector(this.doc)), SERVER)
  }
}

let names = 0
let tabs: Tab[]
let name: string

async function open(): Promise<Tab> {
  const tab = new Tab(name)
  tabs.push(tab)
  await tab.store.open()
  await vi.waitUntil(() => tab.store.kept)
  return tab
}

async function records(): Promise<Uint8Array[]> {
  const database = await idb.openDB(name, () => undefined)
  const [updates] = idb.transact(database, ['updates'], 'readonly')
  const found = (await idb.getAll(updates as IDBObjectStore)) as Uint8Array[]
  database.close()
  return found
}

async function stored(): Promise<string> {
  const doc = new Y.Doc()
  for (const update of await records()) Y.applyUpdate(doc, update)
  return doc.getText('t').toJSON()
}

beforeEach(() => {
  names += 1
  name = `shared-${names}`
  tabs = []
  vi.stubGlobal('navigator', { locks: new FakeLocks() })
})

afterEach(async () => {
  await Promise.all(tabs.map(({ store }) => store.close()))
  vi.unstubAllGlobals()
})

test('what is typed in one of two tabs is in the copy once', async () => {
  const [one, two] = [await open(), await open()]
  one.type('a')
  await vi.waitUntil(() => one.store.kept)
  const before = (await records()).length
  for (const letter of 'bcdefghij') {
    one.type(letter)
    two.hear(one)
  }
  await vi.waitUntil(() => one.store.kept && two.store.kept)
  expect((await records()).length - before).toBe(9)
  expect(await stored()).toBe('abcdefghij')
})

test('the tab that is typed in becomes the writer, and misses nothing of what it had left to the other', async () => {
  const [one, two] = [await open(), await open()]
  one.type('one')
  await vi.waitUntil(() => one.store.kept)
  two.hear(one)
  two.type(' two')
  await vi.waitUntil(() => two.store.kept)
  one.hear(two)
  const ben = new Tab(`${name}-of-ben`)
  ben.hear(two)
  ben.type(' ben')
  two.hear(ben)
  one.hear(ben)
  await vi.waitUntil(() => one.store.kept && two.store.kept)
  expect(await stored()).toBe('one two ben')
  await ben.store.close()
})

test('when the writer dies before it has written, the other tab does', async () => {
  const [one, two] = [await open(), await open()]
  one.type('one')
  await vi.waitUntil(() => one.store.kept)
  const ben = new Tab(`${name}-of-ben`)
  ben.hear(one)
  ben.type(' and ben')
  // The writer has not even heard of it when it goes.
  two.hear(ben)
  expect(await stored()).toBe('one')
  await one.store.close()
  await vi.waitUntil(async () => (await stored()) === 'one and ben')
  await ben.store.close()
})

test('a copy is complete only when it holds what was left to the other tab', async () => {
  const [one, two] = [await open(), await open()]
  one.type('x')
  await vi.waitUntil(() => one.store.kept)
  const ben = new Tab(`${name}-of-ben`)
  ben.type('ben')
  two.hear(ben)
  await two.store.serverAnswered()
  expect(two.store.complete).toBe(true)
  expect(await stored()).toContain('ben')
  await ben.store.close()
})

test('where there are no locks every tab writes', async () => {
  vi.stubGlobal('navigator', {})
  const [one, two] = [await open(), await open()]
  const ben = new Tab(`${name}-of-ben`)
  ben.type('x')
  const before = (await records()).length
  one.hear(ben)
  two.hear(ben)
  await vi.waitUntil(() => one.store.kept && two.store.kept)
  expect((await records()).length - before).toBe(2)
  await ben.store.close()
})
