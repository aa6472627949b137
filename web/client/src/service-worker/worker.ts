/**
 * The service worker: the app itself comes from this device, everything else from the server.
 *
 * Rule W1: it keeps the app's own files and nothing else: no answer of the API, nothing that anybody wrote.
 * Rule W2: a version is one cache. It is there as a whole, checked against the hashes of its build, or not at all.
 * Rule W3: it takes over from the version before only when a page asks for it, or when no page is left.
 * Rule W4: the cache of the version before stays, for pages of it that are still open.
 */

import { isShellCache, shellCacheName } from '../lib/shell-cache'
import { answerFor, isHashed } from './answers'
import { TAKE_OVER } from './messages'

declare const self: ServiceWorkerGlobalScope
/** Put in by the build: path to hash, as in the attribute `integrity`. */
declare const __APP__: { version: string; files: Record<string, string> }

const { version, files } = __APP__
const CACHE = shellCacheName(version)
const PATHS = new Set(Object.keys(files))
const PAGE = '/'

self.addEventListener('install', (event) => event.waitUntil(install()))
self.addEventListener('activate', (event) => event.waitUntil(activate()))
self.addEventListener('message', ({ data }) => {
  if (data === TAKE_OVER) void self.skipWaiting()
})
self.addEventListener('fetch', (event) => {
  const { request } = event
  const answer = answerFor(request, location.origin, PATHS)
  if (answer === 'page') event.respondWith(kept(PAGE, request))
  else if (answer === 'file') event.respondWith(kept(new URL(request.url).pathname, request))
})

/** Rule W2. */
async function install(): Promise<void> {
  try {
    const cache = await caches.open(CACHE)
    await Promise.all(Object.entries(files).map(([path, integrity]) => keep(cache, path, integrity)))
  } catch (error) {
    await caches.delete(CACHE)
    throw error
  }
}

async function keep(cache: Cache, path: string, integrity: string): Promise<void> {
  const response = await fetch(path, { integrity, cache: isHashed(path) ? 'default' : 'no-cache' })
  if (!response.ok || response.redirected) throw new Error(`${path}: ${response.status}`)
  await cache.put(path, response)
}

/** Rule W4. The names come in the order in which the caches were made. */
async function activate(): Promise<void> {
  const others = (await caches.keys()).filter((name) => isShellCache(name) && name !== CACHE)
  await Promise.all(others.slice(0, -1).map((name) => caches.delete(name)))
  // The page that brought the first worker works offline from then on, not only after a reload.
  await self.clients.claim()
}

async function kept(path: string, request: Request): Promise<Response> {
  const options = { ignoreVary: true }
  const own = await caches.match(path, { ...options, cacheName: CACHE })
  return own ?? (isHashed(path) ? await caches.match(path, options) : undefined) ?? fetch(request)
}
