/** Documents made of files, one file after the other: whoever drops twenty does not keep the server from the others. */

import { importDocument, type DocumentInfo } from './api'
import { messageOf, Refused } from './http'
import { t } from './i18n'

/** Formats by the ending of a file's name, as the server knows them. */
const FORMATS: Readonly<Record<string, string>> = {
  txt: 'text',
  md: 'markdown',
  markdown: 'markdown',
  html: 'html',
  htm: 'html',
  docx: 'docx',
  json: 'json',
  yjs: 'yjs',
}
export const ACCEPTED = Object.keys(FORMATS)
  .map((ending) => `.${ending}`)
  .join(',')
const TITLE_MAX = 200
const ENDING = /\.([a-z0-9]+)$/i

/** Undefined for what the server does not read. */
export function formatOf(name: string): string | undefined {
  const ending = ENDING.exec(name)?.[1]?.toLowerCase() ?? ''
  return Object.hasOwn(FORMATS, ending) ? FORMATS[ending] : undefined
}

/** "Minutes, May.docx" is called "Minutes, May". */
export function titleFrom(name: string): string {
  // What is cut off may not leave half a character.
  return name.replace(ENDING, '').replace(/\p{C}/gu, ' ').trim().slice(0, TITLE_MAX).replace(/[\ud800-\udbff]$/, '')
}

/** What to do about it, beside what the server said. */
function advice(error: unknown): string {
  if (!(error instanceof Refused)) return ''
  switch (error.code) {
    case 'bad-file':
    case 'malformed-update':
    case 'unsafe-update':
      return t('Open it in the program that it comes from, and save it again, text files as UTF-8.')
    case 'limit-exceeded':
    case 'too-large':
    case 'request-entity-too-large':
      return t('Divide it into several files.')
    default:
      return ''
  }
}

/** One file on its way in. */
export class Import {
  /** `sending`: of which `part` has been sent; then the server reads it. */
  state: 'waiting' | 'sending' | 'done' | 'failed' = $state('waiting')
  part = $state(0)
  document: DocumentInfo | null = $state.raw(null)
  fault: string | null = $state(null)
  /** The same may work later, or when asked again. */
  again = $state(false)

  constructor(
    readonly id: number,
    readonly file: File,
  ) {}

  async run(): Promise<void> {
    const { file } = this
    const format = formatOf(file.name)
    if (format === undefined) {
      this.#fail(t('Files that can be imported end in .md, .txt, .html, .docx, .json or .yjs. Save it as one of these first.'), false)
      return
    }
    this.state = 'sending'
    try {
      this.document = await importDocument(file, format, titleFrom(file.name), (part) => (this.part = part))
      this.state = 'done'
    } catch (error) {
      this.#fail([messageOf(error), advice(error)].join(' ').trim(), !(error instanceof Refused))
    }
  }

  #fail(fault: string, again: boolean): void {
    this.fault = fault
    this.again = again
    this.state = 'failed'
  }

  reset(): void {
    this.state = 'waiting'
    this.part = 0
    this.fault = null
  }
}

export class Imports {
  /** In the order in which they came. */
  items: readonly Import[] = $state.raw([])
  running = $state(false)
  #next = 1
  readonly #imported: () => void

  /** @param imported hears of each document that is there. */
  constructor(imported: () => void) {
    this.#imported = imported
  }

  count(state: Import['state']): number {
    return this.items.filter((item) => item.state === state).length
  }

  add(files: Iterable<File>): void {
    this.items = [...this.items, ...Array.from(files, (file) => new Import(this.#next++, file))]
    void this.#run()
  }

  retry(item: Import): void {
    item.reset()
    void this.#run()
  }

  /** Forget all of them; those that are there stay there. */
  clear(): void {
    this.items = []
  }

  async #run(): Promise<void> {
    if (this.running) return
    this.running = true
    for (let item = this.#waiting(); item !== undefined; item = this.#waiting()) {
      await item.run()
      if (item.state === 'done') this.#imported()
    }
    this.running = false
  }

  #waiting(): Import | undefined {
    return this.items.find(({ state }) => state === 'waiting')
  }
}
