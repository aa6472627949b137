/** "- [ ] " makes a task: by the time the bracket is typed, "- " has become a list. In a task it says whether it is done. */

import { Extension, InputRule } from '@tiptap/core'

const BOX = /^\[([ xX]?)\]\s$/

export const TaskShortcut = Extension.create({
  name: 'taskShortcut',
  addInputRules() {
    return [
      new InputRule({
        find: BOX,
        handler: ({ state, range, match, chain }) => {
          const { $from } = state.selection
          const item = $from.depth < 2 || $from.index(-1) > 0 ? null : $from.node(-1).type.name
          const checked = match[1]?.toLowerCase() === 'x'
          if (item === 'taskItem') chain().deleteRange(range).updateAttributes('taskItem', { checked }).run()
          if (item !== 'listItem') return item === 'taskItem' ? undefined : null
          chain().deleteRange(range).liftListItem('listItem').toggleList('taskList', 'taskItem').updateAttributes('taskItem', { checked }).run()
          return undefined
        },
      }),
    ]
  },
})
