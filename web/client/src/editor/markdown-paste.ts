/** Text that looks like Markdown is pasted as what it means; with Shift, or into code, as it is. */

import { Extension } from '@tiptap/core'
import { Plugin } from '@tiptap/pm/state'

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

export const MarkdownPaste = Extension.create({
  name: 'markdownPaste',
  addProseMirrorPlugins() {
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
            void import('./markdown').then(
              ({ toHtml }) => !view.isDestroyed && view.pasteHTML(toHtml(text)),
              // The part of the app that reads it is out of reach: better the text than nothing.
              () => !view.isDestroyed && view.pasteText(text),
            )
            return true
          },
        },
      }),
    ]
  },
})
