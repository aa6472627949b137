/** The audit log in words. What a newer server may log shows by its plain name. */

const WORDS: Record<string, string> = {
  'sign-in': 'Signed in',
  'sign-in-failed': 'Failed to sign in',
  'sign-out': 'Signed out',
  'sign-out-everywhere': 'Signed out everywhere',
  'password-changed': 'Changed the password',
  'password-change-failed': 'Failed to change the password',
  'password-link-made': 'Made a password link',
  invited: 'Invited somebody',
  'invitation-withdrawn': 'Withdrew an invitation',
  'person-created': 'Account created',
  'person-deleted': 'Deleted an account',
  'administrator-made': 'Made an administrator',
  'administrator-unmade': 'Took administration away',
  suspended: 'Suspended somebody',
  unsuspended: 'Let somebody in again',
  'document-created': 'Created',
  'document-deleted': 'Moved to the bin',
  'document-restored': 'Restored from the bin',
  'role-given': 'Gave a role',
  'role-taken': 'Took a role away',
  'ownership-transferred': 'Handed over',
  'general-access': 'Changed general access of',
  'link-made': 'Made a share link',
  'link-opened': 'Came by a share link',
  'link-revoked': 'Revoked a share link',
  'token-made': 'Made an API token',
  'token-revoked': 'Revoked an API token',
  'audit-exported': 'Downloaded the audit log',
  refused: 'Was refused',
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
