/**
 * Who is in front of this browser, as the server says. What it said last is remembered: a document that this device
 * holds opens under its person's name while the server is away.
 *
 * Rule M1: local copies belong to one person. When somebody else signs in they are removed before anything of them
 *          shows; unsaved edits among them are not removed without asking.
 */

import { readMe, signOut, type Account, type MeInfo, type PersonRef } from './accounts'
import { clearDevice, unsavedHere } from './device'
import { readFact, writeFact } from './storage'

const KEY = 'coscribe:me'
const OWNER = 'coscribe:owner'

/** Somebody has signed in where somebody else left unsaved edits. */
export interface Encounter {
  arrived: string
  earlier: string
  /** In how many documents. Their titles are not for whoever arrived. */
  documents: number
  goOn: () => Promise<void>
  turnBack: () => Promise<void>
}

class Me {
  info: MeInfo | null = $state.raw(asMe(readFact(KEY)))
  /** People are asked about it while it is not null. */
  encounter: Encounter | null = $state.raw(null)
  #loading: Promise<MeInfo> | null = null

  get person(): Account | null {
    return this.info?.person ?? null
  }

  /** A person with an account of this server; guests and servers without accounts have none. */
  get account(): Account | null {
    return this.person !== null && !this.person.guest && this.hasAccounts ? this.person : null
  }

  /** People can sign in here. */
  get hasAccounts(): boolean {
    return this.info?.auth === 'accounts'
  }

  /** Whose name is remembered here is whose copies are here, or nobody has a name: they may be opened at once. */
  get ownsCopies(): boolean {
    return this.info !== null && (!this.hasAccounts || this.person !== null)
  }

  /** Ask the server; one question at a time. Resolves once rule M1 is satisfied. */
  load(): Promise<MeInfo> {
    this.#loading ??= this.#load().finally(() => (this.#loading = null))
    return this.#loading
  }

  /** The server has said who this is now. Resolves once rule M1 is satisfied. */
  async arrive(info: MeInfo): Promise<void> {
    const earlier = asPersonRef(readFact(OWNER))
    if (info.person !== null && earlier !== null && earlier.id !== info.person.id) {
      const documents = unsavedHere().length
      if (documents > 0) await this.#ask(info.person.name, earlier.name, documents)
      await clearDevice()
    }
    this.info = info
    writeFact(KEY, info)
    if (info.person !== null) writeFact(OWNER, { id: info.person.id, name: info.person.name })
  }

  async #load(): Promise<MeInfo> {
    const info = await readMe()
    await this.arrive(info)
    return info
  }

  #ask(arrived: string, earlier: string, documents: number): Promise<void> {
    return new Promise((resolve) => {
      this.encounter = {
        arrived,
        earlier,
        documents,
        goOn: async () => {
          this.encounter = null
          await clearDevice()
          resolve()
        },
        turnBack: async () => {
          await signOut()
          location.reload()
        },
      }
    })
  }
}

/** What was remembered, if it still has the form. */
function asMe(fact: unknown): MeInfo | null {
  if (typeof fact !== 'object' || fact === null || !('auth' in fact) || !('person' in fact)) return null
  return fact as MeInfo
}

function asPersonRef(fact: unknown): PersonRef | null {
  if (typeof fact !== 'object' || fact === null) return null
  const { id, name } = fact as Partial<Record<keyof PersonRef, unknown>>
  return typeof id === 'string' && typeof name === 'string' ? { id, name } : null
}

export const me = new Me()
