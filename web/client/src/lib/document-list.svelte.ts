/**
 * A list of documents that can be searched, with the bin beside it, and what can be done with each.
 *
 * While the server is away it lists those that this device holds, and asks again until the server is back.
 */

import {
  copyDocument,
  deleteDocument,
  listDocuments,
  restoreDocument,
  type DocumentFilter,
  type DocumentInfo,
  type DocumentPage,
  type ListedDocument,
} from './api'
import { messageOf, TooMany, Unreachable } from './http'
import { t } from './i18n'
import { keptHere } from './kept-here'
import { me } from './me.svelte'
import { withinPatience } from './patience'
import { Pages } from './pages.svelte'
import { searchHere } from './search-here'
import { heedStars, setStar, starsHere } from './stars'
import { toasts } from './toasts.svelte'

export const titleOf = (document: DocumentInfo): string => document.title || t('Untitled')

/** When it was last changed; in the bin, when it came there. */
export const timeOf = (document: DocumentInfo): string => document.deleted_at ?? document.updated_at

/** `recent`: all of them, the last changed first. */
export type Shelf = 'recent' | 'starred' | 'shared' | 'bin'

const ASK_AGAIN_MS = 3000

export class DocumentList {
  q = $state('')
  shelf: Shelf = $state('recent')
  /** Whose share dialog is open. */
  sharing: DocumentInfo | null = $state.raw(null)
  /** Which is about to go to the bin, if somebody says yes. */
  deleting: DocumentInfo | null = $state.raw(null)
  /** Why the rows are those of this device only; null while they are the server's. */
  away: string | null = $state(null)
  /** Documents that open without the server. */
  here: readonly string[] = $state.raw([])
  readonly pages: Pages<ListedDocument, string>

  constructor(filter: Pick<DocumentFilter, 'scope'> = {}) {
    this.pages = new Pages(async (after) => {
      if (filter.scope === undefined) return this.#answerOr(this.#mine(after))
      const { documents: rows, next } = await listDocuments(after, { ...filter, q: this.q.trim(), deleted: this.bin })
      return { rows, next }
    })
  }

  /** The bin is shown. */
  get bin(): boolean {
    return this.shelf === 'bin'
  }

  /** What is shown is all that changed last, and nothing else: no search, no page of something else. */
  get whole(): boolean {
    return this.shelf === 'recent' && this.q.trim() === '' && this.away === null
  }

  /** People have names here, and the server their stars. */
  get #named(): boolean {
    return me.info?.auth !== 'none'
  }

  async #mine(after: string | null): Promise<DocumentPage> {
    const { shelf } = this
    const page = await listDocuments(after, {
      order: 'changed',
      q: this.q.trim(),
      deleted: shelf === 'bin',
      starred: shelf === 'starred' && this.#named,
      shared: shelf === 'shared',
    })
    if (this.#named) heedStars(page.documents)
    else page.documents = withOwnStars(page.documents).filter(({ starred }) => shelf !== 'starred' || starred)
    return page
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
  async look(): Promise<ListedDocument[]> {
    const here = await keptHere()
    this.here = here.map(({ id }) => id)
    return here
  }

  async #answerOr(asking: Promise<DocumentPage>): Promise<{ rows: ListedDocument[]; next: string | null }> {
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
      if (this.shelf === 'bin') this.shelf = 'recent'
      const { shelf } = this
      const onShelf = here.filter(
        ({ starred, role }) => (shelf !== 'starred' || starred) && (shelf !== 'shared' || role !== 'owner'),
      )
      return { rows: await searchHere(onShelf, this.q), next: null }
    }
  }

  show(shelf: Shelf): void {
    this.shelf = shelf
    this.pages.rows = null
    void this.pages.reload()
  }

  async star(document: ListedDocument): Promise<void> {
    try {
      const changed = await setStar(document, !document.starred, this.#named)
      // Whoever turned to the starred ones at once may have been shown them as they were before.
      if (this.shelf === 'starred' && changed.starred) void this.pages.reload()
      else if (this.shelf === 'starred') this.pages.remove(({ id }) => id === document.id)
      else this.pages.replace(({ id }) => id === document.id, changed)
    } catch (error) {
      toasts.fault(messageOf(error))
    }
  }

  async duplicate(document: DocumentInfo): Promise<void> {
    try {
      await copyDocument(document.id, t('Copy of {title}').replace('{title}', titleOf(document)))
      toasts.done(t('“{title}” is duplicated.', { title: titleOf(document) }))
      await this.pages.reload()
    } catch (error) {
      toasts.fault(messageOf(error))
    }
  }

  async restore(document: DocumentInfo): Promise<void> {
    await this.attempt(document, () => restoreDocument(document.id), t('“{title}” is back.', { title: titleOf(document) }))
  }

  /** @throws what the server says against it. */
  async delete(document: DocumentInfo): Promise<void> {
    await deleteDocument(document.id)
    this.#take(document, t('“{title}” is in the bin.', { title: titleOf(document) }))
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

function withOwnStars(documents: ListedDocument[]): ListedDocument[] {
  const stars = starsHere()
  return documents.map((document) => ({ ...document, starred: stars.has(document.id) }))
}
