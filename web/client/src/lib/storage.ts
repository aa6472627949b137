/** Small facts this browser remembers. Where storage is blocked they last as long as the page. */

const fallback = new Map<string, string>()

export function readFact(key: string): unknown {
  try {
    return JSON.parse(fallback.get(key) ?? localStorage.getItem(key) ?? 'null')
  } catch {
    return null
  }
}

export function forgetFact(key: string): void {
  fallback.delete(key)
  try {
    localStorage.removeItem(key)
  } catch {
    // Blocked storage holds nothing.
  }
}

export function factKeys(): string[] {
  try {
    return [...new Set([...fallback.keys(), ...Object.keys(localStorage)])]
  } catch {
    return [...fallback.keys()]
  }
}

export function writeFact(key: string, value: unknown): void {
  const text = JSON.stringify(value)
  try {
    localStorage.setItem(key, text)
    fallback.delete(key)
  } catch {
    fallback.set(key, text)
  }
}
