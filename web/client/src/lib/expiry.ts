/** When links and tokens end: what people choose from. */

import { t } from './i18n'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

export const EXPIRIES = [
  { value: 'never', label: t('never') },
  { value: 'hour', label: t('in an hour'), ms: HOUR_MS },
  { value: 'day', label: t('in a day'), ms: DAY_MS },
  { value: 'week', label: t('in a week'), ms: 7 * DAY_MS },
  { value: 'month', label: t('in 30 days'), ms: 30 * DAY_MS },
  { value: 'year', label: t('in a year'), ms: 365 * DAY_MS },
] as const

export type Expiry = (typeof EXPIRIES)[number]['value']

/** As the server takes it. */
export function expiresAt(expiry: Expiry, now: Date): string | null {
  const chosen = EXPIRIES.find(({ value }) => value === expiry)
  return chosen === undefined || !('ms' in chosen) ? null : new Date(now.getTime() + chosen.ms).toISOString()
}
