/** Amounts of data as people say them. */

import { currentLocale } from './i18n'

/** "4.7 kB". */
export function sizeOf(bytes: number, locale: string = currentLocale()): string {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte']
  const step = bytes < 1 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1)
  const style = { style: 'unit', unit: units[step] as string, unitDisplay: step === 0 ? 'long' : 'short' } as const
  return new Intl.NumberFormat(locale, { ...style, maximumFractionDigits: 1 }).format(bytes / 1000 ** step)
}
