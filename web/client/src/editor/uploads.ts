/**
 * Puts images into the text, by paste, drop or choice: each is sent first, and shows how far it is where it will stand.
 * What cannot be sent now is kept on this device, and sent later.
 */

import { Extension, type Editor } from '@tiptap/core'
import { Plugin, PluginKey } from '@tiptap/pm/state'
import { Decoration, DecorationSet } from '@tiptap/pm/view'

import type { DocumentFiles } from '../lib/files'
import { messageOf, Unreachable } from '../lib/http'
import { t } from '../lib/i18n'

const key = new PluginKey<DecorationSet>('uploads')
const ACCEPTED = 'image/png,image/jpeg,image/gif,image/webp,image/avif'
const KINDS = new Set(ACCEPTED.split(','))

type Change = { add: Decoration } | { remove: object }

export interface UploadOptions {
  files: DocumentFiles | null
  /** Says what went wrong. */
  fault: (message: string) => void
}

interface UploadStorage {
  put: (files: Iterable<File>, pos: number) => void
}

declare module '@tiptap/core' {
  interface Storage {
    uploads: UploadStorage
  }
}

function imagesIn(transfer: DataTransfer | null): File[] {
  return [...(transfer?.files ?? [])].filter(({ type }) => type.startsWith('image/'))
}

/** "IMG_2024.jpeg" says nothing to who cannot see it, but it is a beginning. */
function describe({ name }: File): string {
  return name.replace(/\.[a-z0-9]+$/i, '')
}

export const Uploads = Extension.create<UploadOptions, UploadStorage>({
  name: 'uploads',
  addOptions: () => ({ files: null, fault: () => undefined }),
  addStorage: (): UploadStorage => ({ put: () => undefined }),
  onBeforeCreate() {
    const { editor, options } = this
    this.storage.put = (files, pos) => [...files].forEach((file) => void put(editor, options, file, pos))
  },
  addProseMirrorPlugins() {
    const { editor, storage } = this
    return [
      new Plugin<DecorationSet>({
        key,
        state: {
          init: () => DecorationSet.empty,
          apply: (tr, before) => {
            const set = before.map(tr.mapping, tr.doc)
            const change = tr.getMeta(key) as Change | undefined
            if (change === undefined) return set
            if ('add' in change) return set.add(tr.doc, [change.add])
            return set.remove(set.find(undefined, undefined, ({ id }) => id === change.remove))
          },
        },
        props: {
          decorations: (state) => key.getState(state),
          handlePaste: (view, { clipboardData }) => {
            const images = imagesIn(clipboardData)
            // Word processors send a picture of the text beside it.
            if (images.length === 0 || clipboardData?.types.includes('text/html')) return false
            storage.put(images, view.state.selection.from)
            return true
          },
          handleDrop: (view, event, _slice, moved) => {
            const images = moved ? [] : imagesIn(event.dataTransfer)
            if (images.length === 0 || !editor.isEditable) return false
            event.preventDefault()
            storage.put(images, view.posAtCoords({ left: event.clientX, top: event.clientY })?.pos ?? view.state.selection.from)
            return true
          },
        },
      }),
    ]
  },
})

async function put(editor: Editor, { files, fault }: UploadOptions, file: File, pos: number): Promise<void> {
  if (files === null) return
  if (!KINDS.has(file.type)) {
    fault(t('{name}: images are PNG, JPEG, GIF, WebP or AVIF.', { name: file.name }))
    return
  }
  const id = {}
  const bar = progressBar(file.name)
  const add = Decoration.widget(pos, bar.frame, { id, side: 1 })
  editor.view.dispatch(editor.state.tr.setMeta(key, { add } satisfies Change))
  try {
    const src = await sendOrHold(files, file, (part) => (bar.progress.value = part))
    const [place] = key.getState(editor.state)?.find(undefined, undefined, (spec: { id?: unknown }) => spec.id === id) ?? []
    // Without a place, what stood around it was deleted meanwhile.
    if (!editor.isDestroyed && place !== undefined) editor.commands.insertContentAt(place.from, { type: 'image', attrs: { src, alt: describe(file) } })
  } catch (error) {
    fault(`${file.name}: ${messageOf(error)}`)
  } finally {
    if (!editor.isDestroyed) editor.view.dispatch(editor.state.tr.setMeta(key, { remove: id } satisfies Change))
  }
}

async function sendOrHold(files: DocumentFiles, file: File, progress: (part: number) => void): Promise<string> {
  try {
    return await files.upload(file, progress)
  } catch (error) {
    const held = error instanceof Unreachable ? await files.hold(file) : null
    if (held === null) throw error
    return held
  }
}

function progressBar(name: string): { frame: HTMLElement; progress: HTMLProgressElement } {
  const frame = document.createElement('span')
  frame.className = 'uploading'
  frame.contentEditable = 'false'
  const progress = document.createElement('progress')
  progress.setAttribute('aria-label', t('Uploading {name}', { name }))
  progress.value = 0
  frame.append(progress, ` ${name}`)
  return { frame, progress }
}

export function chooseImages(editor: Editor): void {
  const field = document.createElement('input')
  field.type = 'file'
  field.accept = ACCEPTED
  field.multiple = true
  field.onchange = () => editor.storage.uploads.put(field.files ?? [], editor.state.selection.from)
  field.click()
}
