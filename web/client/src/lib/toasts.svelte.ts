/** Short messages that need no answer. Each host shows them; only the topmost one does (a dialog covers the page). */

export interface Toast {
  id: number
  text: string
  tone: 'done' | 'fault'
}

/** Long enough to read twenty words; faults stay until they are dismissed. */
const SHOWN_MS = 6000
const SHOWN_MAX = 3

class Toasts {
  items: Toast[] = $state.raw([])
  /** Hosts in the order in which they opened. */
  hosts: symbol[] = $state.raw([])
  #next = 1

  /** @returns for `dismiss`, when something newer contradicts it. */
  done(text: string): number {
    const id = this.#add(text, 'done')
    setTimeout(() => this.dismiss(id), SHOWN_MS)
    return id
  }

  fault(text: string): void {
    this.#add(text, 'fault')
  }

  dismiss(id: number): void {
    this.items = this.items.filter((toast) => toast.id !== id)
  }

  /** @returns leaves again. */
  host(): { isTop: () => boolean; leave: () => void } {
    const me = Symbol('host')
    this.hosts = [...this.hosts, me]
    return {
      isTop: () => this.hosts.at(-1) === me,
      leave: () => {
        this.hosts = this.hosts.filter((host) => host !== me)
      },
    }
  }

  #add(text: string, tone: Toast['tone']): number {
    const id = this.#next++
    this.items = [...this.items.filter((toast) => toast.text !== text), { id, text, tone }].slice(-SHOWN_MAX)
    return id
  }
}

export const toasts = new Toasts()
