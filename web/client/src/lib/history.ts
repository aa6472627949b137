/** The REST calls about a document's past, and its entries in words. */

import type { PersonRef } from './accounts'
import { documentApiPath } from './document-id'
import { request, withQuery } from './http'
import { t } from './i18n'

interface Common {
  /** Null: nobody who signed in. */
  user: string | null
  user_name: string | null
  started_at: string
  at: string
}

/** What one person wrote without a longer pause. */
export interface Session extends Common {
  kind: 'session'
  from_seq: number
  to_seq: number
  updates: number
  /** Characters. */
  added: number
  removed: number
}

export interface NamedVersion extends Common {
  kind: 'version'
  id: number
  seq: number
  name: string
}

export interface HistoryEvent extends Common {
  kind: 'restore' | 'import' | 'export'
  id: number
  /** The state it concerns; of a restore, the one that came back. */
  seq: number
  /** Of a restore: its edit. */
  row?: number
  /** A format; of a restore the block or root that came back, empty when it was everything. */
  detail: string
}

export type Entry = Session | NamedVersion | HistoryEvent

export interface TimelinePage {
  head: number
  entries: Entry[]
  next: string | null
}

export interface TimelineFilter {
  user?: string
  /** Only what nobody signed in for. */
  anonymous?: boolean
  since?: string
  until?: string
}

export interface Version {
  id: number
  seq: number
  name: string
  user: string | null
  at: string
}

/** The server may take its time over the past; it gives up by itself after a minute. */
const PATIENCE_MS = 75_000

const path = (document: string): string => `${documentApiPath(document)}/history`

export async function readTimeline(document: string, filter: TimelineFilter, after: string | null): Promise<TimelinePage> {
  const query = withQuery(path(document), { ...filter, after })
  return (await request('GET', query, undefined, { patienceMs: PATIENCE_MS })) as TimelinePage
}

/** The state at a seq, or the newest one, as a tree, with the author of everything in it. */
export async function readState(document: string, at: number | null, signal: AbortSignal): Promise<unknown> {
  const query = withQuery(`${path(document)}/blame`, { at: at === null ? null : String(at) })
  return request('GET', query, undefined, { signal, patienceMs: PATIENCE_MS })
}

/** What became of the state at `from` until `to`; as `readState`, with every change marked. */
export async function readChanges(document: string, from: number, to: number, signal: AbortSignal): Promise<unknown> {
  return request('GET', `${path(document)}/diff?from=${from}&to=${to}`, undefined, { signal, patienceMs: PATIENCE_MS })
}

/** The state at a seq without a word of who wrote it, for those who may not know: the roots of docs/export.md. */
export async function readContent(document: string, at: number, signal: AbortSignal): Promise<unknown> {
  return request('GET', contentPath(document, 'json', at), undefined, { signal, patienceMs: PATIENCE_MS })
}

export async function listVersions(document: string): Promise<Version[]> {
  return ((await request('GET', `${path(document)}/versions`)) as { versions: Version[] }).versions
}

export async function nameVersion(document: string, seq: number, name: string): Promise<Version> {
  return (await request('POST', `${path(document)}/versions`, { seq, name })) as Version
}

export async function renameVersion(document: string, version: number, name: string): Promise<Version> {
  return (await request('PATCH', `${path(document)}/versions/${version}`, { name })) as Version
}

/** The name goes, the state stays. */
export async function removeVersion(document: string, version: number): Promise<void> {
  await request('DELETE', `${path(document)}/versions/${version}`)
}

/** Bring a past state back, of everything or of one block. */
export async function bringBack(document: string, seq: number, block: string | null): Promise<{ seq: number; changed: boolean }> {
  const wanted = block === null ? { seq } : { seq, block }
  const answer = await request('POST', `${path(document)}/restore`, wanted, { patienceMs: PATIENCE_MS })
  return answer as { seq: number; changed: boolean }
}

export const FORMATS = [
  { format: 'text', name: t('Plain text'), suffix: 'txt' },
  { format: 'markdown', name: t('Markdown'), suffix: 'md' },
  { format: 'html', name: t('Web page (HTML)'), suffix: 'html' },
  { format: 'docx', name: t('Word (DOCX)'), suffix: 'docx' },
  { format: 'json', name: 'JSON', suffix: 'json' },
  { format: 'yjs', name: t('Yjs update'), suffix: 'yjs' },
] as const

export function contentPath(document: string, format: string, at: number): string {
  return `${documentApiPath(document)}/content?format=${format}&at=${at}`
}

// What an entry shows.

/** It stays the same while the timeline is read again. */
export function keyOf(entry: Entry): string {
  return entry.kind === 'session' ? `session ${entry.from_seq} ${entry.user ?? ''}` : `${entry.kind} ${entry.id}`
}

/** The seq of the document as the entry left it. */
export function stateOf(entry: Entry): number {
  if (entry.kind === 'session') return entry.to_seq
  return entry.kind === 'version' ? entry.seq : (entry.row ?? entry.seq)
}

/** What an entry is compared with unless people choose: the state it began from, or the next older one on the list. */
export function stateBefore(entry: Entry, entries: readonly Entry[]): number {
  if (entry.kind === 'session') return entry.from_seq - 1
  if (entry.kind === 'restore') return stateOf(entry) - 1
  if (entry.kind === 'import') return 0
  const older = entries.filter((other) => stateOf(other) < stateOf(entry))
  const same = older.filter((other) => other.kind === entry.kind)
  return Math.max(0, ...(same.length > 0 ? same : older).map(stateOf))
}

/** How whoever did it is called. */
export function whoOf(entry: Pick<Entry, 'user' | 'user_name'>): string {
  return entry.user_name ?? entry.user ?? t('Somebody')
}

export function formatName(format: string): string {
  return FORMATS.find((known) => known.format === format)?.name ?? (format === '' ? t('a file') : format)
}

/** The first line of an entry. */
export function headline(entry: Entry): string {
  const who = whoOf(entry)
  switch (entry.kind) {
    case 'session':
      return who
    case 'version':
      return entry.name
    case 'restore':
      return entry.detail === '' ? t('{who} brought an earlier state back', { who }) : t('{who} brought one part back', { who })
    case 'import':
      return t('{who} made it from a file: {formatName}', { who, formatName: formatName(entry.detail) })
    case 'export':
      return t('{who} exported it: {formatName}', { who, formatName: formatName(entry.detail) })
  }
}

/** A named version as an entry; `people` are those whose names are known. */
export function asEntry(version: Version, people: readonly PersonRef[]): NamedVersion {
  const { id, seq, name, user, at } = version
  const who = people.find((person) => person.id === user)
  return { kind: 'version', id, seq, name, user, user_name: who?.name ?? null, started_at: at, at }
}

export interface Day {
  at: Date
  entries: Entry[]
}

/**
 * Entries under the days on which they ended, in their order.
 *
 * That order is the one of the log: what was named or exported later stands at the state it concerns, under its day.
 */
export function byDay(entries: readonly Entry[]): Day[] {
  const days: Day[] = []
  let floating: Entry[] = []
  const add = (at: Date, those: Entry[]): void => {
    const last = days.at(-1)
    if (last?.at.toDateString() === at.toDateString()) last.entries.push(...those)
    else if (those.length > 0) days.push({ at, entries: those })
  }
  for (const entry of entries) {
    floating.push(entry)
    if (entry.kind === 'version' || entry.kind === 'export') continue
    add(new Date(entry.at), floating)
    floating = []
  }
  for (const entry of floating) add(new Date(entry.at), [entry])
  return days
}
