/**
 * The frames of message 102: `102 varUint8Array(varuint version)`. The server echoes the payload once everything
 * it received earlier on that connection is committed.
 */

import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'

export const MESSAGE_ACKNOWLEDGE = 102

/** One whole frame that asks for an acknowledgement of `version`. */
export function encodeRequest(version: number): Uint8Array<ArrayBuffer> {
  const payload = encoding.createEncoder()
  encoding.writeVarUint(payload, version)
  const frame = encoding.createEncoder()
  encoding.writeVarUint(frame, MESSAGE_ACKNOWLEDGE)
  encoding.writeVarUint8Array(frame, encoding.toUint8Array(payload))
  return encoding.toUint8Array(frame)
}

/** The version in an echo, read behind its message type. */
export function decodeEcho(decoder: decoding.Decoder): number {
  const payload = decoding.createDecoder(decoding.readVarUint8Array(decoder))
  return decoding.readVarUint(payload)
}
