/** What the editor can do. This list is the document schema: what is missing here, this app cannot show. */

import { getSchema, type AnyExtension } from '@tiptap/core'
import { CollaborationCaret } from '@tiptap/extension-collaboration-caret'
import { Highlight } from '@tiptap/extension-highlight'
import { TaskItem, TaskList } from '@tiptap/extension-list'
import { Subscript } from '@tiptap/extension-subscript'
import { Superscript } from '@tiptap/extension-superscript'
import { TableCell, TableHeader, TableRow } from '@tiptap/extension-table'
import { TextAlign } from '@tiptap/extension-text-align'
import { Color, TextStyle } from '@tiptap/extension-text-style'
import { Placeholder } from '@tiptap/extensions'
import type { Schema } from '@tiptap/pm/model'
import { StarterKit } from '@tiptap/starter-kit'
import type { Awareness } from 'y-protocols/awareness'
import type { XmlFragment } from 'yjs'

import type { DocumentFiles } from '../lib/files'
import { t } from '../lib/i18n'
import type { Person } from '../lib/identity'
import { BlockKeys } from './blocks'
import { renderCaret, renderSelection } from './caret'
import { CodeColours } from './code-colours'
import { CommentMarks } from './comment-marks'
import { Find } from './find'
import { DocumentImage } from './image'
import { LeaveWithEscape } from './leave-with-escape'
import { LetGo } from './let-go'
import { MarkdownPaste } from './markdown-paste'
import { Mention, mentions, type FindPeople } from './mentions'
import { RoomBelow } from './room-below'
import { sharedText } from './shared-text'
import { SlashMenu } from './slash-menu'
import type { Suggestions } from './suggestions.svelte'
import { DocumentTable } from './table'
import { TaskShortcut } from './task-shortcut'
import { TextDrop } from './text-drop'
import { Uploads } from './uploads'

const content: AnyExtension[] = [
  StarterKit.configure({
    // Undo must not take back what others wrote: the shared text brings its own.
    undoRedo: false,
    // It writes to a document that is merely opened, once per person who opens it.
    trailingNode: false,
    link: { openOnClick: false, defaultProtocol: 'https' },
    dropcursor: { color: 'currentColor', width: 2 },
  }),
  TaskList,
  TaskItem.configure({
    nested: true,
    a11y: { checkboxLabel: (node) => (node.textContent === '' ? t('Empty task') : t('Done: {task}', { task: node.textContent })) },
  }),
  DocumentTable,
  TableRow,
  TableHeader,
  TableCell,
  Highlight.configure({ multicolor: true }),
  Subscript,
  Superscript,
  TextStyle,
  Color,
  TextAlign.configure({ types: ['heading', 'paragraph'] }),
]

export function documentSchema(): Schema {
  return getSchema([...content, DocumentImage, Mention])
}

/** For a text that is only looked at. */
export function viewerExtensions(fragment: XmlFragment): AnyExtension[] {
  return [...content, DocumentImage, Mention, sharedText(fragment)]
}

export interface EditorParts {
  fragment: XmlFragment
  awareness: Awareness
  person: Person
  suggestions: Suggestions
  files: DocumentFiles
  people: FindPeople
  /** Says what went wrong. */
  fault: (message: string) => void
}

export function editorExtensions({ fragment, awareness, person, suggestions, files, people, fault }: EditorParts): AnyExtension[] {
  return [
    ...content,
    DocumentImage.configure({ files }),
    Uploads.configure({ files, fault }),
    Placeholder.configure({ placeholder: t('Start writing, or type / for more…') }),
    sharedText(fragment),
    CollaborationCaret.configure({
      provider: { awareness },
      user: { ...person, client: awareness.clientID },
      render: renderCaret,
      selectionRender: renderSelection,
    }),
    CodeColours,
    CommentMarks,
    TaskShortcut,
    RoomBelow,
    MarkdownPaste.configure({ fault }),
    TextDrop.configure({ fault }),
    BlockKeys,
    Find,
    mentions(suggestions, people),
    SlashMenu.configure({ suggestions }),
    LeaveWithEscape,
    LetGo,
  ]
}
