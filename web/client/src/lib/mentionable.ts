/** Who may be named in a document: those who are here, and those whom the server knows. */

import type { Awareness } from 'y-protocols/awareness'

import type { Suggestion } from '../editor/suggestions.svelte'
import { findPeople } from './accounts'
import { t } from './i18n'
import { asPerson } from './identity'
import { me } from './me.svelte'

const SHOWN_MAX = 8

export async function mentionable(awareness: Awareness, query: string): Promise<Suggestion[]> {
  const wanted = query.trim().toLocaleLowerCase()
  const found = new Map<string, Suggestion>()
  for (const [client, { user }] of awareness.getStates()) {
    if (user === undefined || client === awareness.clientID) continue
    const { name } = asPerson(user, client)
    if (name.toLocaleLowerCase().includes(wanted)) found.set(name, { id: name, label: name, icon: 'person', hint: t('here') })
  }
  if (me.hasAccounts && wanted !== '') {
    try {
      for (const { id, name } of await findPeople(query.trim())) found.set(name, { id, label: name, icon: 'person' })
    } catch {
      // Offline, or somebody who may not look for people: those who are here can be named all the same.
    }
  }
  return [...found.values()].slice(0, SHOWN_MAX)
}
