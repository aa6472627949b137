import type { IconName } from './icons'

/** One line of a menu: a link when it has `href`. */
export interface MenuItem {
  label: string
  run?: () => void
  href?: string
  /** The link leads to a file, to be saved under this name. */
  download?: string
  icon?: IconName
  /** The keys that do the same. */
  keys?: string
  danger?: boolean
  /** What this line and those below it are, said above it. */
  section?: string
}
