/** Prints how much a browser fetches before a document shows, in KiB as brotli makes it: `node first-load.js`. */

import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { argv } from 'node:process'
import { brotliCompressSync } from 'node:zlib'

const STATIC = resolve(argv[2] ?? join(import.meta.dirname, '../static'))
const ASSETS = join(STATIC, 'assets')
const HASH = '-12345678'
const names = readdirSync(ASSETS)
const page = readFileSync(join(STATIC, 'index.html'), 'utf8')
/** @type {Set<string>} */
const wanted = new Set()

/** Files of a name, whatever their hash. @param {string} name @param {string} extension */
function built(name, extension) {
  const length = name.length + HASH.length + extension.length
  return names.filter((file) => file.startsWith(`${name}-`) && file.endsWith(extension) && file.length === length)
}

/** With all that it needs. @param {string} file */
function want(file) {
  if (wanted.has(file)) return
  wanted.add(file)
  if (!file.endsWith('.js')) return
  for (const [, other = ''] of readFileSync(join(ASSETS, file), 'utf8').matchAll(/(?:from|import)\s*"\.\/([^"]+)"/g)) want(other)
}

for (const [, file = ''] of page.matchAll(/assets\/([^"]+)/g)) want(file)
// What `main.ts` and `App.svelte` load for a document, whatever else waits.
for (const name of ['App', 'app-version.svelte', 'DocumentPage']) {
  const files = built(name, '.js')
  if (files.length === 0) throw new Error(`There is no ${name}.`)
  files.forEach(want)
}
const sizes = [page, ...[...wanted].map((file) => readFileSync(join(ASSETS, file)))].map((text) => brotliCompressSync(text).length)
console.log((sizes.reduce((sum, size) => sum + size, 0) / 1024).toFixed(1))
