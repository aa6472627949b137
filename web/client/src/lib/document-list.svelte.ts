/**
 * A list of documents that can be searched, with the bin beside it, and what can be done with each.
 *
 * While the server is away it lists those that this device holds, and asks again until the server is back.
 */

import { deleteDocument, listDocuments, restoreDocument, type DocumentFilter, type DocumentInfo, type DocumentPage } from './api'
import { messageOf, TooMany, Unreachable } from './http'
import { keptHere } from './kept-here'
import { withinPatience } from './patience'
import { Pages } from './pages.svelte'
import { toasts } from './toasts.svelte'

export const titleOf = (document: DocumentInfo): string => document.title || 'Untitled'

/** When it was last changed; in the bin, when it came there. */
export const timeOf = (document: DocumentInfo): string => document.deleted_at ?? document.updated_at

const ASK_AGAIN_MS = 3000

export class DocumentList {
  q = $state('')
  /** The bin is shown. */
  bin = $state(false)
  /** Whose share dialog is open. */
  sharing: DocumentInfo | null = $state.raw(null)
  /** Which is about to go to the bin, if somebody says yes. */
  deleting: DocumentInfo | null = $state.raw(null)
  /** Why the rows are those of this device only; null while they are the server's. */
  away: string | null = $state(null)
  /** Documents that open without the server. */
  here: readonly string[] = $state.raw([])
  readonly pages: Pages<DocumentInfo, string>

  constructor(filter: Pick<DocumentFilter, 'scope'> = {}) {
    this.pages = new Pages(async (after) => {
      const asking = listDocuments(after, { ...filter, q: this.q.trim(), deleted: this.bin })
      if (filter.scope !== undefined) {
        const { documents: rows, next } = await asking
        return { rows, next }
      }
      return this.#answerOr(asking)
    })
  }

  /** Ask again and again while the server is away. @returns ends it. */
  untilBack(): () => void {
    if (this.away === null) return () => undefined
    const ask = (): void => void this.pages.reload()
    const timer = setInterval(ask, ASK_AGAIN_MS)
    addEventListener('online', ask)
    return () => {
      clearInterval(timer)
      removeEventListener('online', ask)
    }
  }

  /** Which documents are on this device. */
  async look(): Promise<DocumentInfo[]> {
    const here = await keptHere()
    this.here = here.map(({ id }) => id)
    return here
  }

  async #answerOr(asking: Promise<DocumentPage>): Promise<{ rows: DocumentInfo[]; next: string | null }> {
    // It is awaited later; a refusal before that is no accident.
    asking.catch(() => undefined)
    const here = await this.look()
    try {
      // Nobody looks at an empty page for long; once something is shown, an answer may take its time.
      const { documents: rows, next } = await (this.pages.rows === null ? withinPatience(asking) : asking)
      this.away = null
      return { rows, next }
    } catch (error) {
      if (!(error instanceof Unreachable) || error instanceof TooMany) throw error
      this.away = error.message
      this.bin = false
      const q = this.q.trim().toLocaleLowerCase()
      const rows = here.filter(({ id, title }) => `${title}\n${id}`.toLocaleLowerCase().includes(q))
      return { rows, next: null }
    }
  }

  show(bin: boolean): void {
    this.bin = bin
    this.pages.rows = null
    void this.pages.reload()
  }

  async restore(document: DocumentInfo): Promise<void> {
    await this.attempt(document, () => restoreDocument(document.id), `“${titleOf(document)}” is back.`)
  }

  /** @throws what the server says against it. */
  async delete(document: DocumentInfo): Promise<void> {
    await deleteDocument(document.id)
    this.#take(document, `“${titleOf(document)}” is in the bin.`)
  }

  /** Do something after which the document is no longer in this list. */
  async attempt(document: DocumentInfo, call: () => Promise<unknown>, said: string): Promise<void> {
    try {
      await call()
      this.#take(document, said)
    } catch (error) {
      toasts.fault(messageOf(error))
    }
  }

  #take(document: DocumentInfo, said: string): void {
    this.pages.remove(({ id }) => id === document.id)
    toasts.done(said)
  }
}
