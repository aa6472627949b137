import { expect, test } from 'vitest'

import { documentSchema } from '../src/editor/extensions'

/**
 * What the editor knows, written down for those who turn documents into other formats: their tests read `schema.json`
 * and want each of it in the document that goes through every format. `npx vitest run -u` writes it anew.
 */
test('every node, mark and attribute of the editor is written down', async () => {
  const { nodes, marks } = documentSchema().spec
  const known: Record<string, Record<string, string[]>> = { nodes: {}, marks: {} }
  nodes.forEach((name, { attrs }) => ((known['nodes'] ??= {})[name] = Object.keys(attrs ?? {})))
  marks.forEach((name, { attrs }) => ((known['marks'] ??= {})[name] = Object.keys(attrs ?? {})))
  await expect(`${JSON.stringify(known, null, 2)}\n`).toMatchFileSnapshot('schema.json')
})
