/**
 * Drives published y-websocket, Hocuspocus, y-sweet and y-partyserver clients for the interop tests.
 *
 * Reads one JSON request per line on stdin: {"id", "do", ...}; answers each with one JSON line on stdout: {"id", "ok"}
 * or {"id", "error"}. Requests run side by side, so answers may come in another order. Ends when stdin ends.
 */
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { createInterface } from 'node:readline'
import { WebSocket } from 'ws'
import { WebsocketProvider as Version3 } from 'y-websocket'
import { WebsocketProvider as Version2 } from 'y-websocket-2'
import * as Y from 'yjs'
import { declareRoots, dump, edit, editRandomly, replay } from './document.mjs'
import { HocuspocusClient } from './hocuspocus.mjs'
import { partyProvider } from './y_partyserver.mjs'
import { YSweetClient, documentManager } from './y_sweet.mjs'
import { editTagged } from './tagged.mjs'
import { Waiter } from './waiter.mjs'

// every provider listens for the end of the process
process.setMaxListeners(0)

const providers = {
  2: (...options) => new Version2(...options),
  3: (...options) => new Version3(...options),
  partyserver: partyProvider
}
const SAVED = 102

/** One Y.Doc and its provider. */
class Client extends Waiter {
  constructor ({ version, url, room, params = {}, connect = true, maxBackoffTime = 2500, ...more }) {
    super()
    this.doc = new Y.Doc()
    declareRoots(this.doc)
    this.opens = 0
    this.closes = []
    this.marker = 0
    this.echoed = 0
    // disableBc: in one process a BroadcastChannel would carry the edits past the server
    this.heard = []
    this.provider = providers[version](url, room, this.doc, {
      params, connect, maxBackoffTime, WebSocketPolyfill: WebSocket, disableBc: true, ...more
    })
    this.provider.on('custom-message', message => {
      this.heard.push(message)
      this.changed()
    })
    this.provider.on('status', ({ status }) => {
      if (status === 'connected') this.opens++
      this.changed()
    })
    this.provider.on('connection-close', event => {
      this.closes.push(event?.code ?? null)
      this.changed()
    })
    this.provider.on('closed', () => this.changed())
    this.provider.on('sync', synced => {
      if (synced && this.echoed < this.marker) this.sendMarker()
      this.changed()
    })
    this.provider.messageHandlers[SAVED] = (_encoder, decoder) => {
      const payload = decoding.createDecoder(decoding.readVarUint8Array(decoder))
      this.echoed = Math.max(this.echoed, decoding.readVarUint(payload))
      this.changed()
    }
  }

  sendMarker () {
    const payload = encoding.createEncoder()
    encoding.writeVarUint(payload, this.marker)
    const message = encoding.createEncoder()
    encoding.writeVarUint(message, SAVED)
    encoding.writeVarUint8Array(message, encoding.toUint8Array(payload))
    this.provider.ws.send(encoding.toUint8Array(message))
  }

  /** Ask for a durable acknowledgement of everything so far and wait for it, across reconnects if need be. */
  saved (timeoutMs) {
    const marker = ++this.marker
    if (this.provider.synced) this.sendMarker()
    return this.until(() => this.echoed >= marker, 'saved', timeoutMs)
  }

  status () {
    const { wsconnected: connected, synced, shouldConnect } = this.provider
    return { connected, synced, shouldConnect, opens: this.opens, closes: this.closes, heard: this.heard }
  }

  get connected () { return this.provider.wsconnected }
  get disconnected () { return !this.provider.wsconnected }
  get synced () { return this.provider.synced }
  get stopped () { return !this.provider.shouldConnect && this.provider.ws === null }

  connect () { this.provider.connect() }
  disconnect () { this.provider.disconnect() }

  /** Lose the connection without a close frame or a farewell, as when a cable is pulled, and stay away. */
  drop () {
    this.provider.shouldConnect = false
    this.provider.ws?.terminate()
  }

  destroy () {
    this.provider.destroy()
    this.provider.awareness.destroy()
    this.doc.destroy()
  }
}

const clients = new Map()

const add = (name, client) => {
  clients.set(name, client)
  return client.doc.clientID
}

const handlers = {
  open: ({ client, ...options }) => add(client, new Client(options)),
  openHocuspocus: ({ client, ...options }) => add(client, new HocuspocusClient(options)),
  openYSweet: ({ client, ...options }) => add(client, new YSweetClient(options)),
  ySweet: ({ connection, call, arguments: given }) => documentManager(connection, call, given),
  edit: ({ client, operations }) => edit(client.doc, operations),
  random: ({ client, ...options }) => editRandomly(client.doc, options),
  tagged: ({ client, ...options }) => editTagged(client.doc, options),
  apply: ({ client, update }) => Y.applyUpdate(client.doc, Buffer.from(update, 'base64')),
  wait: ({ client, for: name, timeoutMs }) => client.until(() => client[name], name, timeoutMs),
  saved: ({ client, timeoutMs }) => client.saved(timeoutMs),
  status: ({ client }) => client.status(),
  disconnect: ({ client }) => client.disconnect(),
  connect: ({ client }) => client.connect(),
  drop: ({ client }) => client.drop(),
  setAwareness: ({ client, state }) => client.provider.awareness.setLocalState(state),
  awareness: ({ client }) => Object.fromEntries(client.provider.awareness.getStates()),
  dump: ({ client }) => dump(client.doc),
  replay: ({ updates, maps }) => replay(updates, maps),
  token: ({ client, token, how }) => client.useToken(token, how),
  stateless: ({ client, payload }) => client.provider.sendStateless(payload),
  custom: ({ client, payload }) => client.provider.sendMessage(payload),
  sendText: ({ client, text }) => client.provider.ws.send(text),
  detach: ({ client }) => client.provider.detach(),
  attach: ({ client }) => client.provider.attach(),
  close: ({ client: name }) => {
    const client = clients.get(name)
    clients.delete(name)
    client.destroy()
  }
}

const answer = message => process.stdout.write(JSON.stringify(message) + '\n')

const handle = async ({ id, do: name, ...request }) => {
  try {
    const named = ['open', 'openHocuspocus', 'openYSweet', 'ySweet', 'close', 'replay'].includes(name)
    if (!named) request.client = clients.get(request.client)
    answer({ id, ok: (await handlers[name](request)) ?? null })
  } catch (error) {
    answer({ id, error: error.stack })
  }
}

createInterface({ input: process.stdin }).on('line', line => handle(JSON.parse(line))).on('close', () => process.exit(0))
