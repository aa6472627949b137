/** The REST calls of the app. Two ways to fail: the server said no (`Refused`), or nobody answered (`Unreachable`). */

import { documentApiPath } from './document-id'

export interface DocumentInfo {
  id: string
  title: string
  /** Names this lineage of the document; local copies of another epoch must not be merged into it. */
  epoch: string
  /** Why it cannot be opened, if its stored data is damaged. */
  quarantine: { reason: string; readable: boolean } | null
  /** Set while it lies in the bin. */
  deleted_at: string | null
}

export interface DocumentSummary {
  id: string
  title: string
  updated_at: string
}

/** The server answered, and asking again would not change the answer. */
export class Refused extends Error {
  override readonly name = 'Refused'

  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message)
  }
}

/** No answer, or one that says to come back later. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable'
}

const TIMEOUT_MS = 10_000
const TOO_MANY_REQUESTS = 429

async function request(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<unknown> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS)
  const init: RequestInit = { method, signal: signal ? AbortSignal.any([signal, timeout]) : timeout }
  if (body !== undefined) {
    init.headers = { 'Content-Type': 'application/json' }
    init.body = JSON.stringify(body)
  }
  let response: Response
  let answer: unknown
  try {
    response = await fetch(path, init)
    answer = await response.json()
  } catch (error) {
    signal?.throwIfAborted()
    throw new Unreachable('The server cannot be reached.', { cause: error })
  }
  if (response.ok) return answer
  if (response.status >= 500 || response.status === TOO_MANY_REQUESTS) {
    throw new Unreachable(`The server answered ${response.status}.`)
  }
  throw new Refused(response.status, problemText(answer) ?? `The server answered ${response.status}.`)
}

/** The human part of an RFC 9457 problem. */
function problemText(answer: unknown): string | null {
  if (typeof answer !== 'object' || answer === null) return null
  const { detail, title } = answer as { detail?: unknown; title?: unknown }
  if (typeof detail === 'string') return detail
  return typeof title === 'string' ? title : null
}

export interface DocumentPage {
  documents: DocumentSummary[]
  /** Give it as `after` for the page that follows; null on the last one. */
  next: string | null
}

export async function listDocuments(after: string | null): Promise<DocumentPage> {
  const query = after === null ? '' : `?after=${encodeURIComponent(after)}`
  return (await request('GET', `/api/documents${query}`)) as DocumentPage
}

/** Create a document under a name of the server's choice. */
export async function createDocument(title: string): Promise<DocumentInfo> {
  return (await request('POST', '/api/documents', { title })) as DocumentInfo
}

export async function readDocument(id: string, signal?: AbortSignal): Promise<DocumentInfo> {
  return (await request('GET', documentApiPath(id), undefined, signal)) as DocumentInfo
}

export async function renameDocument(id: string, title: string): Promise<DocumentInfo> {
  return (await request('PATCH', documentApiPath(id), { title })) as DocumentInfo
}
