/** Documents that are begun on this device while the server is away; it gets them when somebody has them open again. */

import { now, writeKnown } from './known-documents'

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
/** As long as the server's own: nobody guesses it, and nobody has it already. */
const LENGTH = 20
/** Bytes above would make some letters likelier than others. */
const BYTE_MAX = 256 - (256 % LETTERS.length)

/** @returns the name of a document that may be edited at once. */
export function beginHere(title: string, id = makeName()): string {
  writeKnown(id, {
    epoch: '',
    title,
    role: 'owner',
    begunHere: true,
    unsaved: true,
    complete: true,
    openedAt: now(),
  })
  return id
}

function makeName(): string {
  let name = ''
  while (name.length < LENGTH) {
    const bytes = crypto.getRandomValues(new Uint8Array(LENGTH))
    for (const byte of bytes) if (byte < BYTE_MAX) name += LETTERS.charAt(byte % LETTERS.length)
  }
  return name.slice(0, LENGTH)
}
