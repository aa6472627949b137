import { describe, expect, test } from 'vitest'

import { toHtml } from '../src/editor/markdown'
import { looksLikeMarkdown } from '../src/editor/markdown-paste'

describe('what is pasted as Markdown', () => {
  test.each(['# Title', 'one\n\n- two', '1. first', '> said', '```\ncode\n```', '| a | b |', 'a **bold** word', 'see [there](https://example.org)'])(
    '%j is',
    (text) => expect(looksLikeMarkdown(text)).toBe(true),
  )

  test.each(['plain words', 'a - b', '#hashtag', '2 * 3 * 4', 'x > y', 'array[0](call', 'costs 5.\nNext'])('%j is not', (text) =>
    expect(looksLikeMarkdown(text)).toBe(false),
  )
})

test('tasks become tasks, other lists stay what they are', () => {
  const html = toHtml('- [x] done\n- [ ] open **now**\n\nwords\n\n- item')
  expect(html).toContain('<ul data-type="taskList"><li data-type="taskItem" data-checked="true">')
  expect(html).toMatch(/data-checked="false">(<p>)?open <strong>now<\/strong>/)
  expect(html).not.toContain('<input')
  expect(html).toMatch(/<ul>\s*<li>item<\/li>/)
})

test('code has the lines that it had, and no other', () => {
  const code = (markdown: string): string | undefined => /<code[^>]*>([^]*)<\/code>/.exec(toHtml(markdown))?.[1]
  expect(code('```python\nrow()\nend()\n```')).toBe('row()\nend()')
  expect(code('```\nrow()\n\n```\n\nwords')).toBe('row()\n')
  expect(code('    one\n    two\n\nwords')).toBe('one\ntwo')
  expect(code('```\n\n```')).toBe('')
})
