import type * as Y from 'yjs'

export function fillIn(_doc: Y.Doc, name: string): void {
  throw new Error(`There is no template ${name}.`)
}
