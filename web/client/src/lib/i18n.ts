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

interface Language {
  default: Catalogue
  /** What the server says: by its English sentence, or by the code of a problem for everything else of its kind. */
  server: Catalogue
}

const CATALOGUES: Record<Exclude<Locale, 'en'>, () => Promise<Language>> = {
  he: () => import('../catalogues/he'),
  ja: () => import('../catalogues/ja'),
}

let locale: Locale = 'en'
let catalogue: Catalogue = {}
let server: Catalogue = {}
const NOT_RIGHTWARDS = /[\p{Script=Hebrew}\p{Script=Arabic}]/u
const NOT_LEFTWARDS = /[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\d]/u

/** Values to be put in, and nothing else of MessageFormat. Most messages are so, and the rest takes a slow phone a while. */
const PLAIN = /^(?:[^{}']|'(?![{}'])|\{\w+\})*$/

const formats = new Map<string, IntlMessageFormat>()

/** For `Intl`, which would go by the browser's language otherwise. */
export const currentLocale = (): Locale => locale

/** Learn this person's language, before anything is shown. Without its catalogue, which may not be here offline, English. */
export async function loadLanguage(): Promise<void> {
  const wanted = chosenLocale()
  if (wanted !== 'en') {
    try {
      const language = await CATALOGUES[wanted]()
      catalogue = language.default
      server = language.server
      locale = wanted
    } catch {
      // The next start may have it.
    }
  }
  document.documentElement.lang = locale
  document.documentElement.dir = LOCALES[locale].dir
}

/** What the server said, in the language of this page. What no catalogue knows stays as the server said it. */
export function ofServer(said: string, code: string | null = null): string {
  return server[said] ?? (code === null ? undefined : server[code]) ?? said
}

/** Names and titles that run the other way must not carry the words around them along (Unicode's isolates). */
function isolated(values: Values): Values {
  const against = LOCALES[locale].dir === 'rtl' ? NOT_LEFTWARDS : NOT_RIGHTWARDS
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, typeof value === 'string' && against.test(value) ? `\u2068${value}\u2069` : value]),
  )
}

/** `message` with its values, in the language of this page. */
export function t(message: string, values?: Values): string {
  const text = catalogue[message] ?? message
  if (values === undefined) return text
  const shown = isolated(values)
  if (PLAIN.test(text)) return text.replace(/\{(\w+)\}/g, (_, name: string) => String(shown[name]))
  let format = formats.get(text)
  if (format === undefined) {
    format = new IntlMessageFormat(text, locale, undefined, { ignoreTag: true })
    formats.set(text, format)
  }
  return String(format.format(shown))
}
