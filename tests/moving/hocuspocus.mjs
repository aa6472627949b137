// A Hocuspocus server with its SQLite extension: what people come from.
import { SQLite } from '@hocuspocus/extension-sqlite'
import { Server } from '@hocuspocus/server'

const [port, database] = process.argv.slice(2)
const server = new Server({
  address: '127.0.0.1',
  port: Number(port),
  quiet: true,
  stopOnSignals: true,
  debounce: 50,
  maxDebounce: 200,
  extensions: [new SQLite({ database })]
})
await server.listen()
