import * as decoding from 'lib0/decoding'
import { expect, test } from 'vitest'

import { decodeEcho, encodeRequest } from '../src/sync/acknowledgement'

test('the frame is 102, the length of the payload, the version', () => {
  expect([...encodeRequest(7)]).toEqual([102, 1, 7])
  expect([...encodeRequest(300)]).toEqual([102, 2, 0xac, 0x02])
})

test.each([0, 1, 127, 128, 2 ** 31, Number.MAX_SAFE_INTEGER])('the echo of %d is read back', (version) => {
  const decoder = decoding.createDecoder(encodeRequest(version))
  expect(decoding.readVarUint(decoder)).toBe(102)
  expect(decodeEcho(decoder)).toBe(version)
})
