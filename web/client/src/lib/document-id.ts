/** Document names, and where they appear in addresses. A name may hold slashes. */

const DOCUMENT_ID = /^[A-Za-z0-9._:~/-]{1,255}$/

/** The server's rule: browsers and proxies rewrite empty, `.` and `..` parts, so no name has them. */
export function isDocumentId(text: string): boolean {
  return DOCUMENT_ID.test(text) && text.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
}

/** What `/d/{document}` names; null for every other path. The result may still not be a valid name. */
export function documentFromPath(pathname: string): string | null {
  if (!pathname.startsWith('/d/')) return null
  try {
    return decodeURIComponent(pathname.slice('/d/'.length))
  } catch {
    return pathname.slice('/d/'.length)
  }
}

/** Page address. Every character of a name may stand in a path as it is. */
export function documentPath(id: string): string {
  return `/d/${id}`
}

export function documentApiPath(id: string): string {
  return `/api/documents/${encodeURIComponent(id)}`
}

/** What the provider puts before `/{document}`. */
export function socketUrl(location: { protocol: string; host: string }): string {
  return `${location.protocol === 'https:' ? 'wss:' : 'ws:'}//${location.host}/ws`
}
