/** The addresses of the app's pages besides documents, and the secrets that links carry. */

export const SIGN_IN = '/sign-in'
/** Invitations, the first administrator's link, and links to a new password. */
export const JOIN = '/join'
export const ACCOUNT = '/account'
export const ADMIN_PEOPLE = '/admin/people'
export const ADMIN_DOCUMENTS = '/admin/documents'
export const ADMIN_TOKENS = '/admin/tokens'
export const ADMIN_EXPORT = '/admin/export'
export const ADMIN_AUDIT = '/admin/audit'

/** An address that shows the app: the server gives its one page for these, and for no others. */
export function isPage(path: string): boolean {
  return (
    ['/', SIGN_IN, JOIN, ACCOUNT, '/admin'].includes(path) || path.startsWith('/d/') || path.startsWith('/admin/')
  )
}

/** The sign-in page that leads back to `next` afterwards. */
export function signInPath(next: string): string {
  return next === '/' ? SIGN_IN : `${SIGN_IN}?next=${encodeURIComponent(next)}`
}

/** The page of another product that leads back to `here`, an absolute address, with a token behind it. */
export function loginPath(loginUrl: string, here: string): string {
  const url = new URL(loginUrl)
  url.searchParams.set('next', here)
  return url.href
}

/**
 * Where to go after signing in: a path of this app, whatever the address bar says.
 *
 * Somebody may send a link to our sign-in page that leads on to theirs.
 */
export function nextFrom(search: string, origin: string): string {
  const next = new URLSearchParams(search).get('next')
  if (next === null || !URL.canParse(next, origin)) return '/'
  const url = new URL(next, origin)
  if (url.origin !== origin || !next.startsWith('/') || url.pathname === SIGN_IN) return '/'
  return url.pathname + url.search
}

/**
 * The secret behind `#` in the address of the page, moved out of sight: the address bar and whatever the browser
 * remembers of the page are no place for it. A reload still finds it.
 *
 * @param name of the parameter (`#key=…`); without it the whole fragment is the secret.
 */
export function takeSecret(name?: string): string | null {
  const fragment = location.hash.slice(1)
  const secret = name === undefined ? fragment : new URLSearchParams(fragment).get(name)
  if (secret === null || secret === '') return secretOf(history.state)
  history.replaceState({ secret }, '', location.pathname + location.search)
  return secret
}

/**
 * The token behind `#token=`, which another product has put there. It leaves the address bar and what the browser
 * remembers of this page; a reload does not find it.
 */
export function takeToken(): string | null {
  const token = new URLSearchParams(location.hash.slice(1)).get('token')
  if (token === null || token === '') return null
  history.replaceState(null, '', location.pathname + location.search)
  return token
}

/** It has served its purpose. */
export function dropSecret(): void {
  history.replaceState(null, '', location.pathname + location.search)
}

function secretOf(state: unknown): string | null {
  if (typeof state !== 'object' || state === null || !('secret' in state)) return null
  return typeof state.secret === 'string' ? state.secret : null
}
