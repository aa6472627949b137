/** Which languages there are, and which one this person has. */

import { readFact, writeFact } from './storage'

/** Each by its own name: whoever looks for it can read that. */
export const LOCALES = {
  en: { name: 'English', dir: 'ltr' },
  he: { name: 'עברית', dir: 'rtl' },
  ja: { name: '日本語', dir: 'ltr' },
} as const
export type Locale = keyof typeof LOCALES

/** Outside of what signing out clears: it says nothing of anybody. */
const KEY = 'coscribe-language'

/** The one chosen here, or the first of the browser's that there is. */
export function chosenLocale(): Locale {
  const chosen = asLocale(readFact(KEY))
  if (chosen !== null) return chosen
  for (const language of navigator.languages) {
    const found = asLocale(language.toLowerCase().split('-')[0])
    if (found !== null) return found
  }
  return 'en'
}

/** From the next start on. */
export function chooseLocale(locale: Locale): void {
  writeFact(KEY, locale)
}

function asLocale(value: unknown): Locale | null {
  return typeof value === 'string' && Object.hasOwn(LOCALES, value) ? (value as Locale) : null
}
