/**
 * Who is in front of this browser, as the server says. What it said last is remembered: a document that this device
 * holds opens under its person's name while the server is away.
 *
 * Rule M1: local copies belong to one person. When somebody else signs in they are removed before anything of them
 *          shows; unsaved edits among them are not removed without asking.
 * Rule M2: a token of another product is out of the address bar before anything else happens, and is kept nowhere but in
 *          the cookie that the server makes of it.
 */

import { bringToken, readMe, signOut, type Account, type MeInfo, type PersonRef } from './accounts'
import { clearDevice, unsavedHere } from './device'
import { Refused } from './http'
import { loginPath, signInPath, takeToken } from './paths'
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
  /** Why the token that the address carried does not count. */
  tokenRefused: string | null = $state(null)
  #loading: Promise<MeInfo> | null = null
  #token = takeToken()
  /** The address carried a token: whoever is not known now would not be after coming from there again. */
  readonly #brought = this.#token !== null

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
    return this.info !== null && (this.info.auth === 'none' || this.person !== null)
  }

  /** The address carried a token that the server has not seen yet: nothing is to be asked for before it has. */
  get bringing(): boolean {
    return this.#token !== null
  }

  /** Where people sign in who then want to go on to `path` of this app; null where they cannot. */
  signInAt(path: string): string | null {
    if (this.hasAccounts) return signInPath(path)
    const loginUrl = this.info?.login_url ?? null
    return loginUrl === null ? null : loginPath(loginUrl, location.origin + path)
  }

  /** As `signInAt`, where people may be led there without being asked. */
  leadOff(path: string): string | null {
    return this.#brought && !this.hasAccounts ? null : this.signInAt(path)
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
    const info = (await this.#bring()) ?? (await readMe())
    await this.arrive(info)
    return info
  }

  /** Rule M2. Null when there is no token, or none that counts. */
  async #bring(): Promise<MeInfo | null> {
    if (this.#token === null) return null
    try {
      const info = await bringToken(this.#token)
      this.#token = null
      return info
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      this.#token = null
      this.tokenRefused = error.message
      return null
    }
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
