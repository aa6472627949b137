/** What plain text is made of, as `editor/outline.ts` says it of rich text. */

import type { Survey } from '../lib/text-tools'
import { countWords } from '../lib/words'

const HEADING = /^ {0,3}(#{1,6})[ \t]+(.*?)(?:[ \t]+#*)?[ \t]*$/
const FENCE = /^ {0,3}(`{3,}|~{3,})/

export function surveyText(text: string, markdown: boolean): Survey {
  const headings = markdown ? headingsIn(text) : []
  return { words: countWords(text), characters: text.replaceAll('\n', '').length, headings }
}

function headingsIn(text: string): Survey['headings'] {
  const headings: Survey['headings'] = []
  let fence: string | null = null
  let pos = 0
  for (const line of text.split('\n')) {
    const [, ticks] = FENCE.exec(line) ?? []
    if (ticks !== undefined) {
      if (fence === null) fence = ticks
      else if (ticks.startsWith(fence)) fence = null
    } else if (fence === null) {
      const [, signs = '', words = ''] = HEADING.exec(line) ?? []
      if (words !== '') headings.push({ pos, level: signs.length, text: words })
    }
    pos += line.length + 1
  }
  return headings
}
