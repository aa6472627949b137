/** One REST call. Two ways to fail: the server said no (`Refused`), or nobody answered (`Unreachable`). */

import { ofServer, t } from './i18n'

/** The server answered, and asking again would not change the answer. */
export class Refused extends Error {
  override readonly name = 'Refused'

  constructor(
    readonly status: number,
    message: string,
    /** For programs: the problem's `code`. */
    readonly code: string | null = null,
    /** What is wrong with which field of the request. */
    readonly fields: Readonly<Record<string, string>> = {},
  ) {
    super(message)
  }
}

/** No answer, or one that says to come back later. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable'
}

/** Too many attempts; a kind of refusal, because only waiting helps and people have to know. */
export class TooMany extends Unreachable {
  constructor(readonly retrySeconds: number | null) {
    super(retrySeconds === null ? t('Too many attempts. Try again later.') : tryAgainIn(retrySeconds))
  }
}

const TIMEOUT_MS = 10_000
const TOO_MANY_REQUESTS = 429
const NO_CONTENT = 204
const MINUTE_SECONDS = 60

export type Method = 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'

interface Terms {
  signal?: AbortSignal | undefined
  /** How long the server may take to answer. */
  patienceMs?: number
  headers?: Record<string, string>
}

export async function request(method: Method, path: string, body?: unknown, terms: Terms = {}): Promise<unknown> {
  const { signal, patienceMs = TIMEOUT_MS, headers = {} } = terms
  const timeout = AbortSignal.timeout(patienceMs)
  const init: RequestInit = { method, headers, signal: signal ? AbortSignal.any([signal, timeout]) : timeout }
  if (body !== undefined) {
    const bytes = body instanceof Uint8Array
    init.headers = { ...headers, 'Content-Type': bytes ? 'application/octet-stream' : 'application/json' }
    init.body = bytes ? (body as Uint8Array<ArrayBuffer>) : JSON.stringify(body)
  }
  let response: Response
  let answer: unknown
  try {
    response = await fetch(path, init)
    answer = response.status === NO_CONTENT ? null : await response.json()
  } catch (error) {
    signal?.throwIfAborted()
    throw new Unreachable(t('The server cannot be reached.'), { cause: error })
  }
  if (response.ok) return answer
  throw refusalOf(response.status, answer, response.headers.get('Retry-After'))
}

/** `path` with those parameters that are set. */
export function withQuery(path: string, parameters: Record<string, string | boolean | null | undefined>): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== null && value !== '' && value !== false) query.set(name, String(value))
  }
  return query.size === 0 ? path : `${path}?${query.toString()}`
}

/** What an answer that is no success means. */
export function refusalOf(status: number, answer: unknown, retryAfter: string | null): Error {
  if (status === TOO_MANY_REQUESTS) {
    const seconds = Number.parseInt(retryAfter ?? '', 10)
    return new TooMany(Number.isNaN(seconds) ? null : seconds)
  }
  if (status >= 500) return new Unreachable(t('The server answered {status}.', { status }))
  const { code, errors } = asProblem(answer)
  return new Refused(status, problemText(answer, code) ?? t('The server answered {status}.', { status }), code, errors)
}

/** The human part of an RFC 9457 problem. */
function problemText(answer: unknown, code: string | null): string | null {
  if (typeof answer !== 'object' || answer === null) return null
  const { detail, title } = answer as { detail?: unknown; title?: unknown }
  if (typeof detail === 'string') return ofServer(sentence(detail), code)
  return typeof title === 'string' ? ofServer(sentence(title), code) : null
}

/** The part for programs: its code, and the faults of single fields. */
function asProblem(answer: unknown): { code: string | null; errors: Record<string, string> } {
  const { code, errors } = (typeof answer === 'object' && answer !== null ? answer : {}) as Record<string, unknown>
  const fields: Record<string, string> = {}
  for (const fault of Array.isArray(errors) ? (errors as unknown[]) : []) {
    const { field, detail } = (typeof fault === 'object' && fault !== null ? fault : {}) as Record<string, unknown>
    if (typeof field === 'string' && typeof detail === 'string') fields[field] = ofServer(sentence(detail), 'invalid-field')
  }
  return { code: typeof code === 'string' ? code : null, errors: fields }
}

/** Problems are written for logs and programs as well: without a capital, and without a full stop. */
export function sentence(text: string): string {
  const first = text.charAt(0).toLocaleUpperCase() + text.slice(1)
  return /[.!?…]$/.test(first) ? first : `${first}.`
}

function tryAgainIn(seconds: number): string {
  if (seconds < MINUTE_SECONDS) {
    return t('Too many attempts. Try again in {seconds, plural, one {# second} other {# seconds}}.', { seconds })
  }
  const minutes = Math.ceil(seconds / MINUTE_SECONDS)
  return t('Too many attempts. Try again in {minutes, plural, one {# minute} other {# minutes}}.', { minutes })
}

/** What to tell people about anything that went wrong. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
