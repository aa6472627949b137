/** Markdown as HTML, for the editor's own reader: nothing of it reaches the page but what the schema knows. */

import { Marked } from 'marked'

const marked = new Marked({
  gfm: true,
  async: false,
  renderer: {
    list({ items }) {
      if (!items.some(({ task }) => task)) return false
      const lines = items.map(({ checked, tokens }) => {
        const done = checked === true ? 'true' : 'false'
        return `<li data-type="taskItem" data-checked="${done}">${this.parser.parse(tokens)}</li>`
      })
      return `<ul data-type="taskList">${lines.join('')}</ul>`
    },
    checkbox: () => '',
  },
})

export function toHtml(markdown: string): string {
  // The editor would show the end of the last line of code as one more line.
  return (marked.parse(markdown) as string).replaceAll('\n</code></pre>', '</code></pre>')
}
