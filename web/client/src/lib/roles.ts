/** What people may do with a document. Each role includes those before it. */

import { t } from './i18n'

export const ROLES = ['reader', 'commenter', 'editor', 'owner'] as const
export type Role = (typeof ROLES)[number]

/** Roles that can be given; owner is handed over instead. */
export type GivenRole = Exclude<Role, 'owner'>
export const GIVEN_ROLES: readonly GivenRole[] = ['reader', 'commenter', 'editor']

export const ROLE_NAMES: Record<Role, string> = {
  reader: t('Reader'),
  commenter: t('Commenter'),
  editor: t('Editor'),
  owner: t('Owner'),
}

/** What the person with the role may do, behind "can" or "may". */
export const ROLE_VERBS: Record<Role, string> = {
  reader: t('read'),
  commenter: t('read and comment'),
  editor: t('edit'),
  owner: t('edit, share and delete'),
}

export function asRole(value: unknown): Role | null {
  return ROLES.find((role) => role === value) ?? null
}

export function mayWrite(role: Role | null): boolean {
  return role === 'editor' || role === 'owner'
}
