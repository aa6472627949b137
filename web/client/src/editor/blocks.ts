/** Moves, copies and deletes whole blocks: an item of a list where the caret is in one, else what stands on the page. */

import { Extension, type Editor } from '@tiptap/core'
import { NodeSelection, type EditorState, type Transaction } from '@tiptap/pm/state'

const ITEMS = new Set(['listItem', 'taskItem'])

/** Where a block stands among its siblings. */
interface Place {
  /** Before the block. */
  pos: number
  parentStart: number
  index: number
  depth: number
}

function blockAt({ selection }: EditorState): Place {
  const { $from } = selection
  let depth = $from.depth
  while (depth > 1 && !ITEMS.has($from.node(depth).type.name)) depth -= 1
  // A selected block of the page itself, such as a divider.
  if (depth === 0) return { pos: $from.pos, parentStart: 0, index: $from.index(), depth: 0 }
  return { pos: $from.before(depth), parentStart: $from.start(depth - 1), index: $from.index(depth - 1), depth: depth - 1 }
}

type Change = (state: EditorState, tr: Transaction) => boolean

/** The neighbour goes to the other side: the block itself, and the carets of others in it, stay where they are. */
function move(direction: -1 | 1): Change {
  return (state, tr) => {
    const { pos, index, depth } = blockAt(state)
    const parent = state.selection.$from.node(depth)
    if (index + direction < 0 || index + direction >= parent.childCount) return false
    const [block, other] = [parent.child(index), parent.child(index + direction)]
    if (direction < 0) tr.insert(pos + block.nodeSize, other).delete(pos - other.nodeSize, pos)
    else tr.delete(pos + block.nodeSize, pos + block.nodeSize + other.nodeSize).insert(pos, other)
    return true
  }
}

const duplicate: Change = (state, tr) => {
  const { pos, index, depth } = blockAt(state)
  const block = state.selection.$from.node(depth).child(index)
  tr.insert(pos + block.nodeSize, block)
  return true
}

const remove: Change = (state, tr) => {
  const { pos, index, depth } = blockAt(state)
  const block = state.selection.$from.node(depth).child(index)
  tr.deleteRange(pos, pos + block.nodeSize)
  return true
}

function apply(editor: Editor, change: Change): boolean {
  return editor.commands.command(({ state, tr }) => change(state, tr) && Boolean(tr.scrollIntoView()))
}

export const moveBlockUp = (editor: Editor): boolean => apply(editor, move(-1))
export const moveBlockDown = (editor: Editor): boolean => apply(editor, move(1))
export const duplicateBlock = (editor: Editor): boolean => apply(editor, duplicate)
export const deleteBlock = (editor: Editor): boolean => apply(editor, remove)

export const BlockKeys = Extension.create({
  name: 'blockKeys',
  addKeyboardShortcuts() {
    return {
      'Alt-Shift-ArrowUp': ({ editor }) => moveBlockUp(editor),
      'Alt-Shift-ArrowDown': ({ editor }) => moveBlockDown(editor),
    }
  },
})

/** Position of the block of the page at a height of the window; null where there is none. */
export function blockAtHeight(editor: Editor, top: number): number | null {
  const { view } = editor
  const { left, width } = view.dom.getBoundingClientRect()
  const found = view.posAtCoords({ left: left + width / 2, top })
  if (found === null) return null
  const $pos = view.state.doc.resolve(found.inside >= 0 ? found.inside : found.pos)
  const pos = $pos.depth === 0 ? $pos.pos : $pos.before(1)
  return view.state.doc.nodeAt(pos) === null ? null : pos
}

export function selectBlock({ view }: Editor, pos: number): void {
  view.dispatch(view.state.tr.setSelection(NodeSelection.create(view.state.doc, pos)))
}

/** Let the selected block be dragged. What the drop takes away is the selection, which edits of others move along. */
export function dragSelected({ view }: Editor, event: DragEvent): void {
  const { selection } = view.state
  if (!(selection instanceof NodeSelection) || event.dataTransfer === null) return
  const slice = selection.content()
  const { dom, text } = view.serializeForClipboard(slice)
  event.dataTransfer.clearData()
  event.dataTransfer.setData('text/html', dom.innerHTML)
  event.dataTransfer.setData('text/plain', text)
  event.dataTransfer.effectAllowed = 'copyMove'
  const block = view.nodeDOM(selection.from)
  if (block instanceof HTMLElement) event.dataTransfer.setDragImage(block, 0, 0)
  view.dragging = { slice, move: true }
}
