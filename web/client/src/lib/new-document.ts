/** Documents that begin with something: a kind of their own, a template. Made the same with and without the server. */

import * as Y from 'yjs'

import { LocalStore } from '../sync/local-store'
import { setKind, type PlainKind } from '../sync/kind'
import { appendUpdate, createDocument } from './api'
import { beginHere } from './begin-here'
import { copyName } from './device'
import { TooMany, Unreachable } from './http'
import { t } from './i18n'
import { fillIn, type TemplateName } from './templates'

export type Beginning = PlainKind | { template: TemplateName }

/** A draft has no epoch. */
const NO_EPOCH = ''

/**
 * @param away: it is known already that the server does not answer.
 * @returns the document's name.
 * @throws Refused, TooMany; an error when neither the server nor this device can keep it.
 */
export async function beginWith(title: string, beginning: Beginning, away: boolean): Promise<string> {
  const doc = new Y.Doc()
  try {
    if ('template' in beginning) fillIn(doc, beginning.template)
    else setKind(doc, beginning)
    let id: string | undefined
    try {
      if (!away) {
        ;({ id } = await createDocument(title))
        await appendUpdate(id, Y.encodeStateAsUpdate(doc))
        return id
      }
    } catch (error) {
      if (!(error instanceof Unreachable) || error instanceof TooMany) throw error
    }
    // What the server has may lack its beginning: it comes with the draft.
    return await keepDraft(doc, title, id)
  } finally {
    doc.destroy()
  }
}

async function keepDraft(doc: Y.Doc, title: string, given: string | undefined): Promise<string> {
  const id = beginHere(title, given)
  const store = new LocalStore(copyName(id, NO_EPOCH), doc, () => undefined)
  // Opening writes what there is.
  await store.open()
  const { kept } = store
  await store.close()
  if (!kept) throw new Error(t('The server cannot be reached, and this browser keeps nothing on this device.'))
  return id
}
