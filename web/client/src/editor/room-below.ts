/**
 * There is always a line below a table, an image or code: nobody could write on otherwise.
 *
 * It is made by whoever put the block there, in the same step, and never in a document that is merely opened.
 */

import { Extension } from '@tiptap/core'
import { Plugin } from '@tiptap/pm/state'
import { ySyncPluginKey } from '@tiptap/y-tiptap'

const CLOSED = new Set(['table', 'image', 'codeBlock', 'horizontalRule'])

export const RoomBelow = Extension.create({
  name: 'roomBelow',
  addProseMirrorPlugins: () => [
    new Plugin({
      appendTransaction: (transactions, _before, { doc, schema, tr }) => {
        const written = transactions.some((each) => each.docChanged && each.getMeta(ySyncPluginKey) === undefined)
        const paragraph = schema.nodes['paragraph']
        if (!written || paragraph === undefined || !CLOSED.has(doc.lastChild?.type.name ?? '')) return null
        return tr.insert(doc.content.size, paragraph.create())
      },
    }),
  ],
})
