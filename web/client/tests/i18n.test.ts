/** The words of a page in Hebrew: values inside them, and what the server says. */

import { beforeAll, expect, test, vi } from 'vitest'

import { loadLanguage, ofServer, t } from '../src/lib/i18n'
import { refusalOf } from '../src/lib/http'

beforeAll(async () => {
  vi.stubGlobal('document', { documentElement: {} })
  vi.stubGlobal('navigator', { languages: ['he-IL'] })
  await loadLanguage()
})

test('a name that runs the other way is kept in one piece', () => {
  expect(t('{name} is suspended.', { name: 'Ben (QA)' })).toBe('החשבון של \u2068Ben (QA)\u2069 מושעה.')
  expect(t('{name} is suspended.', { name: 'דנה' })).toBe('החשבון של דנה מושעה.')
  expect(t('{count} found', { count: 3 })).toBe('נמצאו 3')
})

test('a refusal is said word for word where that is known, else by its code, else as the server said it', () => {
  const said = (code: string, detail: string): string => refusalOf(409, { code, detail }, null).message
  expect(said('name-taken', 'somebody else has this e-mail address')).toBe('כתובת הדוא״ל הזאת כבר שייכת לחשבון אחר.')
  expect(said('bad-file', 'line 3 is no JSON')).toBe('אי אפשר לקרוא את הקובץ הזה.')
  expect(said('new-code', 'something new')).toBe('Something new.')
  expect(ofServer('Checking files')).toBe('בודקים קבצים')
})
