/** Text that looks like Markdown is pasted as what it means; with Shift, or into code, as it is. */

import { Extension } from '@tiptap/core'
import { Plugin } from '@tiptap/pm/state'

import { t } from '../lib/i18n'

const LOOKS_LIKE_MARKDOWN = [
  /^#{1,6} \S/m,
  /^ {0,3}[-*+] \S/m,
  /^ {0,3}\d{1,9}[.)] \S/m,
  /^> ?\S/m,
  /^(```|~~~)/m,
  /^\|.+\|\s*$/m,
  /\*\*\S.*?\*\*/,
  /\[[^\]\n]+\]\([^)\s]+\)/,
]

export function looksLikeMarkdown(text: string): boolean {
  return LOOKS_LIKE_MARKDOWN.some((sign) => sign.test(text))
}

/**
 * Null where it cannot be read, or the part of the app that reads it is out of reach: better the text than nothing.
 *
 * @param fault is told that.
 */
export async function asHtml(markdown: string, fault: (message: string) => void): Promise<string | null> {
  try {
    const { toHtml } = await import('./markdown')
    return toHtml(markdown)
  } catch {
    fault(t('This could not be read as Markdown. It is put in as plain text.'))
    return null
  }
}

export interface MarkdownPasteOptions {
  /** Says what went wrong. */
  fault: (message: string) => void
}

export const MarkdownPaste = Extension.create<MarkdownPasteOptions>({
  name: 'markdownPaste',
  addOptions: () => ({ fault: () => undefined }),
  addProseMirrorPlugins() {
    const { fault } = this.options
    let shift = false
    return [
      new Plugin({
        props: {
          handleDOMEvents: {
            keydown: (_view, event) => {
              shift = event.shiftKey
              return false
            },
          },
          handlePaste: (view, event) => {
            const { clipboardData } = event
            if (clipboardData === null || shift || view.state.selection.$from.parent.type.spec.code === true) return false
            const text = clipboardData.getData('text/plain')
            if (clipboardData.types.includes('text/html') || !looksLikeMarkdown(text)) return false
            void asHtml(text, fault).then((html) => {
              if (view.isDestroyed) return
              if (html === null) view.pasteText(text)
              else view.pasteHTML(html)
            })
            return true
          },
        },
      }),
    ]
  },
})
