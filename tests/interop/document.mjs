/**
 * What the interop tests do to a Y.Doc: typed operations, seeded random edits, and a dump that can be compared.
 *
 * Every test document has the same four roots, named after their kind, so a path such as ["map", "list", 0] is enough
 * to address a type and a dump needs no schema.
 */
import * as Y from 'yjs'

export const roots = {
  text: doc => doc.getText('text'),
  map: doc => doc.getMap('map'),
  array: doc => doc.getArray('array'),
  xml: doc => doc.getXmlFragment('xml')
}

const base64 = bytes => Buffer.from(bytes).toString('base64')

/** Give every root its type: Yjs types a root only when somebody asks for it. */
export const declareRoots = doc => Object.values(roots).forEach(root => root(doc))

const find = (doc, [root, ...steps]) => steps.reduce((type, step) => type.get(step), roots[root](doc))

/** A plain value, or a shared type written as {$text}, {$map}, {$array}, {$element, attributes, children}, {$xmlText}. */
const build = value => {
  if (value === null || typeof value !== 'object') return value
  if ('$text' in value) return new Y.Text(value.$text)
  if ('$xmlText' in value) return new Y.XmlText(value.$xmlText)
  if ('$array' in value) return Y.Array.from(value.$array.map(build))
  if ('$map' in value) return new Y.Map(Object.entries(value.$map).map(([key, item]) => [key, build(item)]))
  if ('$element' in value) {
    const element = new Y.XmlElement(value.$element)
    Object.entries(value.attributes ?? {}).forEach(([name, item]) => element.setAttribute(name, item))
    element.insert(0, (value.children ?? []).map(build))
    return element
  }
  return value
}

const operations = {
  insertText: (type, { index, text, attributes }) => type.insert(index, text, attributes),
  formatText: (type, { index, length, attributes }) => type.format(index, length, attributes),
  embed: (type, { index, value, attributes }) => type.insertEmbed(index, value, attributes),
  insert: (type, { index, values }) => type.insert(index, values.map(build)),
  delete: (type, { index, length }) => type.delete(index, length),
  set: (type, { key, value }) => type instanceof Y.Map ? type.set(key, build(value)) : type.setAttribute(key, value),
  unset: (type, { key }) => type instanceof Y.Map ? type.delete(key) : type.removeAttribute(key)
}

/** Carry out `list` in one transaction, hence one update. */
export const edit = (doc, list) => doc.transact(() => {
  for (const { op, at, ...rest } of list) operations[op](find(doc, at), rest)
})

// --- random edits ---------------------------------------------------------------------------------------------------

/** mulberry32: small, seedable, good enough to choose edits. */
export const randomness = seed => {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let word = Math.imul(state ^ (state >>> 15), state | 1)
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61)
    return ((word ^ (word >>> 14)) >>> 0) / 4294967296
  }
  return { below: limit => Math.floor(next() * limit), pick: list => list[Math.floor(next() * list.length)] }
}

/** An index that does not cut a surrogate pair in two; no editor puts a cursor there. */
const boundary = (content, index) => {
  const unit = content.charCodeAt(index)
  return unit >= 0xdc00 && unit <= 0xdfff ? index - 1 : index
}

const decorations = ['', '', '', '🧑‍🚀', 'שלום', 'مرحبا', 'é', '漢']
const formats = [{ bold: true }, { italic: true }, { bold: null }, { color: 'red' }, { color: null }]

const randomEdits = {
  insertText: (doc, random, tag) => {
    const text = doc.getText('text')
    const content = text.toString()
    text.insert(boundary(content, random.below(content.length + 1)), `‹${tag}›${random.pick(decorations)}`)
  },
  deleteText: (doc, random) => {
    const text = doc.getText('text')
    const content = text.toString()
    const from = boundary(content, random.below(content.length + 1))
    const to = boundary(content, Math.min(content.length, from + random.below(12)))
    if (to > from) text.delete(from, to - from)
  },
  formatText: (doc, random) => {
    const text = doc.getText('text')
    const content = text.toString()
    const from = boundary(content, random.below(content.length + 1))
    const to = boundary(content, Math.min(content.length, from + random.below(30)))
    if (to > from) text.format(from, to - from, random.pick(formats))
  },
  setKey: (doc, random, tag) => { doc.getMap('map').set(`key${random.below(8)}`, tag) },
  nestInKey: (doc, random, tag) => {
    const value = random.pick([{ $text: tag }, { $array: [tag] }, { $map: { [tag]: 1 } }])
    doc.getMap('map').set(`nested${random.below(4)}`, build(value))
  },
  unsetKey: (doc, random) => { doc.getMap('map').delete(`key${random.below(8)}`) },
  insertItem: (doc, random, tag) => {
    const array = doc.getArray('array')
    array.insert(random.below(array.length + 1), [tag])
  },
  deleteItem: (doc, random) => {
    const array = doc.getArray('array')
    if (array.length > 0) array.delete(random.below(array.length), 1)
  },
  insertElement: (doc, random, tag) => {
    const xml = doc.getXmlFragment('xml')
    xml.insert(random.below(xml.length + 1), [build({ $element: 'p', attributes: { tag }, children: [{ $xmlText: tag }] })])
  },
  changeElement: (doc, random, tag) => {
    const xml = doc.getXmlFragment('xml')
    if (xml.length === 0) return
    const element = xml.get(random.below(xml.length))
    element.setAttribute(`a${random.below(3)}`, tag)
    element.get(0).insert(0, tag, random.pick(formats))
  },
  deleteElement: (doc, random) => {
    const xml = doc.getXmlFragment('xml')
    if (xml.length > 0) xml.delete(random.below(xml.length), 1)
  }
}

const weights = {
  insertText: 30, deleteText: 10, formatText: 8, setKey: 8, nestInKey: 3, unsetKey: 3, insertItem: 16, deleteItem: 6,
  insertElement: 6, changeElement: 6, deleteElement: 4
}
const weighted = Object.entries(weights).flatMap(([name, weight]) => Array(weight).fill(name))

/** Make `count` edits, each its own transaction. Everything inserted carries `tag.n`, so nothing may appear twice. */
export const editRandomly = (doc, { seed, count, tag }) => {
  const random = randomness(seed)
  for (let n = 0; n < count; n++) {
    const name = random.pick(weighted)
    doc.transact(() => randomEdits[name](doc, random, `${tag}.${n}`))
  }
}

// --- dumps ----------------------------------------------------------------------------------------------------------

const dumpDelta = text => {
  const runs = []
  for (const { insert, attributes = {} } of text.toDelta()) {
    const item = typeof insert === 'string' ? insert : { embed: insert }
    runs.push([item, attributes])
  }
  return { text: runs }
}

const dumpValue = value => {
  if (value instanceof Y.Text) return dumpDelta(value) // XmlText is one too
  if (value instanceof Y.XmlElement) {
    return { element: value.nodeName, attributes: value.getAttributes(), children: value.toArray().map(dumpValue) }
  }
  if (value instanceof Y.XmlFragment) return { fragment: value.toArray().map(dumpValue) }
  if (value instanceof Y.Map) return { map: Object.fromEntries([...value.entries()].map(([k, v]) => [k, dumpValue(v)])) }
  if (value instanceof Y.Array) return { array: value.toArray().map(dumpValue) }
  if (value instanceof Uint8Array) return { bytes: base64(value) }
  return value
}

const dumpDeletions = doc => {
  const { clients } = Y.createDeleteSetFromStructStore(doc.store)
  const byClient = [...clients].map(([client, items]) => [client, items.map(({ clock, len }) => [clock, len])])
  return Object.fromEntries(byClient)
}

/** Everything by which two replicas are compared, and the whole state as an update. */
export const dump = doc => ({
  content: Object.fromEntries(Object.entries(roots).map(([name, root]) => [name, dumpValue(root(doc))])),
  stateVector: Object.fromEntries(Y.decodeStateVector(Y.encodeStateVector(doc))),
  deletions: dumpDeletions(doc),
  pending: doc.store.pendingStructs !== null || doc.store.pendingDs !== null,
  update: base64(Y.encodeStateAsUpdate(doc))
})

/** Apply `updates` (base64), one by one and in order, to a new document and dump it, with further root Maps. */
export const replay = (updates, maps) => {
  const doc = new Y.Doc()
  declareRoots(doc)
  for (const update of updates) Y.applyUpdate(doc, Buffer.from(update, 'base64'))
  const result = dump(doc)
  for (const name of maps) result.content[name] = dumpValue(doc.getMap(name))
  doc.destroy()
  return result
}
