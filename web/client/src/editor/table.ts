/**
 * Tables.
 *
 * A browser can have its caret beside the cells: in front of the first one, inside the frame that is drawn around the table.
 * What is typed there is part of no cell. Tiptap leaves such letters standing, on this page alone and stored nowhere; here
 * the table is drawn anew, and the page shows what the document has.
 */

import { Table, TableView } from '@tiptap/extension-table'
import type { ViewMutationRecord } from '@tiptap/pm/view'

function bringsText(mutation: ViewMutationRecord): boolean {
  if (mutation.type === 'childList') return [...mutation.addedNodes].some((node) => node instanceof Text)
  return mutation.type === 'characterData'
}

class WatchedTable extends TableView {
  override ignoreMutation(mutation: ViewMutationRecord): boolean {
    return !bringsText(mutation) && super.ignoreMutation(mutation)
  }
}

export const DocumentTable = Table.configure({ resizable: true, View: WatchedTable })
