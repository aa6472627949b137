/**
 * Which version of the document schema this app's editor has, and the frame of message 105, by which the server says which
 * one the document was written with: `105 varUint8Array(varuint version)`, to clients that named theirs when they connected.
 *
 * An editor deletes, for everybody, what its schema does not know. So whoever has an older one only reads, and is brought up
 * to date first.
 */

import * as decoding from 'lib0/decoding'

/** To be raised with each node, mark, attribute or kind of document that documents may hold from then on: a test compares. */
export const SCHEMA_VERSION = 3

export const MESSAGE_SCHEMA = 105

/** The version in a message, read behind its type. */
export function decodeSchema(decoder: decoding.Decoder): number {
  return decoding.readVarUint(decoding.createDecoder(decoding.readVarUint8Array(decoder)))
}
