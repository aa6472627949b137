import { expect, test } from 'vitest'

import { documentSchema } from '../src/editor/extensions'
import { PLAIN_KINDS } from '../src/sync/kind'
import { SCHEMA_VERSION } from '../src/sync/schema'

type Types = Record<string, { spec: { attrs?: object | undefined } }>

/** A line for each type, with its attributes. */
function lines(kind: string, types: Types): string[] {
  return Object.entries(types)
    .map(([name, { spec }]) => [kind, name, ...Object.keys(spec.attrs ?? {}).sort()].join(' '))
    .sort()
}

test('what documents may hold does not change without another schema version', async () => {
  const { nodes, marks } = documentSchema()
  const described = [...lines('node', nodes), ...lines('mark', marks), ...PLAIN_KINDS.map((kind) => `kind ${kind}`)].join('\n')
  // Apps of before must not edit documents that may hold more than they know: raise SCHEMA_VERSION in src/sync/schema.ts,
  // and another file is written here.
  await expect(`${described}\n`).toMatchFileSnapshot(`schemas/${SCHEMA_VERSION}.txt`)
})
