/** What pages say to the service worker. */

/** Said to a worker that waits: serve all pages from now on, whichever version they are. */
export const TAKE_OVER = 'take-over'
