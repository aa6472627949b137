/**
 * Whether a newer version of the app has come onto this device, and how this page changes over to it.
 *
 * Rule V1: a newer version is offered. No page is loaded anew that nobody said so on.
 * Rule V2: then, too, it waits while there are edits that a reload would lose, or that are under way to the server.
 */

import { SvelteSet } from 'svelte/reactivity'

import { TAKE_OVER } from '../service-worker/messages'

const WORKER = '/sw.js'
/** Pages stay open for days. */
const LOOK_AGAIN_MS = 60 * 60 * 1000

class AppVersion {
  /** People are asked about it. */
  offered = $state(false)
  /** Somebody said yes, on this page. */
  accepted = $state(false)
  /** The newer version serves this page's requests: a reload brings it. */
  #serves = $state(false)
  readonly #holds = new SvelteSet<() => boolean>()
  #registration: ServiceWorkerRegistration | null = null

  /** Rule V2. */
  get held(): boolean {
    return [...this.#holds].some((holds) => holds())
  }

  /** @param holds reads reactive state: true while the page must stay as it is. @returns takes it back. */
  hold(holds: () => boolean): () => void {
    this.#holds.add(holds)
    return () => this.#holds.delete(holds)
  }

  accept(): void {
    this.accepted = true
  }

  later(): void {
    this.offered = false
    this.accepted = false
  }

  /** This page cannot go on with the version it has. */
  async renew(): Promise<void> {
    try {
      await this.#registration?.update()
    } catch {
      // The server is away, or gives no worker just now.
    }
    const coming = this.#registration?.installing ?? null
    if (coming !== null) await installedOrNot(coming)
    this.accept()
  }

  /** A step towards the newer version; to be called again when anything it reads has changed. */
  proceed(): void {
    if (!this.accepted || this.held) return
    const waiting = this.#registration?.waiting ?? null
    if (this.#serves || waiting === null) location.reload()
    else waiting.postMessage(TAKE_OVER)
  }

  /** Where browsers have no service workers, or none for this address, the app comes from the server each time. */
  async start(): Promise<void> {
    if (!('serviceWorker' in navigator)) return
    const { serviceWorker } = navigator
    // The first worker takes over the page that brought it: nothing newer has come.
    let first = serviceWorker.controller === null
    serviceWorker.addEventListener('controllerchange', () => {
      if (!first) this.#serves = this.offered = true
      first = false
    })
    try {
      this.#watch(await serviceWorker.register(WORKER, { updateViaCache: 'none' }))
    } catch {
      // Blocked by the browser, or the server is away and the worker was removed: as where there are none.
    }
  }

  #watch(registration: ServiceWorkerRegistration): void {
    this.#registration = registration
    this.#heed(registration.waiting)
    this.#heed(registration.installing)
    registration.addEventListener('updatefound', () => this.#heed(registration.installing))
    const look = (): void => void registration.update().catch(() => undefined)
    setInterval(look, LOOK_AGAIN_MS)
    addEventListener('online', look)
    document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && look())
  }

  #heed(worker: ServiceWorker | null): void {
    if (worker === null) return
    const installed = (): void => {
      if (worker.state === 'installed' && navigator.serviceWorker.controller !== null) this.offered = true
    }
    installed()
    worker.addEventListener('statechange', installed)
  }
}

function installedOrNot(worker: ServiceWorker): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (worker.state !== 'installing') resolve()
    }
    look()
    worker.addEventListener('statechange', look)
  })
}

export const appVersion = new AppVersion()
