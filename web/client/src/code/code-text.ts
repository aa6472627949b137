/** The editor of plain text: Markdown and code. It stands in a shadow root, where its styles need no exception in the policy. */

import { closeBrackets, closeBracketsKeymap } from '@codemirror/autocomplete'
import { defaultKeymap, indentWithTab } from '@codemirror/commands'
import { bracketMatching, indentOnInput, syntaxHighlighting } from '@codemirror/language'
import { findNext, findPrevious, openSearchPanel, replaceAll, replaceNext, search, SearchQuery, setSearchQuery } from '@codemirror/search'
import { Compartment, EditorState, type Extension } from '@codemirror/state'
import { drawSelection, EditorView, highlightActiveLineGutter, keymap, lineNumbers, placeholder } from '@codemirror/view'
import { yCollab, yUndoManagerKeymap } from 'y-codemirror.next'
import type { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'

import { tellTyping } from '../editor/together'
import { t } from '../lib/i18n'
import type { Finder, Surveyed } from '../lib/text-tools'
import { plainTextOf, type PlainKind } from '../sync/kind'
import { carets, followIn } from './carets'
import { loadLanguage, loadMarkdown } from './languages'
import { colours, look } from './look'
import { surveyText } from './survey'

export interface CodeTextParts {
  parent: HTMLElement
  doc: Y.Doc
  awareness: Awareness
  kind: PlainKind
  writable: boolean
}

const DESCRIPTION = 'editor-keys'

export class CodeText {
  readonly view: EditorView
  readonly finder: Finder
  readonly outline: Surveyed
  readonly #text: Y.Text
  readonly #awareness: Awareness
  readonly #undo: Y.UndoManager
  readonly #language = new Compartment()
  readonly #form = new Compartment()
  readonly #access = new Compartment()
  readonly #heard = new Set<() => void>()
  readonly #stopTelling: () => void
  #destroyed = false

  constructor({ parent, doc, awareness, kind, writable }: CodeTextParts) {
    const root = parent.shadowRoot ?? parent.attachShadow({ mode: 'open' })
    this.#text = plainTextOf(doc)
    this.#awareness = awareness
    this.#undo = new Y.UndoManager(this.#text)
    const description = document.createElement('p')
    description.id = DESCRIPTION
    description.hidden = true
    description.textContent = t('Tab indents. Press Escape, then Tab, to leave the text.')
    root.replaceChildren(description)
    this.view = new EditorView({
      parent: root,
      root,
      state: EditorState.create({
        doc: this.#text.toJSON(),
        extensions: [
          look,
          syntaxHighlighting(colours),
          drawSelection(),
          indentOnInput(),
          bracketMatching(),
          EditorView.lineWrapping,
          // Every character of the shared text has its place: a carriage return is one, too.
          EditorState.lineSeparator.of('\n'),
          EditorView.clipboardInputFilter.of((pasted) => pasted.replaceAll(/\r\n?/g, '\n')),
          // It marks what is found only while its panel is open; ours is elsewhere on the page.
          search({ createPanel: () => ({ dom: document.createElement('div') }) }),
          EditorState.phrases.of({ 'replaced $ matches': t('Replaced: {count}', { count: '$' }), 'replaced match on line $': t('Replaced: {count}', { count: '1' }), 'current match': '', 'on line': '' }),
          keymap.of([...yUndoManagerKeymap, ...closeBracketsKeymap, ...defaultKeymap, indentWithTab]),
          this.#form.of(form(kind)),
          this.#language.of([]),
          this.#access.of(access(writable)),
          yCollab(this.#text, null, { undoManager: this.#undo }),
          carets(this.#text, awareness),
          EditorView.updateListener.of(() => {
            for (const heard of this.#heard) heard()
          }),
        ],
      }),
    })
    this.#stopTelling = tellTyping(this.view.contentDOM, () => !this.view.state.readOnly, awareness)
    this.#undo.on('stack-item-added', this.#tell)
    this.#undo.on('stack-item-popped', this.#tell)
    this.finder = this.#makeFinder()
    this.outline = this.#makeOutline(kind)
    void this.#speak(kind)
  }

  get canUndo(): boolean {
    return this.#undo.canUndo()
  }

  get canRedo(): boolean {
    return this.#undo.canRedo()
  }

  undo(): void {
    this.#undo.undo()
    this.view.focus()
  }

  redo(): void {
    this.#undo.redo()
    this.view.focus()
  }

  getText(): string {
    return this.view.state.doc.toString()
  }

  focus(): void {
    this.view.focus()
  }

  setWritable(writable: boolean): void {
    this.view.dispatch({ effects: this.#access.reconfigure(access(writable)) })
  }

  setKind(kind: PlainKind): void {
    this.view.dispatch({ effects: this.#form.reconfigure(form(kind)) })
    void this.#speak(kind)
  }

  follow(client: number, left: () => void): () => void {
    return followIn(this.view, this.#awareness, this.#text, client, left)
  }

  /** @returns stops it. */
  onChange(heard: () => void): () => void {
    this.#heard.add(heard)
    return () => this.#heard.delete(heard)
  }

  destroy(): void {
    this.#destroyed = true
    this.#stopTelling()
    this.#undo.destroy()
    this.#heard.clear()
    this.view.destroy()
  }

  readonly #tell = (): void => {
    for (const heard of this.#heard) heard()
  }

  /** The colours come when what reads the language is here; offline, perhaps never. */
  async #speak({ kind, language }: PlainKind): Promise<void> {
    try {
      const support = kind === 'markdown' ? await loadMarkdown() : language === null ? null : await loadLanguage(language)
      if (!this.#destroyed) this.view.dispatch({ effects: this.#language.reconfigure(support ?? []) })
    } catch {
      // Plain text it is.
    }
  }

  #makeFinder(): Finder {
    const { view } = this
    const commands = { next: findNext, previous: findPrevious, replace: replaceNext, replaceAll }
    let query = new SearchQuery({ search: '' })
    return {
      selected: () => {
        const { from, to } = view.state.selection.main
        return view.state.sliceDoc(from, to)
      },
      look: ({ text, replacement, caseSensitive }) => {
        query = new SearchQuery({ search: text, replace: replacement, caseSensitive, literal: true })
        const field = deepActive()
        openSearchPanel(view)
        field?.focus()
        view.dispatch({ effects: setSearchQuery.of(query) })
      },
      stop: () => {
        query = new SearchQuery({ search: '' })
        if (!this.#destroyed) view.dispatch({ effects: setSearchQuery.of(query) })
      },
      standing: () => {
        if (query.search === '') return { count: 0, at: 0 }
        const { from, to } = view.state.selection.main
        let [count, at] = [0, 0]
        const cursor = query.getCursor(view.state)
        for (let next = cursor.next(); !next.done; next = cursor.next()) {
          count += 1
          if (next.value.from === from && next.value.to === to) at = count
        }
        return { count, at }
      },
      step: (command) => {
        const field = deepActive()
        commands[command](view)
        field?.focus()
        view.dispatch({ effects: EditorView.scrollIntoView(view.state.selection.main.from, { y: 'center' }) })
      },
      onChange: (changed) => this.onChange(changed),
      focus: () => view.focus(),
    }
  }

  #makeOutline({ kind }: PlainKind): Surveyed {
    const { view } = this
    return {
      survey: () => surveyText(view.state.doc.toString(), kind === 'markdown'),
      onChange: (changed) => this.onChange(changed),
      go: (pos) => {
        view.dispatch({ selection: { anchor: pos }, effects: EditorView.scrollIntoView(pos, { y: 'start', yMargin: 80 }) })
        view.focus()
      },
    }
  }
}

function deepActive(): HTMLElement | null {
  return document.activeElement instanceof HTMLElement ? document.activeElement : null
}

function form({ kind }: PlainKind): Extension {
  if (kind === 'markdown') return [EditorView.editorAttributes.of({ class: 'markdown' }), placeholder(t('Start writing Markdown…'))]
  return [lineNumbers(), highlightActiveLineGutter(), closeBrackets(), placeholder(t('Start writing code…'))]
}

/** A text that cannot be changed has a place in the order of Tab, too. It stays a text box, of several lines, to be read. */
function access(writable: boolean): Extension {
  const shared = { 'data-testid': 'editor', 'aria-label': t('Document text') }
  const attributes: Record<string, string> = writable
    ? { ...shared, 'aria-describedby': DESCRIPTION, spellcheck: 'false' }
    : { ...shared, tabindex: '0' }
  return [EditorState.readOnly.of(!writable), EditorView.editable.of(writable), EditorView.contentAttributes.of(attributes)]
}
