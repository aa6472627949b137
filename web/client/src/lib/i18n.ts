/**
 * The words of the app in the language of whoever uses it.
 *
 * The English text is the key: `t('{count, plural, one {# edit waits} other {# edits wait}}', { count })`, in ICU MessageFormat.
 * A catalogue gives the same in another language; what it lacks appears in English, and the lint fails. The catalogue is
 * there before any other module of the app is evaluated (`main.ts`), so constants may hold translated text; another language
 * comes with another page.
 */

import { IntlMessageFormat } from 'intl-messageformat'

import { chosenLocale, LOCALES, type Locale } from './locale'

/** Translations by English text. */
export type Catalogue = Readonly<Record<string, string>>
export type Values = Readonly<Record<string, string | number>>

const CATALOGUES: Record<Exclude<Locale, 'en'>, () => Promise<{ default: Catalogue }>> = {
  he: () => import('../catalogues/he'),
  ja: () => import('../catalogues/ja'),
}

let locale: Locale = 'en'
let catalogue: Catalogue = {}
const formats = new Map<string, IntlMessageFormat>()

/** For `Intl`, which would go by the browser's language otherwise. */
export const currentLocale = (): Locale => locale

/** Learn this person's language, before anything is shown. Without its catalogue, which may not be here offline, English. */
export async function loadLanguage(): Promise<void> {
  const wanted = chosenLocale()
  if (wanted !== 'en') {
    try {
      catalogue = (await CATALOGUES[wanted]()).default
      locale = wanted
    } catch {
      // The next start may have it.
    }
  }
  document.documentElement.lang = locale
  document.documentElement.dir = LOCALES[locale].dir
}

/** `message` with its values, in the language of this page. */
export function t(message: string, values?: Values): string {
  const text = catalogue[message] ?? message
  if (values === undefined) return text
  let format = formats.get(text)
  if (format === undefined) {
    format = new IntlMessageFormat(text, locale, undefined, { ignoreTag: true })
    formats.set(text, format)
  }
  return String(format.format(values))
}
