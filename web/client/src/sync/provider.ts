/** Joins the WebSocket provider and the saved state: who reports what to whom, and nothing else. */

import { readAuthMessage } from 'y-protocols/auth'
import type { Awareness } from 'y-protocols/awareness'
import { messageAuth, WebsocketProvider } from 'y-websocket'
import type * as Y from 'yjs'

import { mayWrite, type Role } from '../lib/roles'
import { decodeEcho, encodeRequest, MESSAGE_ACKNOWLEDGE } from './acknowledgement'
import { decodeEpoch, MESSAGE_EPOCH } from './epoch'
import { decodeRole, encodeRoleRequest, MESSAGE_ROLE } from './role'
import { SavedState } from './saved-state'
import { decodeSchema, MESSAGE_SCHEMA, SCHEMA_VERSION } from './schema'

export interface Provider {
  readonly savedState: SavedState
  /** Whether an update of the document came from the server. */
  isOrigin(origin: unknown): boolean
  /**
   * Does nothing when it is already connected or trying to be.
   *
   * @param epoch of the local copy; empty when there is none.
   */
  connect(epoch: string): void
  destroy(): void
}

export interface ProviderOptions {
  serverUrl: string
  document: string
  doc: Y.Doc
  awareness: Awareness
  changed: () => void
  /** A connection ended, or could not be made. The provider tries again by itself. */
  lost: (code: number | null) => void
  /** The server's word on the document's epoch, before anything else on each connection. */
  epoch: (epoch: string) => void
  /** The server's word on the version of the schema that the document was written with, and each later one. */
  schema: (version: number) => void
  /** The server says what this person may do here, on each connection and whenever that changes. */
  role: (role: Role | null) => void
  /** The server did not take something that was sent; the text says why. */
  denied: (reason: string) => void
  /** The server ended this for good; the provider does not come back by itself. */
  refused: (code: number) => void
}

/**
 * y-websocket answers what came before a socket was closed, by the server or by itself. Into a socket that is closing
 * nothing can be said any more, and a browser calls the attempt an error.
 */
const openSocket = (): typeof WebSocket =>
  class extends WebSocket {
    override send(data: Parameters<WebSocket['send']>[0]): void {
      if (this.readyState === WebSocket.OPEN) super.send(data)
    }
  }

/** A provider that is not connected yet. Every update of `doc` from now on is counted and, when connected, sent. */
export function createProvider(options: ProviderOptions): Provider {
  const { doc } = options
  const provider = new WebsocketProvider(options.serverUrl, options.document, doc, {
    connect: false,
    awareness: options.awareness,
    // Edits that reach a second tab through a BroadcastChannel are not sent on by it: that tab would call saved
    // what only the first tab can still lose. Each tab syncs with the server instead.
    disableBc: true,
    params: { schema: String(SCHEMA_VERSION) },
    WebSocketPolyfill: openSocket(),
  })
  const send = (frame: Uint8Array<ArrayBuffer>): void => provider.ws?.send(frame)
  /** What was sent while only reading was allowed was dropped: exchange everything again. */
  const reconnect = (): void => {
    provider.disconnect()
    provider.connect()
  }
  const savedState = new SavedState({
    send: (version) => send(encodeRequest(version)),
    changed: options.changed,
  })
  const count = (_update: Uint8Array, origin: unknown, _doc: Y.Doc, { local }: Y.Transaction): void => {
    // Exactly those updates that the provider sends, whether typed here or read from this device.
    if (origin !== provider) savedState.edited(local)
  }

  doc.on('update', count)
  // The server sends its sync step 1 before its step 2, so our own missing edits went out before `sync` fires.
  provider.on('sync', (synced: boolean) => (synced ? savedState.handshakeDone() : savedState.disconnected()))
  let role: Role | null = null
  provider.on('status', ({ status }) => {
    if (status === 'disconnected') raiseClock(options.awareness)
    if (status !== 'connected') return
    role = null
    send(encodeRoleRequest())
  })
  provider.on('connection-close', (event) => options.lost(event?.code ?? null))
  provider.on('closed', ({ code }) => options.refused(code))
  provider.messageHandlers[MESSAGE_ACKNOWLEDGE] = (_encoder, decoder) => savedState.acknowledge(decodeEcho(decoder))
  provider.messageHandlers[MESSAGE_ROLE] = (_encoder, decoder) => {
    const before = role
    role = decodeRole(decoder)
    options.role(role)
    if (before !== null && !mayWrite(before) && mayWrite(role)) reconnect()
  }
  // In place of a handler that writes to the console.
  provider.messageHandlers[messageAuth] = (_encoder, decoder) =>
    readAuthMessage(decoder, doc, (_doc, reason) => options.denied(reason))

  provider.messageHandlers[MESSAGE_EPOCH] = (_encoder, decoder) => {
    const epoch = decodeEpoch(decoder)
    // From here on this is the epoch of what the document holds, whatever the first connection said.
    provider.params['epoch'] = epoch
    options.epoch(epoch)
  }
  provider.messageHandlers[MESSAGE_SCHEMA] = (_encoder, decoder) => options.schema(decodeSchema(decoder))

  return {
    savedState,
    isOrigin: (origin) => origin === provider,
    connect: (epoch) => {
      provider.params['epoch'] = epoch
      provider.connect()
    },
    destroy: () => {
      savedState.close()
      doc.off('update', count)
      provider.destroy()
    },
  }
}

/**
 * Others forget somebody whose connection ends, but not under which clock they knew them: who comes back under the same one
 * would be seen only when they renew it.
 */
function raiseClock(awareness: Awareness): void {
  const state = awareness.getLocalState()
  if (state !== null) awareness.setLocalState(state)
}
