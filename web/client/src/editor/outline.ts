/** What the text is made of: its headings, and how many words. */

import type { Editor } from '@tiptap/core'
import type { Node } from '@tiptap/pm/model'

import type { Heading, Survey, Surveyed } from '../lib/text-tools'
import { countWords } from '../lib/words'

interface Count {
  words: number
  characters: number
}

/** Blocks are never changed, only replaced: after a keystroke one of them is counted again. */
const counted = new WeakMap<Node, Count>()

function countBlock(block: Node): Count {
  let count = counted.get(block)
  if (count === undefined) {
    const text = block.textBetween(0, block.content.size, ' ', ' ')
    count = { words: countWords(text), characters: block.textContent.length }
    counted.set(block, count)
  }
  return count
}

export function survey(doc: Node): Survey {
  const headings: Heading[] = []
  let [words, characters] = [0, 0]
  doc.descendants((node, pos) => {
    if (!node.isTextblock) return true
    const count = countBlock(node)
    words += count.words
    characters += count.characters
    if (node.type.name === 'heading' && node.content.size > 0) {
      headings.push({ pos, level: node.attrs['level'] as number, text: node.textContent })
    }
    return false
  })
  return { words, characters, headings }
}

export function outlineOf(editor: Editor): Surveyed {
  return {
    survey: () => survey(editor.state.doc),
    onChange: (changed) => {
      editor.on('update', changed)
      return () => editor.off('update', changed)
    },
    go: (pos) => {
      const heading = editor.view.nodeDOM(pos)
      editor.commands.focus(pos + 1, { scrollIntoView: false })
      if (heading instanceof HTMLElement) heading.scrollIntoView({ block: 'start' })
    },
  }
}
