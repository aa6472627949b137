/** Something that changes, and others that wait until it has changed enough. */
export class Waiter {
  watchers = new Set()

  changed () {
    for (const watcher of [...this.watchers]) watcher()
  }

  /** Resolve once `condition` holds; it is looked at again after every change. */
  until (condition, what, timeoutMs) {
    return new Promise((resolve, reject) => {
      const settle = () => {
        if (!condition()) return
        clearTimeout(timer)
        this.watchers.delete(settle)
        resolve(true)
      }
      const timer = setTimeout(() => {
        this.watchers.delete(settle)
        reject(new Error(`not ${what} within ${timeoutMs} ms: ${JSON.stringify(this.status())}`))
      }, timeoutMs)
      this.watchers.add(settle)
      settle()
    })
  }
}
