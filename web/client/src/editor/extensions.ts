/** What the editor can do. This list is the document schema: what is missing here, this app cannot show. */

import { getSchema, type AnyExtension } from '@tiptap/core'
import { Collaboration } from '@tiptap/extension-collaboration'
import { CollaborationCaret } from '@tiptap/extension-collaboration-caret'
import { Placeholder } from '@tiptap/extensions'
import type { Schema } from '@tiptap/pm/model'
import { StarterKit } from '@tiptap/starter-kit'
import type { Awareness } from 'y-protocols/awareness'
import type { XmlFragment } from 'yjs'

import type { Person } from '../lib/identity'
import { renderCaret, renderSelection } from './caret'
import { LeaveWithEscape } from './leave-with-escape'

/** The root that holds the text, the same in every Tiptap application. */
export const FRAGMENT = 'default'

const content = StarterKit.configure({
  // Undo must not take back what others wrote: Collaboration brings its own.
  undoRedo: false,
  // It writes to a document that is merely opened, once per person who opens it.
  trailingNode: false,
  heading: { levels: [1, 2, 3] },
  link: { openOnClick: false, defaultProtocol: 'https' },
  dropcursor: { color: 'currentColor', width: 2 },
})

export function documentSchema(): Schema {
  return getSchema([content])
}

/** For a text that is only looked at. */
export function viewerExtensions(fragment: XmlFragment): AnyExtension[] {
  return [content, Collaboration.configure({ fragment })]
}

export interface EditorParts {
  fragment: XmlFragment
  awareness: Awareness
  person: Person
}

export function editorExtensions({ fragment, awareness, person }: EditorParts): AnyExtension[] {
  return [
    content,
    Placeholder.configure({ placeholder: 'Start writing…' }),
    Collaboration.configure({ fragment }),
    CollaborationCaret.configure({
      provider: { awareness },
      user: { ...person, client: awareness.clientID },
      render: renderCaret,
      selectionRender: renderSelection,
    }),
    LeaveWithEscape,
  ]
}
