/** API tokens in words. */

import type { Token } from './accounts'
import { ROLE_NAMES } from './roles'
import { until, when } from './when'

/** What it may do, as in "editor of notes/*". */
export function scopeOf(token: Token, everything: string): string {
  return Object.entries(token.documents)
    .map(([documents, role]) => `${ROLE_NAMES[role].toLowerCase()} of ${documents === '*' ? everything : documents}`)
    .join(', ')
}

export function endOf(token: Token, now: Date): string {
  return token.expires_at === null ? 'does not expire' : until(new Date(token.expires_at), now)
}

export function useOf(token: Token, now: Date): string {
  return token.used_at === null ? 'not used yet' : when(new Date(token.used_at), now)
}
