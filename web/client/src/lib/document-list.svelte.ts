/** A list of documents that can be searched, with the bin beside it, and what can be done with each. */

import { deleteDocument, listDocuments, restoreDocument, type DocumentFilter, type DocumentInfo } from './api'
import { messageOf } from './http'
import { Pages } from './pages.svelte'
import { toasts } from './toasts.svelte'

export const titleOf = (document: DocumentInfo): string => document.title || 'Untitled'

/** When it was last changed; in the bin, when it came there. */
export const timeOf = (document: DocumentInfo): string => document.deleted_at ?? document.updated_at

export class DocumentList {
  q = $state('')
  /** The bin is shown. */
  bin = $state(false)
  /** Whose share dialog is open. */
  sharing: DocumentInfo | null = $state.raw(null)
  /** Which is about to go to the bin, if somebody says yes. */
  deleting: DocumentInfo | null = $state.raw(null)
  readonly pages: Pages<DocumentInfo, string>

  constructor(filter: Pick<DocumentFilter, 'scope'> = {}) {
    this.pages = new Pages(async (after) => {
      const { documents: rows, next } = await listDocuments(after, { ...filter, q: this.q.trim(), deleted: this.bin })
      return { rows, next }
    })
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
