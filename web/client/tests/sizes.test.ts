import { expect, test } from 'vitest'

import { sizeOf } from '../src/lib/sizes'

test.each([
  [0, '0 bytes'],
  [999, '999 bytes'],
  [1000, '1 kB'],
  [4711, '4.7 kB'],
  [104_857_600, '104.9 MB'],
])('%d bytes are %s', (bytes, said) => {
  expect(sizeOf(bytes, 'en')).toBe(said)
})
