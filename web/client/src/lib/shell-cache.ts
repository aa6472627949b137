/**
 * The caches that hold the app's own files, one for each version. The service worker fills them; whoever signs out
 * leaves them alone: nothing in them is anybody's.
 */

const PREFIX = 'coscribe-app-'

export function shellCacheName(version: string): string {
  return PREFIX + version
}

export function isShellCache(name: string): boolean {
  return name.startsWith(PREFIX)
}
