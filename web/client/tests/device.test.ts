import 'fake-indexeddb/auto'

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { BRANCHES, clearDevice, copyName, unsavedHere } from '../src/lib/device'
import { changeKnown, readKnown, writeKnown } from '../src/lib/known-documents'
import { shellCacheName } from '../src/lib/shell-cache'
import { fakeLocalStorage } from './fake-storage'

async function makeDatabase(name: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const request = indexedDB.open(name)
    request.onsuccess = () => {
      request.result.close()
      resolve()
    }
    request.onerror = () => reject(new Error(`no ${name}`))
  })
}

const names = async (): Promise<(string | undefined)[]> => (await indexedDB.databases()).map(({ name }) => name)

describe('what this device holds', () => {
  let caches: Set<string>

  beforeEach(() => {
    caches = new Set([shellCacheName('1'), 'answers'])
    vi.stubGlobal('localStorage', fakeLocalStorage())
    vi.stubGlobal('caches', {
      keys: () => Promise.resolve([...caches]),
      delete: (name: string) => Promise.resolve(caches.delete(name)),
    })
  })

  afterEach(async () => {
    for (const name of await names()) if (name !== undefined) indexedDB.deleteDatabase(name)
    vi.unstubAllGlobals()
  })

  test('unsaved is what the server has not confirmed: edits and titles', () => {
    writeKnown('saved', { epoch: 'e1', title: 'Saved' })
    writeKnown('edited', { epoch: 'e1', title: 'Edited', unsaved: true })
    writeKnown('renamed', { epoch: 'e1', title: 'Old', pendingTitle: 'New' })
    localStorage.setItem(`${BRANCHES}begun/anew`, '["e0"]')
    localStorage.setItem(`${BRANCHES}saved`, '[]')
    expect(unsavedHere()).toEqual([
      { id: 'edited', title: 'Edited' },
      { id: 'renamed', title: 'New' },
      { id: 'begun/anew', title: '' },
    ])
  })

  test('is cleared as a whole when its person leaves, and nothing else is', async () => {
    writeKnown('plan', { epoch: 'e1', title: 'Plan', role: 'owner' })
    localStorage.setItem('coscribe:me', '{"person": {"name": "Ada"}}')
    localStorage.setItem('another-app', 'stays')
    // One that is known by name, one that only the browser still lists, one of another app.
    await makeDatabase(copyName('plan', 'e1'))
    await makeDatabase(copyName('forgotten', 'e7'))
    await makeDatabase('another-app')

    await clearDevice()
    expect(await names()).toEqual(['another-app'])
    expect(Object.keys(localStorage)).toEqual(['another-app'])
    expect([...caches]).toEqual([shellCacheName('1')])
  })

  test('is cleared by name where the browser lists no databases', async () => {
    writeKnown('plan', { epoch: 'e1', title: 'Plan' })
    await makeDatabase(copyName('plan', 'e1'))
    const list = vi.spyOn(indexedDB, 'databases').mockRejectedValue(new Error('not supported'))
    await clearDevice()
    list.mockRestore()
    expect(await names()).toEqual([])
  })
})

describe('what is known of a document', () => {
  beforeEach(() => vi.stubGlobal('localStorage', fakeLocalStorage()))
  afterEach(() => vi.unstubAllGlobals())

  test('survives as it was written', () => {
    const known = { epoch: 'e1', title: 'Plan', role: 'reader', pendingTitle: 'Plans', unsaved: true } as const
    writeKnown('plan', known)
    expect(readKnown('plan')).toEqual(known)
  })

  test('a role that this app does not know is none', () => {
    localStorage.setItem('coscribe:document:plan', '{"epoch": "e1", "title": "Plan", "role": "emperor"}')
    expect(readKnown('plan')).toEqual({ epoch: 'e1', title: 'Plan' })
  })

  test('is not brought back by a change', () => {
    changeKnown('gone', (known) => (known.unsaved = true))
    expect(readKnown('gone')).toBeNull()
  })
})
