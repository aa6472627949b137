/** The published y-partyserver client, as `driver.mjs` drives y-websocket's: it began as a copy of that. */
import YProvider from 'y-partyserver/provider'

export const partyProvider = (url, room, doc, options) => new YProvider(url, room, doc, options)
