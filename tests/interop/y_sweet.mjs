/**
 * The published y-sweet client, as `driver.mjs` drives the others.
 *
 * It has no way to stay away: after a close, its own `disconnect()` included, it connects again. So whoever is to be
 * offline gets sockets that reach nobody, as without a network.
 */
import { createYjsProvider } from '@y-sweet/client'
import { DocumentManager } from '@y-sweet/sdk'
import { WebSocket } from 'ws'
import * as Y from 'yjs'
import { declareRoots } from './document.mjs'
import { Waiter } from './waiter.mjs'

const NOBODY = 'ws://127.0.0.1:9/'
const HARMLESS = [
  // After a socket that failed it is told of an error and of a close, and begins to connect at both.
  'connect() called while a connect loop is already running.',
  'Failed to get client token',
  'Client with read-only authorization attempted to write'
]

const warn = console.warn
console.warn = (...words) => {
  if (!HARMLESS.some(start => String(words[0]).startsWith(start))) warn(...words)
}

/** What an application's backend asks the server; its answers go over the wire as JSON, updates as base64. */
export const documentManager = async (connection, call, given) => {
  const read = value => value?.base64 === undefined ? value : Buffer.from(value.base64, 'base64')
  const answer = await new DocumentManager(connection)[call](...given.map(read))
  return answer instanceof Uint8Array ? { base64: Buffer.from(answer).toString('base64') } : answer
}

/** One Y.Doc and its provider. */
export class YSweetClient extends Waiter {
  constructor ({ connection, room, authorization = {}, token, connect = true }) {
    super()
    this.doc = new Y.Doc()
    declareRoots(this.doc)
    this.online = connect
    this.opens = 0
    this.closes = []
    this.tokens = 0
    this.savedClock = 0
    const client = this
    class Socket extends WebSocket {
      constructor (url) {
        super(client.online ? url : NOBODY)
      }
    }
    const authorize = async () => {
      this.tokens++
      return token ?? await new DocumentManager(connection).getOrCreateDocAndToken(room, authorization)
    }
    this.provider = createYjsProvider(this.doc, room, authorize, {
      WebSocketPolyfill: Socket, showDebuggerLink: false
    })
    this.provider.on('connection-status', status => {
      this.opens += status === 'connected'
      this.changed()
    })
    this.provider.on('connection-close', ({ code }) => {
      this.closes.push(code)
      this.changed()
    })
    this.provider.on('local-changes', has => {
      // What was typed here is said to be saved, all of it.
      if (!has) this.savedClock = Y.getState(this.doc.store, this.doc.clientID)
      this.changed()
    })
  }

  get synced () { return this.provider.status === 'connected' }
  get connected () { return this.synced }
  get disconnected () { return !this.online && !this.synced }
  get failed () { return this.provider.status === 'error' }

  connect () {
    this.online = true
    this.provider.online()
  }

  disconnect () {
    this.online = false
    this.provider.websocket?.close()
  }

  drop () {
    this.online = false
    this.provider.websocket?.terminate()
  }

  /** Wait until the provider says that everything is saved. */
  saved (timeoutMs) {
    return this.until(() => this.synced && !this.provider.hasLocalChanges, 'saved', timeoutMs)
  }

  status () {
    const { connected, synced, opens, closes, tokens, savedClock } = this
    const { hasLocalChanges: unsaved, clientToken: token, status: state } = this.provider
    return { connected, synced, opens, closes, tokens, savedClock, unsaved, token, state }
  }

  destroy () {
    // Its own destroy() leaves a provider that connects for ever.
    this.provider.setStatus('offline')
    const { websocket } = this.provider
    if (websocket) Object.assign(websocket, { onopen: null, onmessage: null, onclose: null, onerror: () => {} })
    this.provider.connect = () => {}
    this.provider.clearHeartbeat()
    this.provider.clearConnectionTimeout()
    this.provider.destroy()
    this.provider.awareness.destroy()
    this.doc.destroy()
  }
}
