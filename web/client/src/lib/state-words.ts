/** What the state line of a document says. */

import type { ShownState } from '../sync/calm-state'
import { t } from './i18n'

/** Why the server does not give the document: see `Refusal.svelte` for the whole story. */
export type Refusal = 'signed-out' | 'not-found' | 'forbidden' | 'ended' | 'quarantined'

/**
 * As the page shows it: `stranded`, something here cannot be stored any more; `outdated`, not with this version of the app.
 */
export type LineState = ShownState | 'stranded' | 'outdated'

export interface LineFacts {
  state: ShownState
  /** Something was typed here that the server has not confirmed. */
  unconfirmed: boolean
  /** How much of it; 0 where it was not counted. */
  waiting: number
  /** All of it is on this device. */
  kept: boolean
  /** The browser stores nothing here. */
  unkept: boolean
  /** Nothing is written here that would have to be saved. */
  reads: boolean
  /** There is something here that cannot be stored. */
  stranded: boolean
  /** The document needs a later version of the app. */
  outdated: boolean
  refusal: Refusal | null
}

export interface Line {
  state: LineState
  text: string
  /** How much waits. It changes with each key: nobody wants to have it read aloud. */
  count: string | null
  detail: string | null
  /** People have to know, whatever they look at. */
  trouble: boolean
}

const CLOSED: Record<Refusal, string> = {
  'signed-out': t('Signed out'),
  forbidden: t('No longer allowed'),
  'not-found': t('Not available'),
  quarantined: t('Locked'),
  ended: t('Not connected'),
}

/** In these, what was typed waits for something. */
const WAITS: readonly LineState[] = ['offline', 'overdue', 'stranded', 'outdated']

export function stateLine(facts: LineFacts): Line {
  const { unkept, waiting } = facts
  const state = stateOf(facts)
  const detail = detailOf(state, facts)
  const counted = waiting > 0 && WAITS.includes(state)
  return {
    state,
    text: textOf(state, facts),
    count: counted ? t('{waiting, plural, one {# edit waits} other {# edits wait}}', { waiting }) : null,
    detail,
    trouble: unkept || !['connecting', 'saving', 'saved'].includes(state),
  }
}

function stateOf({ state, outdated, stranded }: LineFacts): LineState {
  if (state === 'offline' || state === 'closed') return state
  if (outdated) return 'outdated'
  return stranded ? 'stranded' : state
}

function textOf(state: LineState, { reads, refusal }: LineFacts): string {
  switch (state) {
    case 'connecting':
      return t('Connecting…')
    case 'saving':
      return t('Saving…')
    case 'overdue':
      return t('The server cannot save right now')
    case 'saved':
      return reads ? t('Up to date') : t('Saved')
    case 'stranded':
      return t('No longer allowed')
    case 'outdated':
      return t('New version needed')
    case 'closed':
      return CLOSED[refusal ?? 'ended']
    case 'offline':
      return t('Offline')
  }
}

function detailOf(state: LineState, { unconfirmed, kept, unkept }: LineFacts): string | null {
  if (state === 'closed') return null
  const exposed = unconfirmed && WAITS.includes(state)
  if (unkept) return exposed ? t('not kept on this device, keep this page open') : t('not kept on this device')
  if (!exposed) return null
  return kept ? t('kept on this device') : t('not stored yet, keep this page open')
}
