/**
 * Draws a past state of a document, or what changed between two, into the page: never as markup, node by node.
 *
 * Rule P1: tags come from the lists here; everything that people wrote becomes text. Nothing drawn loads, links or runs.
 * Rule P2: what is unknown here shows as the text in it.
 * Rule P3: every change and every author is told in words as well as in colours.
 */

import {
  isBranch,
  isRun,
  listOf,
  valueOf,
  type Branch,
  type Comparison,
  type Marks,
  type Root,
  type Run,
  type TreeNode,
  type Value,
} from '../lib/comparison'
import { t } from '../lib/i18n'
import type { Person } from '../lib/identity'
import { FRAGMENT, KIND_ROOT, PLAIN_TEXT } from '../sync/kind'

/** How to look at it: the state alone, what changed in it, or who wrote it. */
export type Look = 'state' | 'changes' | 'authors'

export interface Drawn {
  root: HTMLElement
  look: Look
  /** What changed, from the top down; what stands side by side is one change. */
  changes: HTMLElement[]
  /** What a restore may bring back alone. */
  blocks: HTMLElement[]
  empty: boolean
}

const TAGS: Readonly<Record<string, string>> = {
  paragraph: 'p',
  bulletList: 'ul',
  orderedList: 'ol',
  taskList: 'ul',
  listItem: 'li',
  taskItem: 'li',
  blockquote: 'blockquote',
  codeBlock: 'pre',
  tableRow: 'tr',
  tableCell: 'td',
  tableHeader: 'th',
}
const MARK_TAGS: Readonly<Record<string, string>> = {
  bold: 'strong',
  italic: 'em',
  strike: 's',
  underline: 'u',
  code: 'code',
  subscript: 'sub',
  superscript: 'sup',
  highlight: 'mark',
}
/** A word about what became of them stands in the first text inside: these hold nothing but their own parts. */
const FRAMES = new Set(['ul', 'ol', 'table', 'tr'])
/** What stands in these comes back alone as well: one item, one paragraph of a cell. Of others, half would be none. */
const HOLDERS = new Set(['bulletList', 'orderedList', 'taskList', 'blockquote', 'tableCell', 'tableHeader', 'detailsContent'])
const EXCERPT = 60
/** Layout and paint of far-away blocks are skipped from here on. */
const LONG_BLOCKS = 500
const WORDS = {
  added: (name: string) => t('Added by {name}', { name }),
  removed: (name: string) => t('Removed by {name}', { name }),
  formatted: (name: string) => t('Reformatted by {name}', { name }),
} as const

export function draw(comparison: Comparison, look: Look, people: readonly Person[]): Drawn {
  return new Drawing(look, people).draw(comparison)
}

export interface Part {
  /** Of the block, for a restore. */
  id: string
  words: string
}

/** A drawn block and everything in it that a restore may bring back alone, from the top down. */
export function partsOf(block: HTMLElement): Part[] {
  return [...block.querySelectorAll<HTMLElement>('[data-block]')].map((part) => ({
    id: part.dataset['block'] ?? '',
    words: excerpt(part.innerText),
  }))
}

function excerpt(text: string): string {
  const words = text.replaceAll(/\s+/g, ' ').trim()
  return words.length > EXCERPT ? `${words.slice(0, EXCERPT)}…` : words
}

class Drawing {
  readonly #changes: HTMLElement[] = []
  readonly #blocks: HTMLElement[] = []
  /** Waits for the first text that can hold it. */
  #word: string | null = null

  constructor(
    readonly look: Look,
    readonly people: readonly Person[],
  ) {}

  draw({ roots }: Comparison): Drawn {
    const drawn = element('div', 'ProseMirror past')
    // The text first; other roots are those of other apps.
    const kind = roots.find(({ name }) => name === KIND_ROOT)
    const text = roots.filter(({ name }) => name === FRAGMENT || (kind !== undefined && name === PLAIN_TEXT))
    const others = roots.filter((root) => !text.includes(root) && root.name !== KIND_ROOT)
    for (const root of text) this.#root(drawn, root)
    if (kind !== undefined) {
      drawn.classList.add('source')
      // Code is written from left to right, whatever language the page is in.
      if (valueOf(kind, 'kind') === 'code') drawn.dir = 'ltr'
    }
    for (const root of others) {
      drawn.append(element('p', 'root-name', root.name))
      this.#root(drawn, root)
    }
    drawn.classList.toggle('long', drawn.childElementCount > LONG_BLOCKS)
    const empty = drawn.childElementCount === 0
    return { root: drawn, look: this.look, changes: this.#changes, blocks: this.#blocks, empty }
  }

  #root(into: ParentNode, root: Root): void {
    if (root.type === 'xml fragment') {
      for (const node of root.content ?? []) {
        const frame = element('div', 'block')
        if (isBranch(node) && node.id !== '') {
          frame.dataset['block'] = node.id
          this.#blocks.push(frame)
        }
        this.#node(frame, node)
        into.append(frame)
      }
    } else {
      const frame = element('div', 'block plain')
      this.#inside(frame, root)
      into.append(frame)
    }
  }

  #inside(into: HTMLElement, branch: Pick<Branch, 'content' | 'entries' | 'tag'>): void {
    const holds = HOLDERS.has(branch.tag ?? '')
    for (const node of branch.content ?? []) {
      if (holds && isBranch(node) && node.tag !== undefined) this.#element(into, node, node.id)
      else this.#node(into, node)
    }
    // Of elements these are attributes, which show in how the element looks.
    if (branch.entries === undefined || branch.tag !== undefined) return
    const list = element('dl')
    for (const [key, entry] of Object.entries(branch.entries)) {
      list.append(element('dt', '', key))
      for (const node of listOf(entry)) {
        const value = element('dd')
        this.#node(value, node)
        list.append(value)
      }
    }
    into.append(list)
  }

  #node(into: HTMLElement, node: TreeNode): void {
    if (isRun(node)) this.#run(into, node)
    else if (!isBranch(node)) this.#value(into, node)
    else if (node.tag === undefined) this.#plain(into, node)
    else this.#element(into, node)
  }

  /** A shared type that is no element: the text of a paragraph, or a list or map in one. */
  #plain(into: HTMLElement, branch: Branch): void {
    this.#say(into)
    if (branch.type.endsWith('text') && !this.#isWhole(branch)) {
      this.#inside(into, branch)
      return
    }
    const holder = element(branch.type.endsWith('text') ? 'span' : 'div')
    this.#inside(holder, branch)
    into.append(holder)
    this.#mark(holder, branch)
  }

  #isWhole({ change }: TreeNode): boolean {
    return this.look === 'changes' && (change === 'added' || change === 'removed')
  }

  /** @param id is that of a part that a restore may bring back alone. */
  #element(into: HTMLElement, branch: Branch, id = ''): void {
    const { tag = '' } = branch
    if (tag === 'hardBreak') {
      into.append(element('br'))
      return
    }
    const drawn = this.#elementFor(branch)
    if (id !== '') drawn.outer.dataset['block'] = id
    into.append(drawn.outer)
    this.#mark(drawn.outer, branch)
    this.#say(drawn.inner)
    this.#inside(drawn.inner, branch)
    this.#word = null
    // An empty paragraph is a line of its own.
    if (drawn.inner.matches('p, h1, h2, h3, h4, h5, h6') && drawn.inner.childNodes.length === 0) drawn.inner.append(element('br'))
  }

  #elementFor(branch: Branch): { outer: HTMLElement; inner: HTMLElement } {
    const { tag = '' } = branch
    const one = (outer: HTMLElement): { outer: HTMLElement; inner: HTMLElement } => ({ outer, inner: outer })
    if (tag === 'heading') {
      const level = Number(valueOf(branch, 'level'))
      return one(element(level >= 1 && level <= 6 ? `h${Math.trunc(level)}` : 'h2'))
    }
    if (tag === 'horizontalRule') {
      const frame = element('div', 'rule')
      frame.append(element('hr'))
      return one(frame)
    }
    if (tag === 'image') return one(element('span', 'thing', t('Image: {words}', { words: wordsOf(valueOf(branch, 'alt') ?? t('without a description')) })))
    if (tag === 'mention') return one(element('span', 'thing', `@${wordsOf(valueOf(branch, 'label') ?? valueOf(branch, 'id'))}`))
    if (tag === 'table') {
      const [frame, body] = [element('table'), element('tbody')]
      frame.append(body)
      return { outer: frame, inner: body }
    }
    if (tag === 'codeBlock') {
      const [frame, code] = [element('pre'), element('code')]
      frame.append(code)
      return { outer: frame, inner: code }
    }
    const drawn = element(TAGS[tag] ?? 'div')
    if (tag === 'orderedList') {
      const start = Number(valueOf(branch, 'start'))
      if (Number.isInteger(start) && start !== 1) drawn.setAttribute('start', String(start))
    } else if (tag === 'taskItem') {
      drawn.classList.add('task')
      drawn.append(element('span', 'box', valueOf(branch, 'checked') === true ? '☑ ' : '☐ '))
    }
    return one(drawn)
  }

  #run(into: HTMLElement, run: Run): void {
    let content: Node = document.createTextNode(run.text)
    for (const [name, value] of Object.entries(run.marks ?? {})) {
      const wrapped = markElement(name, value)
      if (wrapped === null) continue
      wrapped.append(content)
      content = wrapped
    }
    if (this.look === 'state' || (this.look === 'changes' && run.change === undefined)) {
      into.append(content)
      return
    }
    const tag = this.look === 'authors' ? 'span' : run.change === 'added' ? 'ins' : run.change === 'removed' ? 'del' : 'span'
    const drawn = element(tag)
    drawn.append(content)
    into.append(drawn)
    this.#mark(drawn, run)
  }

  #value(into: HTMLElement, node: Value): void {
    const value = 'embed' in node ? node.embed : node.value
    const drawn = element('code', 'value', typeof value === 'string' ? value : JSON.stringify(value))
    into.append(drawn)
    this.#mark(drawn, node)
  }

  /** Show what became of `node`, or who wrote it, on what was drawn for it. */
  #mark(drawn: HTMLElement, node: TreeNode): void {
    if (this.look === 'authors') {
      // Blocks are those of whoever began them, which says little: the text in them has its own authors.
      if (isBranch(node) && !drawn.matches('.thing, .rule')) return
      this.#by(drawn, node.author)
      drawn.classList.add('author')
      drawn.title = t('Written by {name}', { name: this.#name(node.author) })
      return
    }
    if (this.look !== 'changes') return
    const change = node.change === 'changed' || node.change === undefined ? attributeChange(node) : node.change
    if (change === null) return
    const author = authorOf(node, change)
    const words = `${WORDS[change](this.#name(author))}${attributeWords(node)}`
    this.#by(drawn, author)
    drawn.classList.add(change)
    drawn.dataset['change'] = words
    drawn.title = words
    const before = drawn.previousSibling
    const beside = before instanceof HTMLElement && before.dataset['change'] !== undefined && isInline(before) && isInline(drawn)
    if (!beside) this.#changes.push(drawn)
    if (FRAMES.has(drawn.localName)) this.#word = words
    else if (isBranch(node)) this.#word = words
    else drawn.prepend(element('span', 'visually-hidden', `${words}: `))
  }

  /** The word that waits goes into the first element that may hold text. */
  #say(into: HTMLElement): void {
    if (this.#word === null || FRAMES.has(into.localName) || into.localName === 'tbody') return
    into.prepend(element('span', 'visually-hidden', `${this.#word}: `))
    this.#word = null
  }

  #by(drawn: HTMLElement, author: number): void {
    drawn.dataset['author'] = String(author)
    const person = this.people[author]
    // Through the object model: the policy of the page allows no style in markup.
    if (person !== undefined) drawn.style.setProperty('--person', person.color)
  }

  #name(author: number): string {
    return this.people[author]?.name ?? t('somebody')
  }
}

function element(tag: string, className = '', text = ''): HTMLElement {
  const made = document.createElement(tag)
  if (className !== '') made.className = className
  if (text !== '') made.textContent = text
  return made
}

function isInline(drawn: HTMLElement): boolean {
  return drawn.matches('ins, del, span, code')
}

function markElement(name: string, value: unknown): HTMLElement | null {
  // A mark that may overlap itself carries a hash behind its name.
  const kind = name.split('--')[0] as string
  if (kind === 'link') {
    const link = element('span', 'link')
    const { href } = (typeof value === 'object' && value !== null ? value : {}) as Marks
    if (typeof href === 'string') link.title = href
    return link
  }
  const tag = MARK_TAGS[kind]
  return tag === undefined ? null : element(tag)
}

/** An element that is the same as before but for its attributes was reformatted. */
function attributeChange(node: TreeNode): 'formatted' | null {
  if (!isBranch(node) || node.tag === undefined) return null
  return changedEntries(node).length > 0 ? 'formatted' : null
}

function changedEntries({ entries = {} }: Branch): [string, TreeNode[]][] {
  return Object.entries(entries)
    .map(([key, entry]): [string, TreeNode[]] => [key, listOf(entry)])
    .filter(([, nodes]) => nodes.some(({ change }) => change !== undefined))
}

function authorOf(node: TreeNode, change: string): number {
  if (change === 'formatted' && isBranch(node)) {
    const changed = changedEntries(node)[0]?.[1].at(-1)
    if (changed !== undefined) return changed.by ?? changed.author
  }
  return node.by ?? node.author
}

/** ", level 2 instead of 1". */
function attributeWords(node: TreeNode): string {
  if (!isBranch(node) || node.change === 'added' || node.change === 'removed') return ''
  return changedEntries(node)
    .map(([key, nodes]) => {
      const [then, now] = [nodes.find(({ change }) => change === 'removed'), nodes.find(({ change }) => change === 'added')]
      const value = (one: TreeNode | undefined): string => (one !== undefined && 'value' in one ? wordsOf(one.value) : '')
      if (now === undefined) return t(', no {key}', { key })
      const values = { key, value: value(now), before: value(then) }
      return then === undefined ? t(', {key} {value}', values) : t(', {key} {value} instead of {before}', values)
    })
    .join('')
}

function wordsOf(value: unknown): string {
  if (typeof value === 'string') return value
  return value === undefined || value === null ? '' : JSON.stringify(value)
}
