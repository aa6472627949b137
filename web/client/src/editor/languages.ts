/** Reads code: where it has which colour. A part of the app by itself, for it is large. */

import { common, createLowlight } from 'lowlight'

export interface Span {
  from: number
  to: number
  /** Class of the style sheet. */
  name: string
}

export type Colourist = (code: string, language: string | null) => readonly Span[]

const lowlight = createLowlight(common)

interface Piece {
  type: string
  value?: string
  properties?: { className?: string[] }
  children?: Piece[]
}

export const colourSpans: Colourist = (code, language) => {
  const known = language !== null && lowlight.registered(language)
  // What has no language stays plain: a guess that changes while somebody types is worse than no colours.
  if (!known) return []
  const spans: Span[] = []
  let at = 0
  const walk = (piece: Piece, name: string): void => {
    if (piece.type === 'text') {
      const from = at
      at += piece.value?.length ?? 0
      if (name !== '') spans.push({ from, to: at, name })
      return
    }
    const own = piece.properties?.className?.join(' ') ?? ''
    for (const child of piece.children ?? []) walk(child, own === '' ? name : own)
  }
  walk(lowlight.highlight(language, code) as Piece, '')
  return spans
}

export const LANGUAGES: readonly string[] = lowlight.listLanguages().sort()
