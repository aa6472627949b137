/** Exports and imports of many documents, which the server does in the background: the calls, and jobs in words. */

import type { PersonRef } from './accounts'
import { FORMATS, formatName } from './history'
import { request, withQuery } from './http'
import { currentLocale, ofServer, t } from './i18n'
import { sizeOf } from './sizes'
import { upload } from './upload'

export interface Job {
  id: string
  kind: 'export' | 'import'
  state: 'running' | 'done' | 'failed' | 'cancelled'
  /** Null where nobody has a name. */
  by: PersonRef | null
  /** Null for imports. */
  format: string | null
  /** What was asked for; null is everything, or an import. */
  documents: string[] | null
  prefix: string
  created_at: string
  ended_at: string | null
  /** Null until the first report. */
  progress: { what: string; done: number; total: number } | null
  result: JobResult | null
  problem: { code: string; detail: string } | null
  /** Where the file of an export is. */
  download: string | null
  expires_at: string | null
}

export interface JobResult {
  documents: number
  updates: number
  /** Of an import: how many were here already. */
  present: number
  /** Of the file of an export. */
  bytes: number
  left_out: { id: string; reason: string }[]
  /** By the document that they belong to. */
  images_missing: { id: string; reason: string }[]
}

export const ARCHIVE = 'archive'
export const EXPORT_FORMATS = [
  { format: ARCHIVE, name: t('Archive, with the whole history') },
  ...FORMATS.map(({ format, name }) => ({ format, name })),
]

const JOBS = '/api/admin/jobs'
const IMPORTS = '/api/admin/imports'
const jobPath = (id: string): string => `${JOBS}/${encodeURIComponent(id)}`
/** Whether every document of a selection exists is looked up before a job begins. */
const PATIENCE_MS = 60_000

export async function listJobs(): Promise<Job[]> {
  return ((await request('GET', JOBS)) as { jobs: Job[] }).jobs
}

/** @param documents are all there are, those in the bin too, when null. */
export async function startExport(documents: string[] | null, format: string, content: boolean): Promise<Job> {
  const wanted = { documents, format, content }
  return (await request('POST', '/api/admin/exports', wanted, { patienceMs: PATIENCE_MS })) as Job
}

/** Cancel a running job; forget an ended one, and its file. */
export async function removeJob(id: string): Promise<void> {
  await request('DELETE', jobPath(id))
}

/**
 * Send an archive; the job begins when all of it has arrived.
 *
 * @param progress is told which part has been sent, from 0 to 1.
 */
export async function sendArchive(file: Blob, prefix: string, progress: (part: number) => void, signal: AbortSignal): Promise<Job> {
  return (await upload(withQuery(IMPORTS, { prefix }), file, { type: 'application/zip', progress, signal })) as Job
}

/** "Export of 3 documents: Markdown". */
export function jobTitle({ kind, documents, format, prefix }: Job): string {
  if (kind === 'import') return prefix === '' ? t('Import of an archive') : t('Import of an archive under {prefix}', { prefix })
  const name = format === ARCHIVE ? t('archive') : formatName(format ?? '')
  if (documents === null) return t('Export of everything: {name}', { name })
  return t('Export of {count, plural, one {# document} other {# documents}}: {name}', { count: documents.length, name })
}

/** What has become of it so far. */
export function jobWords({ kind, state, progress, result, problem }: Job): string {
  if (state === 'running') {
    return progress === null ? t('Starting…') : t('{what}: {done} of {total}', { what: ofServer(capital(progress.what)), done: number(progress.done), total: number(progress.total) })
  }
  if (state === 'cancelled') return t('Cancelled')
  if (state === 'failed' || result === null) return problem === null ? t('Failed') : t('Failed: {detail}', { detail: ofServer(problem.detail, problem.code) })
  const parts = [t('{count, plural, one {# document} other {# documents}}', { count: result.documents })]
  if (result.updates > 0) parts.push(t('{count, plural, one {# update} other {# updates}}', { count: result.updates }))
  if (kind === 'export') parts.push(sizeOf(result.bytes))
  if (result.present > 0) {
    parts.push(
      t('{count, plural, one {# document} other {# documents}} here already, left alone', { count: result.present }),
    )
  }
  return parts.join(', ')
}

function number(amount: number): string {
  return new Intl.NumberFormat(currentLocale()).format(amount)
}

function capital(text: string): string {
  return text.charAt(0).toLocaleUpperCase() + text.slice(1)
}
