/**
 * The frame of message 104: `104 varString(epoch)`, the server's first message to a client that named the epoch of its
 * copy when it connected (or said that it has none).
 */

import * as decoding from 'lib0/decoding'

export const MESSAGE_EPOCH = 104
/** The server closes with it when the copy belongs to another epoch. */
export const CLOSED_OTHER_EPOCH = 4409

/** The server closes with it when the document is in quarantine. */
export const CLOSED_QUARANTINED = 4503

/** The epoch in a message, read behind its type. */
export function decodeEpoch(decoder: decoding.Decoder): string {
  return decoding.readVarString(decoder)
}
