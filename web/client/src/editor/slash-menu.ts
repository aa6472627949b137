/** "/" at the caret lists what can be put in there. */

import { Extension } from '@tiptap/core'
import { PluginKey } from '@tiptap/pm/state'
import { Suggestion as SuggestionPlugin } from '@tiptap/suggestion'

import { t } from '../lib/i18n'
import { INSERTABLE, matches } from './tools'
import type { Suggestion, Suggestions } from './suggestions.svelte'

export const SlashMenu = Extension.create<{ suggestions: Suggestions | null }>({
  name: 'slashMenu',
  addOptions: () => ({ suggestions: null }),
  addProseMirrorPlugins() {
    const { suggestions } = this.options
    if (suggestions === null) return []
    return [
      SuggestionPlugin<Suggestion, Suggestion>({
        editor: this.editor,
        pluginKey: new PluginKey('slashMenu'),
        char: '/',
        allow: ({ editor, state, range }) => editor.isEditable && state.doc.resolve(range.from).parent.type.spec.code !== true,
        items: ({ query }) =>
          INSERTABLE.filter((tool) => matches(tool, query)).map(({ id, label, icon, keys }) => ({ id, label, icon, ...(keys !== undefined && { hint: keys }) })),
        command: ({ editor, range, props }) => {
          editor.chain().focus().deleteRange(range).run()
          INSERTABLE.find(({ id }) => id === props.id)?.run(editor)
        },
        render: () => suggestions.render(t('Insert')),
      }),
    ]
  },
})
