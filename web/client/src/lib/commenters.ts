/**
 * Whose a comment is. The server lets nobody write one in another's name, so the id in it can be trusted; how somebody
 * is called it says when it is asked, and guests call themselves something.
 */

import { documentApiPath } from './document-id'
import { request } from './http'
import { t } from './i18n'
import { COLORS, NAME_LENGTH_MAX, pickBy, type Person } from './identity'

export interface Commenter {
  id: string
  name: string
  guest: boolean
}

/** What a comment says about who wrote it. */
export interface Signature {
  /** Null where nobody has signed in. */
  id: string | null
  /** What guests call themselves; empty otherwise. */
  name: string
  color: string
}

const HEX_COLOR = /^#[0-9a-f]{6}$/i

/** Anything that came over the wire. Only its own properties count: the server looked at nothing else. */
export function asSignature(value: unknown): Signature {
  const of = (key: string): unknown =>
    typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined
  const [id, name, color] = [of('id'), of('name'), of('color')]
  return {
    id: typeof id === 'string' ? id : null,
    name: typeof name === 'string' ? name.trim().slice(0, NAME_LENGTH_MAX) : '',
    color: typeof color === 'string' && HEX_COLOR.test(color) ? color : pickBy(COLORS, typeof id === 'string' ? id : '').value,
  }
}

/** How it is signed by whoever is here. `account` is null where nobody signs in. */
export function sign(person: Person, account: { id: string; guest: boolean } | null): object {
  if (account === null) return { name: person.name, color: person.color }
  // The name of somebody whom the server knows is left to it: it may change, and be erased.
  return account.guest ? { id: account.id, name: person.name, color: person.color } : { id: account.id, color: person.color }
}

/** Who is shown as the author. `open`: on this server nobody signs in, and everybody calls themselves something. */
export function authorOf(by: Signature, known: ReadonlyMap<string, Commenter>, open: boolean): Person {
  const person = by.id === null ? undefined : known.get(by.id)
  if (person !== undefined && !person.guest) return { name: person.name, color: by.color }
  const name = by.name === '' ? t('Somebody') : open && by.id === null ? by.name : t('{name} (guest)', { name: by.name })
  return { name, color: by.color }
}

export async function readCommenters(document: string): Promise<Commenter[]> {
  const { people } = (await request('GET', `${documentApiPath(document)}/comments/people`)) as { people: Commenter[] }
  return people
}

/** What was remembered, if it still has the form. */
export function asCommenters(fact: unknown): Commenter[] {
  const list: unknown[] = Array.isArray(fact) ? fact : []
  return list.filter(
    (one): one is Commenter =>
      typeof one === 'object' && one !== null && 'id' in one && 'name' in one && typeof one.id === 'string' && typeof one.name === 'string',
  )
}
