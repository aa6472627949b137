/**
 * What the documents on this device say, to search them while the server is away: loading each of them would take long.
 *
 * One database beside the copies, opened for each use, so that it never stands in the way of its removal. Where the
 * browser stores nothing, nothing is found.
 */

/** The database's name; it begins like those of the copies. */
export const TEXTS = 'coscribe:texts'
const STORE = 'texts'
/** Of one document; what stands behind is not found offline. */
const CHARACTERS_MAX = 500_000

export async function keepText(document: string, text: string): Promise<void> {
  await use('readwrite', (store) => store.put(text.slice(0, CHARACTERS_MAX), document))
}

export async function dropText(document: string): Promise<void> {
  await use('readwrite', (store) => store.delete(document))
}

/** By document. */
export async function readTexts(): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  await use('readonly', (store) => {
    store.openCursor().onsuccess = ({ target }) => {
      const cursor = (target as IDBRequest<IDBCursorWithValue | null>).result
      if (cursor === null) return
      if (typeof cursor.key === 'string' && typeof cursor.value === 'string') found.set(cursor.key, cursor.value)
      cursor.continue()
    }
  })
  return found
}

async function use(mode: IDBTransactionMode, work: (store: IDBObjectStore) => void): Promise<void> {
  let database: IDBDatabase | null = null
  try {
    database = await open()
    const transaction = database.transaction(STORE, mode)
    await new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve()
      transaction.onabort = () => reject(transaction.error ?? new Error('The database was closed.'))
      work(transaction.objectStore(STORE))
    })
  } catch {
    // No room, or none at all.
  } finally {
    database?.close()
  }
}

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(TEXTS, 1)
    request.onupgradeneeded = () => request.result.createObjectStore(STORE)
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error ?? new Error('The database does not open.'))
  })
}
