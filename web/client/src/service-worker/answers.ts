/** Who answers a request of a page: the app's files on this device, or the server. */

import { isPage } from '../lib/paths'

/** `page`: the app's one page; `file`: a file of the app; `server`: the worker keeps out of it. */
export type Answer = 'page' | 'file' | 'server'

export interface Asked {
  method: string
  mode: string
  url: string
}

const HASHED = '/assets/'

/** Files under a name that changes with their content. */
export function isHashed(path: string): boolean {
  return path.startsWith(HASHED)
}

/** @param files paths of the app's files, `/` for the page. */
export function answerFor({ method, mode, url }: Asked, origin: string, files: ReadonlySet<string>): Answer {
  const { pathname, origin: asked } = new URL(url)
  if (method !== 'GET' || asked !== origin) return 'server'
  if (mode === 'navigate') return isPage(pathname) ? 'page' : 'server'
  // Also those of an earlier version, for pages of it that are still open.
  return isHashed(pathname) || (pathname !== '/' && files.has(pathname)) ? 'file' : 'server'
}
