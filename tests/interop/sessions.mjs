/**
 * Random sessions of several people with published Yjs, for the history tests: no network, one log that all feed and hear.
 *
 * Everybody inserts characters of their own, and each character once. So who wrote a character, and whether it is there
 * twice, can be read off the text itself. People go offline and come back, reload (which gives them a new client id),
 * hear the log late, and pass on what another has not sent yet.
 *
 * One JSON request a line on stdin, one JSON answer a line on stdout.
 */
import { createInterface } from 'node:readline'
import * as Y from 'yjs'
import { declareRoots, dump, randomness } from './document.mjs'

const BMP = 0x4e00
const BMP_EACH = 2000
const ASTRAL = 0x20000
const ASTRAL_EACH = 5000
const KEYS = ['title', 'état', '🔑']
const MARKS = [{ bold: true }, { bold: null }, { link: { href: 'https://example.org' } }, { link: null }]

class Person {
  constructor (session, number) {
    this.session = session
    this.number = number
    this.online = true
    this.heard = 0
    this.outbox = []
    this.used = 0
    this.known = false
    this.begin(null)
  }

  begin (state) {
    this.doc = new Y.Doc()
    this.doc.clientID = this.session.random.below(2 ** 32)
    declareRoots(this.doc)
    // Before it is loaded: Yjs tidies up marks then, too, and nobody else would ever hear of that.
    this.doc.on('update', (update, origin) => { if (origin !== 'log') this.outbox.push(update) })
    if (state) Y.applyUpdate(this.doc, state, 'log')
    this.known = false
  }

  /** A character that nobody has used. */
  character () {
    const n = this.used++
    return n % 3 === 2
      ? String.fromCodePoint(ASTRAL + this.number * ASTRAL_EACH + n)
      : String.fromCodePoint(BMP + this.number * BMP_EACH + n % BMP_EACH)
  }

  words () {
    return Array.from({ length: 1 + this.session.random.below(5) }, () => this.character()).join('')
  }

  hear (until) {
    const { log } = this.session
    for (; this.heard < until; this.heard++) Y.applyUpdate(this.doc, log[this.heard].update, 'log')
  }

  send () {
    if (this.outbox.length === 0) return
    const together = this.session.random.below(2) === 0
    const updates = together ? [Y.mergeUpdates(this.outbox)] : this.outbox
    this.outbox = []
    for (const update of updates) this.session.append(this, update)
    // What Yjs tidies up when it hears of others' marks is sent too, and says nothing of a client id.
    this.known ||= updates.some(update => Y.decodeUpdate(update).structs.some(({ id }) => id.client === this.doc.clientID))
  }
}

const whole = (content, index) => {
  const unit = content.charCodeAt(index)
  return unit >= 0xdc00 && unit <= 0xdfff ? index - 1 : index
}

/** Indices count embeds too, which a text's string leaves out: an object replacement character stands in for each. */
const contentOf = text => text.toDelta().map(({ insert }) => typeof insert === 'string' ? insert : '\ufffc').join('')

const range = (text, random, most) => {
  const content = contentOf(text)
  const from = whole(content, random.below(content.length + 1))
  return [from, whole(content, Math.min(content.length, from + 1 + random.below(most)))]
}

const editText = (text, person, random) => {
  const [from, to] = range(text, random, 20)
  const choice = random.below(10)
  if (choice < 2 && to > from) text.delete(from, to - from)
  else if (choice < 4 && to > from) text.format(from, to - from, random.pick(MARKS))
  else if (choice === 4 && !(text instanceof Y.XmlText)) text.insertEmbed(from, { image: person.words() })
  else text.insert(from, person.words(), random.pick([undefined, undefined, { bold: true }]))
}

const nested = (person, random, depth = 0) => {
  const kinds = [() => person.words(), () => new Y.Text(person.words())]
  if (depth < 2) {
    kinds.push(() => new Y.Map([['in', nested(person, random, depth + 1)]]))
    kinds.push(() => Y.Array.from([nested(person, random, depth + 1), person.words()]))
  }
  return random.pick(kinds)()
}

const element = (person, random) => {
  const made = new Y.XmlElement(random.pick(['paragraph', 'heading']))
  if (random.below(2)) made.setAttribute('level', person.words())
  made.insert(0, [new Y.XmlText(person.words())])
  return made
}

const edits = {
  text: (doc, person, random) => editText(doc.getText('text'), person, random),
  map: (doc, person, random) => {
    const map = doc.getMap('map')
    const key = random.pick(KEYS)
    const value = map.get(key)
    if (value instanceof Y.Text && random.below(2)) editText(value, person, random)
    else if (value instanceof Y.Map && random.below(2)) value.set('in', nested(person, random, 1))
    else if (value !== undefined && random.below(4) === 0) map.delete(key)
    else map.set(key, nested(person, random))
  },
  array: (doc, person, random) => {
    const array = doc.getArray('array')
    if (array.length > 0 && random.below(3) === 0) array.delete(random.below(array.length), 1)
    else array.insert(random.below(array.length + 1), [nested(person, random)])
  },
  xml: (doc, person, random) => {
    const xml = doc.getXmlFragment('xml')
    const choice = random.below(10)
    if (xml.length === 0 || choice < 3) return xml.insert(random.below(xml.length + 1), [element(person, random)])
    const at = random.below(xml.length)
    const block = xml.get(at)
    if (choice === 3) xml.delete(at, 1)
    else if (choice === 4) block.setAttribute('level', person.words())
    else if (choice === 5) block.insert(block.length, [element(person, random)])
    else if (block.length > 0 && block.get(0) instanceof Y.XmlText) editText(block.get(0), person, random)
    else block.insert(0, [new Y.XmlText(person.words())])
  }
}
const kinds = ['text', 'text', 'text', 'text', 'map', 'array', 'xml', 'xml', 'xml']

/**
 * Take in what is in the log and nothing else. When Yjs hears of marks that have become superfluous, it deletes them by
 * an edit of its own, which a client sends to the log like any other; here nobody would, and a document that keeps such
 * edits to itself soon shows other marks than the log says. It does so only after what others did.
 */
const takeIn = (doc, update) => doc.transact(transaction => {
  Y.applyUpdate(doc, update)
  transaction.local = true
})

class Session {
  constructor ({ seed, people }) {
    this.random = randomness(seed)
    this.log = []
    this.told = 0
    this.people = Array.from({ length: people }, (_, number) => new Person(this, number))
  }

  append (person, update) {
    this.log.push({ user: person.number, update })
  }

  /** Rows since the last answer. */
  news () {
    const rows = this.log.slice(this.told).map(({ user, update }) => [user, Buffer.from(update).toString('base64')])
    this.told = this.log.length
    return rows
  }

  step () {
    const { random } = this
    const person = random.pick(this.people)
    const choice = random.below(20)
    if (choice === 0) person.online = !person.online
    else if (choice === 1 && person.outbox.length === 0) this.reload(person)
    else if (choice === 2) this.relay(person)
    else {
      if (person.online) person.hear(person.heard + random.below(this.log.length - person.heard + 1))
      const times = random.pick([1, 1, 1, 3])
      person.doc.transact(() => {
        for (let n = 0; n < times; n++) edits[random.pick(kinds)](person.doc, person, random)
      })
      if (person.online) person.send()
    }
  }

  reload (person) {
    const state = Y.encodeStateAsUpdate(person.doc)
    person.doc.destroy()
    person.begin(state)
  }

  /** Somebody who is online passes on what reached them from a person who is not, as a tab does for another. */
  relay (from) {
    const others = this.people.filter(person => person !== from && person.online)
    if (from.online || !from.known || from.outbox.length === 0 || others.length === 0) return
    const by = this.random.pick(others)
    by.hear(this.log.length)
    by.send()
    by.hear(this.log.length)
    for (const update of from.outbox) {
      Y.applyUpdate(by.doc, update, 'log')
      this.append(by, update)
    }
    from.outbox = []
    by.heard = this.log.length
  }

  /** Everybody comes back and hears everything, also what Yjs tidies up when it hears of it. */
  settle () {
    for (let sent = -1; sent !== this.log.length;) {
      sent = this.log.length
      for (const person of this.people) {
        person.online = true
        person.send()
        person.hear(this.log.length)
        person.send()
      }
    }
  }
}

const sessions = new Map()

const handlers = {
  open: ({ session, ...options }) => { sessions.set(session, new Session(options)) },
  step: ({ session, count }) => {
    for (let n = 0; n < count; n++) session.step()
    return session.news()
  },
  /** A row from elsewhere, such as a restore. */
  append: ({ session, user, update }) => {
    session.log.push({ user, update: Buffer.from(update, 'base64') })
    session.told = session.log.length
  },
  settle: ({ session }) => {
    session.settle()
    return session.news()
  },
  /** What each person has. */
  dumps: ({ session }) => session.people.map(person => dump(person.doc)),
  /** What Yjs makes of the first rows of the log, for each number of rows. */
  states: ({ session, seqs }) => {
    const doc = new Y.Doc()
    declareRoots(doc)
    const found = {}
    const wanted = new Set(seqs)
    if (wanted.has(0)) found[0] = dump(doc).content
    session.log.forEach(({ update }, index) => {
      takeIn(doc, update)
      if (wanted.has(index + 1)) found[index + 1] = dump(doc).content
    })
    return found
  },
  replay: ({ updates }) => {
    const doc = new Y.Doc()
    declareRoots(doc)
    for (const update of updates) takeIn(doc, Buffer.from(update, 'base64'))
    return dump(doc).content
  },
  close: ({ session, name }) => { sessions.delete(name) }
}

const answer = message => process.stdout.write(JSON.stringify(message) + '\n')

createInterface({ input: process.stdin }).on('line', line => {
  const { do: name, session, ...request } = JSON.parse(line)
  try {
    const opened = name === 'open' ? session : sessions.get(session)
    answer({ ok: handlers[name]({ session: opened, name: session, ...request }) ?? null })
  } catch (error) {
    answer({ error: error.stack })
  }
}).on('close', () => process.exit(0))
