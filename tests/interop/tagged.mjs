/** Tagged elements in the four roots of a Y.Doc, written as `tests/checker/elements.py` writes them with pycrdt. */
import * as Y from 'yjs'
import { roots } from './document.mjs'

const insertions = {
  array: (array, tag, place) => array.insert(place(array.length), [tag]),
  map: (map, tag) => map.set(tag, tag),
  text: (text, tag, place) => {
    const around = place(text.length)
    text.insert(around && text.toString().lastIndexOf(']', around - 1) + 1, `[${tag}]`)
  },
  xml: (fragment, tag, place) => {
    const element = new Y.XmlElement('p')
    element.setAttribute('tag', tag)
    fragment.insert(place(fragment.length), [element])
  }
}

const deletions = {
  array: (array, tag) => array.delete(array.toArray().indexOf(tag), 1),
  map: (map, tag) => map.delete(tag),
  text: (text, tag) => text.delete(text.toString().indexOf(`[${tag}]`), tag.length + 2),
  xml: (fragment, tag) => fragment.delete(fragment.toArray().findIndex(node => node.getAttribute('tag') === tag), 1)
}

/** Carry out one transaction. Elements are pairs of a root and a tag; `at` (0 to 1) says where insertions go. */
export const editTagged = (doc, { inserts, deletes, at }) => doc.transact(() => {
  for (const [kind, tag] of deletes) deletions[kind](roots[kind](doc), tag)
  for (const [kind, tag] of inserts) insertions[kind](roots[kind](doc), tag, length => Math.floor(at * (length + 1)))
})
