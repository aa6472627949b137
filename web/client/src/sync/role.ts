/**
 * The frames of message 103: a client asks once on each connection, `103 varUint8Array()`; the server answers, and
 * from then on tells each change of what this person may do: `103 varString(JSON {role})`.
 */

import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'

import { asRole, type Role } from '../lib/roles'

export const MESSAGE_ROLE = 103

/** One whole frame that asks to be told. */
export function encodeRoleRequest(): Uint8Array<ArrayBuffer> {
  const frame = encoding.createEncoder()
  encoding.writeVarUint(frame, MESSAGE_ROLE)
  encoding.writeVarUint8Array(frame, new Uint8Array())
  return encoding.toUint8Array(frame)
}

/** The role in an answer, read behind its message type; null for one that this app does not know. */
export function decodeRole(decoder: decoding.Decoder): Role | null {
  const told: unknown = JSON.parse(decoding.readVarString(decoder))
  return typeof told === 'object' && told !== null && 'role' in told ? asRole(told.role) : null
}
