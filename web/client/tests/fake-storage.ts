/** localStorage as browsers have it: its keys are its own enumerable properties. */
export function fakeLocalStorage(): Storage {
  const methods = {
    getItem: (key: string): string | null => (Object.hasOwn(items, key) ? (items[key] ?? null) : null),
    setItem: (key: string, value: string): void => void (items[key] = value),
    removeItem: (key: string): void => {
      Reflect.deleteProperty(items, key)
    },
  }
  const items = Object.create(methods) as Record<string, string>
  return items as unknown as Storage
}
