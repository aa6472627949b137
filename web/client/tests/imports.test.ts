import { describe, expect, test } from 'vitest'

import { ACCEPTED, formatOf, titleFrom } from '../src/lib/imports.svelte'

describe('a file that is imported', () => {
  test.each([
    ['notes.md', 'markdown'],
    ['NOTES.MD', 'markdown'],
    ['read.me.markdown', 'markdown'],
    ['a.htm', 'html'],
    ['letter.docx', 'docx'],
    ['letter.doc', undefined],
    ['folder', undefined],
    ['md', undefined],
    ['constructor.constructor', undefined],
  ])('%s is read as %s', (name, format) => expect(formatOf(name)).toBe(format))

  test.each([
    ['Minutes, May.docx', 'Minutes, May'],
    ['v1.2 plan.md', 'v1.2 plan'],
    ['שלום.txt', 'שלום'],
    ['.md', ''],
    ['a\u0000b.md', 'a b'],
    [`${'x'.repeat(199)}😀.md`, 'x'.repeat(199)],
  ])('%j is called %j', (name, title) => expect(titleFrom(name)).toBe(title))

  test('the field for files offers all that can be read', () => {
    expect(ACCEPTED.split(',').map((ending) => formatOf(`x${ending}`))).not.toContain(undefined)
  })
})
