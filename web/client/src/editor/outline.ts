/** What the text is made of: its headings, and how many words. */

import type { Node } from '@tiptap/pm/model'

export interface Heading {
  pos: number
  level: number
  text: string
}

/** Scripts without blanks between words: each of their characters counts as one. */
const WORD = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]|[\p{L}\p{N}\p{M}](?:[\p{L}\p{N}\p{M}'’_-](?<![\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]))*/gu

export function countWords(text: string): number {
  return text.match(WORD)?.length ?? 0
}

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

export function survey(doc: Node): Count & { headings: Heading[] } {
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
