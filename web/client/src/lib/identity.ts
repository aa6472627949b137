/** Who this browser says it is, and how others are shown: a name and a colour. */

import { t } from './i18n'
import { readFact, writeFact } from './storage'

export interface Person {
  name: string
  color: string
}

export const NAME_LENGTH_MAX = 40

/** White text on each of these has a contrast of at least 4.5 to 1. */
export const COLORS = [
  { value: '#b4233c', name: t('Raspberry') },
  { value: '#a8480a', name: t('Rust') },
  { value: '#846000', name: t('Mustard') },
  { value: '#4b7a1e', name: t('Moss') },
  { value: '#0b7a5c', name: t('Fir') },
  { value: '#0f7490', name: t('Lagoon') },
  { value: '#2864c7', name: t('Cornflower') },
  { value: '#5a4fcf', name: t('Iris') },
  { value: '#8a3fb8', name: t('Violet') },
  { value: '#b0307f', name: t('Fuchsia') },
] as const

const MOODS = [t('Calm'), t('Bright'), t('Gentle'), t('Keen'), t('Merry'), t('Quiet'), t('Swift'), t('Patient'), t('Curious'), t('Brave')]
const ANIMALS = [t('Heron'), t('Otter'), t('Fox'), t('Wren'), t('Hare'), t('Lynx'), t('Robin'), t('Badger'), t('Finch'), t('Seal'), t('Marten'), t('Crane')]
const HEX_COLOR = /^#[0-9a-f]{6}$/i
const KEY = 'coscribe:identity'

function pick<T>(items: readonly T[], index: number): T {
  return items[index % items.length] as T
}

/** Always the same one for the same text. */
export function pickBy<T>(items: readonly T[], text: string): T {
  let sum = 0
  for (const character of text) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % 1_000_003
  return pick(items, sum)
}

function random(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] as number
}

/** Anything that came over the wire, made safe to show. */
export function asPerson(value: unknown, clientId: number): Person {
  const { name, color } = (typeof value === 'object' && value !== null ? value : {}) as Partial<Record<string, unknown>>
  return {
    name: (typeof name === 'string' && name.trim().slice(0, NAME_LENGTH_MAX)) || t('Somebody'),
    color: typeof color === 'string' && HEX_COLOR.test(color) ? color : pick(COLORS, clientId).value,
  }
}

/** The name and colour kept in this browser; made up on the first visit. */
export function loadIdentity(): Person {
  const kept = readFact(KEY)
  if (kept !== null) return asPerson(kept, 0)
  const person = { name: t('{mood} {animal}', { mood: pick(MOODS, random()), animal: pick(ANIMALS, random()) }), color: pick(COLORS, random()).value }
  saveIdentity(person)
  return person
}

export function saveIdentity(person: Person): void {
  writeFact(KEY, person)
}

/** One that stands alone: no mark follows, and it does not join with the next, as the parts of a Korean syllable do. */
const LETTER_ALONE = /^(?![\u1100-\u11ff\ua960-\ua97c])\p{L}(?![\p{M}\u200d])/u

function firstLetter(word: string): string {
  // The first time that a browser is asked for the parts of a text takes a phone 60 ms, while nothing shows yet.
  const letter = LETTER_ALONE.exec(word)?.[0]
  return letter ?? new Intl.Segmenter().segment(word)[Symbol.iterator]().next().value?.segment ?? ''
}

/** One or two letters for an avatar. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/)
  const ends = words.length > 1 ? [words[0], words.at(-1)] : [words[0]]
  return ends.map((word) => firstLetter(word ?? '').toLocaleUpperCase()).join('')
}

/** Black or white, whichever reads better on a colour that somebody else chose. */
export function inkOn(color: string): '#000000' | '#ffffff' {
  const channel = (from: number): number => {
    const value = Number.parseInt(color.slice(from, from + 2), 16) / 255
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  }
  const luminance = 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
  return luminance > 0.179 ? '#000000' : '#ffffff'
}
