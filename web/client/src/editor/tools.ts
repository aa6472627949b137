/** What can be done to the text, once for the toolbar, the slash menu, the command palette and the list of shortcuts. */

import type { Editor } from '@tiptap/core'

import { t } from '../lib/i18n'
import type { IconName } from '../lib/icons'
import { deleteBlock, duplicateBlock, moveBlockDown, moveBlockUp } from './blocks'
import { chooseImages } from './uploads'

export interface Tool {
  id: string
  label: string
  icon: IconName
  /** As people press them, in the words of this machine. */
  keys?: string
  /** Other words by which people look for it. */
  words?: string
  run: (editor: Editor) => void
  /** Undefined for tools that are not on or off. */
  active?: (editor: Editor) => boolean
  enabled?: (editor: Editor) => boolean
}

export const APPLE = typeof navigator !== 'undefined' && /Mac|iPhone|iPad/.test(navigator.userAgent)

/** "Mod+Shift+X" in the words of this machine. */
export function keysHere(keys: string): string {
  return APPLE ? keys.replace('Mod+', '⌘').replace('Alt+', '⌥').replace('Shift+', '⇧') : keys.replace('Mod+', 'Ctrl+')
}

const chain = (editor: Editor) => editor.chain().focus()

export const MARKS: readonly Tool[] = [
  { id: 'bold', icon: 'bold', label: t('Bold'), keys: keysHere('Mod+B'), run: (editor) => chain(editor).toggleBold().run(), active: (editor) => editor.isActive('bold') },
  { id: 'italic', icon: 'italic', label: t('Italic'), keys: keysHere('Mod+I'), run: (editor) => chain(editor).toggleItalic().run(), active: (editor) => editor.isActive('italic') },
  { id: 'underline', icon: 'underline', label: t('Underline'), keys: keysHere('Mod+U'), run: (editor) => chain(editor).toggleUnderline().run(), active: (editor) => editor.isActive('underline') },
  { id: 'strike', icon: 'strike', label: t('Strikethrough'), keys: keysHere('Mod+Shift+S'), run: (editor) => chain(editor).toggleStrike().run(), active: (editor) => editor.isActive('strike') },
  { id: 'highlight', icon: 'highlight', label: t('Highlight'), keys: keysHere('Mod+Shift+H'), words: 'marker', run: (editor) => chain(editor).toggleHighlight().run(), active: (editor) => editor.isActive('highlight') },
  { id: 'code', icon: 'code', label: t('Code'), keys: keysHere('Mod+E'), run: (editor) => chain(editor).toggleCode().run(), active: (editor) => editor.isActive('code') },
]

export const BLOCKS: readonly Tool[] = [
  { id: 'text', icon: 'text', label: t('Text'), keys: keysHere('Mod+Alt+0'), words: 'paragraph', run: (editor) => chain(editor).setParagraph().run() },
  { id: 'heading-1', icon: 'heading', label: t('Heading 1'), keys: keysHere('Mod+Alt+1'), words: 'title h1', run: (editor) => chain(editor).setHeading({ level: 1 }).run() },
  { id: 'heading-2', icon: 'heading', label: t('Heading 2'), keys: keysHere('Mod+Alt+2'), words: 'h2', run: (editor) => chain(editor).setHeading({ level: 2 }).run() },
  { id: 'heading-3', icon: 'heading', label: t('Heading 3'), keys: keysHere('Mod+Alt+3'), words: 'h3', run: (editor) => chain(editor).setHeading({ level: 3 }).run() },
]

export const LISTS: readonly Tool[] = [
  { id: 'bullets', icon: 'bullets', label: t('Bulleted list'), keys: keysHere('Mod+Shift+8'), run: (editor) => chain(editor).toggleBulletList().run(), active: (editor) => editor.isActive('bulletList') },
  { id: 'numbers', icon: 'numbers', label: t('Numbered list'), keys: keysHere('Mod+Shift+7'), run: (editor) => chain(editor).toggleOrderedList().run(), active: (editor) => editor.isActive('orderedList') },
  { id: 'tasks', icon: 'tasks', label: t('Task list'), keys: keysHere('Mod+Shift+9'), words: 'todo check', run: (editor) => chain(editor).toggleTaskList().run(), active: (editor) => editor.isActive('taskList') },
]

export const STRUCTURE: readonly Tool[] = [
  { id: 'quote', icon: 'quote', label: t('Quote'), keys: keysHere('Mod+Shift+B'), run: (editor) => chain(editor).toggleBlockquote().run(), active: (editor) => editor.isActive('blockquote') },
  { id: 'code-block', icon: 'block', label: t('Code block'), keys: keysHere('Mod+Alt+C'), run: (editor) => chain(editor).toggleCodeBlock().run(), active: (editor) => editor.isActive('codeBlock') },
  {
    id: 'table',
    icon: 'table',
    label: t('Table'),
    words: 'grid rows columns',
    run: (editor) => chain(editor).insertTable({ rows: 3, cols: 3, withHeaderRow: true }).run(),
    enabled: (editor) => !editor.isActive('table'),
  },
  { id: 'image', icon: 'image', label: t('Image'), words: 'picture photo upload', run: chooseImages },
  { id: 'rule', icon: 'rule', label: t('Divider'), words: 'line separator', run: (editor) => chain(editor).setHorizontalRule().run() },
]

/** For the table in which the caret is. */
export const IN_TABLE: readonly Tool[] = [
  { id: 'row-above', icon: 'up', label: t('Add row above'), run: (editor) => chain(editor).addRowBefore().run() },
  { id: 'row-below', icon: 'down', label: t('Add row below'), run: (editor) => chain(editor).addRowAfter().run() },
  { id: 'column-before', icon: 'back', label: t('Add column before'), run: (editor) => chain(editor).addColumnBefore().run() },
  { id: 'column-after', icon: 'arrow', label: t('Add column after'), run: (editor) => chain(editor).addColumnAfter().run() },
  { id: 'header-row', icon: 'table', label: t('Header row'), run: (editor) => chain(editor).toggleHeaderRow().run() },
  { id: 'header-column', icon: 'table', label: t('Header column'), run: (editor) => chain(editor).toggleHeaderColumn().run() },
  { id: 'merge', icon: 'table', label: t('Merge or split cells'), run: (editor) => chain(editor).mergeOrSplit().run() },
  { id: 'delete-row', icon: 'bin', label: t('Delete row'), run: (editor) => chain(editor).deleteRow().run() },
  { id: 'delete-column', icon: 'bin', label: t('Delete column'), run: (editor) => chain(editor).deleteColumn().run() },
  { id: 'delete-table', icon: 'bin', label: t('Delete table'), run: (editor) => chain(editor).deleteTable().run() },
]

export const ON_BLOCK: readonly Tool[] = [
  { id: 'move-up', icon: 'up', label: t('Move block up'), keys: keysHere('Alt+Shift+↑'), run: moveBlockUp },
  { id: 'move-down', icon: 'down', label: t('Move block down'), keys: keysHere('Alt+Shift+↓'), run: moveBlockDown },
  { id: 'duplicate', icon: 'copy', label: t('Duplicate block'), run: duplicateBlock },
  { id: 'delete', icon: 'bin', label: t('Delete block'), run: deleteBlock },
]

export const INSERTABLE: readonly Tool[] = [...BLOCKS, ...LISTS, ...STRUCTURE]

/** By its label, or by the English words for it, which many know in other languages as well. */
export function matches({ id, label, words = '' }: Pick<Tool, 'id' | 'label' | 'words'>, query: string): boolean {
  const wanted = query.trim().toLocaleLowerCase()
  const starts = `${label} ${words} ${id.replaceAll('-', ' ')}`.toLocaleLowerCase().split(/\s+/)
  // Words with an article in front, and languages that write without blanks.
  const within = /[^\p{Script=Latin}\P{L}]/u.test(wanted) && label.includes(wanted)
  return within || starts.some((_, at, all) => all.slice(at).join(' ').startsWith(wanted))
}
