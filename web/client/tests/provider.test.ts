/** The provider on a socket whose other end is played by the test. */

import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import * as auth from 'y-protocols/auth'
import { applyAwarenessUpdate, Awareness, encodeAwarenessUpdate, removeAwarenessStates } from 'y-protocols/awareness'
import * as sync from 'y-protocols/sync'
import * as Y from 'yjs'

import type { Role } from '../src/lib/roles'
import { createProvider, type Provider } from '../src/sync/provider'
import { MESSAGE_SCHEMA, SCHEMA_VERSION } from '../src/sync/schema'

class FakeSocket {
  static readonly OPEN = 1
  static last: FakeSocket
  readonly OPEN = 1
  readyState = 0
  binaryType = ''
  onopen: (() => void) | null = null
  onmessage: ((event: { data: Uint8Array }) => void) | null = null
  onclose: ((event: { code: number; reason: string }) => void) | null = null
  onerror: (() => void) | null = null
  readonly sent: Uint8Array[] = []

  constructor(readonly url: string) {
    FakeSocket.last = this
  }

  send(data: Uint8Array): void {
    this.sent.push(data)
  }

  close(): void {
    this.readyState = 3
  }

  open(): void {
    this.readyState = 1
    this.onopen?.()
  }

  receive(frame: Uint8Array): void {
    this.onmessage?.({ data: frame })
  }

  /** What went out, by name. */
  get wire(): string[] {
    return this.sent.map((frame) => {
      const decoder = decoding.createDecoder(frame)
      const type = decoding.readVarUint(decoder)
      if (type === 0) return ['step1', 'step2', 'update'][decoding.readVarUint(decoder)] ?? 'unknown'
      if (type === 1) return 'awareness'
      if (type === 103) return 'role?'
      const payload = decoding.createDecoder(decoding.readVarUint8Array(decoder))
      return `${type}:${decoding.readVarUint(payload)}`
    })
  }
}

function frame(type: number, write: (encoder: encoding.Encoder) => void): Uint8Array {
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, type)
  write(encoder)
  return encoding.toUint8Array(encoder)
}

const syncFrame = (write: (encoder: encoding.Encoder) => void): Uint8Array => frame(0, write)

describe('provider', () => {
  const server = new Y.Doc()
  let doc: Y.Doc
  let provider: Provider
  let refused: number[]
  let epochs: string[]
  let schemas: number[]
  let roles: (Role | null)[]
  let denied: string[]
  let lost: number

  beforeEach(() => {
    vi.useFakeTimers()
    vi.stubGlobal('WebSocket', FakeSocket)
    vi.stubGlobal('window', globalThis)
    doc = new Y.Doc()
    refused = []
    epochs = []
    schemas = []
    roles = []
    denied = []
    lost = 0
    const awareness = new Awareness(doc)
    awareness.setLocalState(null)
    provider = createProvider({
      serverUrl: 'ws://server/ws',
      document: 'team/plan',
      doc,
      awareness,
      changed: () => undefined,
      lost: () => (lost += 1),
      role: (role) => roles.push(role),
      denied: (reason) => denied.push(reason),
      refused: (code) => refused.push(code),
      epoch: (epoch) => epochs.push(epoch),
      schema: (version) => schemas.push(version),
    })
  })

  afterEach(() => {
    provider.destroy()
    vi.unstubAllGlobals()
    vi.useRealTimers()
  })

  function handshake(): FakeSocket {
    provider.connect('the-first')
    const socket = FakeSocket.last
    socket.open()
    socket.receive(syncFrame((encoder) => sync.writeSyncStep1(encoder, server)))
    socket.receive(syncFrame((encoder) => sync.writeSyncStep2(encoder, server)))
    return socket
  }

  function epochFrame(epoch: string): Uint8Array {
    const encoder = encoding.createEncoder()
    encoding.writeVarUint(encoder, 104)
    encoding.writeVarString(encoder, epoch)
    return encoding.toUint8Array(encoder)
  }

  test('says nothing into a socket that is closing', () => {
    // When the server closed it right behind its first message, the answer was an error on the console.
    provider.connect('the-first')
    const socket = FakeSocket.last
    socket.open()
    const said = socket.wire
    socket.readyState = 2
    socket.receive(syncFrame((encoder) => sync.writeSyncStep1(encoder, server)))
    expect(socket.wire).toEqual(said)
  })

  test('names the epoch of its copy, and after the server has named one, that', () => {
    provider.connect('')
    expect(new URL(FakeSocket.last.url).searchParams.get('epoch')).toBe('')
    FakeSocket.last.open()
    FakeSocket.last.receive(epochFrame('the-second'))
    expect(epochs).toEqual(['the-second'])
    FakeSocket.last.onclose?.({ code: 1012, reason: '' })
    vi.advanceTimersByTime(5000)
    expect(new URL(FakeSocket.last.url).searchParams.get('epoch')).toBe('the-second')
  })

  function echoLast(socket: FakeSocket): void {
    const frame = socket.sent.at(-1)
    if (frame === undefined) throw new Error('nothing was sent')
    socket.receive(frame)
  }

  test('asks for the acknowledgement after its own step 2, so that offline edits are covered', () => {
    doc.getText('t').insert(0, 'written offline')
    const socket = handshake()
    expect(socket.url).toBe(`ws://server/ws/team/plan?schema=${SCHEMA_VERSION}&epoch=the-first`)
    expect(socket.wire).toEqual(['role?', 'step1', 'step2', '102:2'])
    expect(provider.savedState.saved).toBe(false)
    echoLast(socket)
    expect(provider.savedState.saved).toBe(true)
  })

  test('asks again after an edit, behind the edit', () => {
    const socket = handshake()
    echoLast(socket)
    doc.getText('t').insert(0, 'a')
    doc.getText('t').insert(1, 'b')
    expect(provider.savedState.saved).toBe(false)
    vi.advanceTimersByTime(100)
    expect(socket.wire.slice(4)).toEqual(['update', 'update', '102:3'])
    echoLast(socket)
    expect(provider.savedState.saved).toBe(true)
  })

  test('what others wrote is not ours to be saved', () => {
    const socket = handshake()
    echoLast(socket)
    const other = new Y.Doc()
    other.getText('t').insert(0, 'theirs')
    socket.receive(syncFrame((encoder) => sync.writeUpdate(encoder, Y.encodeStateAsUpdate(other))))
    expect(doc.getText('t').toJSON()).toBe('theirs')
    expect(provider.savedState.saved).toBe(true)
  })

  test('what the device remembered is ours, whoever put it into the document', () => {
    const socket = handshake()
    echoLast(socket)
    const other = new Y.Doc()
    other.getText('t').insert(0, 'remembered')
    Y.applyUpdate(doc, Y.encodeStateAsUpdate(other), 'the local store')
    expect(provider.savedState.saved).toBe(false)
  })

  test('a dropped connection is not saved, and the next one asks for itself', () => {
    const first = handshake()
    echoLast(first)
    first.onclose?.({ code: 1006, reason: '' })
    expect(provider.savedState.saved).toBe(false)
    expect(lost).toBe(1)
    doc.getText('t').insert(0, 'meanwhile')
    vi.advanceTimersByTime(1000)
    const second = handshake()
    expect(second).not.toBe(first)
    expect(second.wire).toEqual(['role?', 'step1', 'step2', '102:2'])
  })

  test('whoever comes back is seen at once by those who did so, too', () => {
    const own = new Awareness(doc)
    const other = new Awareness(new Y.Doc())
    const back = createProvider({
      ...{ serverUrl: 'ws://server/ws', document: 'team/plan', doc, awareness: own, changed: () => undefined, lost: () => undefined },
      ...{ role: () => undefined, denied: () => undefined, refused: () => undefined, epoch: () => undefined, schema: () => undefined },
    })
    own.setLocalStateField('user', { name: 'Ann' })
    const tell = (): void => applyAwarenessUpdate(other, encodeAwarenessUpdate(own, [doc.clientID]), 'the server')
    back.connect('')
    FakeSocket.last.open()
    tell()
    FakeSocket.last.onclose?.({ code: 1006, reason: '' })
    // The other one lost its connection as well, and with it everybody else; nobody said that they are gone.
    removeAwarenessStates(other, [doc.clientID], 'its provider')
    tell()
    expect(other.getStates().get(doc.clientID)).toEqual({ user: { name: 'Ann' } })
    back.destroy()
    own.destroy()
    other.destroy()
  })

  test('another tab of the same browser gets edits from the server alone', () => {
    handshake()
    const doc2 = new Y.Doc()
    const tab = createProvider({
      serverUrl: 'ws://server/ws',
      document: 'team/plan',
      doc: doc2,
      awareness: new Awareness(doc2),
      changed: () => undefined,
      lost: () => undefined,
      role: () => undefined,
      denied: () => undefined,
      refused: () => undefined,
      epoch: () => undefined,
      schema: () => undefined,
    })
    tab.connect('')
    doc.getText('t').insert(0, 'not at the server yet')
    expect(doc2.getText('t').toJSON()).toBe('')
    tab.destroy()
  })

  test('hears which version of the schema the document needs', () => {
    const version = new Uint8Array([0xac, 0x02])
    handshake().receive(frame(MESSAGE_SCHEMA, (encoder) => encoding.writeVarUint8Array(encoder, version)))
    expect(schemas).toEqual([300])
  })

  test('roles are told as they change, and one that is not known is none', () => {
    const socket = handshake()
    for (const told of ['{"role":"editor"}', '{"role":"reader"}', '{"role":"emperor"}', '{}']) {
      socket.receive(frame(103, (encoder) => encoding.writeVarString(encoder, told)))
    }
    expect(roles).toEqual(['editor', 'reader', null, null])
  })

  test('the right to write begins with a handshake, which carries what was dropped before', () => {
    const first = handshake()
    const tell = (socket: FakeSocket, role: Role): void =>
      socket.receive(frame(103, (encoder) => encoding.writeVarString(encoder, JSON.stringify({ role }))))
    tell(first, 'reader')
    doc.getText('t').insert(0, 'dropped by the server')
    tell(first, 'editor')
    expect(FakeSocket.last).not.toBe(first)
    const second = handshake()
    tell(second, 'editor')
    expect(FakeSocket.last).toBe(second)
    expect(second.wire).toEqual(['role?', 'step1', 'step2', '102:2'])
    echoLast(second)
    expect(provider.savedState.saved).toBe(true)
  })

  test('an edit that was not taken is never called saved, and its reason is passed on', () => {
    const socket = handshake()
    echoLast(socket)
    doc.getText('t').insert(0, 'not mine to write')
    socket.receive(frame(2, (encoder) => auth.writePermissionDenied(encoder, 'readers may not write')))
    vi.advanceTimersByTime(60_000)
    expect(denied).toEqual(['readers may not write'])
    expect(provider.savedState.saved).toBe(false)
  })

  test('a permanent refusal is reported and not retried', () => {
    const socket = handshake()
    socket.onclose?.({ code: 4403, reason: 'no' })
    vi.advanceTimersByTime(60_000)
    expect(refused).toEqual([4403])
    expect(FakeSocket.last).toBe(socket)
  })
})
