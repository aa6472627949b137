/** The languages of code documents. What reads each is a part of the app by itself, loaded when a document is in it. */

import { LanguageSupport, StreamLanguage, type StreamParser } from '@codemirror/language'

const stream = (parser: StreamParser<unknown>): LanguageSupport => new LanguageSupport(StreamLanguage.define(parser))

/** By the names in `language-names.ts`. */
const LANGUAGES: Record<string, () => Promise<LanguageSupport>> = {
  bash: async () => stream((await import('@codemirror/legacy-modes/mode/shell')).shell),
  c: async () => (await import('@codemirror/lang-cpp')).cpp(),
  cpp: async () => (await import('@codemirror/lang-cpp')).cpp(),
  css: async () => (await import('@codemirror/lang-css')).css(),
  go: async () => (await import('@codemirror/lang-go')).go(),
  html: async () => (await import('@codemirror/lang-html')).html(),
  java: async () => (await import('@codemirror/lang-java')).java(),
  javascript: async () => (await import('@codemirror/lang-javascript')).javascript({ jsx: true }),
  json: async () => (await import('@codemirror/lang-json')).json(),
  python: async () => (await import('@codemirror/lang-python')).python(),
  rust: async () => (await import('@codemirror/lang-rust')).rust(),
  sql: async () => (await import('@codemirror/lang-sql')).sql(),
  typescript: async () => (await import('@codemirror/lang-javascript')).javascript({ jsx: true, typescript: true }),
  xml: async () => (await import('@codemirror/lang-xml')).xml(),
  yaml: async () => (await import('@codemirror/lang-yaml')).yaml(),
}

/** Null for a language that this app does not know: its code stays plain. */
export async function loadLanguage(id: string): Promise<LanguageSupport | null> {
  return Object.hasOwn(LANGUAGES, id) ? ((await LANGUAGES[id]?.()) ?? null) : null
}

export async function loadMarkdown(): Promise<LanguageSupport> {
  return (await import('@codemirror/lang-markdown')).markdown()
}
