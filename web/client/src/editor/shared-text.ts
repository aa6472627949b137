/**
 * Joins the editor with the text that everybody writes.
 *
 * The text is in the editor's first state. Otherwise y-tiptap draws it into an empty one, and leaves the caret at the
 * place it had there: at the beginning of the only paragraph, which is between two blocks where a text begins with a list.
 */

import type { AnyExtension, Content } from '@tiptap/core'
import { Collaboration } from '@tiptap/extension-collaboration'
import { initProseMirrorDoc } from '@tiptap/y-tiptap'
import type { XmlFragment } from 'yjs'

import { narrowed, type Mapping } from './narrow'

export function sharedText(fragment: XmlFragment): AnyExtension {
  const mapping: Mapping = new Map()
  return Collaboration.extend({
    onBeforeCreate(event) {
      this.parent?.(event)
      const begun = initProseMirrorDoc(fragment, this.editor.schema)
      if (begun.doc.childCount === 0) return
      for (const [shared, node] of begun.mapping as Mapping) mapping.set(shared, node)
      // It takes nodes as well, as they are, which its type does not say.
      this.editor.options.content = begun.doc as unknown as Content
    },
    onCreate(event) {
      this.parent?.(event)
      // The editor would hold on to it.
      this.editor.options.content = null
    },
    dispatchTransaction({ transaction, next }) {
      next(narrowed(this.editor.state, transaction, mapping))
    },
  }).configure({ fragment, ySyncOptions: { mapping } })
}
