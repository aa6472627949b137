/** A form on its way to the server: whether it is being sent, and what was wrong with it. */

import { messageOf, Refused } from './http'

export class Form {
  busy = $state(false)
  /** What is wrong, if it is about no single field. */
  fault: string | null = $state(null)
  /** What is wrong with which field. */
  fields: Readonly<Record<string, string>> = $state.raw({})

  /** @returns whether it went well. */
  async submit(call: () => Promise<unknown>): Promise<boolean> {
    this.busy = true
    this.clear()
    try {
      await call()
      return true
    } catch (error) {
      if (error instanceof Refused) this.fields = error.fields
      if (Object.keys(this.fields).length === 0) this.fault = messageOf(error)
      return false
    } finally {
      this.busy = false
    }
  }

  clear(): void {
    this.fault = null
    this.fields = {}
  }
}
