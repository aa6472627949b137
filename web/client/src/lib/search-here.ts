/** Searching among the documents on this device, as the server does it among its own. */

import type { ListedDocument } from './api'
import { readTexts } from './local-texts'

const EXCERPT_CHARACTERS = 160

export async function searchHere(documents: readonly ListedDocument[], question: string): Promise<ListedDocument[]> {
  const wanted = fold(question.trim())
  if (wanted === '') return [...documents]
  const texts = await readTexts()
  return documents.flatMap((document) => {
    const named = fold(`${document.title}\n${document.id}`).includes(wanted)
    const excerpt = excerptOf(texts.get(document.id) ?? '', wanted)
    return named || excerpt !== null ? [{ ...document, excerpt }] : []
  })
}

/** What stands round the first word of the question; null unless all of them occur. */
export function excerptOf(text: string, wanted: string): string | null {
  const folded = fold(text)
  const words = fold(wanted).split(/\s+/u).filter((word) => word !== '')
  if (words.length === 0 || !words.every((word) => folded.includes(word))) return null
  const phrase = folded.indexOf(fold(wanted))
  const at = phrase >= 0 ? phrase : folded.indexOf(words[0] ?? '')
  const start = Math.max(0, at - EXCERPT_CHARACTERS / 4)
  const end = start + EXCERPT_CHARACTERS
  const piece = text.slice(start, end).replace(/\s+/gu, ' ').trim()
  return `${start > 0 ? '…' : ''}${piece}${end < text.length ? '…' : ''}`
}

const fold = (text: string): string => text.normalize('NFKC').toLocaleLowerCase()
