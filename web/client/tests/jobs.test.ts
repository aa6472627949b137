/** What is said of exports and imports. */

import { describe, expect, test } from 'vitest'

import { jobTitle, jobWords, type Job } from '../src/lib/jobs'

function job(more: Partial<Job>): Job {
  return {
    id: 'j1',
    kind: 'export',
    state: 'running',
    by: null,
    format: 'archive',
    documents: null,
    prefix: '',
    created_at: '',
    ended_at: null,
    progress: null,
    result: null,
    problem: null,
    download: null,
    expires_at: null,
    ...more,
  }
}

describe('a job', () => {
  test('is called by what it does', () => {
    expect(jobTitle(job({}))).toBe('Export of everything: archive')
    expect(jobTitle(job({ documents: ['a'], format: 'markdown' }))).toBe('Export of 1 document: Markdown')
    expect(jobTitle(job({ kind: 'import', format: null }))).toBe('Import of an archive')
    expect(jobTitle(job({ kind: 'import', format: null, prefix: 'x/' }))).toBe('Import of an archive under x/')
  })

  test('says how far it is, and what came of it', () => {
    expect(jobWords(job({}))).toBe('Starting…')
    expect(jobWords(job({ progress: { what: 'storing documents', done: 3, total: 9 } }))).toBe('Storing documents: 3 of 9')
    const result = { documents: 2, updates: 1, present: 1, bytes: 4711, left_out: [], images_missing: [] }
    expect(jobWords(job({ state: 'done', result }))).toMatch(/^2 documents, 1 update, 4[.,]7.kB, 1 document here already/)
    expect(jobWords(job({ kind: 'import', state: 'done', result: { ...result, present: 0 } }))).toBe('2 documents, 1 update')
    expect(jobWords(job({ state: 'failed', problem: { code: 'bad-file', detail: 'no archive' } }))).toBe('Failed: no archive')
    expect(jobWords(job({ state: 'cancelled' }))).toBe('Cancelled')
  })
})
