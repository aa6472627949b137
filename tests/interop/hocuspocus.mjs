/** Published Hocuspocus providers, as `driver.mjs` drives them. Several may share a socket, by its name. */
import * as Version4 from '@hocuspocus/provider'
import * as Version2 from 'hocuspocus-provider-2'
import * as Version3 from 'hocuspocus-provider-3'
import { WebSocket } from 'ws'
import * as Y from 'yjs'
import { declareRoots, edit } from './document.mjs'
import { Waiter } from './waiter.mjs'

const packages = { 2: Version2, 3: Version3, 4: Version4 }
const sockets = new Map()
const EVENTS = [
  'open', 'connect', 'message', 'outgoingMessage', 'synced', 'status', 'authenticated', 'disconnect', 'close',
  'awarenessUpdate', 'awarenessChange', 'destroy'
]

/** In a browser an error that nobody listens to ends nothing: a provider closes sockets that still connect, unheard. */
class PatientWebSocket extends WebSocket {
  constructor (...given) {
    super(...given)
    this.on('error', () => {})
  }
}

const openSocket = (version, url, messageReconnectTimeout) => new packages[version].HocuspocusProviderWebsocket({
  url, messageReconnectTimeout, WebSocketPolyfill: PatientWebSocket, delay: 50, minDelay: 50, maxDelay: 200
})

/** One Y.Doc and its provider. */
export class HocuspocusClient extends Waiter {
  constructor ({
    version, url, room, token, socket,
    sessionAwareness = false, awareness = true, flushDelay = false, silenceMs = 30_000,
    copy = null, before = [], lateToken = false
  }) {
    super()
    this.doc = new Y.Doc()
    declareRoots(this.doc)
    // what its document holds before there is a provider
    if (copy) Y.applyUpdate(this.doc, Buffer.from(copy, 'base64'))
    edit(this.doc, before)
    this.calls = new Set()
    this.atSync = null
    this.observed = { here: 0, elsewhere: 0 }
    this.doc.getArray('array').observe((_event, { local }) => {
      this.observed[local ? 'here' : 'elsewhere']++
      this.changed()
    })
    this.token = token
    this.tokensAsked = 0
    this.scopes = []
    this.denials = []
    this.closes = []
    this.heard = []
    this.counts = []
    this.savedClock = 0
    this.version = version
    this.named = socket
    this.socket = sockets.get(socket) ?? openSocket(version, url, silenceMs)
    if (socket) sockets.set(socket, this.socket)
    this.provider = new packages[version].HocuspocusProvider({
      websocketProvider: this.socket,
      name: room,
      document: this.doc,
      token: token === null ? null : () => {
        this.tokensAsked++
        return lateToken ? new Promise(resolve => setTimeout(resolve, 20, this.token)) : this.token
      },
      sessionAwareness,
      flushDelay,
      ...(awareness ? {} : { awareness: null }),
      broadcast: false,
      onAuthenticated: ({ scope } = {}) => this.note(this.scopes, scope ?? this.provider.authorizedScope),
      onAuthenticationFailed: ({ reason }) => this.note(this.denials, reason),
      onClose: ({ event }) => this.note(this.closes, [event.code, event.reason]),
      onStateless: ({ payload }) => this.note(this.heard, payload),
      onSynced: () => {
        this.atSync ??= this.doc.getArray('array').toArray()
        this.changed()
      },
      onStatus: () => this.changed()
    })
    for (const name of EVENTS) {
      this.provider.on(name, () => {
        this.calls.add(name)
        this.changed()
      })
    }
    this.provider.on('unsyncedChanges', () => {
      // What was typed here is said to be saved, all of it.
      if (!this.provider.hasUnsyncedChanges) this.savedClock = Y.getState(this.doc.store, this.doc.clientID)
      this.note(this.counts, this.provider.unsyncedChanges)
    })
    if (version > 2) this.provider.attach()
  }

  note (list, value) {
    list.push(value)
    this.changed()
  }

  get connected () { return this.socket.status === 'connected' }
  get disconnected () { return this.socket.status === 'disconnected' }
  get synced () { return this.provider.synced }
  get denied () { return this.denials.length > 0 }
  get closed () { return this.closes.length > 0 }

  connect () {
    this.socket.shouldConnect = true
    return void this.socket.connect()
  }

  disconnect () { this.socket.disconnect() }

  drop () {
    this.socket.shouldConnect = false
    this.socket.webSocket?.terminate()
  }

  /** How applications try again with another token: on the same provider, or only when they are asked for it. */
  async useToken (token, how) {
    this.token = token
    if (how === 'later') return
    await this.provider.sendToken()
    if (how === 'sync') this.provider.startSync()
  }

  /** Wait until the provider says that everything is saved. */
  saved (timeoutMs) {
    return this.until(() => this.provider.synced && !this.provider.hasUnsyncedChanges, 'saved', timeoutMs)
  }

  status () {
    const { connected, synced, scopes, denials, closes, heard, tokensAsked, counts } = this
    const { unsyncedChanges: unsynced } = this.provider
    const { identifier: connections, lastMessageReceived } = this.socket
    const { savedClock, atSync, observed } = this
    const calls = [...this.calls].sort()
    return {
      calls, atSync, observed, connected, synced, scopes, denials, closes, heard, tokensAsked, counts, unsynced, savedClock,
      connections, lastMessageReceived
    }
  }

  destroy () {
    this.provider.destroy()
    if (!this.named) this.socket.destroy()
    this.doc.destroy()
  }
}
