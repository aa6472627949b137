/** What the page's tools need of an editor, whichever it is. */

export interface Wanted {
  text: string
  replacement: string
  caseSensitive: boolean
}

export interface Finder {
  /** What is selected, to be looked for. */
  selected: () => string
  look: (wanted: Wanted) => void
  stop: () => void
  /** How many places match, and which of them is selected, counted from 1; 0 for none. */
  standing: () => { count: number; at: number }
  step: (command: 'next' | 'previous' | 'replace' | 'replaceAll') => void
  /** @returns stops it. */
  onChange: (changed: () => void) => () => void
  focus: () => void
}

export interface Heading {
  pos: number
  level: number
  text: string
}

export interface Survey {
  words: number
  characters: number
  headings: Heading[]
}

export interface Surveyed {
  survey: () => Survey
  /** @returns stops it. */
  onChange: (changed: () => void) => () => void
  go: (pos: number) => void
}
