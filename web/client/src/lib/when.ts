/** Times as people say them. */

import { currentLocale, t } from './i18n'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** "5 minutes ago", "yesterday", or the date when it is further away than a week. */
export function when(at: Date, now: Date, locale: string = currentLocale()): string {
  const ago = at.getTime() - now.getTime()
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' })
  if (ago > -MINUTE_MS) return relative.format(0, 'second')
  if (ago > -HOUR_MS) return relative.format(Math.ceil(ago / MINUTE_MS), 'minute')
  if (ago > -DAY_MS) return relative.format(Math.ceil(ago / HOUR_MS), 'hour')
  if (ago > -7 * DAY_MS) return relative.format(Math.ceil(ago / DAY_MS), 'day')
  return new Intl.DateTimeFormat(locale, { dateStyle: 'medium' }).format(at)
}

/** "in 3 hours", "tomorrow", "in 12 days", or the date when it is further away than a month; "expired" when past. */
export function until(at: Date, now: Date, locale: string = currentLocale()): string {
  const left = at.getTime() - now.getTime()
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' })
  if (left <= 0) return t('expired')
  if (left < HOUR_MS) return relative.format(Math.ceil(left / MINUTE_MS), 'minute')
  if (left < DAY_MS) return relative.format(Math.round(left / HOUR_MS), 'hour')
  if (left < 31 * DAY_MS) return relative.format(Math.round(left / DAY_MS), 'day')
  return new Intl.DateTimeFormat(locale, { dateStyle: 'medium' }).format(at)
}

/** Date and time, to the second, for tables in which order matters. */
export function exactly(at: Date, locale: string = currentLocale()): string {
  return new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'medium' }).format(at)
}

/** "Today", "Yesterday", "Thursday, 5 November", or with its year when that is not this one. */
export function dayOf(at: Date, now: Date, locale: string = currentLocale()): string {
  const midnight = (date: Date): number => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime()
  const days = Math.round((midnight(at) - midnight(now)) / DAY_MS)
  const year = at.getFullYear() === now.getFullYear() ? {} : { year: 'numeric' as const }
  const day =
    days === 0 || days === -1
      ? new Intl.RelativeTimeFormat(locale, { numeric: 'auto' }).format(days, 'day')
      : new Intl.DateTimeFormat(locale, { weekday: 'long', day: 'numeric', month: 'long', ...year }).format(at)
  return day.charAt(0).toLocaleUpperCase(locale) + day.slice(1)
}

/** "14:05", or "14:05 – 14:31" when the minutes differ. */
export function timesOf(from: Date, to: Date, locale: string = currentLocale()): string {
  const format = new Intl.DateTimeFormat(locale, { hour: 'numeric', minute: '2-digit' })
  const [start, end] = [format.format(from), format.format(to)]
  return start === end && to.getTime() - from.getTime() < DAY_MS ? end : `${start} – ${end}`
}
