/** The others in a document, as they are shown: somebody with two tabs is one person. */

import { t } from './i18n'
import type { Person } from './identity'

export interface Here extends Person {
  client: number
  typing: boolean
  /** Only reads: may not write. */
  reads: boolean
  /** They have commented on something, or look at comments. */
  comments: boolean
}

export interface Shown extends Here {
  /** Name and what they do, in words. */
  described: string
}

export function groupPeople(others: readonly Here[], me: Person): Shown[] {
  const groups = new Map<string, Here[]>()
  for (const other of others) {
    const key = `${other.color} ${other.name}`
    groups.set(key, [...(groups.get(key) ?? []), other])
  }
  return [...groups.values()].map((tabs) => {
    // The tab in which something happens stands for the person.
    const one = tabs.reduce((before, tab) => (tab.typing ? tab : before))
    return { ...one, described: describe(one, me) }
  })
}

function describe({ name, color, typing, reads }: Here, me: Person): string {
  const who = name === me.name && color === me.color ? t('{name} (you, in another tab)', { name }) : name
  if (typing) return t('{who}, typing', { who })
  return reads ? t('{who}, reading', { who }) : who
}
