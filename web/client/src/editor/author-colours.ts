/**
 * Colours the text that is open by who wrote it, as the server says. What is typed meanwhile takes its author from the
 * client ids that are known by then, and the server is asked again now and then.
 *
 * Rule A1: nobody is told by colour alone: a legend names everybody, the pointer and the caret say whose words they are at.
 */

import type { Editor } from '@tiptap/core'
import type { Node } from '@tiptap/pm/model'
import { Plugin, PluginKey } from '@tiptap/pm/state'
import { Decoration, DecorationSet } from '@tiptap/pm/view'
import * as Y from 'yjs'

import { asComparison, isBranch, isRun, Palette, peopleOf, type Comparison, type TreeNode } from '../lib/comparison'
import { readState } from '../lib/history'
import { t } from '../lib/i18n'
import type { Person } from '../lib/identity'
import { FRAGMENT } from '../sync/kind'

/** So long after somebody unknown has typed the server is asked who that is; and after anything else. */
const SOON_MS = 2_000
const LATER_MS = 30_000

export interface Share {
  name: string
  color: string
  /** Of all characters, from 0 to 1. */
  part: number
}

export interface Told {
  shares: Share[]
  /** Who wrote what the caret is at. */
  here: string | null
}

/** Characters of one text that one person wrote. */
export interface Stretch {
  length: number
  /** Number of the author; null while nobody knows. */
  author: number | null
}

/** What the server said, ready to be looked up. */
export class Authorship {
  readonly people: Person[]
  readonly #texts = new Map<string, { text: string; stretches: Stretch[] }>()
  readonly #clients = new Map<number, number>()

  constructor(comparison: Comparison, palette: Palette, doc: Y.Doc) {
    this.people = peopleOf(comparison.authors, palette)
    for (const { name, content } of comparison.roots) if (name === FRAGMENT) for (const node of content ?? []) this.#read(node)
    for (const text of textsIn(doc.getXmlFragment(FRAGMENT))) this.#learn(text)
  }

  #read(node: TreeNode): void {
    if (!isBranch(node)) return
    const runs = (node.content ?? []).filter(isRun)
    if (runs.length > 0) {
      const stretches = runs.map(({ text, author }) => ({ length: text.length, author }))
      this.#texts.set(node.id, { text: runs.map(({ text }) => text).join(''), stretches })
    }
    for (const child of node.content ?? []) this.#read(child)
  }

  /** Where nothing was typed since, the server's answer tells who each client is. */
  #learn(text: Y.XmlText): void {
    const told = this.#told(text)
    if (told === null) return
    let at = 0
    for (const { client, length } of itemsOf(text)) {
      const author = authorAt(told, at)
      // What a restore brought back has its client, and is by others.
      if (author !== null && author === authorAt(told, at + length - 1) && !this.#clients.has(client)) this.#clients.set(client, author)
      at += length
    }
  }

  #told(text: Y.XmlText): Stretch[] | null {
    const id = text._item?.id
    const told = id === undefined ? undefined : this.#texts.get(`${id.client}:${id.clock}`)
    return told !== undefined && told.text === plainOf(text) ? told.stretches : null
  }

  /** Who wrote which characters of a text, from its beginning to its end. */
  of(text: Y.XmlText): Stretch[] {
    return this.#told(text) ?? itemsOf(text).map(({ client, length }) => ({ length, author: this.#clients.get(client) ?? null }))
  }
}

function authorAt(stretches: readonly Stretch[], at: number): number | null {
  let end = 0
  for (const { length, author } of stretches) {
    end += length
    if (at < end) return author
  }
  return null
}

/** Visible characters, with the client that typed them. */
function itemsOf(text: Y.XmlText): { client: number; length: number }[] {
  const found: { client: number; length: number }[] = []
  for (let item = text._start; item !== null; item = item.right) {
    if (!item.deleted && item.countable) found.push({ client: item.id.client, length: item.length })
  }
  return found
}

function plainOf(text: Y.XmlText): string {
  return (text.toDelta() as { insert: unknown }[]).map(({ insert }) => (typeof insert === 'string' ? insert : '')).join('')
}

function textsIn(node: Y.XmlFragment): Y.XmlText[] {
  return node.toArray().flatMap((child) => (child instanceof Y.XmlText ? [child] : child instanceof Y.XmlFragment ? textsIn(child) : []))
}

/** Where each text of the document stands in the editor, which mirrors it node by node. */
export function placesOf(fragment: Y.XmlFragment, root: Node): { text: Y.XmlText; from: number }[] {
  const places: { text: Y.XmlText; from: number }[] = []
  const visit = (shared: Y.XmlFragment, node: Node, start: number): void => {
    let index = 0
    let at = start
    for (const child of shared.toArray()) {
      if (child instanceof Y.XmlText) {
        places.push({ text: child, from: at })
        const end = at + child.length
        while (at < end && index < node.childCount) at += node.child(index++).nodeSize
      } else if (child instanceof Y.XmlFragment && index < node.childCount) {
        const inner = node.child(index++)
        visit(child, inner, at + 1)
        at += inner.nodeSize
      }
    }
  }
  visit(fragment, root, 0)
  return places
}

const key = new PluginKey<DecorationSet>('authorColours')

export class AuthorColours {
  readonly #editor: Editor
  readonly #document: string
  readonly #doc: Y.Doc
  readonly #tell: (told: Told) => void
  readonly #palette = new Palette()
  readonly #end = new AbortController()
  #authorship: Authorship | null = null
  #timer: ReturnType<typeof setTimeout> | undefined
  #due = Infinity
  #drawn: { from: number; to: number; author: number }[] = []
  #shares: Share[] = []
  #frame = 0

  constructor(editor: Editor, document: string, doc: Y.Doc, tell: (told: Told) => void) {
    this.#editor = editor
    this.#document = document
    this.#doc = doc
    this.#tell = tell
  }

  /** @throws Refused, Unreachable: there is nothing to show. */
  async start(): Promise<void> {
    this.#editor.registerPlugin(
      new Plugin<DecorationSet>({
        key,
        state: {
          init: () => DecorationSet.empty,
          apply: (tr, before) => (tr.getMeta(key) as DecorationSet | undefined) ?? before.map(tr.mapping, tr.doc),
        },
        props: { decorations: (state) => key.getState(state) },
      }),
    )
    this.#editor.on('update', this.#changed)
    this.#editor.on('selectionUpdate', this.#say)
    await this.#ask()
  }

  stop(): void {
    this.#end.abort()
    clearTimeout(this.#timer)
    cancelAnimationFrame(this.#frame)
    this.#editor.off('update', this.#changed)
    this.#editor.off('selectionUpdate', this.#say)
    if (!this.#editor.isDestroyed) this.#editor.unregisterPlugin(key)
  }

  async #ask(): Promise<void> {
    this.#due = Infinity
    const answer = asComparison(await readState(this.#document, null, this.#end.signal))
    if (this.#end.signal.aborted || this.#editor.isDestroyed) return
    this.#authorship = new Authorship(answer, this.#palette, this.#doc)
    this.#draw()
  }

  #askIn(ms: number): void {
    const due = Date.now() + ms
    if (due >= this.#due) return
    this.#due = due
    clearTimeout(this.#timer)
    // Offline, the colours stay as they are until the next change.
    this.#timer = setTimeout(() => void this.#ask().catch(() => undefined), ms)
  }

  readonly #changed = (): void => {
    cancelAnimationFrame(this.#frame)
    this.#frame = requestAnimationFrame(() => {
      this.#askIn(this.#draw() ? SOON_MS : LATER_MS)
    })
  }

  /** Returns whether somebody wrote whom nobody knows. */
  #draw(): boolean {
    const authorship = this.#authorship
    if (authorship === null || this.#editor.isDestroyed) return false
    const { state, view } = this.#editor
    const decorations: Decoration[] = []
    this.#drawn = []
    let strange = false
    for (const { text, from } of placesOf(this.#doc.getXmlFragment(FRAGMENT), state.doc)) {
      let at = from
      for (const { length, author } of authorship.of(text)) {
        const to = Math.min(at + length, state.doc.content.size)
        const person = author === null ? undefined : authorship.people[author]
        strange ||= person === undefined
        if (author !== null && person !== undefined && at < to) {
          const title = t('Written by {name}', { name: person.name })
          decorations.push(Decoration.inline(at, to, { class: 'by-author', style: `--person: ${person.color}`, title }))
          this.#drawn.push({ from: at, to, author })
        }
        at = to
      }
    }
    this.#shares = this.#count(authorship.people)
    view.dispatch(state.tr.setMeta(key, DecorationSet.create(state.doc, decorations)).setMeta('addToHistory', false))
    this.#say()
    return strange
  }

  #count(people: readonly Person[]): Share[] {
    const counts = new Map<number, number>()
    for (const { from, to, author } of this.#drawn) counts.set(author, (counts.get(author) ?? 0) + to - from)
    const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
    return [...counts]
      .sort(([, one], [, other]) => other - one)
      .flatMap(([author, count]) => (people[author] === undefined ? [] : [{ ...people[author], part: count / total }]))
  }

  readonly #say = (): void => {
    const { from: caret } = this.#editor.state.selection
    const at = this.#drawn.find(({ from, to }) => from <= caret && caret <= to)
    this.#tell({ shares: this.#shares, here: at === undefined ? null : (this.#authorship?.people[at.author]?.name ?? null) })
  }
}
