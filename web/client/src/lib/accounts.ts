/** The REST calls about people: signing in, one's own account, sharing, administration. */

import { documentApiPath } from './document-id'
import { request, withQuery } from './http'
import type { GivenRole, Role } from './roles'

export interface Account {
  id: string
  name: string
  email: string | null
  administrator: boolean
  /** Came by a share link, without an account. */
  guest: boolean
  has_password: boolean
}

export interface MeInfo {
  auth: 'accounts' | 'jwt' | 'none'
  /** Null: not signed in, or nobody has a name here. */
  person: Account | null
  expires_at: string | null
  /** There is no administrator yet. */
  first_run: boolean
  /** Signing in with another service, when that is set up. */
  oidc: { label: string } | null
  /** Where another product gives people a token for this server, if it has said so. */
  login_url: string | null
}

export interface PersonRef {
  id: string
  name: string
}

const as = <T>(answer: Promise<unknown>): Promise<T> => answer as Promise<T>

export const readMe = (): Promise<MeInfo> => as(request('GET', '/api/me'))
export const changeMe = (change: { name?: string; email?: string | null }): Promise<MeInfo> =>
  as(request('PATCH', '/api/me', change))

export const signIn = (name: string, password: string): Promise<MeInfo> =>
  as(request('POST', '/api/sign-in', { name, password }))
/** Have the server keep a token of another product in the cookie of this browser. */
export const bringToken = (token: string): Promise<MeInfo> =>
  as(request('POST', '/api/sign-in/token', undefined, { headers: { Authorization: `Bearer ${token}` } }))
export const signOut = (): Promise<unknown> => request('POST', '/api/sign-out')

/** Where the browser goes to sign in with the other service; it comes back to `next`. */
export const oidcPath = (next: string): string => withQuery('/api/oidc/start', { next })

// Invitations: by one-time links, also for the first administrator and for a forgotten password.

export interface Invitation {
  kind: 'first-run' | 'invitation' | 'password'
  name: string | null
  email: string | null
  administrator: boolean
  invited_by: string | null
  expires_at: string
}

export interface Acceptance {
  secret: string
  name?: string
  email?: string | null
  password: string
}

export const openInvitation = (secret: string): Promise<Invitation> =>
  as(request('POST', '/api/invitations/open', { secret }))
export const acceptInvitation = (acceptance: Acceptance): Promise<MeInfo> =>
  as(request('POST', '/api/invitations/accept', acceptance))

// One's own account.

export interface SignIn {
  id: string
  created_at: string
  used_at: string
  expires_at: string
  address: string
  agent: string
  current: boolean
}

export interface Token {
  id: string
  label: string
  documents: Record<string, Role>
  created_at: string
  expires_at: string | null
  used_at: string | null
}

/** As administrators see it. */
export interface IssuedToken extends Token {
  /** Whose it is; the name alone where it is a program's. */
  person: PersonRef
  /** It may do everything. */
  administrator: boolean
  /** An administrator made it: it gives its roles whatever its person may do. */
  by_operator: boolean
}

export interface NewToken {
  label: string
  documents: Record<string, Role>
  expires_at: string | null
}

export const changePassword = (current: string, fresh: string): Promise<MeInfo> =>
  as(request('POST', '/api/me/password', { current, new: fresh }))
export const listSignIns = async (): Promise<SignIn[]> =>
  (await as<{ sign_ins: SignIn[] }>(request('GET', '/api/me/sign-ins'))).sign_ins
export const endSignIn = (id: string): Promise<unknown> => request('DELETE', `/api/me/sign-ins/${part(id)}`)
export const endAllSignIns = (): Promise<unknown> => request('DELETE', '/api/me/sign-ins')
export const listTokens = async (): Promise<Token[]> =>
  (await as<{ tokens: Token[] }>(request('GET', '/api/me/tokens'))).tokens
export const createToken = (token: NewToken): Promise<Token & { token: string }> =>
  as(request('POST', '/api/me/tokens', token))
export const revokeToken = (id: string): Promise<unknown> => request('DELETE', `/api/me/tokens/${part(id)}`)

// Sharing a document.

export type Audience = 'invited' | 'signed-in' | 'anyone'

export interface ShareLink {
  id: string
  role: GivenRole
  created_at: string
  created_by: string | null
  expires_at: string | null
  uses: number
}

export interface Sharing {
  document: string
  role: Role
  general: { who: Audience; role: GivenRole | null }
  people: (PersonRef & { role: Role })[]
  links: ShareLink[]
}

export const findPeople = async (q: string, signal?: AbortSignal): Promise<PersonRef[]> =>
  (await as<{ people: PersonRef[] }>(request('GET', withQuery('/api/people', { q }), undefined, { signal }))).people

/** The calls of one document's share dialog. Each answers with how it is shared afterwards. */
export class SharingApi {
  readonly #path: string

  constructor(document: string) {
    this.#path = `${documentApiPath(document)}/sharing`
  }

  read(): Promise<Sharing> {
    return as(request('GET', this.#path))
  }

  setGeneral(who: Audience, role: GivenRole | null): Promise<Sharing> {
    return as(request('PUT', `${this.#path}/general`, { who, role }))
  }

  give(person: string, role: GivenRole): Promise<Sharing> {
    return as(request('PUT', `${this.#path}/people/${part(person)}`, { role }))
  }

  remove(person: string): Promise<Sharing> {
    return as(request('DELETE', `${this.#path}/people/${part(person)}`))
  }

  handOver(person: string): Promise<Sharing> {
    return as(request('PUT', `${this.#path}/owner`, { person }))
  }

  createLink(role: GivenRole, expires_at: string | null): Promise<{ link: ShareLink; url: string }> {
    return as(request('POST', `${this.#path}/links`, { role, expires_at }))
  }

  revokeLink(link: string): Promise<Sharing> {
    return as(request('DELETE', `${this.#path}/links/${part(link)}`))
  }

  /** Give up one's own role. */
  leave(): Promise<unknown> {
    return request('DELETE', `${this.#path}/me`)
  }
}

export const openShareLink = (secret: string): Promise<{ document: string; role: Role; person: Account }> =>
  as(request('POST', '/api/links/open', { secret }))

// Administration.

export interface ManagedPerson {
  id: string
  name: string
  email: string | null
  administrator: boolean
  suspended_at: string | null
  created_at: string
  signed_in_at: string | null
  /** How many browsers are signed in. */
  sign_ins: number
  has_password: boolean
}

export interface OpenInvitation {
  id: string
  kind: Invitation['kind']
  name: string | null
  email: string | null
  administrator: boolean
  invited_by: string | null
  created_at: string
  expires_at: string
}

export interface AuditEntry {
  id: number
  at: string
  person: PersonRef | null
  address: string | null
  action: string
  document: string | null
  details: Record<string, unknown>
}

export interface AuditFilter {
  person?: string
  document?: string
  action?: string
}

export const listManaged = (q: string, after: string | null): Promise<{ people: ManagedPerson[]; next: string | null }> =>
  as(request('GET', withQuery('/api/admin/people', { q, after })))
export const changePerson = (
  id: string,
  change: { administrator?: boolean; suspended?: boolean },
): Promise<ManagedPerson> => as(request('PATCH', `/api/admin/people/${part(id)}`, change))
export const deletePerson = (id: string): Promise<unknown> => request('DELETE', `/api/admin/people/${part(id)}`)
export const signOutPerson = (id: string): Promise<unknown> => request('POST', `/api/admin/people/${part(id)}/sign-out`)
export const passwordLink = (id: string): Promise<{ url: string; expires_at: string }> =>
  as(request('POST', `/api/admin/people/${part(id)}/password-link`))

export const listInvitations = async (): Promise<OpenInvitation[]> =>
  (await as<{ invitations: OpenInvitation[] }>(request('GET', '/api/admin/invitations'))).invitations
export const invite = (invitation: {
  name?: string
  email?: string
  administrator: boolean
}): Promise<{ invitation: OpenInvitation; url: string }> => as(request('POST', '/api/admin/invitations', invitation))
export const withdrawInvitation = (id: string): Promise<unknown> =>
  request('DELETE', `/api/admin/invitations/${part(id)}`)

export const listAllTokens = async (): Promise<IssuedToken[]> =>
  (await as<{ tokens: IssuedToken[] }>(request('GET', '/api/admin/tokens'))).tokens
export const revokeAnyToken = (id: string): Promise<unknown> => request('DELETE', `/api/admin/tokens/${part(id)}`)

export const listAudit = (
  filter: AuditFilter,
  before: number | null,
): Promise<{ entries: AuditEntry[]; next: number | null }> =>
  as(request('GET', withQuery('/api/admin/audit', { ...filter, before: before === null ? null : String(before) })))
export const auditExportPath = (filter: AuditFilter): string => withQuery('/api/admin/audit/export', { ...filter })

function part(text: string): string {
  return encodeURIComponent(text)
}
