/** The REST calls about documents. */

import { documentApiPath } from './document-id'
import { request, withQuery } from './http'
import type { Role } from './roles'
import { upload } from './upload'

export interface DocumentInfo {
  id: string
  title: string
  /** Names this lineage of the document; local copies of another epoch must not be merged into it. */
  epoch: string
  /** Why it cannot be opened, if its stored data is damaged. */
  quarantine: { reason: string; readable: boolean } | null
  /** Set while it lies in the bin. */
  deleted_at: string | null
  updated_at: string
  /** What this person may do with it. */
  role: Role
  /** Null where nobody has a name, and when its owner's account was deleted. */
  owner: { id: string; name: string } | null
  /** There are comments; said of a single document only. */
  commented?: boolean
}

/** A document in a list. */
export interface ListedDocument extends DocumentInfo {
  /** How many edits it is made of. */
  head: number
  starred: boolean
  /** What stands in it round what was searched for. */
  excerpt: string | null
}

export interface DocumentPage {
  documents: ListedDocument[]
  /** Give it as `after` for the page that follows; null on the last one. */
  next: string | null
}

export interface DocumentFilter {
  /** `all`: for administrators. Without it: those that this person has a role in. */
  scope?: 'all'
  q?: string
  /** `changed`: what was changed last comes first. */
  order?: 'changed'
  starred?: boolean
  /** Of others. */
  shared?: boolean
  /** The bin instead. */
  deleted?: boolean
}

export async function listDocuments(after: string | null, filter: DocumentFilter = {}): Promise<DocumentPage> {
  return (await request('GET', withQuery('/api/documents', { ...filter, after }))) as DocumentPage
}

/** Create a document, without `id` under a name of the server's choice. */
export async function createDocument(title: string, id?: string, signal?: AbortSignal): Promise<DocumentInfo> {
  return (await request('POST', '/api/documents', { title, id }, { signal })) as DocumentInfo
}

/**
 * A new document of what a file holds.
 *
 * @param progress is told which part of it has been sent, from 0 to 1.
 */
export async function importDocument(file: Blob, format: string, title: string, progress: (part: number) => void): Promise<DocumentInfo> {
  return (await upload(withQuery('/api/import', { format, title }), file, { progress })) as DocumentInfo
}

/** Put an edit, as Yjs encodes it, into a document that is not open. */
export async function appendUpdate(id: string, update: Uint8Array): Promise<void> {
  await request('POST', `${documentApiPath(id)}/updates`, update)
}

/** A new document that begins with what another one holds now. */
export async function copyDocument(id: string, title: string): Promise<DocumentInfo> {
  return (await request('POST', '/api/documents', { title, copy_of: id })) as DocumentInfo
}

export async function starDocument(id: string, starred: boolean): Promise<void> {
  await request(starred ? 'PUT' : 'DELETE', `${documentApiPath(id)}/star`)
}

export async function readDocument(id: string, signal?: AbortSignal): Promise<DocumentInfo> {
  return (await request('GET', documentApiPath(id), undefined, { signal })) as DocumentInfo
}

export async function renameDocument(id: string, title: string): Promise<DocumentInfo> {
  return (await request('PATCH', documentApiPath(id), { title })) as DocumentInfo
}

/** Into the bin. */
export async function deleteDocument(id: string): Promise<void> {
  await request('DELETE', documentApiPath(id))
}

/** Out of the bin. */
export async function restoreDocument(id: string): Promise<void> {
  await request('POST', `${documentApiPath(id)}/restore`)
}
