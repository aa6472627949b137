import type { IconName } from './icons'

/** One line of a menu: a link when it has `href`. */
export interface MenuItem {
  label: string
  run?: () => void
  href?: string
  icon?: IconName
  danger?: boolean
}
