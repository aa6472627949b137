/** "@" at the caret names somebody. */

import { Mention } from '@tiptap/extension-mention'
import { PluginKey } from '@tiptap/pm/state'

import { t } from '../lib/i18n'
import type { Suggestion, Suggestions } from './suggestions.svelte'

export type FindPeople = (query: string) => Promise<Suggestion[]>

export { Mention }

export function mentions(suggestions: Suggestions, find: FindPeople) {
  return Mention.configure({
    HTMLAttributes: { class: 'mention' },
    suggestion: {
      char: '@',
      pluginKey: new PluginKey('mentions'),
      allow: ({ editor, state, range }) => editor.isEditable && state.doc.resolve(range.from).parent.type.spec.code !== true,
      items: ({ query }) => find(query),
      render: () => suggestions.render(t('People')),
    },
  })
}
