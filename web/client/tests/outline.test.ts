import { expect, test } from 'vitest'

import { documentSchema } from '../src/editor/extensions'
import { survey } from '../src/editor/outline'
import { countWords } from '../src/lib/words'

test.each([
  ['', 0],
  ['one', 1],
  ['two words', 2],
  ["it's a well-known case", 4],
  ['— … !', 0],
  ['naïve café 42', 3],
  ['日本語', 3],
  ['Hello 世界', 3],
  ['ABC日本', 3],
])('%j has %i words', (text, words) => expect(countWords(text)).toBe(words))

test('blocks are counted one by one, headings listed where they stand', () => {
  const text = (text: string) => ({ type: 'text', text })
  const doc = documentSchema().nodeFromJSON({
    type: 'doc',
    content: [
      { type: 'heading', attrs: { level: 2 }, content: [text('The end')] },
      { type: 'heading', attrs: { level: 1 } },
      { type: 'bulletList', content: [{ type: 'listItem', content: [{ type: 'paragraph', content: [text('one'), { type: 'hardBreak' }, text('two 👋')] }] }] },
    ],
  })
  expect(survey(doc)).toEqual({ words: 4, characters: 16, headings: [{ pos: 0, level: 2, text: 'The end' }] })
})
