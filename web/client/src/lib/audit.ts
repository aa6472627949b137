/** The audit log in words. What a newer server may log shows by its plain name. */

import { t } from './i18n'

const WORDS: Record<string, string> = {
  'sign-in': t('Signed in'),
  'sign-in-failed': t('Failed to sign in'),
  'sign-out': t('Signed out'),
  'sign-out-everywhere': t('Signed out everywhere'),
  'password-changed': t('Changed the password'),
  'password-change-failed': t('Failed to change the password'),
  'password-link-made': t('Made a password link'),
  invited: t('Invited somebody'),
  'invitation-withdrawn': t('Withdrew an invitation'),
  'person-created': t('Account created'),
  'person-deleted': t('Deleted an account'),
  'administrator-made': t('Made an administrator'),
  'administrator-unmade': t('Took administration away'),
  suspended: t('Suspended somebody'),
  unsuspended: t('Let somebody in again'),
  'document-created': t('Created'),
  'document-deleted': t('Moved to the bin'),
  'document-restored': t('Restored from the bin'),
  'role-given': t('Gave a role'),
  'role-taken': t('Took a role away'),
  'ownership-transferred': t('Handed over'),
  'general-access': t('Changed general access of'),
  'link-made': t('Made a share link'),
  'link-opened': t('Came by a share link'),
  'link-revoked': t('Revoked a share link'),
  'token-made': t('Made an API token'),
  'token-revoked': t('Revoked an API token'),
  'audit-exported': t('Downloaded the audit log'),
  refused: t('Was refused'),
}

/** What people choose from. */
export const ACTIONS = Object.keys(WORDS)

export function actionWords(action: string): string {
  const words = WORDS[action] ?? action.replaceAll(/[-_.]/g, ' ')
  return words.charAt(0).toLocaleUpperCase() + words.slice(1)
}

/**
 * Details as one line: `person: Ben, role: editor`.
 *
 * @param names by the ids of people.
 */
export function detailWords(details: Readonly<Record<string, unknown>>, names: ReadonlyMap<string, string>): string {
  const { person, name, ...others } = details
  // The id of somebody, and the name at that time: one of them is enough to read.
  const who = name ?? (typeof person === 'string' ? (names.get(person) ?? person) : person)
  return Object.entries({ [person === undefined ? 'name' : 'person']: who, ...others })
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([key, value]) => `${key.replaceAll('_', ' ')}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ')
}
