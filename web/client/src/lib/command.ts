import type { IconName } from './icons'

/** Something that can be done, as the command palette lists it. */
export interface Command {
  id: string
  label: string
  icon: IconName
  keys?: string
  /** Other words by which people look for it. */
  words?: string
  run: () => void
}
