/** Who is shown to the others: the name the server knows, or the one kept in this browser, and the colour chosen here. */

import { loadIdentity, saveIdentity, type Person } from './identity'
import { me } from './me.svelte'

class Identity {
  #kept: Person = $state.raw(loadIdentity())
  readonly person: Person = $derived(
    me.person === null || me.person.guest ? this.#kept : { name: me.person.name, color: this.#kept.color },
  )

  keep(person: Person): void {
    // The name of an account is the server's; the one made up for this browser stays for when nobody is signed in.
    this.#kept = me.person === null || me.person.guest ? person : { ...this.#kept, color: person.color }
    saveIdentity(this.#kept)
  }
}

export const identity = new Identity()
