/** API tokens in words. */

import type { Token } from './accounts'
import { t } from './i18n'
import { ROLE_NAMES } from './roles'
import { until, when } from './when'

/** What it may do, as in "editor of notes/*". */
export function scopeOf(token: Token, everything: string): string {
  return Object.entries(token.documents)
    .map(([documents, role]) => t('{role} of {documents}', { role: ROLE_NAMES[role].toLowerCase(), documents: documents === '*' ? everything : documents }))
    .join(', ')
}

export function endOf(token: Token, now: Date): string {
  return token.expires_at === null ? t('does not expire') : until(new Date(token.expires_at), now)
}

export function useOf(token: Token, now: Date): string {
  return token.used_at === null ? t('not used yet') : when(new Date(token.used_at), now)
}

/** Both in one line. */
export function termsOf(token: Token, now: Date): string {
  const end = token.expires_at === null ? endOf(token, now) : t('expires {until}', { until: endOf(token, now) })
  const use = token.used_at === null ? useOf(token, now) : t('last used {when}', { when: useOf(token, now) })
  return `${end}; ${use}`
}
