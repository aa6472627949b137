/** Images as blocks. They come from the document's own files or are part of it; nothing is loaded from elsewhere. */

import Image from '@tiptap/extension-image'
import type { Node } from '@tiptap/pm/model'
import type { NodeView } from '@tiptap/pm/view'

import { digestOf, type DocumentFiles, type Waits } from '../lib/files'
import { t } from '../lib/i18n'

const INSIDE = /^data:image\/(png|jpeg|gif|webp|avif);base64,/
const ELSEWHERE = /^https?:/

interface ImageOptions {
  files: DocumentFiles | null
}

class ImageView implements NodeView {
  readonly dom = document.createElement('div')
  readonly #files: DocumentFiles | null
  #source: string | null = null
  #alt = ''
  #unwatch: () => void = () => undefined

  constructor(node: Node, files: DocumentFiles | null) {
    this.#files = files
    this.dom.className = 'image'
    this.#show(node)
  }

  update(node: Node): boolean {
    if (node.type.name !== 'image') return false
    this.#show(node)
    return true
  }

  destroy(): void {
    this.#unwatch()
  }

  #show(node: Node): void {
    const { src, alt } = node.attrs as { src: string | null; alt: string | null }
    this.#alt = alt ?? ''
    if (src === this.#source) {
      const image = this.dom.querySelector('img')
      if (image !== null) image.alt = this.#alt
      return
    }
    this.#source = src
    this.#unwatch()
    const source = src ?? ''
    const digest = digestOf(source)
    if (INSIDE.test(source)) this.#draw(source)
    else if (ELSEWHERE.test(source)) this.#lead(source)
    else if (digest === null || this.#files === null) this.#say(t('This image cannot be shown here.'))
    else {
      this.#say(t('Loading the image…'))
      this.#files.url(digest).then(
        (url) => {
          if (this.#source !== src) return
          this.#draw(url)
          this.#unwatch = this.#files?.watch(digest, (waits) => this.#mark(waits)) ?? this.#unwatch
        },
        () => this.#source === src && this.#say(t('This image is not on this device. It appears when the server can be reached.')),
      )
    }
  }

  #draw(url: string): void {
    const image = document.createElement('img')
    image.alt = this.#alt
    image.src = url
    this.dom.replaceChildren(image)
  }

  /** Only this device has it. */
  #mark(waits: Waits): void {
    const before = this.dom.querySelector('.uploading')
    if (waits === undefined) {
      before?.remove()
      return
    }
    const note = before ?? document.createElement('span')
    note.className = 'uploading'
    if (waits === null) {
      note.textContent = t('Kept on this device. It is sent when the server can be reached.')
    } else {
      const bar = note.querySelector('progress') ?? document.createElement('progress')
      bar.setAttribute('aria-label', t('Uploading the image'))
      bar.value = waits
      if (!bar.isConnected) note.replaceChildren(bar, ` ${t('Uploading…')}`)
    }
    if (before === null) this.dom.append(note)
  }

  #say(words: string): void {
    const note = document.createElement('span')
    note.className = 'note'
    note.textContent = this.#alt === '' ? words : `${this.#alt}. ${words}`
    this.dom.replaceChildren(note)
  }

  /** Showing it would tell another server who reads this, and when. */
  #lead(address: string): void {
    const link = document.createElement('a')
    link.className = 'note'
    link.href = address
    link.target = '_blank'
    link.rel = 'noopener noreferrer'
    const { host } = new URL(address)
    link.textContent = this.#alt === '' ? t('Image at {host}', { host }) : t('Image at {host}: {words}', { host, words: this.#alt })
    this.dom.replaceChildren(link)
  }
}

export const DocumentImage = Image.extend<ImageOptions & Record<string, unknown>>({
  addOptions() {
    return { ...this.parent?.(), inline: false, allowBase64: true, HTMLAttributes: {}, files: null }
  },
  addNodeView() {
    return ({ node }) => new ImageView(node, this.options.files)
  },
})
