/** What a document says, without its form, for searches on this device. */

import * as Y from 'yjs'

/** The text of every root whose kind its content tells: a line for each block. */
export function plainText(doc: Y.Doc): string {
  const lines: string[] = []
  for (const name of [...doc.share.keys()]) {
    const root = rootOf(doc, name)
    if (root instanceof Y.XmlFragment) collect(root, lines)
    else if (root instanceof Y.Text) lines.push(root.toJSON())
  }
  return lines.join('\n')
}

/** A root that nobody has asked for by its kind yet has none: what stands in it says which it is. */
function rootOf(doc: Y.Doc, name: string): unknown {
  const root = doc.share.get(name)
  if (root === undefined || root instanceof Y.XmlFragment || root instanceof Y.Text) return root
  if (!isUntyped(root)) return null
  for (let item = root._start; item !== null; item = item.right) {
    if (item.content instanceof Y.ContentString) return doc.getText(name)
    if (!(item.content instanceof Y.ContentType)) continue
    const { type } = item.content
    return type instanceof Y.XmlElement || type instanceof Y.XmlText ? doc.getXmlFragment(name) : null
  }
  return null
}

/** An array or a map has a class of its own. */
const isUntyped = (root: object): boolean => root.constructor === Y.AbstractType

function collect(node: Y.XmlFragment, lines: string[]): void {
  let line = ''
  for (const child of node.toArray()) {
    if (child instanceof Y.XmlText) line += charactersOf(child)
    else if (child instanceof Y.XmlElement) collect(child, lines)
  }
  if (line !== '') lines.push(line)
}

function charactersOf(text: Y.XmlText): string {
  const pieces = text.toDelta() as { insert: unknown }[]
  return pieces.map(({ insert }) => (typeof insert === 'string' ? insert : '')).join('')
}
