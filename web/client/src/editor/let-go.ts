/**
 * Takes apart what has left the text.
 *
 * For an undo of its own, a browser remembers the nodes in which somebody typed; Chromium those of the last thousand steps.
 * Each of them would keep the whole block that it was in, a table with all its cells and their listeners, for as long.
 */

import { Extension } from '@tiptap/core'
import { Plugin } from '@tiptap/pm/state'

/** ProseMirror has by then made up its mind about what the browser itself has removed. */
const AFTER_MS = 1000

/** What drew it has ended: it will not be put back. */
function isEnded(element: Element): boolean {
  return !element.isConnected && 'pmViewDesc' in element && element.pmViewDesc === undefined
}

function tidy(dom: HTMLElement): () => void {
  const removed = new Set<Element>()
  let timer: ReturnType<typeof setTimeout> | undefined
  const takeApart = (): void => {
    timer = undefined
    for (const element of removed) {
      if (isEnded(element)) for (const each of [element, ...element.querySelectorAll('*')]) each.replaceChildren()
    }
    removed.clear()
  }
  const observer = new MutationObserver((records) => {
    for (const { removedNodes } of records) {
      for (const node of removedNodes) if (node instanceof Element && node.hasChildNodes()) removed.add(node)
    }
    if (removed.size > 0) timer ??= setTimeout(takeApart, AFTER_MS)
  })
  observer.observe(dom, { childList: true, subtree: true })
  return () => {
    observer.disconnect()
    clearTimeout(timer)
  }
}

export const LetGo = Extension.create({
  name: 'letGo',
  addProseMirrorPlugins: () => [new Plugin({ view: ({ dom }) => ({ destroy: tidy(dom) }) })],
})
