/** Signing out, here and in every other tab, with what belongs to it: see the rules in `device.ts`. */

import { endAllSignIns, signOut } from './accounts'
import { clearDevice, unsavedHere, type Unsaved } from './device'
import { messageOf, Refused } from './http'
import { t } from './i18n'
import { SIGN_IN } from './paths'
import { toasts } from './toasts.svelte'

const CHANNEL = 'coscribe'
const SIGNED_OUT = 'signed-out'
/** Behind `#` on the sign-in page. */
export const LEFT = 'signed-out'

class Leaving {
  /** What would be lost; people are asked about it while this is not empty. */
  unsaved: Unsaved[] = $state.raw([])
  #everywhere = false
  readonly #channel = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel(CHANNEL)
  readonly #before = new Set<() => void>()

  constructor() {
    this.#channel?.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
      if (data === SIGNED_OUT) this.#go()
    })
  }

  /** Call `end` before this page leaves: it lets go of local copies. @returns takes it back. */
  onLeave(end: () => void): () => void {
    this.#before.add(end)
    return () => this.#before.delete(end)
  }

  async start({ everywhere = false } = {}): Promise<void> {
    this.#everywhere = everywhere
    this.unsaved = unsavedHere()
    if (this.unsaved.length === 0) await this.proceed()
  }

  stay(): void {
    this.unsaved = []
  }

  /** Rule D2 is satisfied. The server first: without it the browser keeps its cookie, and nobody has left. */
  async proceed(): Promise<void> {
    try {
      await (this.#everywhere ? endAllSignIns() : signOut())
    } catch (error) {
      // Refused: signed out already.
      if (!(error instanceof Refused)) {
        toasts.fault(t('You are still signed in. {messageOf}', { messageOf: messageOf(error) }))
        return
      }
    }
    this.#channel?.postMessage(SIGNED_OUT)
    this.#end()
    await clearDevice()
    this.#go()
  }

  #end(): void {
    for (const end of this.#before) end()
  }

  #go(): void {
    this.#end()
    location.replace(`${SIGN_IN}#${LEFT}`)
  }
}

export const leaving = new Leaving()
