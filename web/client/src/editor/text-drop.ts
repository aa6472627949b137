/** Text files that are dropped into the text are read here: Markdown as what it means, others as they are. */

import { Extension, type Editor, type JSONContent } from '@tiptap/core'
import { Plugin, TextSelection } from '@tiptap/pm/state'

import { t } from '../lib/i18n'
import { asHtml } from './markdown-paste'

const MARKDOWN = /\.(?:md|markdown)$/i
const TEXT = /\.(?:md|markdown|txt)$/i
/** What is put in goes to the others as one edit. Longer ones are documents of their own. */
const BYTES_MAX = 200_000

export interface TextDropOptions {
  /** Says what went wrong. */
  fault: (message: string) => void
}

export const TextDrop = Extension.create<TextDropOptions>({
  name: 'textDrop',
  addOptions: () => ({ fault: () => undefined }),
  addProseMirrorPlugins() {
    const { editor, options } = this
    return [
      new Plugin({
        props: {
          handleDrop: (view, event, _slice, moved) => {
            const files = moved ? [] : [...(event.dataTransfer?.files ?? [])]
            // Images have a way of their own.
            if (files.length === 0 || files.some(({ type }) => type.startsWith('image/')) || !editor.isEditable) return false
            const at = view.posAtCoords({ left: event.clientX, top: event.clientY })?.pos
            // The caret goes there, and stays at its place while others write and the file is read.
            if (at !== undefined) view.dispatch(view.state.tr.setSelection(TextSelection.near(view.state.doc.resolve(at))))
            view.focus()
            void putAll(editor, options, files)
            return true
          },
        },
      }),
    ]
  },
})

async function putAll(editor: Editor, options: TextDropOptions, files: readonly File[]): Promise<void> {
  for (const file of files) await put(editor, options, file)
}

async function put(editor: Editor, { fault }: TextDropOptions, file: File): Promise<void> {
  const { name } = file
  if (!TEXT.test(name)) {
    fault(t('{name}: images, Markdown and text files can be put into a text. Others can be imported on the page of your documents.', { name }))
    return
  }
  if (file.size > BYTES_MAX) {
    fault(t('{name} is too long to be put into a text. It can be imported on the page of your documents.', { name }))
    return
  }
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(await file.arrayBuffer())
  } catch {
    fault(t('{name} cannot be read. Save it again, as UTF-8.', { name }))
    return
  }
  const content = (MARKDOWN.test(name) ? await asHtml(text, fault) : null) ?? paragraphsOf(text)
  if (!editor.isDestroyed) editor.commands.insertContentAt(placeOf(editor), content)
}

/** Below the block that the caret is in, or in place of one that is empty. What is put in takes the caret along. */
function placeOf({ state: { selection: { $from } } }: Editor): number | { from: number; to: number } {
  if ($from.depth === 0) return $from.pos
  const from = $from.before(1)
  const to = $from.after(1)
  return $from.depth === 1 && $from.parent.content.size === 0 ? { from, to } : to
}

function paragraphsOf(text: string): JSONContent[] {
  const lines = text.replace(/\r\n?/g, '\n').replace(/\n$/, '').split('\n')
  return lines.map((line) => (line === '' ? { type: 'paragraph' } : { type: 'paragraph', content: [{ type: 'text', text: line }] }))
}
