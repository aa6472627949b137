/** Escape, then Tab, leaves the editor everywhere: in lists Tab alone indents, and nobody may be caught inside. */

import { Extension } from '@tiptap/core'
import { Plugin } from '@tiptap/pm/state'

const MODIFIERS = new Set(['Shift', 'Control', 'Alt', 'Meta'])

export const LeaveWithEscape = Extension.create({
  name: 'leaveWithEscape',
  priority: 2000,

  addProseMirrorPlugins() {
    let armed = false
    return [
      new Plugin({
        props: {
          handleDOMEvents: {
            keydown: (_view, event) => {
              // Handled, but not prevented: the browser moves the focus.
              const leave = armed && event.key === 'Tab'
              if (!MODIFIERS.has(event.key)) armed = event.key === 'Escape'
              return leave
            },
          },
        },
      }),
    ]
  },
})
