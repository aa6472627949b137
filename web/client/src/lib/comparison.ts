/**
 * One state of a document, or two side by side, as the server tells them: a tree of roots, blocks and runs of text, with
 * the author of everything in it and what became of it. docs/history.md describes its form.
 */

import { t } from './i18n'
import { COLORS, type Person } from './identity'

export type Change = 'added' | 'removed' | 'formatted' | 'changed'

interface Fate {
  author: number
  change?: Change
  /** Who did it, where that is not the author. */
  by?: number
}

export type Marks = Record<string, unknown>

export interface Run extends Fate {
  text: string
  marks?: Marks
  marks_before?: Marks
  /** Both states have it; the word around it changed. */
  kept?: true
}

export interface Value extends Fate {
  value?: unknown
  embed?: unknown
  marks?: Marks
}

export interface Branch extends Fate {
  type: string
  id: string
  tag?: string
  content?: TreeNode[]
  entries?: Record<string, TreeNode | TreeNode[]>
}

export type TreeNode = Run | Value | Branch

export interface Root extends Pick<Branch, 'type' | 'content' | 'entries' | 'change'> {
  name: string
}

export interface Author {
  user: string | null
  /** The Yjs client, of somebody without an account. */
  client: number | null
  name: string | null
}

export interface Comparison {
  authors: Author[]
  roots: Root[]
}

export const isRun = (node: TreeNode): node is Run => 'text' in node
export const isBranch = (node: TreeNode): node is Branch => 'type' in node

/** As the server sends it: roots and authors are there, or it is none. */
export function asComparison(answer: unknown): Comparison {
  const { authors, roots } = (typeof answer === 'object' && answer !== null ? answer : {}) as Partial<Record<string, unknown>>
  if (!Array.isArray(authors) || !Array.isArray(roots)) throw new Error('The server’s answer makes no sense to this app.')
  return { authors: authors as Author[], roots: roots as Root[] }
}

/** Colours for people: the same one for the same person; the first ten have each their own, as unlike as can be. */
export class Palette {
  readonly #given = new Map<string, number>()

  /** @param key is the id of a person. */
  colorOf(key: string): string {
    const index = this.#given.get(key) ?? this.#choose(key)
    this.#given.set(key, index)
    return (COLORS[index] as (typeof COLORS)[number]).value
  }

  #choose(key: string): number {
    const start = hash(key) % COLORS.length
    const order = COLORS.map((_, step) => (start + step) % COLORS.length)
    const taken = [...this.#given.values()]
    const free = order.filter((index) => !taken.includes(index))
    // They stand in a circle of hues: beside each other they look alike.
    const room = (index: number): number => Math.min(COLORS.length, ...taken.map((other) => around(index - other)))
    return free.sort((a, b) => room(b) - room(a))[0] ?? start
  }
}

function around(steps: number): number {
  return Math.min(Math.abs(steps), COLORS.length - Math.abs(steps))
}

/** How authors are called and shown, in their order. */
export function peopleOf(authors: readonly Author[], palette: Palette): Person[] {
  const nameless = authors.filter(({ user }) => user === null).length
  let count = 0
  return authors.map(({ user, client, name }) => ({
    name: user === null ? (nameless === 1 ? t('Somebody') : t('Somebody ({value})', { value: (count += 1) })) : (name ?? user),
    color: palette.colorOf(user ?? `client ${client ?? ''}`),
  }))
}

function hash(text: string): number {
  let sum = 0
  for (const character of text) sum = (Math.imul(sum, 31) + (character.codePointAt(0) as number)) >>> 0
  return sum
}

/** How many characters of the state are by whom, by the numbers of the authors, most first. */
export function sharesOf({ roots }: Comparison): { author: number; characters: number; part: number }[] {
  const counts = new Map<number, number>()
  each(roots, (node) => {
    if (isRun(node) && node.change !== 'removed') counts.set(node.author, (counts.get(node.author) ?? 0) + node.text.length)
  })
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
  return [...counts]
    .map(([author, characters]) => ({ author, characters, part: characters / total }))
    .sort((a, b) => b.characters - a.characters)
}

export interface Amount {
  added: number
  removed: number
}

/** Who changed how much: characters that came and went, by the numbers of the authors, most first. */
export function changesOf({ roots }: Comparison): (Amount & { author: number })[] {
  const amounts = new Map<number, Amount>()
  each(roots, (node, fate) => {
    if (fate.change === undefined || fate.change === 'changed') return
    const author = fate.by ?? fate.author
    const amount = amounts.get(author) ?? { added: 0, removed: 0 }
    amounts.set(author, amount)
    if (isRun(node) && node.kept !== true && fate.change !== 'formatted') amount[fate.change] += node.text.length
  })
  return [...amounts]
    .map(([author, amount]) => ({ author, ...amount }))
    .sort((a, b) => b.added + b.removed - a.added - a.removed)
}

/** Everything in the tree, with what became of it: of what was added or removed as a whole, that is said only once. */
function each(roots: readonly Root[], visit: (node: TreeNode, fate: Fate) => void): void {
  const go = (node: TreeNode, over: Fate | null): void => {
    const whole = over ?? (node.change === 'added' || node.change === 'removed' ? node : null)
    visit(node, whole ?? node)
    if (!isBranch(node)) return
    for (const child of node.content ?? []) go(child, whole)
    for (const entry of Object.values(node.entries ?? {})) for (const child of listOf(entry)) go(child, whole)
  }
  for (const root of roots) {
    for (const child of root.content ?? []) go(child, null)
    for (const entry of Object.values(root.entries ?? {})) for (const child of listOf(entry)) go(child, null)
  }
}

export const listOf = <T>(entry: T | T[]): T[] => (Array.isArray(entry) ? entry : [entry])

/** What stands under a key after all changes; undefined when nothing does. */
export function valueOf(branch: Pick<Branch, 'entries'>, key: string): unknown {
  const entry = branch.entries?.[key]
  if (entry === undefined) return undefined
  const node = listOf(entry).find(({ change }) => change !== 'removed')
  return node !== undefined && 'value' in node ? node.value : undefined
}

/** An exported document (docs/export.md) in the form of a comparison, by nobody. */
export function fromContent(content: unknown): Comparison {
  const roots: Root[] = []
  for (const [name, root] of Object.entries(asObject(content))) {
    const { type, content: children, delta } = asObject(root)
    if (type === 'doc') roots.push({ name, type: 'xml fragment', content: asList(children).map(nodeFrom) })
    else if (type === 'text') roots.push({ name, type, content: asList(delta).map(nodeFromDelta) })
    else if (type === 'array') roots.push({ name, type, content: [{ value: asObject(root)['items'], author: 0 }] })
    else if (type === 'map') roots.push({ name, type, entries: entriesFrom(asObject(root)['entries']) })
  }
  return { authors: [], roots }
}

function nodeFrom(node: unknown): TreeNode {
  const { type, text, attrs, marks, content } = asObject(node)
  if (typeof text === 'string') {
    const names = asList(marks).map((mark): [string, unknown] => [String(asObject(mark)['type']), asObject(mark)['attrs'] ?? {}])
    return { text, author: 0, marks: Object.fromEntries(names) }
  }
  return { type: 'element', id: '', author: 0, tag: String(type), content: asList(content).map(nodeFrom), entries: entriesFrom(attrs) }
}

function entriesFrom(values: unknown): Record<string, TreeNode> {
  return Object.fromEntries(Object.entries(asObject(values)).map(([key, value]) => [key, { value, author: 0 }]))
}

function nodeFromDelta(piece: unknown): TreeNode {
  const { insert, attributes } = asObject(piece)
  const marks = asObject(attributes)
  return typeof insert === 'string' ? { text: insert, author: 0, marks } : { embed: insert, author: 0, marks }
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function asList(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}
