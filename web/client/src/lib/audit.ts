/** The audit log in words. What a newer server may log shows by its plain name. */

import { FORMATS, formatName } from './history'
import { currentLocale, ofServer, t } from './i18n'
import { ROLE_NAMES } from './roles'
import { sizeOf } from './sizes'

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
  'document-imported': t('Made from a file'),
  'document-exported': t('Took a copy of'),
  'document-released': t('Let out of quarantine'),
  'document-purged': t('Removed for good'),
  'history-pruned': t('Thinned the history of'),
  'state-restored': t('Brought back a past state of'),
  'file-added': t('Put an image into'),
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
  'export-started': t('Started an export'),
  'export-ended': t('Export ended'),
  'export-downloaded': t('Downloaded an export'),
  'export-removed': t('Removed an export'),
  'import-started': t('Started an import'),
  'import-ended': t('Import ended'),
  'import-removed': t('Removed an import'),
  'database-wiped': t('Wiped the database'),
  refused: t('Was refused'),
}

/** What people choose from. */
export const ACTIONS = Object.keys(WORDS)

export function actionWords(action: string): string {
  const words = WORDS[action] ?? action.replaceAll(/[-_.]/g, ' ')
  return words.charAt(0).toLocaleUpperCase() + words.slice(1)
}

const LABELS: Record<string, string> = {
  person: t('person'),
  name: t('name'),
  email: t('e-mail address'),
  role: t('role'),
  who: t('open to'),
  with: t('with'),
  reason: t('reason'),
  wanted: t('wanted'),
  times: t('times'),
  label: t('purpose'),
  for: t('for'),
  documents: t('documents'),
  format: t('format'),
  state: t('outcome'),
  problem: t('problem'),
  updates: t('updates'),
  images: t('images'),
  present: t('here already'),
  bytes: t('size'),
  prefix: t('name begins with'),
  by: t('by'),
  administrator: t('administrator'),
}

const VALUES: Record<string, string> = {
  ...Object.fromEntries(Object.entries(ROLE_NAMES).map(([role, name]) => [role, name.toLocaleLowerCase()])),
  password: t('password'),
  link: t('link'),
  token: t('token'),
  'command line': t('command line'),
  suspended: t('suspended'),
  all: t('all'),
  archive: t('archive'),
  done: t('done'),
  failed: t('Failed').toLocaleLowerCase(),
  cancelled: t('Cancelled').toLocaleLowerCase(),
  invited: t('invited people'),
  'signed-in': t('anyone signed in'),
  anyone: t('anyone'),
  read: t('read'),
  edit: t('edit'),
  ...Object.fromEntries(FORMATS.map(({ format }) => [format, formatName(format)])),
}

/** Of no use to people: what they name has no other name on any page. */
const IDS = new Set(['job', 'token', 'link', 'row', 'seq', 'part', 'file', 'number'])

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
    .filter(([key, value]) => says(value) && !IDS.has(key) && !(key === 'times' && value === 1))
    .map(([key, value]) => t('{key}: {value}', { key: LABELS[key] ?? key.replaceAll('_', ' '), value: valueWords(key, value) }))
    .join(LISTED)
}

const LISTED = currentLocale() === 'ja' ? '、' : ', '

/** Nothing, no and none go without saying. */
function says(value: unknown): boolean {
  return value !== null && value !== undefined && value !== false && value !== 0 && value !== ''
}

function valueWords(key: string, value: unknown): string {
  if (typeof value === 'number') return key === 'bytes' ? sizeOf(value) : new Intl.NumberFormat(currentLocale()).format(value)
  if (value === true) return t('yes')
  if (typeof value === 'string') return key === 'name' || key === 'person' || key === 'label' ? value : (VALUES[value] ?? ofServer(value))
  if (Array.isArray(value)) return value.map(String).join(LISTED)
  // What a token gives: roles by patterns of documents.
  return Object.entries(value as Record<string, unknown>)
    .map(([documents, role]) => t('{role} of {documents}', { role: VALUES[String(role)] ?? String(role), documents }))
    .join(LISTED)
}
